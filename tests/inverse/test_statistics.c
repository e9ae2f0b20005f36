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

/* Shifted by v, <u, v>^2 has the mean |v|^2 / D, exactly in one dimension; scaled in one dimension,
 * sorted values differ by their size; and the order of rows does not matter. */
Test(statistics, sliced_wasserstein)
{
	double d;
	gr_tensor *a = nn_normal(1, GR_F64, GR_DIMS(200, 6));
	gr_tensor *flipped = gr_flip(a, 0);
	cr_assert_eq(gr_sliced_wasserstein(&d, a, flipped, 50, gr_key_seed(1)), GR_OK);
	cr_expect(d < 1e-14, "%g", d);
	gr_tensor *shift = gr_full(GR_F64, GR_DIMS(1, 6), 0.5);
	cr_assert_eq(gr_sliced_wasserstein(&d, a, gr_add(flipped, shift), 20000, gr_key_seed(1)),
		GR_OK);
	/* the square of a cosine has the variance 2 (D - 1) / (D^2 (D + 2)) */
	double mean = 6.0 * 0.25 / 6.0;
	double spread = 6.0 * 0.25 * sqrt(2.0 * 5.0 / (36.0 * 8.0) / 20000.0);
	cr_expect(fabs(d * d - mean) < 5.0 * spread, "%g", d * d);
	gr_tensor *line = gr_reshape(a, GR_DIMS(1200, 1));
	cr_assert_eq(gr_sliced_wasserstein(&d, line, gr_mul_s(line, 3.0), 7, gr_key_seed(1)), GR_OK);
	double square = gr_item(gr_mean(gr_square(line), GR_ALL_AXES, false));
	cr_expect(fabs(d - 2.0 * sqrt(square)) < 1e-12);
	cr_expect_eq(gr_sliced_wasserstein(&d, a, line, 7, gr_key_seed(1)), GR_ESHAPE);
	gr_error_clear();
}

/* The 90 % interval of 0..100 is 5..95, which 91 of them lie in, ends included. */
Test(statistics, coverage_of_many)
{
	double part;
	gr_tensor *samples = gr_reshape(gr_arange(GR_F64, 101, 0.0, 1.0), GR_DIMS(101, 1));
	gr_tensor *truths = gr_reshape(gr_arange(GR_F64, 200, -50.0, 1.0), GR_DIMS(200, 1));
	cr_assert_eq(gr_coverage_of(&part, samples, truths, 0.9), GR_OK);
	cr_expect(fabs(part - 91.0 / 200.0) < 1e-14, "%g", part);
	gr_tensor *normal = nn_normal(1, GR_F64, GR_DIMS(4000, 3));
	gr_tensor *others = nn_normal(2, GR_F64, GR_DIMS(4000, 3));
	cr_assert_eq(gr_coverage_of(&part, normal, others, 0.9), GR_OK);
	/* by the quantiles' error and that of the count, both sqrt(0.09 / 4000) for each of 3 */
	cr_expect(fabs(part - 0.9) < 5.0 * sqrt(2.0 * 0.09 / 12000.0), "%g", part);
	cr_expect_eq(gr_coverage_of(&part, normal, gr_zeros(GR_F64, GR_DIMS(4)), 0.9), GR_ESHAPE);
	gr_error_clear();
}

/* Of three differences of one sign two of eight sign changes are as far; of many, what a normal law
 * says. */
Test(statistics, paired_test)
{
	double p;
	double v[200];
	cr_assert_eq(gr_paired_test(&p, (double[]){1.0, NAN, 2.0, 0.5}, 4, gr_key_seed(1)), GR_OK);
	cr_expect_eq(p, 0.25);
	cr_assert_eq(gr_paired_test(&p, (double[]){1.0, -1.0}, 2, gr_key_seed(1)), GR_OK);
	cr_expect_eq(p, 1.0);
	cr_assert_eq(gr_paired_test(&p, (double[]){0.0, 0.0}, 2, gr_key_seed(1)), GR_OK);
	cr_expect_eq(p, 1.0);
	/* mean over its deviation is z = 2: 4.55 % */
	for (int i = 0; i < 200; i++)
		v[i] = (i % 2 == 0 ? 1.0 : -1.0) + 2.0 / sqrt(200.0);
	cr_assert_eq(gr_paired_test(&p, v, 200, gr_key_seed(1)), GR_OK);
	cr_expect(fabs(p - 0.0455) < 0.008, "%g", p);
	cr_expect_eq(gr_paired_test(&p, (double[]){NAN}, 1, gr_key_seed(1)), GR_EARG);
	gr_error_clear();
}
