/* Pooling and repeating pixels: by definition, and as adjoints up to f * f. */
#include "kern_case.h"

#include <math.h>

static void check(gr_dtype dtype, int64_t b, int64_t h, int64_t w, int64_t f)
{
	const int64_t small[] = {b, h, w};
	const int64_t large[] = {b, h * f, w * f};
	gr_tensor *x = kc_random(dtype, 3, large, KC_PLAIN, (uint64_t)f, -1.0, 1.0);
	gr_tensor *v = kc_random(dtype, 3, small, KC_PLAIN, 4, -1.0, 1.0);
	gr_tensor *y = gr_empty(dtype, 3, small);
	gr_tensor *u = gr_empty(dtype, 3, large);
	cr_assert_eq(gr__pool_mean(y, x, f, 3.0), GR_OK);
	cr_assert_eq(gr__repeat(u, v, f, 3.0), GR_OK);
	for (int64_t k = 0; k < b * h * w; k++) {
		double sum = 0.0;
		int64_t corner = (k / w * f * w + k % w) * f;
		for (int64_t p = 0; p < f; p++) {
			for (int64_t q = 0; q < f; q++) {
				int64_t at = corner + p * w * f + q;
				sum += kc_get(x, at);
				cr_expect(kc_near(kc_get(u, at), 3.0 * kc_get(v, k), kc_eps(dtype)));
			}
		}
		double want = 3.0 * sum / (double)(f * f);
		cr_expect(kc_near(kc_get(y, k), want, 8 * kc_eps(dtype)));
	}
	long double left = 0;
	long double right = 0;
	long double size = 0;
	for (int64_t k = 0; k < v->size; k++) {
		left += (long double)kc_get(y, k) * (long double)kc_get(v, k);
		size += fabsl((long double)kc_get(y, k) * (long double)kc_get(v, k));
	}
	for (int64_t k = 0; k < x->size; k++)
		right += (long double)kc_get(x, k) * (long double)kc_get(u, k) / (long double)(f * f);
	cr_expect(fabsl(left - right) <= 16 * (long double)kc_eps(dtype) * (size + 1), "%Lg and %Lg",
		left, right);
}

GR_KERN_TEST(resample, values_and_adjoint)
{
	const int64_t sizes[] = {1, 3, 8, 33};
	for (int64_t f = 1; f <= 5; f++) {
		for (size_t i = 0; i < 4; i++) {
			gr_scope_begin();
			check(GR_F32, 2, sizes[i], sizes[3 - i], f);
			check(GR_F64, 3, sizes[i], sizes[i], f);
			gr_scope_end();
		}
	}
}

GR_KERN_TEST(resample, threads_and_empty)
{
	const int64_t large[] = {12, 96, 130};
	const int64_t small[] = {12, 48, 65};
	gr_tensor *x = kc_random(GR_F32, 3, large, KC_PLAIN, 1, -1.0, 1.0);
	gr_tensor *y[2], *u[2];
	for (int k = 0; k < 2; k++) {
		gr_set_threads(k == 0 ? 1 : 4);
		y[k] = gr_empty(GR_F32, 3, small);
		u[k] = gr_empty(GR_F32, 3, large);
		gr__pool_mean(y[k], x, 2, 1.0);
		gr__repeat(u[k], y[k], 2, 1.0);
	}
	cr_expect(kc_same_bits(y[0], y[1]) && kc_same_bits(u[0], u[1]));
	gr_tensor *none = gr_empty(GR_F32, GR_DIMS(2, 0, 3));
	cr_assert_eq(gr__pool_mean(none, gr_empty(GR_F32, GR_DIMS(2, 0, 6)), 2, 1.0), GR_OK);
}
