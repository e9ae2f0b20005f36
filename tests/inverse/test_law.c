/* Posteriors of laws in closed form: against integrals over a grid, and draws against moments. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/law.h"
#include "inverse_check.h"
#include "plane_mixture.h"

static const double row[] = {0.8, -0.6};

static gr_linear_data one_number(double y, double sigma)
{
	return (gr_linear_data){gr_from_f64(GR_F64, row, GR_DIMS(1, 2)),
		gr_from_f64(GR_F64, &y, GR_DIMS(1)), sigma};
}

Test(law, moments_are_integrals)
{
	gr_law *law = plane_mixture_law(true);
	for (int given = 0; given < 2; given++) {
		gr_linear_data data = one_number(0.7, 0.4);
		gr_tensor *mean = NULL;
		gr_tensor *C = NULL;
		double m[6];
		plane_mixture_integrate(m, NULL, 0.0, given ? row : NULL, 0.7, 0.4);
		cr_assert_eq(gr_law_moments(&mean, &C, law, given ? &data : NULL), GR_OK, "%s",
			gr_error_message());
		for (int64_t i = 0; i < 2; i++) {
			double is = gr_tensor_at(mean, (const int64_t[]){i});
			cr_expect(fabs(is - m[1 + i]) < 1e-9, "%g %g", is, m[1 + i]);
			for (int64_t j = 0; j < 2; j++) {
				double c = gr_tensor_at(C, (const int64_t[]){i, j});
				double expected = m[3 + i + j] - m[1 + i] * m[1 + j];
				cr_expect(fabs(c - expected) < 1e-9, "%g %g", c, expected);
			}
		}
	}
	gr_law_free(law);
}

/* log p(y) of two data, by the law of total probability over components: the ratio of evidences
 * that weights imply is that of the integrals. */
Test(law, weights_follow_the_evidence)
{
	gr_law *law = plane_mixture_law(true);
	gr_linear_data data = one_number(1.9, 0.2);
	gr_tensor *w = gr_law_weights(law, &data);
	gr_tensor *means = gr_law_means(law, &data);
	cr_assert(w && means, "%s", gr_error_message());
	cr_expect(fabs(gr_item(gr_sum(w, GR_ALL_AXES, false)) - 1.0) < 1e-14);
	double m[6];
	plane_mixture_integrate(m, NULL, 0.0, row, 1.9, 0.2);
	gr_tensor *mean = gr_matmul(gr_reshape(w, GR_DIMS(1, 3)), means);
	for (int64_t i = 0; i < 2; i++)
		cr_expect(fabs(gr_tensor_at(mean, (const int64_t[]){0, i}) - m[1 + i]) < 1e-9);
	/* 1.9 lies at the second component's mean, 1.5, -0.5 */
	cr_expect(gr_tensor_at(w, (const int64_t[]){1}) > 0.8);
	gr_law_free(law);
}

/* Moments of draws within five standard deviations; more draws have the first ones in common. */
static void expect_draws(const gr_law *law, const gr_linear_data *data)
{
	const int64_t n = 20000;
	int64_t D = gr_law_size(law);
	gr_tensor *mean = NULL;
	gr_tensor *C = NULL;
	cr_assert_eq(gr_law_moments(&mean, &C, law, data), GR_OK, "%s", gr_error_message());
	gr_tensor *x = gr_law_draw(law, data, n, gr_key_seed(11));
	cr_assert_not_null(x, "%s", gr_error_message());
	gr_tensor *off = gr_sub(x, mean);
	gr_tensor *is = gr_mean(off, GR_AXES(0), false);
	gr_tensor *cov = gr_mul_s(gr_matmul(gr_transpose(off, 0, 1), off), 1.0 / (double)n);
	for (int64_t i = 0; i < D; i++) {
		double c_ii = gr_tensor_at(C, (const int64_t[]){i, i});
		double shift = gr_tensor_at(is, (const int64_t[]){i});
		cr_expect(fabs(shift) < 5.0 * sqrt(c_ii / (double)n), "mean %lld: %g", (long long)i, shift);
		for (int64_t j = 0; j <= i; j++) {
			double c = gr_tensor_at(C, (const int64_t[]){i, j});
			double both = c_ii * gr_tensor_at(C, (const int64_t[]){j, j});
			double found = gr_tensor_at(cov, (const int64_t[]){i, j});
			/* a mixture's fourth moments are below a Gaussian's of its width, or not by far above */
			cr_expect(fabs(found - c) < 7.0 * sqrt((both + c * c) / (double)n), "%lld %lld: %g %g",
				(long long)i, (long long)j, found, c);
		}
	}
	gr_tensor *few = gr_law_draw(law, data, 50, gr_key_seed(11));
	cr_expect(nn_distance(few, batch_of(x, 0, 50)) < 1e-12);
}

Test(law, draws)
{
	gr_law *law = plane_mixture_law(true);
	gr_linear_data data = one_number(0.7, 0.4);
	expect_draws(law, NULL);
	expect_draws(law, &data);
	gr_law_free(law);
}

/* Draws given data with noise reproduce the weights too. */
Test(law, draws_choose_components_by_weight)
{
	gr_law *law = plane_mixture_law(false);
	gr_linear_data data = one_number(0.1, 0.5);
	gr_tensor *w = gr_law_weights(law, &data);
	gr_tensor *x = gr_law_draw(law, &data, 20000, gr_key_seed(3));
	/* the mean of x_1 > 0.75 by draws of each component alone */
	double expected = 0.0;
	gr_tensor *means = gr_law_means(law, &data);
	for (int64_t k = 0; k < 3; k++) {
		double variance[] = {0.3, 0.5, 0.25};
		double other[] = {0.2, 0.4, 0.6};
		double s = row[0] * row[0] * variance[k] + row[1] * row[1] * other[k] + 0.25;
		double left = variance[k] - variance[k] * variance[k] * row[0] * row[0] / s;
		double z = (0.75 - gr_tensor_at(means, (const int64_t[]){k, 0})) / sqrt(left);
		expected += gr_tensor_at(w, (const int64_t[]){k}) * 0.5 * erfc(z / sqrt(2.0));
	}
	gr_tensor *above = gr_gt_s(gr_slice(x, 1, 0, 1, 1), 0.75);
	double found = gr_item(gr_mean(gr_cast(above, GR_F64), GR_ALL_AXES, false));
	cr_expect(fabs(found - expected) < 5.0 * sqrt(0.25 / 20000.0), "%g %g", found, expected);
	gr_law_free(law);
}

/* The probability of a component given x does not depend on what was measured of x, so its mean over
 * the posterior is that component's weight. */
Test(law, responsibilities_average_to_weights)
{
	for (int full = 0; full < 2; full++) {
		gr_law *law = plane_mixture_law(full);
		gr_linear_data data = one_number(0.1, 0.5);
		gr_tensor *w = gr_law_weights(law, &data);
		gr_tensor *x = gr_law_draw(law, &data, 20000, gr_key_seed(6));
		gr_tensor *r = gr_law_responsibilities(law, x, 1.0);
		cr_assert_not_null(r, "%s", gr_error_message());
		gr_tensor *off = gr_sub(gr_mean(r, GR_AXES(0), false), w);
		double worst = gr_item(gr_max(gr_abs(off), GR_ALL_AXES, false));
		cr_expect(worst < 5.0 * sqrt(0.25 / 20000.0), "%g", worst);
		gr_law_free(law);
	}
}

Test(law, without_noise_draws_satisfy_the_data)
{
	gr_law *law = plane_mixture_law(true);
	gr_linear_data data = one_number(0.7, 0.0);
	gr_tensor *x = gr_law_draw(law, &data, 20, gr_key_seed(4));
	gr_tensor *seen = gr_matmul(x, gr_transpose(data.matrix, 0, 1));
	cr_expect(nn_distance(seen, gr_full(GR_F64, GR_DIMS(20, 1), 0.7)) < 1e-12);
	gr_law_free(law);
}

Test(law, wrong_data)
{
	gr_law *law = plane_mixture_law(false);
	gr_linear_data data = one_number(0.7, -1.0);
	cr_expect_null(gr_law_draw(law, &data, 5, gr_key_seed(1)));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	data = one_number(0.7, 0.1);
	data.matrix = gr_zeros(GR_F64, GR_DIMS(1, 3));
	cr_expect_null(gr_law_weights(law, &data));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(gr_law_log_density(law, gr_zeros(GR_F64, GR_DIMS(2, 2)), 0.0));
	gr_error_clear();
	cr_expect_null(gr_law_means(NULL, NULL));
	gr_error_clear();
	gr_law_free(law);
}
