/*
 * ReSample on a flow, as Align & Invert runs it with REPA: Sfountouris, Daras and Giampouras 2025, arXiv
 * 2511.16870, released code: the steps of latent_dps.c, whose guidance is the terms', and at every
 * tenth of the last hundred a resampling.
 *
 * Parametrisation: z = x / (a + b) the flow's state, a = sqrt(A), b = sqrt(1 - A), t = b / (a + b) its
 * time, t' that of the next step; z' the guided state. At step i > N - 101, i a multiple of 10, with
 * z_c = argmin mean((y - A(D(z)))^2) / 4 from the step's estimate (images in [0,1]),
 *     z ~ N((v c z_c + u z') / (v + u), v u / (v + u))
 *     mode=0: c = 1 - t, u = t^2, v = variance (1 - c'^2) / (1 - c^2) (1 - c^2 / c'^2), c' = 1 - t'
 *     mode=1: c = 1 - t', u = t'^2, v = variance t'^2
 * mode 0 is the release, with variance 80, which gives a state at t' the coefficients of t; mode 1, a
 * project variant, is consistent with the linear path, and 10 is a start for its variance. The result
 * is the argmin from the last estimate; t = 1/N is not left by a prior's step, as released.
 */
#include <math.h>

#include "consistency_priv.h"
#include "gradus/ops.h"

static gr_status open(gr_solver *s)
{
	gr_tensor *x = gr_solver_noise(s, "start", 0);
	gr_status status = gr_solver_add_state(s, "x", x);
	return status ? status : gr_solver_add_state(s, "estimate", gr_mul_s(x, 0.0));
}

static double flow_time(double A)
{
	return sqrt(1.0 - A) / (sqrt(A) + sqrt(1.0 - A));
}

static gr_tensor *fit(gr_solver *s, gr_method_step *k, gr_tensor *x)
{
	const gr_consistency c = {.lr = 5e-3,
		.scale = 0.25,
		.window = 200,
		.iterations = (int64_t)gr_solver_param(s, "iterations")};
	return gr__consistency_fit(s, k, gr_stop_gradient(x), &c);
}

static gr_status step(gr_solver *s, gr_method_step *k)
{
	gr_tensor *x = NULL;
	if (k->j == 0) {
		k->x0_hat = fit(s, k, gr_solver_state(s, 1));
		return gr_solver_set_state(s, 0, k->x0_hat);
	}
	gr_status status = gr__latent_dps_guided(s, k, true, &x);
	if (status)
		return status;
	if (k->i > s->steps - 101 && k->i % 10 == 0) {
		double t = flow_time(k->alpha_bar);
		double t_next = flow_time(k->alpha_bar_prev);
		double norm = sqrt(k->alpha_bar_prev) + sqrt(1.0 - k->alpha_bar_prev);
		gr_consistency_law law = gr__consistency_flow(t, t_next, (int)gr_solver_param(s, "mode"),
			gr_solver_param(s, "variance"));
		gr_tensor *z = gr__consistency_draw(s, k, fit(s, k, k->x0_hat), law.a, law.u,
			gr_mul_s(x, 1.0 / norm), law.v);
		x = gr_mul_s(z, norm);
	}
	status = gr_solver_set_state(s, 1, gr_stop_gradient(k->x0_hat));
	return status ? status : gr_solver_set_state(s, 0, x);
}

static const gr_method_param params[] = {
	{"variance", 80.0, 1e-9, 1e9, "trust in the fitted estimate"},
	{"iterations", 150.0, 0.0, 1e6, "of a fit; 300 for blurs"},
	{"mode", 0.0, 0.0, 1.0, "0 as released, 1 consistent with the linear path"},
	{0},
};

const gr_method gr__method_resample_flow = {
	.name = "resample_flow",
	.doc =
		"latent_dps with hard data consistency near the end; variance=80, iterations=150, mode=0",
	.source = "Sfountouris et al. 2025, released samplers",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_PREDICT,
	.open = open,
	.step = step,
};
