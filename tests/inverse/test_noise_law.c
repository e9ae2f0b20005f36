/* Laws of noise: moments of many draws, densities that sum to 1, gradients, batches. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/noise.h"
#include "inverse_check.h"

/* Variances: Laplace 2 b^2; Poisson of m = 50 (0.25 + 1) counts: m (2/100)^2. */
Test(noise_law, moments)
{
	static const struct {
		gr_noise_law law;
		double level, variance, fourth; /* fourth moment over variance^2 */
	} cases[] = {
		{GR_NOISE_GAUSS, 0.1, 0.01, 3.0},
		{GR_NOISE_LAPLACE, 0.1, 0.02, 6.0},
		{GR_NOISE_POISSON, 100.0, 62.5 * 0.0004, 3.1},
	};
	gr_tensor *mean = gr_full(GR_F64, GR_DIMS(40, 1, 16, 16), 0.25);
	for (int k = 0; k < 3; k++) {
		gr_tensor *y = gr_noise_draw(cases[k].law, mean, cases[k].level, 40, some_keys(1, 40));
		gr_tensor *e = gr_sub(y, mean);
		double count = (double)gr_tensor_size(e);
		double first = gr_item(gr_mean(e, GR_ALL_AXES, false));
		double second = gr_item(gr_mean(gr_square(e), GR_ALL_AXES, false));
		/* five standard deviations of either estimate */
		cr_expect(fabs(first) < 5.0 * sqrt(cases[k].variance / count), "%d: %g", k, first);
		cr_expect(fabs(second / cases[k].variance - 1.0) <
				5.0 * sqrt((cases[k].fourth - 1.0) / count),
			"%d: %g", k, second);
		gr_tensor *alone =
			gr_noise_draw(cases[k].law, batch_of(mean, 3, 4), cases[k].level, 1, some_keys(4, 1));
		cr_expect(nn_same_bits(alone, batch_of(y, 3, 4)));
	}
	cr_expect(nn_same_bits(gr_noise_draw(GR_NOISE_NONE, mean, 0.0, 40, some_keys(1, 40)), mean));
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}

/* Densities sum to 1: Laplace on a grid, Poisson over its counts. */
Test(noise_law, densities)
{
	gr_tensor *mean = gr_full(GR_F64, GR_DIMS(1, 1), 0.2);
	double laplace = 0.0;
	double poisson = 0.0;
	for (int i = -4000; i < 4000; i++) {
		gr_scope_begin();
		double y = 0.2 + 0.001 * ((double)i + 0.5);
		gr_tensor *at = gr_full(GR_F64, GR_DIMS(1, 1), y);
		laplace +=
			0.001 * exp(gr_item(gr_noise_log_density(GR_NOISE_LAPLACE, at, mean, 0.3, NULL)));
		if (i >= 0 && i < 100) {
			at = gr_full(GR_F64, GR_DIMS(1, 1), 2.0 * (double)i / 20.0 - 1.0);
			poisson += exp(gr_item(gr_noise_log_density(GR_NOISE_POISSON, at, mean, 20.0, NULL)));
		}
		gr_scope_end();
	}
	cr_expect(fabs(laplace - 1.0) < 1e-5, "%g", laplace);
	cr_expect(fabs(poisson - 1.0) < 1e-12, "%g", poisson);
}

/* d/dmu: sign(r) / b, and (k / m - 1) level / 2. */
Test(noise_law, gradients)
{
	gr_tensor *mean = gr_watch(gr_full(GR_F64, GR_DIMS(1, 2), 0.2));
	gr_tensor *y = gr_from_f64(GR_F64, (const double[]){0.9, -0.7}, GR_DIMS(1, 2));
	gr_tensor *g;
	gr_tensor *value = gr_noise_log_density(GR_NOISE_LAPLACE, y, mean, 0.5, NULL);
	cr_assert_eq(gr_grad(&g, gr_sum(value, GR_ALL_AXES, false), 1, &mean, NULL), GR_OK);
	cr_expect(
		nn_distance(g, gr_from_f64(GR_F64, (const double[]){2.0, -2.0}, GR_DIMS(1, 2))) < 1e-14);
	value = gr_noise_log_density(GR_NOISE_POISSON, y, mean, 20.0, NULL);
	cr_assert_eq(gr_grad(&g, gr_sum(value, GR_ALL_AXES, false), 1, &mean, NULL), GR_OK);
	const double expected[] = {(19.0 / 12.0 - 1.0) * 10.0, (3.0 / 12.0 - 1.0) * 10.0};
	cr_expect(nn_distance(g, gr_from_f64(GR_F64, expected, GR_DIMS(1, 2))) < 1e-13);
	cr_expect_null(gr_noise_log_density(GR_NOISE_NONE, y, mean, 1.0, NULL));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
	cr_expect_null(gr_noise_draw(GR_NOISE_POISSON, y, -1.0, 1, some_keys(1, 1)));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
