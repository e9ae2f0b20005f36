/*
 * Implicit sampling: Song et al. 2021, eq. 12 and 16. With A = alpha_bar at step j, Ap the one
 * before, and eps derived again from the clipped x0_hat:
 *     sigma = eta sqrt((1 - Ap) / (1 - A)) sqrt(1 - A / Ap)
 *     x_{j-1} = sqrt(Ap) x0_hat + sqrt(1 - Ap - sigma^2) eps + [j > 0] sigma z - gradient of the terms
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static gr_tensor *next(gr_solver *s, const gr_method_step *k)
{
	double A = k->alpha_bar;
	double Ap = k->alpha_bar_prev;
	double sigma = gr_solver_param(s, "eta") * sqrt((1.0 - Ap) / (1.0 - A)) * sqrt(1.0 - A / Ap);
	double along = sqrt(fmax(1.0 - Ap - sigma * sigma, 0.0));
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, k->x_t, k->x0_hat, A);
	gr_tensor *x = gr_axpby(k->x0_hat, sqrt(Ap), eps, along);
	if (k->j == 0 || sigma == 0.0)
		return x;
	return gr_axpby(x, 1.0, gr_solver_noise(s, "step", (uint64_t)k->t), sigma);
}

static gr_status ddim_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	gr_tensor *x = next(s, k);
	return gr_solver_set_state(s, 0, k->gradient ? gr_sub(x, k->gradient) : x);
}

static const gr_method_param params[] = {
	{"eta", 0.0, 0.0, 1.0, "0 deterministic, 1 as noisy as ddpm"},
	{0},
};

const gr_method gr__method_ddim = {
	.name = "ddim",
	.doc = "implicit sampling; eta=0 (deterministic) to 1 (as noisy as ddpm)",
	.source = "Song et al. 2021, eq. 12 and 16",
	.params = params,
	.hooks = 1u << GR_HOOK_PREDICT,
	.step = ddim_step,
};
