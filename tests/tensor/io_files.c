/* Files, attacks and comparisons for the tests of readers and writers (io_files.h). */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io_files.h"
#include "tensor_int.h"

static char directory[] = "/tmp/gradus-io-XXXXXX";

const io_shape io_shapes[] = {
	{0, {0}},
	{1, {0}},
	{1, {1}},
	{1, {7}},
	{2, {3, 4}},
	{3, {2, 0, 5}},
	{4, {2, 3, 4, 5}},
	{8, {2, 1, 3, 1, 2, 2, 1, 2}},
};
const int io_shape_count = sizeof io_shapes / sizeof *io_shapes;

void io_begin(void)
{
	cr_assert_not_null(mkdtemp(directory));
}

/* Number of files; removes them when told to. */
static int walk(bool removing)
{
	int n = 0;
	DIR *d = opendir(directory);
	cr_assert_not_null(d);
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		n++;
		if (removing)
			remove(io_path(e->d_name));
	}
	closedir(d);
	return n;
}

void io_end(void)
{
	walk(true);
	rmdir(directory);
}

int io_count(void)
{
	return walk(false);
}

const char *io_path(const char *name)
{
	static char paths[4][512];
	static int next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", directory, name);
	return path;
}

void io_put(const char *path, const void *data, size_t bytes)
{
	FILE *f = fopen(path, "wb");
	cr_assert_not_null(f);
	cr_assert_eq(fwrite(data, 1, bytes, f), bytes);
	cr_assert_eq(fclose(f), 0);
}

unsigned char *io_get(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	cr_assert_not_null(f, "%s", path);
	fseek(f, 0, SEEK_END);
	*bytes = (size_t)ftell(f);
	rewind(f);
	unsigned char *data = malloc(*bytes + 1);
	cr_assert_eq(fread(data, 1, *bytes, f), *bytes);
	fclose(f);
	return data;
}

void io_expect(gr_status code, const char *path, const char *what)
{
	cr_assert_eq(gr_error_code(), code, "%s: code %d, expected %d (%s)", what, gr_error_code(),
		code, gr_error_message());
	cr_assert_not_null(strstr(gr_error_message(), path), "%s: no path in '%s'", what,
		gr_error_message());
	gr_error_clear();
}

void io_attack(const void *data, size_t bytes, io_reader reader)
{
	const char *path = io_path("attacked");
	unsigned char *copy = malloc(bytes + 1);
	memcpy(copy, data, bytes);
	io_put(path, copy, bytes);
	cr_assert(reader(path), "the valid file: %s", gr_error_message());
	for (size_t n = 0; n < bytes; n++) {
		char what[64];
		snprintf(what, sizeof what, "truncated to %zu of %zu bytes", n, bytes);
		io_put(path, copy, n);
		cr_assert_not(reader(path), "%s", what);
		io_expect(GR_EFORMAT, path, what);
	}
	for (size_t bit = 0; bit < 8 * bytes; bit++) {
		char what[64];
		snprintf(what, sizeof what, "bit %zu of byte %zu flipped", bit % 8, bit / 8);
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
		io_put(path, copy, bytes);
		if (!reader(path)) {
			cr_assert(gr_error_code() == GR_EFORMAT || gr_error_code() == GR_EUNSUPPORTED, "%s: %s",
				what, gr_error_message());
			io_expect(gr_error_code(), path, what);
		}
		copy[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(copy);
}

void io_starve(const char *path, io_reader reader)
{
	cr_assert(reader(path), "%s", gr_error_message());
	uint64_t held = gr_memory_stats().bytes_in_use;
	for (uint64_t n = 1;; n++) {
		cr_assert_lt(n, 1000);
		gr_memory_fail_at(n);
		bool ok = reader(path);
		gr_memory_fail_at(0);
		cr_assert_eq(gr_memory_stats().bytes_in_use, held, "allocation %d failed: leak", (int)n);
		if (ok) {
			cr_assert_gt(n, 1);
			return;
		}
		cr_assert_eq(gr_error_code(), GR_EMEM, "allocation %d failed: %s", (int)n,
			gr_error_message());
		gr_error_clear();
	}
}

gr_tensor *io_counted(gr_dtype dtype, int ndim, const int64_t *dims, bool strided)
{
	int64_t full[GR_MAX_DIMS] = {0};
	int perm[GR_MAX_DIMS];
	int64_t size = 1;
	/* The tensor is a view of a larger one with reversed axes. */
	for (int i = 0; i < ndim; i++) {
		perm[i] = strided ? ndim - 1 - i : i;
		full[perm[i]] = dims[i] * (strided && i == 0 ? 2 : 1);
	}
	for (int i = 0; i < ndim; i++)
		size *= full[i];
	gr_tensor *flat = gr_arange(dtype, size, 0.0, 1.0);
	gr_tensor *t = gr__scope_own(gr__view_reshape(flat, ndim, full));
	if (strided && ndim > 0) {
		t = gr__scope_own(gr__view_permute(t, perm));
		t = gr__scope_own(gr__view_slice(t, 0, 0, full[perm[0]], 2));
		t = gr__scope_own(gr__view_flip(t, ndim - 1));
	}
	cr_assert_not_null(t, "%s", gr_error_message());
	for (int i = 0; i < ndim; i++)
		cr_assert_eq(gr_tensor_dim(t, i), dims[i]);
	return t;
}

void io_assert_equal(const gr_tensor *a, const gr_tensor *b, const char *what)
{
	cr_assert(a && b, "%s: %s", what, gr_error_message());
	cr_assert_eq(gr_tensor_dtype(a), gr_tensor_dtype(b), "%s: type", what);
	cr_assert(gr_is_same_shape(a, b), "%s: shape", what);
	size_t n = (size_t)gr_tensor_size(a);
	double *x = malloc((n + 1) * sizeof *x);
	double *y = malloc((n + 1) * sizeof *y);
	cr_assert_eq(gr_tensor_to_f64(a, x), GR_OK);
	cr_assert_eq(gr_tensor_to_f64(b, y), GR_OK);
	for (size_t i = 0; i < n; i++)
		cr_assert(x[i] == y[i], "%s: element %zu is %g and %g", what, i, x[i], y[i]);
	free(x);
	free(y);
}
