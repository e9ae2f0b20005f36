/*
 * ReSample: "Solving Inverse Problems with Latent Diffusion Models via Hard Data Consistency", arXiv
 * 2307.08123, in the form of the released code; the flow version is resample_flow.c.
 *
 * Parametrisation: j the step's index, A and Ap alpha_bar there and before, x_0 = E[x_0 | x_j] not
 * clipped, D the decoder, S the number of steps. Each step
 *     x = implicit(x_0) - scale A d|y - A(D(x_0))|/dx_j                (the norm, per sample)
 * and where 0 < j <= S - S/3 and j is a multiple of `every`, with up to `travel` implicit steps more
 * from x, whose last estimate is x_0',
 *     x_0'' = E(argmin_X mean((y - A(X))^2)) from D(x_0'), if j >= S/3, else argmin of
 *             mean((y - A(D(z)))^2) from x_0'                          (AdamW, until 1e-6)
 *     v = variance (1 - Ap) / (1 - A) (1 - A / Ap)
 *     x ~ N((v sqrt(Ap) x_0'' + (1 - Ap) x) / (v + 1 - Ap), v (1 - Ap) / (v + 1 - Ap))
 * and at the end the latter argmin from x. released=1 has what the release does otherwise: (x -
 * (1 - A) eps) / sqrt(A) in place of x_0 where it is measured or optimised, and in the further steps
 * coefficients of the level before the one that the network is told.
 */
#include <math.h>

#include "consistency_priv.h"
#include "gradus/ops.h"

/* The released code's estimate, of x, its eps and level. */
static gr_tensor *estimate_of(gr_tensor *x, gr_tensor *eps, double A, bool released)
{
	double b = released ? 1.0 - A : sqrt(1.0 - A);
	return gr_axpby(x, 1.0 / sqrt(A), eps, -b / sqrt(A));
}

/* d|y - A(D(x0))|/dx0 summed over samples */
static gr_tensor *slope(gr_solver *s, gr_tensor *x0)
{
	gr_tensor *g = NULL;
	bool recording = gr_set_recording(true);
	gr_tensor *leaf = gr_watch(gr_stop_gradient(x0));
	gr_tensor *norm = gr_norm(gr_solver_residual(s, leaf), GR_AXES(1, 2, 3), false);
	gr_status status = gr_grad(&g, gr_sum(norm, GR_ALL_AXES, false), 1, &leaf, NULL);
	gr_set_recording(recording);
	return status ? NULL : g;
}

/* DPS's step in the state's space. */
static gr_tensor *guided(gr_solver *s, gr_method_step *k, bool released)
{
	double A = k->alpha_bar;
	gr_tensor *x0 = gr_stop_gradient(k->x0_raw);
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, k->x_t, x0, A);
	gr_tensor *w = slope(s, estimate_of(k->x_t, eps, A, released));
	gr_tensor *g = gr_solver_pullback(s, k, w);
	if (released) /* x_0 of the release is (1 - b) / a x + b x_0, a = sqrt(A), b = sqrt(1 - A) */
		g = gr_axpby(w, (1.0 - sqrt(1.0 - A)) / sqrt(A), g, sqrt(1.0 - A));
	return gr_axpby(gr_solver_implicit(s, k, x0, 0.0), 1.0, g, -A * gr_solver_param(s, "scale"));
}

/* The last estimate of up to `travel` implicit steps from x, which is at step j - 1. */
static gr_tensor *travel(gr_solver *s, const gr_method_step *k, gr_tensor *x, bool released)
{
	const gr_schedule *schedule = gr_solver_schedule(s);
	int64_t count = (int64_t)fmin(gr_solver_param(s, "travel"), (double)k->j);
	gr_tensor *x0 = NULL;
	for (int64_t q = 1; q <= count; q++) {
		gr_estimate_at e;
		double told = gr_schedule_alpha_bar(schedule, k->j - q);
		double A = released ? gr_schedule_alpha_bar(schedule, k->j - q + 1) : told;
		double Ap = released ? told : gr_schedule_alpha_bar_prev(schedule, k->j - q);
		if (gr_solver_evaluate(s, x, told, &e))
			return NULL;
		x0 = estimate_of(x, e.eps, A, released);
		x = gr_axpby(estimate_of(x, e.eps, A, false), sqrt(Ap), e.eps, sqrt(1.0 - Ap));
	}
	return x0;
}

static gr_tensor *resampled(gr_solver *s, gr_method_step *k, gr_tensor *x, gr_tensor *x0)
{
	double A = k->alpha_bar;
	double Ap = k->alpha_bar_prev;
	bool image = k->j >= s->steps / 3;
	gr_consistency fit = {.lr = 1e-2,
		.scale = 1.0,
		.image = true,
		.iterations = (int64_t)gr_solver_param(s, "pixel")};
	gr_consistency latent = {.lr = 5e-3,
		.scale = 1.0,
		.window = 200,
		.iterations = (int64_t)gr_solver_param(s, "latent")};
	x0 = image ? gr_prior_encode(s->opts.prior,
					 gr__consistency_fit(s, k, gr_prior_decode(s->opts.prior, x0), &fit))
			   : gr__consistency_fit(s, k, x0, &latent);
	k->x0_hat = x0;
	double v = gr_solver_param(s, "variance") * (1.0 - Ap) / (1.0 - A) * (1.0 - A / Ap);
	return gr__consistency_draw(s, k, x0, sqrt(Ap), 1.0 - Ap, x, v);
}

static gr_status resample_step(gr_solver *s, gr_method_step *k)
{
	bool released = gr_solver_param(s, "released") != 0.0;
	int64_t every = (int64_t)gr_solver_param(s, "every");
	gr_status status = gr_solver_predict(s, k);
	gr_tensor *x = status ? NULL : guided(s, k, released);
	if (x && k->gradient)
		x = gr_sub(x, k->gradient);
	if (x && k->j > 0 && k->j <= s->steps - s->steps / 3 && k->j % every == 0)
		x = resampled(s, k, x, travel(s, k, x, released));
	const gr_consistency last = {.lr = 5e-3,
		.scale = 1.0,
		.window = 200,
		.iterations = (int64_t)gr_solver_param(s, "latent")};
	if (x && k->j == 0)
		x = k->x0_hat = gr__consistency_fit(s, k, x, &last);
	return x ? gr_solver_set_state(s, 0, x) : gr_error_code();
}

static const gr_method_param params[] = {
	{"scale", 0.5, 0.0, 1e3, "of the guidance, times alpha_bar"},
	{"variance", 40.0, 1e-9, 1e9, "trust in the fitted estimate"},
	{"every", 10.0, 1.0, 1e6, "steps from one fit to the next"},
	{"travel", 5.0, 1.0, 1e3, "further steps before a fit"},
	{"pixel", 2000.0, 0.0, 1e6, "iterations of fits of images"},
	{"latent", 500.0, 0.0, 1e6, "iterations of fits of states"},
	{"released", 0.0, 0.0, 1.0, "1: the released code's estimate and levels"},
	{0},
};

const gr_method gr__method_resample = {
	.name = "resample",
	.doc = "hard data consistency now and then; scale=0.5, variance=40, every=10, travel=5, "
		   "pixel=2000, latent=500, released=0",
	.source = "ReSample, arXiv 2307.08123, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_JACOBIAN,
	.hooks = GR_AT_PREDICT | GR_AT_ESTIMATE,
	.step = resample_step,
	.respacing = "ddim500",
};
