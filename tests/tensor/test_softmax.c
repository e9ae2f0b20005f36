/* Softmax: against the definition, identities (rows sum to 1, shifts change nothing), bits. */
#include "kern_case.h"

#include <float.h>
#include <math.h>

static long double log_sum(const gr_tensor *x, int64_t row, int64_t d)
{
	long double max = -INFINITY;
	for (int64_t i = 0; i < d; i++)
		max = fmaxl(max, (long double)kc_get(x, row * d + i));
	long double sum = 0;
	for (int64_t i = 0; i < d; i++)
		sum += expl((long double)kc_get(x, row * d + i) - max);
	return max + logl(sum);
}

static void check(gr_dtype dtype, int64_t rows, int64_t d, double scale)
{
	const int64_t dims[] = {rows, d};
	gr_tensor *x = kc_random(dtype, 2, dims, KC_PLAIN, (uint64_t)d, -scale, scale);
	gr_tensor *dy = kc_random(dtype, 2, dims, KC_PLAIN, 2, -1.0, 1.0);
	gr_tensor *y = kc_like(x);
	gr_tensor *l = kc_like(x);
	gr_tensor *dx = kc_like(x);
	cr_assert_eq(gr__softmax(y, x), GR_OK);
	cr_assert_eq(gr__log_softmax(l, x), GR_OK);
	cr_assert_eq(gr__softmax_backward(dx, y, dy), GR_OK);
	double eps = kc_eps(dtype);
	/* Below the normal numbers the unit is fixed. */
	double tiny = dtype == GR_F32 ? FLT_TRUE_MIN : DBL_TRUE_MIN;
	for (int64_t r = 0; r < rows; r++) {
		long double shift = log_sum(x, r, d);
		long double dot = 0;
		for (int64_t i = 0; i < d; i++)
			dot += (long double)kc_get(y, r * d + i) * (long double)kc_get(dy, r * d + i);
		for (int64_t i = 0; i < d; i++) {
			int64_t at = r * d + i;
			long double lw = (long double)kc_get(x, at) - shift;
			double want = (double)expl(lw);
			double got = kc_get(y, at);
			cr_expect(fabs(got - want) <= (8 + 2 * scale) * eps * want + 2 * tiny, "%g, not %g",
				got, want);
			cr_expect(kc_near(kc_get(l, at), (double)lw, 8 * eps));
			double back = got * (double)((long double)kc_get(dy, at) - dot);
			cr_expect(fabs(kc_get(dx, at) - back) <= 8 * eps * got + 2 * tiny);
		}
	}
}

GR_KERN_TEST(softmax, values)
{
	const int64_t lengths[] = {1, 2, 7, 31, 32, 33, 63, 64, 65, 200, 1000};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		for (int t = 0; t < 2; t++) {
			gr_scope_begin();
			check(t == 0 ? GR_F32 : GR_F64, 5, lengths[i], 4.0);
			check(t == 0 ? GR_F32 : GR_F64, 3, lengths[i], 60.0);
			gr_scope_end();
		}
	}
}

GR_KERN_TEST(softmax, extremes)
{
	const double x[] = {1000.0, 0.0, -1000.0, -INFINITY, -INFINITY, -INFINITY, 1.0, NAN, 2.0};
	gr_tensor *t = gr_from_f64(GR_F32, x, GR_DIMS(3, 3));
	gr_tensor *y = kc_like(t);
	gr__softmax(y, t);
	const double want[] = {1, 0, 0, NAN, NAN, NAN, NAN, NAN, NAN};
	for (int64_t i = 0; i < 9; i++)
		cr_expect(kc_near(kc_get(y, i), want[i], 0.0), "%d", (int)i);
	gr_tensor *masked = gr_from_f64(GR_F32, (double[]){-INFINITY, 3.0, 3.0}, GR_DIMS(3));
	gr_tensor *m = kc_like(masked);
	gr__softmax(m, masked);
	cr_expect(kc_get(m, 0) == 0.0 && kc_get(m, 1) == 0.5);
	gr_tensor *none = gr_empty(GR_F32, GR_DIMS(3, 0));
	cr_assert_eq(gr__softmax(none, none), GR_OK);
}

GR_KERN_TEST(softmax, a_row_depends_on_itself_alone)
{
	const int64_t dims[] = {900, 131};
	for (int t = 0; t < 2; t++) {
		gr_tensor *x = kc_random(t == 0 ? GR_F32 : GR_F64, 2, dims, KC_PLAIN, 9, -3.0, 3.0);
		gr_tensor *y1 = kc_like(x);
		gr_tensor *y4 = kc_like(x);
		gr_set_threads(1);
		gr__softmax(y1, x);
		gr_set_threads(4);
		gr__softmax(y4, x);
		cr_expect(kc_same_bits(y1, y4));
		gr_tensor *row = kc_plain(gr__scope_own(gr__view_slice(x, 0, 701, 702, 1)));
		gr_tensor *alone = kc_like(row);
		gr__softmax(alone, row);
		cr_expect(kc_same_bits(alone, kc_plain(gr__scope_own(gr__view_slice(y1, 0, 701, 702, 1)))));
	}
}
