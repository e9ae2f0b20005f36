/*
 * "Step-wise Triple-Consistent Diffusion Sampling for Inverse Problems", SITCOM, ICML 2025, in the form
 * of the released code.
 *
 * Parametrisation: at each of a few steps, v starting at x_t,
 *     repeat `iterations` times: x_0 = clip(E[x_0 | v]),  L = |y - A(D(x_0))|^2 + lambda |v - x_t|^2
 *         stop when L < (sigma + 0.001)^2 M, else a step of Adam on v by dL/dv
 *     x_{j-1} = sqrt(A_{j-1}) x_0 + sqrt(1 - A_{j-1}) n
 * with the gradient through the network, D the decoder of a latent prior, M the entries of y, missing
 * ones of a mask included as released. x_0 is the one evaluated last, before the last step on v. The
 * paper has lambda = 1, the release leaves it out. noiseless=1 takes the norm, and does not stop.
 * Terms act on x_0 by a phase of their own, `terms` steps of a new Adam after the loop, without the
 * network; v does not see it. pull > 0 then takes x_0 - pull d|m x_0 - y|^2/dx_0, clipped, which the
 * release does for inpainting with 0.5.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

typedef struct sitcom {
	double lambda;
	bool norm;
	gr_tensor *x_t;
	gr_tensor *x0; /* of the last evaluation; held */
} sitcom;

static gr_tensor *loss(gr_solver *s, gr_method_step *k, gr_tensor *v, void *self)
{
	sitcom *c = self;
	gr_estimate_at e;
	if (gr_solver_evaluate(s, v, k->alpha_bar, &e))
		return NULL;
	gr__solver_hold(&c->x0, gr_stop_gradient(e.x0_hat));
	gr_tensor *r = gr_solver_residual(s, e.x0_hat);
	gr_tensor *misfit =
		c->norm ? gr_norm(r, GR_AXES(1, 2, 3), false) : gr_sumsq(r, GR_AXES(1, 2, 3), false);
	if (c->lambda == 0.0)
		return misfit;
	gr_tensor *away = gr_sumsq(gr_sub(v, c->x_t), GR_AXES(1, 2, 3), false);
	return gr_axpby(misfit, 1.0, away, c->lambda);
}

static gr_tensor *pulled(gr_solver *s, gr_tensor *x0, double by)
{
	gr_tensor *g = NULL;
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(x0);
	gr_tensor *misfit = gr_sumsq(gr_solver_residual(s, leaf), GR_ALL_AXES, false);
	gr_status status = gr_grad(&g, misfit, 1, &leaf, NULL);
	gr_set_recording(recording);
	return status ? NULL : gr_solver_clip(s, gr_axpby(x0, 1.0, g, -by));
}

static gr_status sitcom_step(gr_solver *s, gr_method_step *k)
{
	sitcom c = {.lambda = gr_solver_param(s, "lambda"),
		.norm = gr_solver_param(s, "noiseless") != 0.0,
		.x_t = k->x_t};
	double entries = (double)(gr_tensor_size(s->opts.y) / s->opts.n);
	double within = gr_solver_sigma(s) + 0.001;
	const gr_adam adam = GR_ADAM(gr_solver_param(s, "lr"));
	const gr_inner_opts fit = {.size = sizeof(fit),
		.adam = adam,
		.iterations = (int64_t)gr_solver_param(s, "iterations"),
		.enough = c.norm ? 0.0 : within * within * entries,
		.stop_before = true};
	const gr_inner_opts phase = {.size = sizeof(phase),
		.adam = adam,
		.iterations = (int64_t)gr_solver_param(s, "terms")};
	gr_tensor *v = gr_solver_minimise(s, k, k->x_t, loss, &c, &fit);
	gr_tensor *x0 = v ? gr_mul_s(c.x0, 1.0) : NULL;
	gr__solver_hold(&c.x0, NULL);
	if (gr__solver_count_terms(s, GR_HOOK_ESTIMATE) > 0)
		x0 = gr_solver_minimise(s, k, x0, NULL, NULL, &phase);
	if (gr_solver_param(s, "pull") > 0.0)
		x0 = pulled(s, x0, gr_solver_param(s, "pull"));
	k->x0_hat = x0;
	double Ap = k->alpha_bar_prev;
	gr_tensor *x = gr_mul_s(x0, sqrt(Ap));
	if (k->j > 0)
		x = gr_axpby(x, 1.0, gr_solver_noise(s, "step", (uint64_t)k->i), sqrt(1.0 - Ap));
	return gr_solver_set_state(s, 0, x);
}

static const gr_method_param params[] = {
	{"iterations", 30.0, 1.0, 1e6, "steps of Adam on the state, at most"},
	{"lr", 0.02, 0.0, 1e3, "its rate"},
	{"lambda", 0.0, 0.0, 1e6, "weight of staying at the state"},
	{"noiseless", 0.0, 0.0, 1.0, "1: the norm of the misfit, to the last iteration"},
	{"terms", 30.0, 0.0, 1e6, "steps of Adam on the estimate, by terms alone"},
	{"pull", 0.0, 0.0, 1e3, "one step of the estimate to the measurement"},
	{0},
};

const gr_method gr__method_sitcom = {
	.name = "sitcom",
	.doc = "optimises the state through the network at few steps; iterations=30, lr=0.02, "
		   "lambda=0, noiseless=0, terms=30, pull=0",
	.source = "SITCOM, ICML 2025, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.step = sitcom_step,
	.respacing = "ddim20",
};
