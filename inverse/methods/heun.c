/*
 * Heun's method, two evaluations a step but one in the last: along the linear path, as REPA's and
 * SiT's samplers go (Yu et al. 2025; Ma et al. 2024), or along sigma (Karras et al. 2022, Algorithm
 * 1, without churn).
 *
 * Parametrisation: x' of the implicit step is where the second evaluation is made, with a = sqrt(A),
 * b = sqrt(1 - A). Of (x_0, eps) there and here, the estimates clipped and eps derived from them,
 *     ve=0: u = eps - x_0 is averaged:  z_next = z + (t' - t) (u_1 + u_2) / 2,  z = x_t / (a + b)
 *     ve=1: eps is averaged:  x_next / a' = x_t / a + (sigma' - sigma) (eps_1 + eps_2) / 2
 * The average says what x_0 and eps are at x_t, and x_next = a' x_0 + b' eps. ve=1 cannot begin with
 * noise alone, where sigma is infinite. The gradient of the terms, of the first evaluation, is
 * subtracted.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static gr_tensor *slope_of(gr_tensor *x, gr_tensor *x0, double alpha_bar, bool ve)
{
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, x, x0, alpha_bar);
	return ve ? eps : gr_sub(eps, x0);
}

static gr_status heun_step(gr_solver *s, gr_method_step *k)
{
	bool ve = gr_solver_param(s, "ve") != 0.0;
	gr_prediction kind = ve ? GR_PREDICT_EPS : GR_PREDICT_FLOW;
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	gr_tensor *x = gr_solver_implicit(s, k, k->x0_hat, 0.0);
	if (k->j == 0)
		return gr_solver_finish(s, k, x);
	gr_estimate_at there;
	double Ap = k->alpha_bar_prev;
	status = gr_solver_evaluate(s, x, Ap, &there);
	if (status)
		return status;
	gr_tensor *mean = gr_axpby(slope_of(k->x_t, k->x0_hat, k->alpha_bar, ve), 0.5,
		slope_of(x, there.x0_hat, Ap, ve), 0.5);
	gr_tensor *x0 = gr_predicted_x0(kind, k->x_t, mean, k->alpha_bar);
	gr_tensor *eps = gr_predicted_eps(kind, k->x_t, mean, k->alpha_bar);
	return gr_solver_finish(s, k, gr_axpby(x0, sqrt(Ap), eps, sqrt(1.0 - Ap)));
}

static const gr_method_param params[] = {
	{"ve", 0.0, 0.0, 1.0, "0 along the linear path, 1 along sigma"},
	{0},
};

const gr_method gr__method_heun = {
	.name = "heun",
	.doc = "second order, two evaluations a step; ve=0 (along the linear path; 1 along sigma)",
	.source = "Karras et al. 2022, Algorithm 1; Yu et al. 2025, samplers",
	.params = params,
	.hooks = GR_AT_PREDICT,
	.step = heun_step,
};
