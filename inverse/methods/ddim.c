/*
 * Implicit sampling: Song et al. 2021, eq. 12 and 16, from the (clipped) estimate of each step,
 * with eps derived again from it; the equations stand in inverse/solver_step.c:
 *     sigma = eta sqrt((1 - Ap) / (1 - A)) sqrt(1 - A / Ap)
 * The gradient of the terms is subtracted. With sigma = 0 it is the Euler step of the linear path,
 * z + (t' - t) v, and of EDM's equation in sigma (docs/design/017-one-coordinate-system.md), so
 * `euler` is its name for flows.
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

static gr_status euler_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	return status ? status : gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, 0.0));
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

const gr_method gr__method_euler = {
	.name = "euler",
	.doc = "Euler steps of the flow: ddim with eta=0 by its other name",
	.source = "Liu et al. 2023 (rectified flow); Karras et al. 2022, eq. 1",
	.hooks = GR_AT_PREDICT,
	.step = euler_step,
};
