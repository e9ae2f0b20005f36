/* Statistics: what can be told by hand, and laws of many draws. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/statistics.h"
#include "inverse_check.h"

/* Of 400 normal numbers: the interval is 1.96 / 20 wide on each side, and follows the key. */
Test(statistics, interval)
{
	double v[401];
	gr_summary a;
	gr_summary b;
	for (uint64_t i = 0; i < 400; i++)
		v[i] = 5.0 + gr_key_normal(gr_key_seed(1), i);
	v[400] = NAN;
	cr_assert_eq(gr_summarize(&a, v, 401, gr_key_seed(2)), GR_OK);
	cr_assert_eq(gr_summarize(&b, v, 401, gr_key_seed(2)), GR_OK);
	cr_expect(a.low == b.low && a.high == b.high);
	cr_expect(a.low < 5.0 && a.high > 5.0);
	cr_expect(fabs(a.high - a.low - 0.196) < 0.03, "%g", a.high - a.low);
	cr_expect_eq(gr_summarize(&a, v + 400, 1, gr_key_seed(2)), GR_EARG);
	gr_error_clear();
}

Test(statistics, best_mean_worst)
{
	static const double v[] = {1.0, 2.0, 6.0, 3.0, 4.0, 5.0};
	gr_summary s[3];
	cr_assert_eq(gr_summarize_samples(s, v, 2, 3, true, gr_key_seed(1)), GR_OK);
	cr_expect(s[0].mean == 5.5 && s[1].mean == 3.5 && s[2].mean == 2.0);
	cr_expect(s[0].low == 5.0 && s[0].high == 6.0);
	cr_assert_eq(gr_summarize_samples(s, v, 2, 3, false, gr_key_seed(1)), GR_OK);
	cr_expect(s[0].mean == 2.0 && s[2].mean == 5.5);
}

Test(statistics, relative_l2)
{
	double out[2];
	gr_tensor *r = nn_normal(1, GR_F64, GR_DIMS(2, 3, 4, 5));
	cr_assert_eq(gr_relative_l2(out, gr_mul_s(r, 1.1), r), GR_OK);
	cr_expect(fabs(out[0] - 0.1) < 1e-12 && fabs(out[1] - 0.1) < 1e-12);
}

Test(statistics, diversity)
{
	double s;
	double v;
	const double apart[] = {2.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 3.0};
	const double same[] = {1.0, 2.0, 3.0, 1.0, 2.0, 3.0};
	gr_tensor *a = gr_from_f64(GR_F64, apart, GR_DIMS(3, 3));
	gr_tensor *b = gr_from_f64(GR_F64, same, GR_DIMS(2, 3));
	cr_assert_eq(gr_pairwise_cosine(&s, a), GR_OK);
	cr_assert_eq(gr_vendi(&v, a), GR_OK);
	cr_expect(fabs(s) < 1e-14 && fabs(v - 3.0) < 1e-12, "%g %g", s, v);
	cr_assert_eq(gr_pairwise_cosine(&s, b), GR_OK);
	cr_assert_eq(gr_vendi(&v, b), GR_OK);
	cr_expect(fabs(s - 1.0) < 1e-14 && fabs(v - 1.0) < 1e-6, "%g %g", s, v);
	cr_assert_eq(gr_sample_variance(&v, b), GR_OK);
	cr_expect_eq(v, 0.0);
	cr_assert_eq(gr_sample_variance(&v, nn_normal(1, GR_F64, GR_DIMS(4, 5000))), GR_OK);
	cr_expect(fabs(v - 1.0) < 5.0 * sqrt(2.0 / 15000.0), "%g", v);
	cr_expect_eq(gr_vendi(&v, batch_of(a, 0, 1)), GR_ESHAPE);
	gr_error_clear();
}

/* Truths of the samples' law lie inside the 90 % interval 90 % of the time. */
Test(statistics, coverage)
{
	double c;
	gr_tensor *samples = nn_normal(1, GR_F64, GR_DIMS(400, 2000));
	cr_assert_eq(gr_coverage(&c, samples, nn_normal(2, GR_F64, GR_DIMS(2000)), 0.9), GR_OK);
	cr_expect(fabs(c - 0.9) < 0.034, "%g", c);
	gr_tensor *wide = gr_mul_s(nn_normal(2, GR_F64, GR_DIMS(2000)), 3.0);
	cr_assert_eq(gr_coverage(&c, samples, wide, 0.9), GR_OK);
	cr_expect(c < 0.5);
}

/* Shifted by v: |v|^2. Scaled by 3: (3 - 1)^2 Tr C. Diagonal covariances: sum (s - s')^2. */
Test(statistics, frechet)
{
	double d;
	double trace;
	gr_tensor *a = nn_normal(1, GR_F64, GR_DIMS(40, 6));
	cr_assert_eq(gr_frechet(&d, a, a), GR_OK);
	cr_expect(fabs(d) < 1e-10, "%g", d);
	cr_assert_eq(gr_frechet(&d, gr_add_s(a, 2.0), a), GR_OK);
	cr_expect(fabs(d - 24.0) < 1e-9, "%g", d);
	gr_tensor *centred = gr_sub(a, gr_mean(a, GR_AXES(0), true));
	trace = dot(centred, centred) / 39.0;
	cr_assert_eq(gr_frechet(&d, gr_mul_s(centred, 3.0), centred), GR_OK);
	cr_expect(fabs(d - 4.0 * trace) < 1e-9, "%g", d);
}
