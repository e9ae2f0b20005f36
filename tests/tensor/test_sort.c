/* Orders by definition, with ties and NaN; reading and adding through an index; window maxima. */
#include "kern_case.h"

#include <math.h>

/* Does element a of the line stand before b: by value, then by place? */
static bool stands_before(double a, double b, bool descending, int64_t ia, int64_t ib)
{
	bool less = isnan(b) ? !isnan(a) : a < b, more = isnan(a) ? !isnan(b) : b < a;
	if (less || more)
		return descending ? more : less;
	return ia < ib;
}

GR_KERN_TEST(sort, orders)
{
	const int64_t shapes[][3] = {{2, 1, 3}, {3, 8, 1}, {2, 33, 4}, {1, 257, 2}, {0, 3, 1}};
	for (int s = 0; s < 5; s++) {
		for (int t = 0; t < 4; t++) {
			gr_dtype dtype = t % 2 == 0 ? GR_F32 : GR_F64;
			gr_tensor *x = kc_random(dtype, 3, shapes[s], KC_PLAIN, (uint64_t)s, -4.0, 4.0);
			gr_tensor *order = gr_empty(GR_I64, 3, shapes[s]);
			int64_t n = shapes[s][1], inner = shapes[s][2];
			for (int64_t k = 0; k < x->size; k++) /* many ties, some NaN */
				kc_set(x, k, k % 7 == 3 ? (double)NAN : floor(kc_get(x, k)));
			cr_assert_eq(gr__argsort(order, x, 1, t >= 2), GR_OK);
			for (int64_t k = 0; k < x->size; k++) {
				int64_t o = k / inner / n * n, q = k % inner, rank = 0, i = k / inner % n;
				int64_t mine = (int64_t)kc_get(order, k);
				double value = kc_get(x, (o + mine) * inner + q);
				for (int64_t j = 0; j < n; j++)
					rank += stands_before(kc_get(x, (o + j) * inner + q), value, t >= 2, j, mine);
				cr_expect_eq(rank, i);
			}
		}
	}
}

GR_KERN_TEST(sort, take_and_scatter)
{
	for (int t = 0; t < 2; t++) {
		gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
		const int64_t dims[] = {3, 5, 4}, picked[] = {3, 7, 4};
		gr_tensor *x = kc_random(dtype, 3, dims, KC_PLAIN, 1, -1.0, 1.0);
		gr_tensor *g = kc_random(dtype, 3, picked, KC_PLAIN, 2, -1.0, 1.0);
		gr_tensor *index = gr_empty(GR_I64, 3, picked), *y = kc_like(g), *back = kc_like(x);
		for (int64_t k = 0; k < index->size; k++)
			kc_set(index, k, (double)gr_key_below(gr_key_seed(9), (uint64_t)k, 5));
		cr_assert_eq(gr__take_along(y, x, 1, index), GR_OK);
		cr_assert_eq(gr__scatter_along(back, g, 1, index), GR_OK);
		gr_tensor *want = gr_zeros(dtype, 3, dims);
		for (int64_t k = 0; k < y->size; k++) {
			int64_t at = (k / 28 * 5 + (int64_t)kc_get(index, k)) * 4 + k % 4;
			cr_expect_eq(kc_get(y, k), kc_get(x, at));
			kc_set(want, at, kc_get(want, at) + kc_get(g, k));
		}
		for (int64_t k = 0; k < x->size; k++)
			cr_expect(kc_near(kc_get(back, k), kc_get(want, k), 8 * kc_eps(dtype)));
	}
}

GR_KERN_TEST(sort, window_maxima)
{
	const gr_pool_window window = {3, 2, 1};
	gr_tensor *x = kc_random(GR_F32, GR_DIMS(2, 7, 6), KC_PLAIN, 1, -1.0, 1.0);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(2, 4, 3));
	kc_set(x, 10, (double)NAN);
	cr_assert_eq(gr__max_pool_index(index, x, &window), GR_OK);
	for (int64_t k = 0; k < index->size; k++) {
		int64_t top = k / 3 % 4 * 2 - 1, left = k % 3 * 2 - 1, best = -1;
		for (int64_t h = top; h < top + 3; h++) {
			for (int64_t w = left; w < left + 3; w++) {
				if (h < 0 || h >= 7 || w < 0 || w >= 6)
					continue;
				double v = kc_get(x, k / 12 * 42 + h * 6 + w);
				double so_far = best < 0 ? -INFINITY : kc_get(x, k / 12 * 42 + best);
				if (best < 0 || (!isnan(so_far) && (isnan(v) || v > so_far)))
					best = h * 6 + w;
			}
		}
		cr_expect_eq((int64_t)kc_get(index, k), best);
	}
}

GR_KERN_TEST(sort, threads)
{
	const int64_t dims[] = {40, 700, 3};
	gr_tensor *x = kc_random(GR_F32, 3, dims, KC_PLAIN, 3, -1.0, 1.0), *order[2], *back[2];
	for (int k = 0; k < 2; k++) {
		cr_assert_eq(gr_set_threads(k == 0 ? 1 : 4), GR_OK);
		order[k] = gr_empty(GR_I64, 3, dims);
		back[k] = kc_like(x);
		cr_assert_eq(gr__argsort(order[k], x, 1, false), GR_OK);
		cr_assert_eq(gr__scatter_along(back[k], x, 1, order[k]), GR_OK);
	}
	cr_expect(kc_same_bits(order[0], order[1]) && kc_same_bits(back[0], back[1]));
}
