/* DPM-Solver++(2M): its own formula, its order, and a run that is resumed. */
#include <criterion/criterion.h>

#include <math.h>

#include "flow_gaussian.h"

Test(dpmpp2m, follows_the_formula)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_EDM);
	gr_solver *s;
	const gr_solver_opts opts = flow_gaussian_opts(p, 3, "dpmpp2m", "edm:12");
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	gr_schedule *levels = gr_prior_respace(p, "edm:12");
	double x[18];
	cr_assert_eq(gr_tensor_to_f64(gr_solver_state(s, 0), x), GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	for (int i = 0; i < 18; i++) {
		double m = flow_gaussian_mean[i % FG_D], l = flow_gaussian_variance[i % FG_D];
		double last = 0.0, h_last = 0.0;
		for (int64_t j = 11; j >= 0; j--) {
			double A = gr_schedule_alpha_bar(levels, j), a = sqrt(A), b = sqrt(1.0 - A);
			double x0 = m + a * l / (A * l + 1.0 - A) * (x[i] - a * m);
			double Ap = j > 0 ? gr_schedule_alpha_bar(levels, j - 1) : 1.0;
			double h = log(sqrt(Ap / (1.0 - Ap))) - log(a / b);
			double r = h_last / h;
			double D = j < 11 && j > 0 ? (1.0 + 0.5 / r) * x0 - 0.5 / r * last : x0;
			x[i] = j > 0 ? sqrt(1.0 - Ap) / b * x[i] - sqrt(Ap) * expm1(-h) * D : x0;
			last = x0;
			h_last = h;
		}
	}
	const double *is = gr_tensor_data_const(gr_solver_result(s));
	for (int i = 0; i < 18; i++)
		cr_expect(fabs(is[i] - x[i]) < 1e-11, "%g %g", is[i], x[i]);
	gr_schedule_free(levels);
	gr_solver_free(s);
	gr_prior_free(p);
}

/*
 * Second order where steps in lambda = log(a / b) shrink with their number, as EDM's levels do. Even
 * times do not at their two ends: step k from an end has length log((k + 1) / k) whatever N, its error
 * is of order 1 / (k N^2), and the sum N^-2 log N, an order that rises to 2 as 2 - 1 / log N.
 */
Test(dpmpp2m, second_order)
{
	double before = 1.5;
	gr_prior *flow = flow_gaussian_new(GR_SCHEDULE_FLOW);
	gr_prior *edm = flow_gaussian_new(GR_SCHEDULE_EDM);
	for (int steps = 64; steps <= 256; steps *= 2) {
		double even = flow_gaussian_order(flow, "dpmpp2m", "flow:", steps);
		cr_expect(even > before && even < 2.0, "flow, %d: %g", steps, even);
		before = even;
		double order = flow_gaussian_order(edm, "dpmpp2m", "edm:", steps);
		cr_expect(fabs(order - 2.0) < 0.2, "edm, %d: %g", steps, order);
	}
	int64_t evaluations = 0;
	flow_gaussian_error(flow, "dpmpp2m", "50", &evaluations);
	cr_expect_eq(evaluations, 50);
	gr_prior_free(flow);
	gr_prior_free(edm);
}

/* The estimate of the step before is part of the state. */
Test(dpmpp2m, resumes_to_the_bit)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const gr_solver_opts opts = flow_gaussian_opts(p, 3, "dpmpp2m", "20");
	gr_tensor *whole = gr_solver_solve(&opts);
	gr_solver *first, *second;
	cr_assert_eq(gr_solver_new(&first, &opts), GR_OK);
	cr_assert_eq(gr_solver_new(&second, &opts), GR_OK);
	cr_expect_eq(gr_solver_state_count(first), 2);
	for (int i = 0; i < 7; i++)
		cr_assert_eq(gr_solver_step(first), GR_OK);
	gr_tensor *const states[] = {gr_solver_state(first, 0), gr_solver_state(first, 1)};
	cr_assert_eq(gr_solver_restore(second, states, 7), GR_OK);
	cr_assert_eq(gr_solver_run(second), GR_OK);
	cr_expect(nn_same_bits(gr_solver_result(second), whole));
	gr_solver_free(first);
	gr_solver_free(second);
	gr_prior_free(p);
}
