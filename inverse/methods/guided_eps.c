/*
 * DDIM whose predicted noise takes the gradient of the terms, where others subtract it from the state:
 *     eps' = eps_hat(x_t) + d(terms)/dx_t,   x_0' = (x_t - sqrt(1 - A) eps') / sqrt(A)
 * and the implicit step from x_0'. With the repulsion term, undivided and annealed by sigma_t / alpha_t
 * on the noisy state while that is at least 1, it is particle guidance: arXiv 2310.13102, released
 * code.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static gr_status guided_eps_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	if (k->gradient) {
		gr_tensor *eps = gr_add(gr_stop_gradient(k->eps), k->gradient);
		k->x0_hat = gr_solver_clip(s, gr_predicted_x0(GR_PREDICT_EPS, k->x_t, eps, k->alpha_bar));
	}
	double sigma = gr_solver_implicit_sigma(k, gr_solver_param(s, "eta"));
	return gr_solver_set_state(s, 0, gr_solver_implicit(s, k, k->x0_hat, sigma));
}

static const gr_method_param params[] = {
	{"eta", 0.0, 0.0, 1.0, "0 deterministic, 1 as noisy as ddpm"},
	{0},
};

const gr_method gr__method_guided_eps = {
	.name = "guided_eps",
	.doc = "ddim whose predicted noise takes the terms' gradient; eta=0",
	.source = "particle guidance, arXiv 2310.13102, released code",
	.params = params,
	.hooks = GR_AT_PREDICT,
	.step = guided_eps_step,
};
