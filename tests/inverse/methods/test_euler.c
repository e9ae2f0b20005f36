/* The implicit step is the Euler step of the flow and of EDM's equation; its order. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "flow_gaussian.h"

/* u = eps - x_0 at time t of z = (1-t) x_0 + t eps, for N(m, l): Align and Invert, 5.1. */
static double velocity(double z, double t, double m, double l)
{
	double d = (1.0 - t) * (1.0 - t) * l + t * t;
	return -m + (t - (1.0 - t) * l) / d * (z - (1.0 - t) * m);
}

/* E[x_0 | x] of x = x_0 + sigma eps. */
static double denoised(double x, double sigma, double m, double l)
{
	return m + l / (l + sigma * sigma) * (x - m);
}

Test(euler, is_the_euler_step_of_the_flow)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const char *const counts[] = {"1", "7", "50", "flow:28,shift=4"};
	for (int c = 0; c < 4; c++) {
		gr_solver *s;
		const gr_solver_opts opts = flow_gaussian_opts(p, 3, "euler", counts[c]);
		cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
		gr_schedule *levels = gr_prior_respace(p, counts[c]);
		double z[18]; /* at t = 1, where z is x_t */
		cr_assert_eq(gr_tensor_to_f64(gr_solver_state(s, 0), z), GR_OK);
		cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
		for (int64_t j = gr_schedule_count(levels) - 1; j >= 0; j--) {
			double t = (gr_schedule_time(levels, j) + 1.0) / 1000.0;
			double next = j > 0 ? (gr_schedule_time(levels, j - 1) + 1.0) / 1000.0 : 0.0;
			for (int i = 0; i < 18; i++)
				z[i] += (next - t) *
					velocity(z[i], t, flow_gaussian_mean[i % FG_D],
						flow_gaussian_variance[i % FG_D]);
		}
		const double *x = gr_tensor_data_const(gr_solver_result(s));
		for (int i = 0; i < 18; i++)
			cr_expect(fabs(x[i] - z[i]) < 1e-12, "%s: %g %g", counts[c], x[i], z[i]);
		gr_schedule_free(levels);
		gr_solver_free(s);
	}
	gr_prior_free(p);
}

Test(euler, is_the_euler_step_in_sigma)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_EDM);
	gr_solver *s;
	const gr_solver_opts opts = flow_gaussian_opts(p, 3, "euler", "edm:18");
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	gr_schedule *levels = gr_prior_respace(p, "edm:18");
	double x[18];
	cr_assert_eq(gr_tensor_to_f64(gr_solver_state(s, 0), x), GR_OK);
	for (int i = 0; i < 18; i++)
		x[i] /= sqrt(gr_schedule_alpha_bar(levels, 17)); /* to x_0 + sigma eps */
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	for (int64_t j = 17; j >= 0; j--) {
		double sigma = gr_schedule_sigma(levels, j);
		double next = j > 0 ? gr_schedule_sigma(levels, j - 1) : 0.0;
		for (int i = 0; i < 18; i++) {
			double x0 = denoised(x[i], sigma, flow_gaussian_mean[i % FG_D],
				flow_gaussian_variance[i % FG_D]);
			x[i] += (next - sigma) * (x[i] - x0) / sigma;
		}
	}
	const double *is = gr_tensor_data_const(gr_solver_result(s));
	for (int i = 0; i < 18; i++)
		cr_expect(fabs(is[i] - x[i]) < 1e-12, "%g %g", is[i], x[i]);
	gr_schedule_free(levels);
	gr_solver_free(s);
	gr_prior_free(p);
}

Test(euler, first_order)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	for (int steps = 32; steps <= 128; steps *= 2) {
		double order = flow_gaussian_order(p, "euler", "flow:", steps);
		cr_expect(fabs(order - 1.0) < 0.1, "%d: %g", steps, order);
	}
	int64_t evaluations = 0;
	double euler = flow_gaussian_error(p, "euler", "50", &evaluations);
	cr_expect_eq(evaluations, 50);
	cr_expect_eq(euler, flow_gaussian_error(p, "ddim", "50", NULL));
	gr_prior_free(p);
}
