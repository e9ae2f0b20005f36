/*
 * Ancestral sampling: Ho et al. 2020, Algorithm 2, from the (clipped) estimate of each step; the
 * equations stand in inverse/solver_step.c. The gradient of the terms is subtracted: with the DPS
 * term this is Algorithm 1 of Chung et al. 2023.
 */
#include "solver_priv.h"

static gr_status ddpm_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	return status ? status : gr_solver_finish(s, k, gr_solver_ancestral(s, k, k->x0_hat));
}

const gr_method gr__method_ddpm = {
	.name = "ddpm",
	.doc = "ancestral sampling, noise of the posterior's or the learned variance",
	.source = "Ho et al. 2020, Algorithm 2; Nichol and Dhariwal 2021, eq. 15",
	.hooks = GR_AT_PREDICT,
	.step = ddpm_step,
};
