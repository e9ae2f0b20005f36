/*
 * Score distillation sampling as an optimisation of the prior's states, without a measurement:
 * DreamFusion, arXiv 2209.14988; with the repulsion term RSD, the first version of Zilberstein et
 * al., arXiv 2406.16683, and with a likelihood as a term a restoration.
 *
 * Parametrisation: z_t = alpha_t z + sigma_t eps at the steps of a descending schedule,
 *     L = (sigma_t / alpha_t) mean(delta z),   delta = eps_hat(z_t) - eps + d(terms)/dz
 * delta held constant, one step of Adam (0.9, 0.99). Guidance by a class or prompt is the prior's.
 */
#include "variational_priv.h"

static gr_status sds_open(gr_solver *s)
{
	static const char *const names[] = {"x", "x_m", "x_v"};
	return gr__variational_add(s, names, gr_solver_noise(s, "start", 0));
}

static gr_status sds_step(gr_solver *s, gr_method_step *k)
{
	return gr__variational_step(s, k, 0.0, gr__variational_sigma(k), gr_solver_param(s, "lr"));
}

static const gr_method_param params[] = {
	{"lr", 0.5, 0.0, 1e3, "rate of Adam"},
	{0},
};

const gr_method gr__method_sds = {
	.name = "sds",
	.doc = "score distillation, without a measurement; lr=0.5",
	.source = "arXiv 2209.14988; Zilberstein et al. 2025, released code",
	.params = params,
	.hooks = GR_AT_ESTIMATE,
	.open = sds_open,
	.step = sds_step,
	.respacing = "rlsd:100",
};
