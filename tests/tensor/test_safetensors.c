/* safetensors: round trips, the exact layout that is written, and hostile headers. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "io/bytes_priv.h"
#include "io_files.h"

TestSuite(safetensors, .init = io_begin, .fini = io_end);

static bool read_any(const char *path)
{
	gr_archive *a;
	gr_status status = gr_safetensors_read(&a, path);
	cr_assert_eq(status == GR_OK, a != NULL);
	gr_archive_free(a);
	return status == GR_OK;
}

/* A file of the header's length, the header, and `bytes` bytes of data 0, 1, 2, ... */
static size_t build(unsigned char *file, const char *header, size_t bytes)
{
	size_t n = strlen(header);
	gr__bytes_store64(file, n);
	memcpy(file + 8, header, n);
	for (size_t i = 0; i < bytes; i++)
		file[8 + n + i] = (unsigned char)i;
	return 8 + n + bytes;
}

static void put(const char *path, const char *header, size_t bytes)
{
	unsigned char *file = malloc(8 + strlen(header) + bytes);
	io_put(path, file, build(file, header, bytes));
	free(file);
}

Test(safetensors, round_trip)
{
	static const gr_dtype dtypes[] = {GR_U8, GR_F32, GR_F64, GR_BF16, GR_I64, GR_F16};
	gr_archive *a = gr_archive_new();
	for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
		for (int s = 0; s < 2 * io_shape_count; s++) {
			const io_shape *shape = &io_shapes[s / 2];
			char name[64];
			snprintf(name, sizeof name, "%s \"%d\" \xc3\xa9\n", gr_dtype_name(dtypes[d]), s);
			gr_tensor *t = io_counted(dtypes[d], shape->ndim, shape->dims, s % 2);
			cr_assert_eq(gr_archive_add(a, name, t), GR_OK);
		}
	}
	cr_assert_eq(gr_archive_set_meta(a, "format", "pt"), GR_OK);
	cr_assert_eq(gr_archive_set_meta(a, "", "a \"quoted\"\ttext \xf0\x9f\x98\x80"), GR_OK);
	const char *path = io_path("t.safetensors");
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK, "%s", gr_error_message());
	gr_archive *b;
	cr_assert_eq(gr_safetensors_read(&b, path), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_archive_count(b), gr_archive_count(a));
	for (int64_t i = 0; i < gr_archive_count(a); i++) {
		cr_assert_str_eq(gr_archive_name(b, i), gr_archive_name(a, i));
		io_assert_equal(gr_archive_tensor(a, i), gr_archive_tensor(b, i), gr_archive_name(a, i));
		cr_assert_eq((uintptr_t)gr_tensor_data_const(gr_archive_tensor(b, i)) % 64, 0);
	}
	cr_assert_eq(gr_archive_meta_count(b), 2);
	cr_assert_str_eq(gr_archive_meta(b, "format"), "pt");
	cr_assert_str_eq(gr_archive_meta(b, ""), gr_archive_meta(a, ""));
	/* Load and save is the identity on bytes. */
	size_t n;
	size_t m;
	unsigned char *first = io_get(path, &n);
	cr_assert_eq(gr_safetensors_write(path, b), GR_OK);
	unsigned char *second = io_get(path, &m);
	cr_assert(n == m && memcmp(first, second, n) == 0);
	free(first);
	free(second);
	gr_archive_free(a);
	gr_archive_free(b);
	cr_assert_eq(io_count(), 1);
}

Test(safetensors, written_layout)
{
	gr_archive *a = gr_archive_new();
	const char *path = io_path("t");
	size_t n;
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	unsigned char *data = io_get(path, &n);
	cr_assert(n == 16 && memcmp(data, "\x08\0\0\0\0\0\0\0{}      ", 16) == 0);
	free(data);
	cr_assert(read_any(path));

	cr_assert_eq(gr_archive_set_meta(a, "k", "v"), GR_OK);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	cr_assert(read_any(path));
	cr_assert_eq(gr_archive_add(a, "a", gr_full(GR_U8, GR_DIMS(3), 7)), GR_OK);
	cr_assert_eq(gr_archive_add(a, "b", gr_scalar(GR_F64, 1.0)), GR_OK);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	data = io_get(path, &n);
	static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},"
								 "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]},"
								 "\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}";
	size_t padded = (strlen(header) + 7) / 8 * 8;
	cr_assert_eq(gr__bytes_load64(data), padded);
	cr_assert_eq(memcmp(data + 8, header, strlen(header)), 0);
	cr_assert_eq(n, 8 + padded + 11);
	cr_assert_eq(memcmp(data + 8 + padded, "\0\0\0\0\0\0\xf0\x3f\7\7\7", 11), 0);
	free(data);
	gr_archive_free(a);
}

#define TENSOR(name, dtype, shape, range) \
	"\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" range "}"
#define ONE(dtype, shape, range) "{" TENSOR("t", dtype, shape, range) "}"

Test(safetensors, element_types)
{
	static const struct {
		const char *header;
		gr_dtype dtype;
		double values[2];
	} cases[] = {
		{ONE("I32", "[2]", "[0,8]"), GR_I64, {0x03020100, 0x07060504}},
		{ONE("U32", "[2]", "[0,8]"), GR_I64, {0x03020100, 0x07060504}},
		{ONE("I16", "[2]", "[0,4]"), GR_I64, {0x0100, 0x0302}},
		{ONE("U16", "[2]", "[0,4]"), GR_I64, {0x0100, 0x0302}},
		{ONE("I8", "[2]", "[0,2]"), GR_I64, {0, 1}},
		{ONE("U8", "[2]", "[0,2]"), GR_U8, {0, 1}},
		{ONE("BOOL", "[3]", "[0,3]"), GR_U8, {0, 1}},
		{ONE("U64", "[2]", "[0,16]"), GR_I64, {506097522914230528.0, 1084818905618843912.0}},
		{ONE("F16", "[2]", "[0,4]"), GR_F16, {0x1p-16, 0x302p-24}},
		{ONE("BF16", "[2]", "[0,4]"), GR_BF16, {0x1p-125, 0}},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t bytes = strtoul(strrchr(cases[i].header, ',') + 1, NULL, 10);
		put(io_path("t"), cases[i].header, bytes);
		gr_archive *a;
		cr_assert_eq(gr_safetensors_read(&a, io_path("t")), GR_OK, "%s", gr_error_message());
		const gr_tensor *t = gr_archive_find(a, "t");
		cr_assert_eq(gr_tensor_dtype(t), cases[i].dtype, "%s", cases[i].header);
		for (int64_t k = 0; k < 2 && i < 9; k++)
			cr_assert_float_eq(gr_tensor_at(t, &k), cases[i].values[k], 0.0, "%s", cases[i].header);
		if (gr_tensor_dtype(t) == GR_U8 && gr_tensor_size(t) == 3)
			cr_assert(gr_tensor_at(t, (int64_t[]){2}) == 1.0, "a boolean of 2 is true");
		gr_archive_free(a);
	}
}

Test(safetensors, headers)
{
	static const struct {
		const char *header;
		size_t bytes;
		gr_status code;
	} cases[] = {
		{"{}", 0, GR_OK},
		{"{}   \n", 0, GR_OK},
		{ONE("F32", "[2]", "[0,8]"), 8, GR_OK},
		{ONE("F32", "[]", "[0,4]"), 4, GR_OK},
		{ONE("F32", "[0,9]", "[0,0]"), 0, GR_OK},
		{"{\"__metadata__\":{}}", 0, GR_OK},
		{"{" TENSOR("b", "U8", "[2]", "[3,5]") "," TENSOR("a", "U8", "[3]", "[0,3]") "}", 5, GR_OK},
		{"{" TENSOR("b", "U8", "[0]", "[3,3]") "," TENSOR("a", "U8", "[3]", "[0,3]") "}", 3, GR_OK},
		{ONE("U8", "[1,1,1,1,1,1,1,1]", "[0,1]"), 1, GR_OK},
		/* the JSON around */
		{"{", 0, GR_EFORMAT},
		{"{} {}", 0, GR_EFORMAT},
		{"{}x", 0, GR_EFORMAT},
		{" {}", 0, GR_EFORMAT},
		{"[]", 0, GR_EFORMAT},
		{"{]", 0, GR_EFORMAT},
		{"{\"a\":[[[[[1]]]]]}", 0, GR_EFORMAT},
		{"{\"\xff\":1}", 0, GR_EFORMAT},
		{"{\"\\u0000\":1}", 0, GR_EFORMAT},
		{"{" TENSOR("t", "U8", "[1]", "[0,1]") "," TENSOR("t", "U8", "[1]", "[1,2]") "}", 2,
			GR_EFORMAT},
		{"{" TENSOR("t", "U8", "[1]", "[0,1]") "," TENSOR("\\u0074", "U8", "[1]", "[1,2]") "}", 2,
			GR_EFORMAT},
		/* metadata */
		{"{\"__metadata__\":[]}", 0, GR_EFORMAT},
		{"{\"__metadata__\":\"x\"}", 0, GR_EFORMAT},
		{"{\"__metadata__\":{\"k\":1}}", 0, GR_EFORMAT},
		{"{\"__metadata__\":{\"k\":null}}", 0, GR_EFORMAT},
		{"{\"__metadata__\":{\"k\":{}}}", 0, GR_EFORMAT},
		{"{\"__metadata__\":{\"k\":\"v\",\"k\":\"w\"}}", 0, GR_EFORMAT},
		/* descriptions */
		{"{\"t\":1}", 0, GR_EFORMAT},
		{"{\"t\":{}}", 0, GR_EFORMAT},
		{"{\"t\":{\"dtype\":\"U8\",\"shape\":[1]}}", 1, GR_EFORMAT},
		{"{\"t\":{\"dtype\":\"U8\",\"data_offsets\":[0,1],\"size\":[1]}}", 1, GR_EFORMAT},
		{"{\"t\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":0}}", 1, GR_EFORMAT},
		{"{\"t\":{\"dtype\":8,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, GR_EFORMAT},
		{ONE("f32", "[1]", "[0,4]"), 4, GR_EFORMAT},
		{ONE("F33", "[1]", "[0,4]"), 4, GR_EFORMAT},
		{ONE("\\u001b[31m", "[1]", "[0,4]"), 4, GR_EFORMAT},
		{ONE("F8_E4M3", "[1]", "[0,1]"), 1, GR_EUNSUPPORTED},
		{ONE("C64", "[1]", "[0,8]"), 8, GR_EUNSUPPORTED},
		{ONE("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]"), 1, GR_EUNSUPPORTED},
		/* shapes */
		{ONE("U8", "3", "[0,3]"), 3, GR_EFORMAT},
		{ONE("U8", "{}", "[0,3]"), 3, GR_EFORMAT},
		{ONE("U8", "[-1]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[-0]", "[0,0]"), 0, GR_EFORMAT},
		{ONE("U8", "[1.0]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[1e0]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[\"1\"]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[true]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[[1]]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[9223372036854775808]", "[0,1]"), 1, GR_EFORMAT},
		{ONE("F64", "[2305843009213693952]", "[0,0]"), 0, GR_EFORMAT},
		{ONE("F64", "[4294967296,4294967296]", "[0,0]"), 0, GR_EFORMAT},
		{ONE("F32", "[2]", "[0,4]"), 4, GR_EFORMAT},
		{ONE("F32", "[1]", "[0,8]"), 8, GR_EFORMAT},
		{ONE("F32", "[]", "[0,0]"), 0, GR_EFORMAT},
		{ONE("F32", "[0]", "[0,4]"), 4, GR_EFORMAT},
		/* ranges */
		{ONE("U8", "[1]", "[0]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[0,1,2]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "0"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[1,0]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[-1,0]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[0.0,1]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[\"0\",1]"), 1, GR_EFORMAT},
		{ONE("U8", "[1]", "[0,18446744073709551617]"), 1, GR_EFORMAT},
		{ONE("U8", "[9]", "[0,9]"), 8, GR_EFORMAT},
		{ONE("U8", "[4000000000000000000]", "[0,4000000000000000000]"), 8, GR_EFORMAT},
		{ONE("U8", "[1]", "[0,1]"), 2, GR_EFORMAT},
		{ONE("U8", "[1]", "[1,2]"), 2, GR_EFORMAT},
		{"{}", 1, GR_EFORMAT},
		{"{" TENSOR("a", "U8", "[2]", "[0,2]") "," TENSOR("b", "U8", "[2]", "[1,3]") "}", 3,
			GR_EFORMAT},
		{"{" TENSOR("a", "U8", "[2]", "[0,2]") "," TENSOR("b", "U8", "[2]", "[0,2]") "}", 2,
			GR_EFORMAT},
		{"{" TENSOR("a", "U8", "[2]", "[0,2]") "," TENSOR("b", "U8", "[2]", "[3,5]") "}", 5,
			GR_EFORMAT},
		{"{" TENSOR("a", "U8", "[4]", "[0,4]") "," TENSOR("b", "U8", "[0]", "[2,2]") "}", 4,
			GR_EFORMAT},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *path = io_path("header");
		put(path, cases[i].header, cases[i].bytes);
		cr_assert_eq(read_any(path), cases[i].code == GR_OK, "%s: %s", cases[i].header,
			gr_error_message());
		if (cases[i].code != GR_OK) {
			for (const char *c = gr_error_message(); *c; c++)
				cr_assert(*c >= ' ' && *c != 0x7f, "control character in a message");
			io_expect(cases[i].code, path, cases[i].header);
		}
	}
	/* Values at the limit of i64. */
	unsigned char file[256];
	size_t n = build(file, ONE("U64", "[1]", "[0,8]"), 8);
	file[n - 1] = 0x80;
	io_put(io_path("u64"), file, n);
	cr_assert_not(read_any(io_path("u64")));
	io_expect(GR_EUNSUPPORTED, io_path("u64"), "2^63");
}

Test(safetensors, lengths)
{
	static const uint64_t lengths[] = {0, 1, 3, 100000001, (uint64_t)1 << 32, (uint64_t)1 << 63,
		UINT64_MAX, UINT64_MAX - 7};
	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		unsigned char file[] = "........{}";
		gr__bytes_store64(file, lengths[i]);
		io_put(io_path("t"), file, 10);
		cr_assert_not(read_any(io_path("t")));
		io_expect(GR_EFORMAT, io_path("t"), "length");
	}
	io_put(io_path("t"), "\x89PNG\r\n\x1a\n and more", 17);
	cr_assert_not(read_any(io_path("t")));
	cr_assert_not_null(strstr(gr_error_message(), "PNG image"), "%s", gr_error_message());
	gr_error_clear();
	cr_assert_not(read_any(io_path("missing")));
	io_expect(GR_EIO, io_path("missing"), "missing");
}

/* A header of many small values must not take memory out of proportion to the file. */
Test(safetensors, crowded_header)
{
	const size_t n = 2000000;
	char *header = malloc(n + 1);
	memcpy(header, "{\"t\":[", 6);
	for (size_t i = 6; i < n - 2; i++)
		header[i] = i % 2 ? ',' : '0';
	memcpy(header + n - 2, "]}", 3);
	put(io_path("t"), header, 0);
	free(header);
	gr_memory_reset_peak();
	cr_assert_not(read_any(io_path("t")));
	io_expect(GR_EFORMAT, io_path("t"), "crowded");
	cr_assert_lt(gr_memory_stats().bytes_peak, 40 * n);
}

/* A small header that asks for a large tensor gets nothing. */
Test(safetensors, allocates_after_checking)
{
	gr_memory_reset_peak();
	put(io_path("t"), ONE("F64", "[1000000000]", "[0,8000000000]"), 8);
	cr_assert_not(read_any(io_path("t")));
	cr_assert_lt(gr_memory_stats().bytes_peak, 100000);
}

static const char two[] = "{\"__metadata__\":{\"k\":\"v\\n\"}," TENSOR("a.b", "F32", "[2,1]",
	"[0,8]") "," TENSOR("c", "I16", "[3]", "[8,14]") "}";

Test(safetensors, attacked)
{
	unsigned char file[512];
	io_attack(file, build(file, two, 14), read_any);
}

Test(safetensors, starved)
{
	put(io_path("t"), two, 14);
	io_starve(io_path("t"), read_any);
}

Test(safetensors, refused_archives)
{
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_safetensors_write(NULL, a), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_safetensors_write(io_path("t"), NULL), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_archive_add(a, "__metadata__", gr_scalar(GR_F32, 0.0)), GR_OK);
	cr_assert_eq(gr_safetensors_write(io_path("t"), a), GR_EARG);
	io_expect(GR_EARG, io_path("t"), "name");
	cr_assert_eq(io_count(), 0);
	gr_archive_free(a);
}
