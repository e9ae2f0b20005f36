/*
 * RED-diff: "A Variational Perspective on Solving Inverse Problems with Diffusion Models", arXiv
 * 2305.04391, in the form of the released code.
 *
 * Parametrisation: mu is the variable, D the decoder of a latent prior, else the identity;
 * x_t = alpha_t mu + sigma_t eps at descending steps,
 *     L = data mean((y - A(D(mu)))^2) / 2 + lambda w(t) mean((eps_hat(x_t) - eps) mu)
 * the difference held constant, one step of Adam (0.9, 0.99). With r = sigma_t / alpha_t, w is by
 * `weight` 0: r, 1: sqrt(r), 2: r^2, 3: log(1 + r), 4: min(r, 1), 5: r^(2/3), 6: 1. Means go over the
 * particles of a measurement (inverse/variational.c). lr is 0.1 in the release's configuration, 0.5 in
 * its sample command.
 *
 * mu starts at A^+ y, encoded for a latent prior. Where there is no pseudo-inverse it starts at
 * A^T y, of an operator that is not linear at N(0, I): project variants.
 */
#include <math.h>

#include "gradus/ops.h"
#include "spectrum_priv.h"
#include "variational_priv.h"

static gr_tensor *start(gr_solver *s)
{
	const gr_operator *A = s->opts.A;
	gr_tensor *y = gr_cast(s->opts.y, s->opts.dtype);
	if (!gr_is_linear_operator(A))
		return gr_solver_noise(s, "start", 0);
	gr_spectrum *sp = NULL;
	if (gr__spectrum_find(&sp, A, 1e-4))
		return NULL;
	gr_tensor *image = sp ? gr__spectrum_pinv(sp, gr_cast(y, GR_F64)) : gr_operator_adjoint(A, y);
	gr__spectrum_free(sp);
	return gr_prior_encode(s->opts.prior, gr_cast(image, s->opts.dtype));
}

static gr_status reddiff_open(gr_solver *s)
{
	static const char *const names[] = {"x", "x_m", "x_v"};
	gr_tensor *mu = start(s);
	return mu ? gr__variational_add(s, names, mu) : gr_error_code();
}

static double weight_of(int rule, double r)
{
	switch (rule) {
	case 1: return sqrt(r);
	case 2: return r * r;
	case 3: return log1p(r);
	case 4: return fmin(r, 1.0);
	case 5: return cbrt(r * r);
	case 6: return 1.0;
	}
	return r;
}

static gr_status reddiff_step(gr_solver *s, gr_method_step *k)
{
	double w = weight_of((int)gr_solver_param(s, "weight"), gr__variational_sigma(k));
	return gr__variational_step(s, k, gr_solver_param(s, "data"), gr_solver_param(s, "lambda") * w,
		gr_solver_param(s, "lr"));
}

static const gr_method_param params[] = {
	{"lambda", 0.25, 0.0, 1e9, "weight of the prior"},
	{"data", 1.0, 0.0, 1e9, "weight of the measurement"},
	{"lr", 0.1, 0.0, 1e3, "rate of Adam"},
	{"weight", 0.0, 0.0, 6.0, "0 to 6: how the prior's weight goes with sigma_t / alpha_t"},
	{0},
};

const gr_method gr__method_reddiff = {
	.name = "reddiff",
	.doc =
		"variational, from the pseudo-inverse; lambda=0.25, data=1, lr=0.1, weight=0 (sigma/alpha)",
	.source = "RED-diff, arXiv 2305.04391, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.open = reddiff_open,
	.step = reddiff_step,
	.respacing = "ddim100",
};
