/*
 * Euler-Maruyama steps of the reverse SDE on the linear path, with REPA's diffusion w(t) = 2 t (Yu et
 * al. 2025, samplers; the family is Ma et al. 2024, section 2.3): on the levels em:N.
 *
 * Parametrisation: z = x_t / (a + b), t = b / (a + b) with a = sqrt(A), b = sqrt(1 - A); of the
 * (clipped) estimate, with eps derived from it, u = eps - x_0 and score = -eps / t:
 *     z_next = z - (t - t') (u - w/2 score) + sqrt(w) (W(t) - W(t')),    w = 2 t noise
 * and in the last step, to t' = 0, no noise. noise=0 is the Euler step of the flow. W is the sample's
 * Brownian path, the same for every number of steps. The gradient of the terms is subtracted.
 */
#include <math.h>

#include "gradus/ops.h"
#include "schedule_priv.h"
#include "solver_priv.h"

static double norm_of(double alpha_bar)
{
	return sqrt(alpha_bar) + sqrt(1.0 - alpha_bar);
}

static gr_status em_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	double noise = gr_solver_param(s, "noise");
	double t = gr__flow_of_alpha_bar(k->alpha_bar);
	double next = gr__flow_of_alpha_bar(k->alpha_bar_prev);
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, k->x_t, k->x0_hat, k->alpha_bar);
	gr_tensor *drift = gr_axpby(eps, 1.0 + noise, k->x0_hat, -1.0);
	gr_tensor *z = gr_axpby(k->x_t, 1.0 / norm_of(k->alpha_bar), drift, next - t);
	if (k->j > 0 && noise > 0.0) {
		gr_tensor *w = gr_sub(gr_solver_path(s, t), gr_solver_path(s, next));
		z = gr_axpby(z, 1.0, w, sqrt(2.0 * t * noise));
	}
	return gr_solver_finish(s, k, gr_mul_s(z, norm_of(k->alpha_bar_prev)));
}

static const gr_method_param params[] = {
	{"noise", 1.0, 0.0, 100.0, "share of the diffusion w = 2 t; 0: the flow itself"},
	{0},
};

const gr_method gr__method_em = {
	.name = "em",
	.doc = "Euler-Maruyama on the linear path, a Brownian path for all step counts; noise=1",
	.source = "Yu et al. 2025, samplers; Ma et al. 2024, section 2.3",
	.params = params,
	.hooks = GR_AT_PREDICT,
	.step = em_step,
};
