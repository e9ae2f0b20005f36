/* .npy: what NumPy wrote, round trips of every type and layout, and hostile files. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "io_files.h"
#include "npy_fixtures.h"
#include "tensor_int.h"

TestSuite(npy, .init = io_begin, .fini = io_end);

static bool read_npy(const char *path)
{
	/* Without its scope the tensor would go to the one around, which io_starve() calls a leak. */
	bool ok = gr_scope_begin() == GR_OK && gr_npy_read(path) != NULL;
	gr_scope_end();
	return ok;
}

Test(npy, numpy_files)
{
	static const double f4[] = {0, 1, 2, 3, 4, -5.5};
	static const double f8[] = {1.5, -2.25, 1e300};
	static const double f2[] = {1, 2, 3, 4, 5, 6};
	static const double i4[] = {-6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5};
	static const double i8[] = {-9223372036854775808.0, 9223372036854775807.0, 0};
	static const double u2[] = {1, 258, 65535};
	static const double i1[] = {-128, 127};
	static const double u4[] = {4294967295.0, 1};
	static const double u8[] = {9223372036854775807.0, 7};
	static const double b1[] = {1, 0, 0, 1};
	static const double i2[] = {-7};
#define FILE_OF(name, dtype, ndim, ...) \
	{ \
#name, np_##name, sizeof np_##name - 1, dtype, ndim, __VA_ARGS__ \
	}
	static const struct {
		const char *name;
		const char *bytes;
		size_t count;
		gr_dtype dtype;
		int ndim;
		int64_t dims[3];
		const double *values;
	} files[] = {
		FILE_OF(f4, GR_F32, 2, {2, 3}, f4),
		FILE_OF(f8_big, GR_F64, 1, {3}, f8),
		FILE_OF(f2_big_fortran, GR_F16, 2, {2, 3}, f2),
		FILE_OF(i4_fortran, GR_I64, 3, {2, 3, 2}, i4),
		FILE_OF(i8, GR_I64, 1, {3}, i8),
		FILE_OF(u2_big, GR_I64, 1, {3}, u2),
		FILE_OF(i1, GR_I64, 1, {2}, i1),
		FILE_OF(u4, GR_I64, 1, {2}, u4),
		FILE_OF(u8, GR_I64, 1, {2}, u8),
		FILE_OF(bool, GR_U8, 2, {2, 2}, b1),
		FILE_OF(scalar_v2, GR_I64, 0, {0}, i2),
		FILE_OF(empty_v3, GR_U8, 2, {0, 3}, b1),
	};
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		const char *path = io_path(files[i].name);
		io_put(path, files[i].bytes, files[i].count);
		gr_tensor *t = gr_npy_read(path);
		cr_assert_not_null(t, "%s", gr_error_message());
		cr_assert_eq(gr_tensor_dtype(t), files[i].dtype, "%s", files[i].name);
		cr_assert(gr_is_contiguous(t));
		gr_tensor *wanted = gr_from_f64(GR_F64, files[i].values, files[i].ndim, files[i].dims);
		cr_assert(gr_is_same_shape(t, wanted), "%s", files[i].name);
		double got[16];
		cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
		for (int64_t k = 0; k < gr_tensor_size(t); k++)
			cr_assert(got[k] == files[i].values[k], "%s: element %d", files[i].name, (int)k);
	}
	/* Conversion to double has rounded this one. */
	io_put(io_path("i8"), np_i8, sizeof np_i8 - 1);
	const int64_t *exact = gr_tensor_data(gr_npy_read(io_path("i8")));
	cr_assert(exact[0] == INT64_MIN && exact[1] == INT64_MAX);
}

Test(npy, round_trip)
{
	static const gr_dtype dtypes[] = {GR_F32, GR_F64, GR_I64, GR_U8, GR_F16, GR_BF16};
	for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
		for (int s = 0; s < io_shape_count; s++) {
			for (int strided = 0; strided < 2; strided++) {
				gr_tensor *t = io_counted(dtypes[d], io_shapes[s].ndim, io_shapes[s].dims, strided);
				const char *path = io_path("t.npy");
				cr_assert_eq(gr_npy_write(path, t), GR_OK, "%s", gr_error_message());
				gr_tensor *back = gr_npy_read(path);
				if (dtypes[d] == GR_BF16) {
					double values[256];
					gr_tensor_to_f64(t, values);
					t = gr_from_f64(GR_F32, values, io_shapes[s].ndim, io_shapes[s].dims);
				}
				io_assert_equal(t, back, gr_dtype_name(dtypes[d]));
			}
		}
	}
	cr_assert_eq(io_count(), 1);
}

Test(npy, broadcast_view_is_written_whole)
{
	gr_tensor *row = gr_arange(GR_F32, 3, 0.0, 1.0);
	gr_tensor *t = gr__scope_own(gr__view_expand(row, 2, (int64_t[]){4, 3}));
	cr_assert_eq(gr_npy_write(io_path("t.npy"), t), GR_OK);
	io_assert_equal(t, gr_npy_read(io_path("t.npy")), "broadcast");
}

/* The header that NumPy would write, byte for byte. */
Test(npy, written_header)
{
	size_t n;
	gr_tensor *t = gr_zeros(GR_U8, GR_DIMS(5));
	cr_assert_eq(gr_npy_write(io_path("t.npy"), t), GR_OK);
	unsigned char *data = io_get(io_path("t.npy"), &n);
	cr_assert_eq(n, 128 + 5);
	static const char dict[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (5,), } ";
	cr_assert_eq(memcmp(data, "\x93NUMPY\x01\x00v\x00", 10), 0);
	cr_assert_eq(memcmp(data + 10, dict, strlen(dict)), 0);
	cr_assert_eq(data[127], '\n');
	free(data);
}

/* A file of version 1, with `bytes` zeros of data. */
static void put_npy(const char *path, const char *dict, size_t bytes)
{
	unsigned char file[1024] = "\x93NUMPY\x01\x00";
	size_t n = strlen(dict);
	file[8] = (unsigned char)(n & 0xff);
	file[9] = (unsigned char)(n >> 8);
	memcpy(file + 10, dict, n);
	io_put(path, file, 10 + n + bytes);
}

#define DICT(descr, order, shape) \
	"{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape "}"
#define SHAPE(shape) DICT("'<f4'", "False", shape)

Test(npy, headers)
{
	static const struct {
		const char *dict;
		size_t bytes;
		gr_status code;
	} cases[] = {
		{SHAPE("(2,)"), 8, GR_OK},
		{SHAPE("( 2 , 1 ) "), 8, GR_OK},
		{SHAPE("(2L, 1L,)"), 8, GR_OK},
		{"{\"shape\":(),\"descr\":\"=f4\",\"fortran_order\":True}", 4, GR_OK},
		{SHAPE("(1,1,1,1,1,1,1,1)"), 4, GR_OK},
		{SHAPE("(1,1,1,1,1,1,1,1,1)"), 4, GR_EUNSUPPORTED},
		{SHAPE("(2)"), 8, GR_EFORMAT},
		{SHAPE("2"), 8, GR_EFORMAT},
		{SHAPE("[2]"), 8, GR_EFORMAT},
		{SHAPE("(-2,)"), 8, GR_EFORMAT},
		{SHAPE("(2.0,)"), 8, GR_EFORMAT},
		{SHAPE("(2,,)"), 8, GR_EFORMAT},
		{SHAPE("(,)"), 4, GR_EFORMAT},
		{SHAPE("(1 2)"), 8, GR_EFORMAT},
		{SHAPE("(1,2"), 8, GR_EFORMAT},
		{SHAPE("(2,)"), 7, GR_EFORMAT},
		{SHAPE("(2,)"), 9, GR_EUNSUPPORTED},
		{SHAPE("(9223372036854775808,)"), 8, GR_EFORMAT},
		{SHAPE("(4294967296, 4294967296)"), 8, GR_EFORMAT},
		{SHAPE("(4611686018427387904, 2)"), 8, GR_EFORMAT},
		{SHAPE("(0, 9223372036854775807, 9223372036854775807)"), 4, GR_EUNSUPPORTED},
		{SHAPE("(1000000000000,)"), 8, GR_EFORMAT},
		{DICT("'f4'", "False", "(2,)"), 8, GR_EFORMAT},
		{DICT("''", "False", "(2,)"), 8, GR_EFORMAT},
		{DICT("'<'", "False", "(2,)"), 8, GR_EFORMAT},
		{DICT("'<f4", "False", "(2,)"), 8, GR_EUNSUPPORTED},
		{DICT("<f4'", "False", "(2,)"), 8, GR_EFORMAT},
		{DICT("'<f\\x34'", "False", "(2,)"), 8, GR_EFORMAT},
		{DICT("'<f16'", "False", "(2,)"), 32, GR_EUNSUPPORTED},
		{DICT("'<c8'", "False", "(2,)"), 16, GR_EUNSUPPORTED},
		{DICT("'|O'", "False", "(2,)"), 8, GR_EUNSUPPORTED},
		{DICT("'<U1'", "False", "(2,)"), 8, GR_EUNSUPPORTED},
		{DICT("'|f4'", "False", "(2,)"), 8, GR_EUNSUPPORTED},
		{DICT("[('x', '<f4')]", "False", "(2,)"), 8, GR_EUNSUPPORTED},
		{DICT("'<f4'", "false", "(2,)"), 8, GR_EFORMAT},
		{DICT("'<f4'", "0", "(2,)"), 8, GR_EFORMAT},
		{SHAPE("(2,)") "x", 8, GR_EFORMAT},
		{"", 8, GR_EFORMAT},
		{"{", 8, GR_EFORMAT},
		{"{}", 8, GR_EFORMAT},
		{"{'descr': '<f4', 'shape': (2,)}", 8, GR_EFORMAT},
		{"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", 8, GR_EFORMAT},
		{"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", 8, GR_EFORMAT},
		{"{'descr' '<f4', 'fortran_order': False, 'shape': (2,)}", 8, GR_EFORMAT},
		{"{'descr': '<f4' 'fortran_order': False, 'shape': (2,)}", 8, GR_EFORMAT},
		{"__import__('os').system('true')", 8, GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = io_path("header.npy");
		put_npy(path, cases[i].dict, cases[i].bytes);
		gr_tensor *t = gr_npy_read(path);
		if (cases[i].code == GR_OK)
			cr_assert_not_null(t, "%s: %s", cases[i].dict, gr_error_message());
		else
			cr_assert_null(t, "%s", cases[i].dict);
		if (cases[i].code != GR_OK)
			io_expect(cases[i].code, path, cases[i].dict);
	}
}

Test(npy, prefixes)
{
	static const struct {
		const char *bytes;
		size_t count;
		gr_status code;
	} cases[] = {
		{"", 0, GR_EFORMAT},
		{"\x93NUMPX\x01\x00", 8, GR_EFORMAT},
		{"PK\x03\x04", 4, GR_EFORMAT},
		{"\x93NUMPY\x00\x00\x00\x00", 10, GR_EUNSUPPORTED},
		{"\x93NUMPY\x04\x00\x00\x00\x00\x00", 12, GR_EUNSUPPORTED},
		{"\x93NUMPY\x01\x01\x00\x00", 10, GR_EUNSUPPORTED},
		{"\x93NUMPY\x01\x00\xff\xff", 10, GR_EFORMAT},
		{"\x93NUMPY\x02\x00\xff\xff\xff\xff", 12, GR_EFORMAT},
		{"\x93NUMPY\x02\x00\xff\xff\x00\x00", 12, GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = io_path("prefix.npy");
		io_put(path, cases[i].bytes, cases[i].count);
		cr_assert_null(gr_npy_read(path));
		io_expect(cases[i].code, path, "prefix");
	}
	io_put(io_path("u8"), np_u8_large, sizeof np_u8_large - 1);
	cr_assert_null(gr_npy_read(io_path("u8")));
	io_expect(GR_EUNSUPPORTED, io_path("u8"), "2^63");
	io_put(io_path("c8"), np_complex, sizeof np_complex - 1);
	cr_assert_null(gr_npy_read(io_path("c8")));
	cr_assert_not_null(strstr(gr_error_message(), "'<c8'"), "%s", gr_error_message());
}

Test(npy, attacked)
{
	io_attack(np_f4, sizeof np_f4 - 1, read_npy);
	io_attack(np_scalar_v2, sizeof np_scalar_v2 - 1, read_npy);
}

Test(npy, starved)
{
	io_put(io_path("t"), np_i4_fortran, sizeof np_i4_fortran - 1);
	io_starve(io_path("t"), read_npy);
}

Test(npy, missing_and_null)
{
	const char *path = io_path("missing.npy");
	cr_assert_null(gr_npy_read(path));
	cr_assert_not_null(strstr(gr_error_message(), "No such file"), "%s", gr_error_message());
	io_expect(GR_EIO, path, "missing");
	cr_assert_null(gr_npy_read("/tmp"));
	io_expect(GR_EIO, "/tmp", "directory");
	cr_assert_null(gr_npy_read(NULL));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_npy_write(io_path("t"), NULL), GR_EARG);
	cr_assert_eq(io_count(), 0);
}
