/*
 * Implicit sampling: Song et al. 2021, eq. 12 and 16, from the (clipped) estimate of each step,
 * with eps derived again from it; the equations stand in inverse/solver_step.c:
 *     sigma = eta sqrt((1 - Ap) / (1 - A)) sqrt(1 - A / Ap)
 * The gradient of the terms is subtracted.
 */
#include "solver_priv.h"

static gr_status ddim_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	double sigma = gr_solver_implicit_sigma(k, gr_solver_param(s, "eta"));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, sigma));
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
	.hooks = GR_AT_PREDICT,
	.step = ddim_step,
};
