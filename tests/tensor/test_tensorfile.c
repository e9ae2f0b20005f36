/* gr_tensorfile: formats by content, strided places, budgets, what is refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/tensorfile.h"
#include "io_files.h"

TestSuite(tensorfile, .init = io_begin, .fini = io_end);

static gr_archive *filled(void)
{
	gr_archive *a = gr_archive_new();
	gr_status status = gr_archive_add(a, "f", io_counted(GR_F32, GR_DIMS(2, 3), false));
	if (status == GR_OK)
		status = gr_archive_add(a, "h", io_counted(GR_F16, GR_DIMS(4), false));
	if (status == GR_OK)
		status = gr_archive_add(a, "i", io_counted(GR_I64, GR_SCALAR, false));
	cr_assert_eq(status, GR_OK);
	return a;
}

/* The file lists what the archive holds, in its order, and reads the same. */
static void expect_same(const char *path, const gr_archive *a, const char *format)
{
	gr_tensorfile *f;
	gr_tensor_info info;
	gr_status status = gr_tensorfile_open(&f, path);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_str_eq(gr_tensorfile_format(f), format);
	cr_assert_str_eq(gr_tensorfile_root(f), "");
	cr_assert_eq(gr_tensorfile_count(f), gr_archive_count(a));
	for (int64_t i = 0; i < gr_archive_count(a); i++) {
		bool listed = gr_tensorfile_info(f, i, &info);
		cr_assert(listed);
		cr_assert_str_eq(info.name, gr_archive_name(a, i));
		cr_assert_eq(info.dtype, gr_tensor_dtype(gr_archive_tensor(a, i)));
		cr_assert_eq(info.count, gr_tensor_size(gr_archive_tensor(a, i)));
		cr_assert_eq(info.bytes, (uint64_t)info.count * gr_dtype_bytes(info.dtype));
		cr_assert_null(info.refused);
		cr_assert_eq(gr_tensorfile_find(f, info.name), i);
		const gr_tensor *t = gr_tensorfile_read(f, i);
		io_assert_equal(gr_archive_tensor(a, i), t, info.name);
	}
	bool beyond = gr_tensorfile_info(f, gr_archive_count(a), &info);
	cr_assert_not(beyond);
	cr_assert_eq(gr_tensorfile_find(f, "absent"), -1);
	const gr_tensor *none = gr_tensorfile_read(f, -1);
	cr_assert_null(none);
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_tensorfile_close(f);
}

Test(tensorfile, formats)
{
	gr_archive *a = filled();
	gr_archive *one = gr_archive_new();
	gr_status status = gr_archive_set_meta(a, "k", "v");
	if (status == GR_OK)
		status = gr_safetensors_write(io_path("s"), a);
	if (status == GR_OK)
		status = gr_npz_write(io_path("z"), a);
	if (status == GR_OK)
		status = gr_archive_add(one, "array", gr_archive_tensor(a, 0));
	if (status == GR_OK)
		status = gr_npy_write(io_path("n"), gr_archive_tensor(a, 0));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	expect_same(io_path("s"), a, "safetensors");
	expect_same(io_path("z"), a, "NumPy archive");
	expect_same(io_path("n"), one, "NumPy array");

	gr_tensorfile *f;
	gr_archive *all;
	status = gr_tensorfile_open(&f, io_path("s"));
	if (status == GR_OK)
		status = gr_tensorfile_read_all(&all, f);
	cr_assert_eq(status, GR_OK);
	cr_assert_str_eq(gr_archive_meta(all, "k"), "v");
	cr_assert_str_eq(gr_archive_meta(gr_tensorfile_meta(f), "k"), "v");
	gr_archive_free(all);
	gr_tensorfile_close(f);
	gr_tensorfile_close(NULL);
	gr_archive_free(one);
	gr_archive_free(a);
}

/* Column-major arrays, as NumPy writes a transposed one. */
Test(tensorfile, fortran_order)
{
	char file[128 + 6 * 4] = "\x93NUMPY\x01\x00\x76\x00"
							 "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }";
	for (size_t i = strlen(file + 10) + 10; i < 128; i++)
		file[i] = i == 127 ? '\n' : ' ';
	const float columns[] = {0, 3, 1, 4, 2, 5};
	memcpy(file + 128, columns, sizeof columns);
	file[8] = 118;
	io_put(io_path("f.npy"), file, sizeof file);
	gr_tensorfile *f;
	gr_status status = gr_tensorfile_open(&f, io_path("f.npy"));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	const gr_tensor *t = gr_tensorfile_read(f, 0);
	io_assert_equal(io_counted(GR_F32, GR_DIMS(2, 3), false), t, "columns");
	gr_tensorfile_close(f);
}

/* A file of the i16 0, 1, 2, ..., little- or big-endian. */
static gr_tensorfile *shorts(int count, bool big)
{
	unsigned char bytes[2000];
	for (int i = 0; i < count; i++) {
		bytes[2 * i + big] = (unsigned char)(i & 0xff);
		bytes[2 * i + !big] = (unsigned char)(i >> 8);
	}
	io_put(io_path("raw"), bytes, 2 * (size_t)count);
	gr_tensorfile *f;
	gr_status status = gr_tensorfile_begin(&f, "test", "raw", io_path("raw"));
	cr_assert_eq(status, GR_OK);
	return f;
}

/* Every element of a strided place is where the strides say, for any runs and either order. */
Test(tensorfile, strides)
{
	static const struct {
		int ndim;
		int64_t dims[4], strides[4];
		int64_t offset;
	} cases[] = {
		{2, {3, 4}, {4, 1}, 0},
		{2, {3, 4}, {1, 3}, 5},
		{3, {2, 3, 4}, {100, 1, 7}, 11},
		{2, {5, 6}, {0, 1}, 3},
		{2, {5, 6}, {0, 0}, 3},
		{4, {2, 1, 3, 2}, {300, 7, 2, 1}, 1},
		{1, {3}, {400}, 0},
		{0, {0}, {0}, 7},
		{2, {0, 3}, {1, 1}, 0},
	};
	for (int big = 0; big < 2; big++) {
		gr_tensorfile *f = shorts(1000, big != 0);
		for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
			char name[8];
			snprintf(name, sizeof name, "%d", (int)c);
			gr_status status = gr_tensorfile_add(f,
				&(gr_tensor_place){.name = name,
					.type = "I16",
					.ndim = cases[c].ndim,
					.dims = cases[c].dims,
					.strides = cases[c].strides,
					.offset = cases[c].offset,
					.end = 2000,
					.big_endian = big != 0});
			cr_assert_eq(status, GR_OK, "%s", gr_error_message());
			const gr_tensor *t = gr_tensorfile_read(f, (int64_t)c);
			cr_assert_not_null(t, "%s", gr_error_message());
			cr_assert_eq(gr_tensor_dtype(t), GR_I64);
			const int64_t *data = gr_tensor_data_const(t);
			for (int64_t i = 0; i < gr_tensor_size(t); i++) {
				int64_t want = cases[c].offset;
				int64_t rest = i;
				for (int d = cases[c].ndim; d-- > 0;) {
					want += rest % cases[c].dims[d] * cases[c].strides[d];
					rest /= cases[c].dims[d];
				}
				cr_assert_eq(data[i], want, "case %d, element %d", (int)c, (int)i);
			}
		}
		gr_tensorfile_close(f);
	}
}

/* A few elements far apart in a large file are read one by one, not with all between them. */
Test(tensorfile, sparse_strides)
{
	static unsigned char bytes[4 << 20];
	for (int i = 0; i < 4; i++)
		bytes[(size_t)i << 20] = (unsigned char)(10 + i);
	io_put(io_path("raw"), bytes, sizeof bytes);
	gr_tensorfile *f;
	gr_status status = gr_tensorfile_begin(&f, "test", "raw", io_path("raw"));
	const gr_tensor_place place = {.name = "far",
		.type = "U8",
		.ndim = 1,
		.dims = (const int64_t[]){4},
		.strides = (const int64_t[]){1 << 20},
		.end = sizeof bytes};
	if (status == GR_OK)
		status = gr_tensorfile_add(f, &place);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	uint64_t held = gr_memory_stats().bytes_in_use;
	gr_memory_reset_peak();
	const gr_tensor *t = gr_tensorfile_read(f, 0);
	cr_assert_not_null(t);
	cr_assert_lt(gr_memory_stats().bytes_peak - held, 4096);
	for (int64_t i = 0; i < 4; i++)
		cr_assert(gr_tensor_at(t, &i) == (double)(10 + i));
	gr_tensorfile_close(f);
}

Test(tensorfile, bad_places)
{
	static const int64_t dims[9] = {2, 2, 1, 1, 1, 1, 1, 1, 1};
	static const int64_t negative[2] = {2, -1};
	static const struct {
		gr_tensor_place place;
		gr_status code;
	} cases[] = {
		{{.name = "t", .type = "I16", .ndim = 2, .dims = dims, .end = 6}, GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .dims = dims, .begin = 9, .end = 8}, GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .dims = dims, .end = 300}, GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .dims = dims, .strides = negative, .end = 200},
			GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .dims = negative, .end = 200}, GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .dims = dims, .offset = -1, .end = 200},
			GR_EFORMAT},
		{{.name = "\xff", .type = "I16", .ndim = 2, .dims = dims, .end = 200}, GR_EFORMAT},
		{{.name = "t", .type = "I16", .ndim = 2, .end = 200}, GR_EARG},
		{{.name = "t", .ndim = 2, .dims = dims, .end = 200}, GR_EARG},
	};
	gr_tensorfile *f = shorts(100, false);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_status status = gr_tensorfile_add(f, &cases[i].place);
		cr_assert_eq(status, cases[i].code, "case %d: %s", (int)i, gr_error_message());
		gr_error_clear();
	}
	/* These are listed, and say why they cannot be read. */
	const gr_tensor_place odd[] = {
		{.name = "complex", .type = "C64", .ndim = 2, .dims = dims, .end = 200},
		{.name = "9 dims", .type = "I16", .ndim = 9, .dims = dims, .end = 200},
		{.name = "mine", .type = "I16", .ndim = 2, .dims = dims, .end = 200, .refused = "so"},
	};
	for (int i = 0; i < 3; i++) {
		gr_tensor_info info;
		gr_status status = gr_tensorfile_add(f, &odd[i]);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		gr_tensorfile_info(f, i, &info);
		cr_assert_not_null(info.refused);
		const gr_tensor *t = gr_tensorfile_read(f, i);
		cr_assert_null(t);
		cr_assert_eq(gr_error_code(), GR_EUNSUPPORTED);
		cr_assert_not_null(strstr(gr_error_message(), info.refused));
		gr_error_clear();
	}
	gr_status status = gr_tensorfile_add(f, &odd[0]);
	cr_assert_eq(status, GR_EFORMAT, "a name twice");
	gr_error_clear();
	gr_tensorfile_close(f);
}

static bool read_any(const char *path)
{
	gr_tensorfile *f;
	gr_archive *a = NULL;
	gr_status status = gr_tensorfile_open(&f, path);
	if (status == GR_OK)
		status = gr_tensorfile_read_all(&a, f);
	gr_archive_free(a);
	gr_tensorfile_close(f);
	return status == GR_OK;
}

Test(tensorfile, without_memory)
{
	gr_archive *a = filled();
	gr_status status = gr_npz_write(io_path("z"), a);
	if (status == GR_OK)
		status = gr_safetensors_write(io_path("s"), a);
	cr_assert_eq(status, GR_OK);
	io_starve(io_path("z"), read_any);
	io_starve(io_path("s"), read_any);
	gr_archive_free(a);
}
