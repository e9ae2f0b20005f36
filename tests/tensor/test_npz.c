/* .npz: what NumPy wrote, round trips, zip64. Hostile archives are in test_zip.c. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "io/npz_priv.h"
#include "io_files.h"
#include "npz_fixtures.h"

TestSuite(npz, .init = io_begin, .fini = io_end);

Test(npz, numpy_stored)
{
	gr_archive *a;
	io_put(io_path("t.npz"), np_savez, sizeof np_savez - 1);
	cr_assert_eq(gr_npz_read(&a, io_path("t.npz")), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_archive_count(a), 2);
	cr_assert_str_eq(gr_archive_name(a, 0), "x");
	cr_assert_eq(gr_tensor_dtype(gr_archive_find(a, "x")), GR_F32);
	cr_assert(gr_tensor_at(gr_archive_find(a, "x"), (int64_t[]){2}) == 3.0);
	cr_assert(gr_item(gr_archive_find(a, "deep/\xc3\xa9")) == 7.0);
	gr_archive_free(a);
}

Test(npz, numpy_deflated)
{
	gr_archive *a;
	io_put(io_path("t.npz"), np_compressed, sizeof np_compressed - 1);
	cr_assert_eq(gr_npz_read(&a, io_path("t.npz")), GR_OK, "%s", gr_error_message());
	io_assert_equal(gr_archive_find(a, "zeros"), gr_zeros(GR_F32, GR_DIMS(4, 100)), "zeros");
	io_assert_equal(gr_archive_find(a, "x"), gr_arange(GR_I64, 10, 0.0, 1.0), "x");
	gr_archive_free(a);
}

static gr_archive *filled(void)
{
	static const gr_dtype dtypes[] = {GR_F32, GR_F64, GR_I64, GR_U8, GR_F16};
	gr_archive *a = gr_archive_new();
	for (int i = 0; i < 10 * io_shape_count; i++) {
		const io_shape *shape = &io_shapes[i / 10];
		char name[32];
		snprintf(name, sizeof name, "part.%d/\xc3\xa9", i);
		gr_tensor *t = io_counted(dtypes[i % 5], shape->ndim, shape->dims, i / 5 % 2);
		cr_assert_eq(gr_archive_add(a, name, t), GR_OK);
	}
	return a;
}

static void expect_same(const char *path, const gr_archive *a)
{
	gr_archive *b;
	cr_assert_eq(gr_npz_read(&b, path), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_archive_count(b), gr_archive_count(a));
	for (int64_t i = 0; i < gr_archive_count(a); i++) {
		cr_assert_str_eq(gr_archive_name(b, i), gr_archive_name(a, i));
		io_assert_equal(gr_archive_tensor(a, i), gr_archive_tensor(b, i), gr_archive_name(a, i));
	}
	gr_archive_free(b);
}

Test(npz, round_trip)
{
	gr_archive *a = filled();
	const char *path = io_path("t.npz");
	cr_assert_eq(gr_npz_write(path, a), GR_OK, "%s", gr_error_message());
	expect_same(path, a);
	/* Equal archives, equal bytes. */
	size_t n;
	size_t m;
	unsigned char *first = io_get(path, &n);
	cr_assert_eq(gr_npz_write(path, a), GR_OK);
	unsigned char *second = io_get(path, &m);
	cr_assert(n == m && memcmp(first, second, n) == 0);
	free(first);
	free(second);
	gr_archive_free(a);
	cr_assert_eq(io_count(), 1);
}

/* With a lower limit every combination of full 32-bit fields comes up. */
Test(npz, zip64)
{
	gr_archive *a = filled();
	const char *path = io_path("t.npz");
	static const uint64_t limits[] = {0, 1, 129, 200, 1000, 5000, 20000};
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		cr_assert_eq(gr__npz_write(path, a, limits[i]), GR_OK);
		expect_same(path, a);
	}
	gr_archive_free(a);
}

/* More members than 16 bits can count. */
Test(npz, many_members)
{
	gr_archive *a = gr_archive_new();
	gr_tensor *t = gr_zeros(GR_U8, GR_DIMS(0));
	for (int i = 0; i < 66000; i++) {
		char name[16];
		snprintf(name, sizeof name, "%d", i);
		cr_assert_eq(gr_archive_add(a, name, t), GR_OK);
	}
	const char *path = io_path("t.npz");
	cr_assert_eq(gr_npz_write(path, a), GR_OK);
	gr_archive *b;
	cr_assert_eq(gr_npz_read(&b, path), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_archive_count(b), 66000);
	cr_assert_str_eq(gr_archive_name(b, 65999), "65999");
	gr_archive_free(a);
	gr_archive_free(b);
}

Test(npz, empty_archive)
{
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_npz_write(io_path("t.npz"), a), GR_OK);
	expect_same(io_path("t.npz"), a);
	gr_archive_free(a);
}

/* bf16 comes back as f32 of the same values. */
Test(npz, bf16)
{
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_archive_add(a, "t", gr_arange(GR_BF16, 9, 0.0, 1.0)), GR_OK);
	cr_assert_eq(gr_npz_write(io_path("t.npz"), a), GR_OK);
	gr_archive *b;
	cr_assert_eq(gr_npz_read(&b, io_path("t.npz")), GR_OK);
	io_assert_equal(gr_archive_find(b, "t"), gr_arange(GR_F32, 9, 0.0, 1.0), "bf16");
	gr_archive_free(a);
	gr_archive_free(b);
}

Test(npz, refused_names)
{
	static const char *const names[] = {"", "/etc/x", "../x", "a/../b", "a//b", "a\\b", ".", "a/"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		gr_archive *a = gr_archive_new();
		cr_assert_eq(gr_archive_add(a, names[i], gr_scalar(GR_F32, 0.0)), GR_OK);
		cr_assert_eq(gr_npz_write(io_path("t.npz"), a), GR_EARG, "'%s'", names[i]);
		io_expect(GR_EARG, io_path("t.npz"), names[i]);
		gr_archive_free(a);
	}
	cr_assert_eq(gr_npz_write(io_path("t.npz"), NULL), GR_EARG);
	cr_assert_eq(io_count(), 0);
}
