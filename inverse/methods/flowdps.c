/*
 * FlowDPS (ICCV 2025) and FlowChef (arXiv 2412.00100) in the form of FlowDPS's released sampler: flow
 * solvers that do not differentiate the network.
 *
 * Parametrisation: z = x / (a + b) the flow's state, a = sqrt(A), b = sqrt(1 - A), t = b / (a + b) its
 * time and t' the next one; z0 the (clipped) estimate, z1 the noise predicted with it, and
 *     f(c) = |B(y) - B(A(D(c)))| + terms(c),      B by `back` 0: I, 1: A^T, 2: A^+
 *     flowdps:  c from z0 by `inner` steps c -= step df/dc
 *               z = (1 - t') ((1 - t) z0 + t c) + t' (sqrt(t') z1 + sqrt(1 - t') n)
 *     flowchef: z = (1 - t') z0 + t' z1 - step df/dz0
 * D the decoder. The release has B = A^+ for super-resolution, A^T otherwise, steps of 15 to 30 and of
 * 50. An operator that is not linear has B = I.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"
#include "spectrum_priv.h"

static gr_tensor *slope(gr_solver *s, gr_method_step *k, gr_tensor *c, int64_t i, int64_t steps)
{
	int back = gr_is_linear_operator(s->opts.A) ? (int)gr_solver_param(s, "back") : 0;
	const gr_spectrum *sp = back == 2 ? gr__solver_spectrum(s, 1e-4) : NULL;
	if (back == 2 && !sp)
		return NULL;
	gr_tensor *g = NULL;
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(gr_stop_gradient(c));
	gr_tensor *r = gr_solver_residual(s, leaf);
	if (back == 1)
		r = gr_operator_adjoint(s->opts.A, r);
	if (back == 2)
		r = gr__spectrum_pinv(sp, r);
	gr_tensor *total = gr_sum(gr_norm(r, GR_AXES(1, 2, 3), false), GR_ALL_AXES, false);
	gr_status status = gr_solver_terms(s, k, leaf, NULL, i, steps, &total);
	if (!status)
		status = gr_grad(&g, total, 1, &leaf, NULL);
	gr_set_recording(recording);
	return status ? NULL : g;
}

/* The flow's times and its estimates. */
typedef struct flow {
	double t, next;
	gr_tensor *z0, *z1;
} flow;

static gr_status look(gr_solver *s, gr_method_step *k, flow *f)
{
	double a = sqrt(k->alpha_bar), b = sqrt(1.0 - k->alpha_bar);
	double ap = sqrt(k->alpha_bar_prev), bp = sqrt(1.0 - k->alpha_bar_prev);
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	f->t = b / (a + b);
	f->next = bp / (ap + bp);
	f->z0 = gr_stop_gradient(k->x0_hat);
	f->z1 = gr_predicted_eps(GR_PREDICT_X0, k->x_t, f->z0, k->alpha_bar);
	return f->z1 ? GR_OK : gr_error_code();
}

/* z at time t is the state z / |(1 - t, t)|. */
static gr_status set(gr_solver *s, const flow *f, gr_tensor *z)
{
	return gr_solver_set_state(s, 0, gr_mul_s(z, 1.0 / hypot(1.0 - f->next, f->next)));
}

static gr_status flowdps_step(gr_solver *s, gr_method_step *k)
{
	flow f;
	int64_t inner = (int64_t)gr_solver_param(s, "inner");
	gr_status status = look(s, k, &f);
	if (status)
		return status;
	gr_tensor *c = f.z0;
	for (int64_t i = 0; i < inner; i++)
		c = gr_axpby(c, 1.0, slope(s, k, c, i, inner), -gr_solver_param(s, "step"));
	k->x0_hat = gr_axpby(f.z0, 1.0 - f.t, c, f.t);
	gr_tensor *noise = gr_solver_noise(s, "step", k->draw);
	noise = gr_axpby(f.z1, sqrt(f.next), noise, sqrt(1.0 - f.next));
	return set(s, &f, gr_axpby(k->x0_hat, 1.0 - f.next, noise, f.next));
}

static gr_status flowchef_step(gr_solver *s, gr_method_step *k)
{
	flow f;
	gr_status status = look(s, k, &f);
	if (status)
		return status;
	gr_tensor *g = slope(s, k, f.z0, 0, 1);
	gr_tensor *z = gr_axpby(f.z0, 1.0 - f.next, f.z1, f.next);
	return set(s, &f, gr_axpby(z, 1.0, g, -gr_solver_param(s, "step")));
}

#define BACK \
	{ \
		"back", 1.0, 0.0, 2.0, "residuals brought back by 0 nothing, 1 A^T, 2 A^+" \
	}

static const gr_method_param params[] = {
	{"step", 15.0, 0.0, 1e6, "size of a step on the estimate"},
	{"inner", 3.0, 0.0, 1e6, "steps on the estimate"},
	BACK,
	{0},
};

static const gr_method_param chef_params[] = {
	{"step", 50.0, 0.0, 1e6, "size of the step"},
	BACK,
	{0},
};

const gr_method gr__method_flowdps = {
	.name = "flowdps",
	.doc =
		"flow whose estimate takes steps to the measurement; step=15, inner=3, back=1 (A^T; 2 A^+)",
	.source = "FlowDPS, ICCV 2025, released sampler",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.step = flowdps_step,
	.respacing = "flow:28,shift=4",
};

const gr_method gr__method_flowchef = {
	.name = "flowchef",
	.doc = "flow whose state takes the estimate's gradient; step=50, back=1 (A^T; 2 A^+)",
	.source = "FlowChef, arXiv 2412.00100",
	.params = chef_params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.step = flowchef_step,
	.respacing = "flow:28,shift=4",
};
