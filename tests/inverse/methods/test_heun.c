/* Heun's method: the steps of the published samplers, and its order. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "flow_gaussian.h"

/* d = (x - D) / sigma, Karras et al. 2022, Algorithm 1. */
static double slope(double x, double sigma, int i)
{
	double m = flow_gaussian_mean[i % FG_D], l = flow_gaussian_variance[i % FG_D];
	return (x - m - l / (l + sigma * sigma) * (x - m)) / sigma;
}

Test(heun, along_sigma_is_that_of_edm)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_EDM);
	gr_solver *s;
	const gr_solver_opts opts = flow_gaussian_opts(p, 3, "heun:ve=1", "edm:18");
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	gr_schedule *levels = gr_prior_respace(p, "edm:18");
	double x[18];
	cr_assert_eq(gr_tensor_to_f64(gr_solver_state(s, 0), x), GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	for (int i = 0; i < 18; i++) {
		x[i] /= sqrt(gr_schedule_alpha_bar(levels, 17));
		for (int64_t j = 17; j >= 0; j--) {
			double sigma = gr_schedule_sigma(levels, j);
			double next = j > 0 ? gr_schedule_sigma(levels, j - 1) : 0.0;
			double d = slope(x[i], sigma, i), there = x[i] + (next - sigma) * d;
			x[i] = j > 0 ? x[i] + (next - sigma) * 0.5 * (d + slope(there, next, i)) : there;
		}
	}
	const double *is = gr_tensor_data_const(gr_solver_result(s));
	for (int i = 0; i < 18; i++)
		cr_expect(fabs(is[i] - x[i]) < 1e-11, "%g %g", is[i], x[i]);
	gr_schedule_free(levels);
	gr_solver_free(s);
	gr_prior_free(p);
}

Test(heun, second_order_on_flow_and_sigma)
{
	gr_prior *flow = flow_gaussian_new(GR_SCHEDULE_FLOW);
	gr_prior *edm = flow_gaussian_new(GR_SCHEDULE_EDM);
	for (int steps = 32; steps <= 128; steps *= 2) {
		double order = flow_gaussian_order(flow, "heun", "flow:", steps);
		cr_expect(fabs(order - 2.0) < 0.1, "flow, %d: %g", steps, order);
		order = flow_gaussian_order(edm, "heun:ve=1", "edm:", steps);
		cr_expect(fabs(order - 2.0) < 0.15, "sigma, %d: %g", steps, order);
	}
	int64_t evaluations = 0;
	flow_gaussian_error(flow, "heun", "50", &evaluations);
	cr_expect_eq(evaluations, 99, "two a step, one in the last");
	gr_prior_free(flow);
	gr_prior_free(edm);
}

/* From noise alone there is no finite sigma to step along. */
Test(heun, along_sigma_refuses_a_flow)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const gr_solver_opts opts = flow_gaussian_opts(p, 1, "heun:ve=1", "10");
	cr_expect_null(gr_solver_solve(&opts));
	cr_expect_eq(gr_error_code(), GR_EARG);
	cr_expect_not_null(strstr(gr_error_message(), "alpha_bar is 0"), "%s", gr_error_message());
	gr_error_clear();
	gr_prior_free(p);
}
