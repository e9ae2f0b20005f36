/*
 * DPM-Solver++(2M): Lu, Zhou, Bao, Chen, Li and Zhu 2022, arXiv 2211.01095, Algorithm 2: second
 * order by one evaluation a step, from the estimate of the step before.
 *
 * Parametrisation: lambda = log(a / b) with a = sqrt(A), b = sqrt(1 - A); h = lambda' - lambda of
 * this step, h_last of the one before, D_last its estimate,
 *     D = x_0 + h / (2 h_last) (x_0 - D_last)
 *     x_next = (b' / b) x_t + a' (1 - e^-h) D = a' D + b' (x_t - a D) / b
 * which is the implicit step with D for x_0. First order at the first step, and at the last, where h
 * is infinite. Estimates are the (clipped) ones of each step; the gradient of the terms is
 * subtracted.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static double lambda_of(double alpha_bar)
{
	return 0.5 * log(alpha_bar / (1.0 - alpha_bar));
}

static gr_status dpmpp2m_open(gr_solver *s)
{
	gr_tensor *x = gr_solver_start(s);
	gr_status status = gr_solver_add_state(s, "x", x);
	return status ? status : gr_solver_add_state(s, "x0_last", gr_mul_s(x, 0.0));
}

static gr_status dpmpp2m_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	gr_tensor *D = k->x0_hat;
	if (k->i > 0 && k->j > 0) {
		double lambda = lambda_of(k->alpha_bar);
		double last = lambda - lambda_of(gr_schedule_alpha_bar(gr_solver_schedule(s), k->j + 1));
		double c = 0.5 * (lambda_of(k->alpha_bar_prev) - lambda) / last;
		D = gr_axpby(D, 1.0 + c, gr_solver_state(s, 1), -c);
	}
	status = gr_solver_set_state(s, 1, gr_stop_gradient(k->x0_hat));
	return status ? status : gr_solver_finish(s, k, gr_solver_implicit(s, k, D, 0.0));
}

const gr_method gr__method_dpmpp2m = {
	.name = "dpmpp2m",
	.doc = "DPM-Solver++(2M): second order, one evaluation a step",
	.source = "Lu et al. 2022, Algorithm 2",
	.hooks = GR_AT_PREDICT,
	.open = dpmpp2m_open,
	.step = dpmpp2m_step,
};
