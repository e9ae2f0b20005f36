/*
 * FunDPS: arXiv 2505.17004, in the form of the released code: Heun's steps along sigma, guided through
 * both evaluations of the network.
 *
 * Parametrisation: v = x / sqrt(A) with sigma = sqrt((1 - A) / A), A' and sigma' of the next level, E the
 * prior's estimate (clipped unless the solver has no_clip),
 *     D = E(v; sigma), d1 = (v - D) / sigma, v' = v + (sigma' - sigma) d1
 *     D = E(v'; sigma'), d2 = (v' - D) / sigma', v' = v + (sigma' - sigma) (d1 + d2) / 2
 *     v_next = v' - kappa dL(D)/dv,  kappa = 1 where sigma > 1, else sigma
 * but in the last step, to sigma' = 0, the first line alone and no guidance. L is the terms, which see
 * D of the second line as the estimate; observations weigh 2,000 to 50,000 in the release, as means of
 * squares (equations' residuals, which it leaves out where sigma > 1, are terms like others here). The
 * noise is white unless the prior's states say otherwise.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static gr_status guide(gr_solver *s, gr_method_step *k, gr_tensor *leaf, const gr_estimate_at *e)
{
	gr_tensor *total = NULL;
	gr_tensor *image = NULL;
	gr_term_ctx ctx = {
		.hook = GR_HOOK_PREDICT,
		.x_t = leaf,
		.eps = e->eps,
		.x0_hat = e->x0_hat,
		.features = e->features,
		.image = &image,
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
	};
	gr_status status = gr__solver_add_terms(s, &ctx, &total);
	if (status || !total || !gr_is_tracked(total))
		return status;
	k->loss = gr_estimating() ? 0.0 : gr_item(total) / (double)s->opts.n;
	return gr_grad(&k->gradient, total, 1, &leaf, NULL);
}

static gr_status heun(gr_solver *s, gr_method_step *k, gr_tensor *x, gr_tensor **next)
{
	double Ap = k->alpha_bar_prev;
	double sigma = sqrt((1.0 - k->alpha_bar) / k->alpha_bar);
	double sigma_next = sqrt((1.0 - Ap) / Ap);
	gr_estimate_at e;
	gr_status status = gr_solver_evaluate(s, x, k->alpha_bar, &e);
	if (status)
		return status;
	gr_tensor *v = gr_mul_s(x, 1.0 / sqrt(k->alpha_bar));
	gr_tensor *d1 = gr_mul_s(gr_sub(v, e.x0_hat), 1.0 / sigma);
	gr_tensor *to = gr_axpby(v, 1.0, d1, sigma_next - sigma);
	if (k->j > 0) {
		status = gr_solver_evaluate(s, gr_mul_s(to, sqrt(Ap)), Ap, &e);
		if (status)
			return status;
		gr_tensor *d2 = gr_mul_s(gr_sub(to, e.x0_hat), 1.0 / sigma_next);
		to = gr_axpby(v, 1.0, gr_add(d1, d2), 0.5 * (sigma_next - sigma));
		if (gr_is_tracked(x))
			status = guide(s, k, x, &e);
	}
	k->x0_hat = gr_stop_gradient(e.x0_hat);
	*next = gr_stop_gradient(to);
	return status;
}

static gr_status fundps_step(gr_solver *s, gr_method_step *k)
{
	bool guided = k->j > 0 && gr__solver_count_terms(s, GR_HOOK_PREDICT) > 0;
	gr_tensor *v = NULL;
	bool recording = gr_set_recording(guided);
	gr_status status = heun(s, k, guided ? gr_watch(k->x_t) : k->x_t, &v);
	gr_set_recording(recording);
	if (status)
		return status;
	double sigma = sqrt((1.0 - k->alpha_bar) / k->alpha_bar);
	if (k->gradient) /* dL/dv = sqrt(A) dL/dx */
		v = gr_axpby(v, 1.0, k->gradient, -fmin(sigma, 1.0) * sqrt(k->alpha_bar));
	return gr_solver_set_state(s, 0, gr_mul_s(v, sqrt(k->alpha_bar_prev)));
}

const gr_method gr__method_fundps = {
	.name = "fundps",
	.doc = "Heun's steps along sigma, guided through both evaluations",
	.source = "FunDPS, arXiv 2505.17004, released code",
	.hooks = GR_AT_PREDICT,
	.step = fundps_step,
	.respacing = "edm:500",
};
