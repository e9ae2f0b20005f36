/* Gather and scatter-add: against index arithmetic, and as adjoints of one another. */
#include "kern_case.h"

#include <math.h>

static gr_tensor *random_index(uint64_t seed, int64_t m, int64_t length)
{
	gr_tensor *index = gr_empty(GR_I64, 1, &m);
	for (int64_t i = 0; i < m; i++)
		kc_set(index, i, (double)gr_key_below(gr_key_seed(seed), (uint64_t)i, (uint64_t)length));
	return index;
}

static int64_t inner_size(const gr_tensor *t, int axis)
{
	int64_t n = 1;
	for (int d = axis + 1; d < t->ndim; d++)
		n *= t->dims[d];
	return n;
}

GR_KERN_TEST(index, gather_and_scatter)
{
	const gr_dtype types[] = {GR_F32, GR_F64, GR_I64, GR_U8, GR_F16};
	for (uint64_t seed = 0; seed < 120; seed++) {
		int64_t dims[GR_MAX_DIMS];
		int ndim = kc_shape(seed, 5, 2000, dims);
		if (ndim == 0)
			continue;
		gr_scope_begin();
		gr_dtype dtype = types[seed % 5];
		int axis = (int)(seed / 5 % (uint64_t)ndim);
		gr_tensor *x =
			kc_random(dtype, ndim, dims, (kc_layout)(seed % KC_LAYOUTS), seed, 0.0, 100.0);
		int64_t m = 1 + (int64_t)(seed % 13);
		gr_tensor *index = random_index(seed, m, dims[axis]);
		int64_t out_dims[GR_MAX_DIMS];
		for (int d = 0; d < ndim; d++)
			out_dims[d] = d == axis ? m : dims[d];
		gr_tensor *y = gr_empty(dtype, ndim, out_dims);
		cr_assert_eq(gr__gather(y, x, axis, index), GR_OK);
		int64_t inner = inner_size(x, axis);
		for (int64_t k = 0; k < y->size; k++) {
			int64_t o = k / inner / m;
			int64_t i = k / inner % m;
			int64_t at = (o * dims[axis] + (int64_t)kc_get(index, i)) * inner + k % inner;
			cr_expect_eq(kc_get(y, k), kc_get(x, at));
		}
		if (dtype == GR_F32 || dtype == GR_F64) {
			gr_tensor *g = kc_random(dtype, ndim, out_dims, (kc_layout)(seed / 2 % KC_LAYOUTS),
				seed + 1, -1.0, 1.0);
			gr_tensor *s = gr_empty(dtype, ndim, dims);
			gr_tensor *want = gr_zeros(dtype, ndim, dims);
			cr_assert_eq(gr__scatter_add(s, g, axis, index), GR_OK);
			for (int64_t k = 0; k < g->size; k++) {
				int64_t o = k / inner / m;
				int64_t i = k / inner % m;
				int64_t at = (o * dims[axis] + (int64_t)kc_get(index, i)) * inner + k % inner;
				kc_set(want, at, kc_get(want, at) + kc_get(g, k));
			}
			for (int64_t k = 0; k < s->size; k++)
				cr_expect(kc_near(kc_get(s, k), kc_get(want, k), 8 * kc_eps(dtype)));
		}
		gr_scope_end();
	}
}

GR_KERN_TEST(index, strided_index_and_threads)
{
	const int64_t dims[] = {3, 50, 700};
	gr_tensor *index = random_index(3, 400, 50);
	gr_tensor *view =
		gr__scope_own(gr__view_flip(gr__scope_own(gr__view_slice(index, 0, 0, 400, 2)), 0));
	gr_tensor *x = kc_random(GR_F32, 3, dims, KC_PLAIN, 1, -1.0, 1.0);
	gr_tensor *y[2], *s[2];
	for (int k = 0; k < 2; k++) {
		gr_set_threads(k == 0 ? 1 : 4);
		y[k] = gr_empty(GR_F32, GR_DIMS(3, 200, 700));
		s[k] = kc_like(x);
		gr__gather(y[k], x, 1, view);
		gr__scatter_add(s[k], y[k], 1, view);
	}
	cr_expect(kc_same_bits(y[0], y[1]) && kc_same_bits(s[0], s[1]));
	cr_expect_eq(kc_get(y[0], 5), kc_get(x, (int64_t)kc_get(view, 0) * 700 + 5));
}

GR_KERN_TEST(index, empty)
{
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(4, 3));
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(0));
	gr_tensor *y = gr_empty(GR_F32, GR_DIMS(0, 3));
	cr_assert_eq(gr__gather(y, x, 0, index), GR_OK);
	gr_tensor *s = gr_full(GR_F32, GR_DIMS(4, 3), 1.0);
	cr_assert_eq(gr__scatter_add(s, y, 0, index), GR_OK);
	for (int64_t i = 0; i < s->size; i++)
		cr_expect_eq(kc_get(s, i), 0.0);
}
