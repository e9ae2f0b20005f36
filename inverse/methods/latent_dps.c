/*
 * Latent DPS as Align & Invert runs it on flows: Sfountouris, Daras and Giampouras 2025, arXiv
 * 2511.16870, with the released code's step,
 *     z_next = z + (t_next - t) v - eta rho(t) dL/dz,     rho(t) = min(1, (1 - t) / t)
 * where L is all terms together: the norm of the residual, REPA and what else there is.
 *
 * Parametrisation: a VP state x_t is (a + b) z with a = sqrt(A), b = sqrt(1 - A), at the flow's time
 * t = b / (a + b); the Euler step of the flow is the deterministic implicit step, and
 *     dL/dz = (a + b) dL/dx_t,    x_next = (a' + b') z_next.
 * With ramp=0 it is the plain latent DPS on diffusion models: gradient with respect to x_t, rho = 1.
 * With final=0 the last step, from t = 1/N to 0, is not taken, as in the release: z_{1/N} is the
 * result, N - 1 evaluations are made.
 *
 * The release measures residuals of images in [0,1] and multiplies the whole of L by eta: its (eta,
 * lambda) are the weights dps: eta / 2 and repa: eta lambda here.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static double flow_norm(double alpha_bar)
{
	return sqrt(alpha_bar) + sqrt(1.0 - alpha_bar);
}

gr_status gr__latent_dps_guided(gr_solver *s, gr_method_step *k, bool ramp, gr_tensor **x)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	if (k->gradient && ramp) {
		/* (1 - t) / t = a / b */
		double rho = fmin(1.0, sqrt(k->alpha_bar / (1.0 - k->alpha_bar)));
		k->gradient =
			gr_mul_s(k->gradient, rho * flow_norm(k->alpha_bar) * flow_norm(k->alpha_bar_prev));
	}
	*x = gr_solver_implicit(s, k, k->x0_hat, 0.0);
	if (k->gradient)
		*x = gr_sub(*x, k->gradient);
	return *x ? GR_OK : gr_error_code();
}

static gr_status latent_dps_step(gr_solver *s, gr_method_step *k)
{
	if (k->j == 0 && gr_solver_param(s, "final") == 0.0)
		return gr_solver_set_state(s, 0, gr_mul_s(k->x_t, 1.0 / flow_norm(k->alpha_bar)));
	gr_tensor *x = NULL;
	gr_status status = gr__latent_dps_guided(s, k, gr_solver_param(s, "ramp") != 0.0, &x);
	return status ? status : gr_solver_set_state(s, 0, x);
}

static const gr_method_param params[] = {
	{"ramp", 1.0, 0.0, 1.0, "1: gradient of the flow's state, times min(1, (1-t)/t)"},
	{"final", 0.0, 0.0, 1.0, "1: take the last step, to t = 0"},
	{0},
};

const gr_method gr__method_latent_dps = {
	.name = "latent_dps",
	.doc = "Euler steps of the flow with guidance that sets in with (1-t)/t; ramp=1, final=0",
	.source = "Sfountouris et al. 2025, released samplers",
	.params = params,
	.hooks = GR_AT_PREDICT,
	.step = latent_dps_step,
};
