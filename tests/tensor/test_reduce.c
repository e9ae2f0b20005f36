/*
 * Reductions: values against sums in long double for every subset of axes; accuracy over a million
 * elements; and the promise on bits: the tree depends on the reduced dims alone.
 */
#include "kern_case.h"

#include <math.h>

static int kept_dims(const gr_tensor *x, unsigned axes, bool keep, int64_t *dims)
{
	int n = 0;
	for (int d = 0; d < x->ndim; d++) {
		bool reduced = (axes >> d & 1u) != 0;
		if (!reduced || keep)
			dims[n++] = reduced ? 1 : x->dims[d];
	}
	return n;
}

/* Kept and reduced positions of element pos. */
static int64_t kept_position(const gr_tensor *x, unsigned axes, int64_t pos)
{
	int64_t at = 0;
	int64_t scale = 1;
	for (int d = x->ndim - 1; d >= 0; d--) {
		if ((axes >> d & 1u) == 0) {
			at += pos % x->dims[d] * scale;
			scale *= x->dims[d];
		}
		pos /= x->dims[d];
	}
	return at;
}

static long double start(gr_reduce_kind kind)
{
	return kind == GR_REDUCE_MAX ? -INFINITY : kind == GR_REDUCE_MIN ? INFINITY : 0;
}

static long double step(gr_reduce_kind kind, long double a, long double v)
{
	switch (kind) {
	case GR_REDUCE_MAX: return v > a ? v : a;
	case GR_REDUCE_MIN: return v < a ? v : a;
	case GR_REDUCE_SUMSQ: return a + v * v;
	default: return a + v;
	}
}

static gr_tensor *reduce(gr_reduce_kind kind, const gr_tensor *x, unsigned axes, bool keep)
{
	int64_t dims[GR_MAX_DIMS];
	int n = kept_dims(x, axes, keep, dims);
	gr_tensor *out = gr_empty(x->dtype, n, dims);
	cr_assert_eq(gr__reduce(kind, out, x, axes), GR_OK);
	return out;
}

static void check(gr_reduce_kind kind, const gr_tensor *x, unsigned axes, bool keep)
{
	gr_tensor *out = reduce(kind, x, axes, keep);
	long double *want = calloc((size_t)out->size + 1, sizeof(*want));
	for (int64_t i = 0; i < out->size; i++)
		want[i] = start(kind);
	for (int64_t i = 0; i < x->size; i++) {
		int64_t k = kept_position(x, axes, i);
		want[k] = step(kind, want[k], (long double)kc_get(x, i));
	}
	long double count = out->size > 0 ? (long double)(x->size / out->size) : 1;
	for (int64_t i = 0; i < out->size; i++) {
		double w = (double)(kind == GR_REDUCE_MEAN ? want[i] / count : want[i]);
		double tolerance = 8 * kc_eps(x->dtype) * (double)sqrtl(count);
		cr_expect(kc_near(kc_get(out, i), w, tolerance), "kind %d axes %x: %.9g, not %.9g", kind,
			axes, kc_get(out, i), w);
	}
	free(want);
}

GR_KERN_TEST(reduce, values_under_every_layout)
{
	for (uint64_t seed = 0; seed < 90; seed++) {
		gr_scope_begin();
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed, GR_MAX_DIMS, 6000, dims);
		gr_dtype dtype = seed % 2 == 0 ? GR_F32 : GR_F64;
		kc_layout layout = (kc_layout)(seed % KC_LAYOUTS);
		gr_tensor *x = kc_random(dtype, ndim, dims, layout, seed, -1.0, 1.0);
		for (int i = 0; i < 4; i++) {
			unsigned axes = (unsigned)gr_key_below(gr_key_seed(seed), (uint64_t)i, 1u << ndim);
			axes = i == 0 ? (1u << ndim) - 1 : axes;
			check((gr_reduce_kind)((seed + (uint64_t)i) % GR_REDUCE_COUNT), x, axes, i % 2 != 0);
		}
		gr_scope_end();
	}
}

GR_KERN_TEST(reduce, blocks_and_tiles)
{
	/* Around the sizes of lanes, blocks and tiles, along and across. */
	const int64_t sizes[] = {1, 2, 31, 32, 33, 63, 64, 65, 1023, 1024, 1025, 2047, 5000};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (int64_t other = 1; other <= 257; other += 128) {
			for (int kind = 0; kind < GR_REDUCE_COUNT; kind++) {
				gr_scope_begin();
				const int64_t dims[] = {sizes[i], other};
				const int64_t turned[] = {other, sizes[i]};
				check((gr_reduce_kind)kind, kc_random(GR_F32, 2, dims, KC_PLAIN, i, -1, 1), 1u,
					false);
				check((gr_reduce_kind)kind, kc_random(GR_F64, 2, turned, KC_PLAIN, i, -1, 1), 2u,
					false);
				gr_scope_end();
			}
		}
	}
}

GR_KERN_TEST(reduce, empty_sets)
{
	const int64_t dims[] = {3, 0};
	gr_tensor *x = gr_empty(GR_F32, 2, dims);
	cr_assert_eq(kc_get(reduce(GR_REDUCE_SUM, x, 2u, false), 2), 0.0);
	cr_assert(isnan(kc_get(reduce(GR_REDUCE_MEAN, x, 2u, false), 0)));
	cr_assert_eq(kc_get(reduce(GR_REDUCE_MAX, x, 3u, false), 0), -INFINITY);
	cr_assert_eq(reduce(GR_REDUCE_SUM, x, 1u, false)->size, 0);
}

GR_KERN_TEST(reduce, nan_wins)
{
	for (int64_t n = 1; n < 200; n += 33) {
		for (int64_t at = 0; at < n; at += 11) {
			gr_tensor *x = kc_random(GR_F32, 1, &n, KC_PLAIN, 1, -1.0, 1.0);
			kc_set(x, at, NAN);
			cr_expect(isnan(kc_get(reduce(GR_REDUCE_MAX, x, 1u, false), 0)));
			cr_expect(isnan(kc_get(reduce(GR_REDUCE_MIN, x, 1u, false), 0)));
		}
	}
}

/* The same values in other layouts, beside other kept elements, on other threads: the same bits. */
GR_KERN_TEST(reduce, bits_depend_on_the_reduced_values_alone)
{
	const gr_reduce_kind kinds[] = {GR_REDUCE_SUM, GR_REDUCE_MEAN, GR_REDUCE_SUMSQ, GR_REDUCE_MAX};
	for (uint64_t seed = 0; seed < 96; seed++) {
		gr_dtype dtype = seed % 2 == 0 ? GR_F32 : GR_F64;
		gr_reduce_kind kind = kinds[seed / 2 % 4];
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed, 5, 50000, dims);
		if (ndim == 0)
			continue;
		gr_scope_begin();
		kc_layout layout = (kc_layout)(1 + seed % (KC_LAYOUTS - 1));
		gr_tensor *view = kc_random(dtype, ndim, dims, layout, seed, -1.0, 1.0);
		gr_tensor *copy = kc_plain(view);
		unsigned axes = 1u + (unsigned)gr_key_below(gr_key_seed(seed), 0, (1u << ndim) - 1u);
		gr_set_threads(1);
		gr_tensor *a = reduce(kind, view, axes, false);
		gr_tensor *b = reduce(kind, copy, axes, false);
		cr_expect(kc_same_bits(a, b), "seed %d axes %x: view and copy differ", (int)seed, axes);
		gr_set_threads(4);
		cr_expect(kc_same_bits(a, reduce(kind, view, axes, false)), "threads differ");
		for (int d = 0; d < ndim; d++) {
			if ((axes >> d & 1u) != 0 || dims[d] < 2)
				continue;
			gr_tensor *alone = gr__scope_own(gr__view_slice(copy, d, 1, 2, 1));
			gr_tensor *kept = reduce(kind, copy, axes, true);
			gr_tensor *want = kc_plain(gr__scope_own(gr__view_slice(kept, d, 1, 2, 1)));
			cr_expect(kc_same_bits(reduce(kind, alone, axes, true), want),
				"seed %d axes %x: index 1 of dim %d differs when alone", (int)seed, axes, d);
		}
		gr_scope_end();
	}
}

GR_KERN_TEST(reduce, accuracy_over_a_million)
{
	const int64_t n = 1 << 20;
	gr_tensor *x = kc_random(GR_F32, 1, &n, KC_PLAIN, 3, 0.0, 1.0);
	long double exact = 0;
	for (int64_t i = 0; i < n; i++)
		exact += (long double)kc_get(x, i);
	double got = kc_get(reduce(GR_REDUCE_SUM, x, 1u, false), 0);
	double relative = fabs((double)((long double)got - exact) / (double)exact);
	cr_expect(relative < 3e-7, "relative error %g", relative);
}

GR_KERN_TEST(reduce, argmax)
{
	for (uint64_t seed = 0; seed < 40; seed++) {
		gr_scope_begin();
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed, 4, 2000, dims);
		if (ndim > 0) {
			gr_dtype dtype = seed % 2 == 0 ? GR_F32 : GR_F64;
			gr_tensor *x =
				kc_random(dtype, ndim, dims, (kc_layout)(seed % KC_LAYOUTS), seed, -1.0, 1.0);
			int axis = (int)(seed % (uint64_t)ndim);
			int64_t kept[GR_MAX_DIMS];
			int n = kept_dims(x, 1u << axis, false, kept);
			gr_tensor *out = gr_empty(GR_I64, n, kept);
			cr_assert_eq(gr__argmax(out, x, axis), GR_OK);
			gr_tensor *max = reduce(GR_REDUCE_MAX, x, 1u << axis, false);
			for (int64_t i = 0; i < out->size; i++) {
				/* The element there is the maximum, and none before it is. */
				int64_t inner = 1;
				for (int d = axis + 1; d < ndim; d++)
					inner *= dims[d];
				int64_t base = i / inner * inner * dims[axis] + i % inner;
				int64_t at = (int64_t)kc_get(out, i);
				cr_expect_eq(kc_get(x, base + at * inner), kc_get(max, i));
				for (int64_t j = 0; j < at; j++)
					cr_expect_lt(kc_get(x, base + j * inner), kc_get(max, i));
			}
		}
		gr_scope_end();
	}
}
