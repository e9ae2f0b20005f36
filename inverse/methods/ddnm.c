/*
 * Denoising diffusion null-space model: Wang, Yu and Zhang, ICLR 2023, arXiv 2212.00490: eq. 13 and
 * Algorithm 1 without noise; eq. 17 to 19 with it (DDNM+).
 *
 * Parametrisation: x0_hat the (clipped) estimate, and of the ancestral step from j, with sigma_y the
 * measurement's noise, a the coefficient of x_0 and v the variance:
 *     u = A^+ (y - A x0_hat),  A^+ = A^T (A A^T)^+         (conjugate gradients)
 *     x_0' = x0_hat + lambda u
 *     lambda = min(1, sqrt(v) d / (a sigma_y))
 *     x_{j-1} = a x_0' + c2 x_j + sqrt(Phi) z
 * where d is the singular value of A, and Phi takes from the noise what x_0' brings: v - (a lambda
 * sigma_y / d)^2 in the range of A^T, v in its complement. sigma_y = 0 gives lambda = 1, Phi = v: then
 * A x_0' = y, and v = 0 at the last step hands that out. Noise needs all singular values to be alike
 * (masks, means over blocks). No gradient through the prior but for terms.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"

/* A^+ r */
static gr_tensor *pseudo_inverse(gr_solver *s, gr_tensor *r)
{
	gr_tensor *v = gr__data_solve(s, r, 0.0, NULL, NULL, (int64_t)gr_solver_param(s, "cg"));
	return gr_operator_adjoint(gr_solver_operator(s), v);
}

/* d [N,1,1,1] of A A^T A = d^2 A, for each sample from its own draw. */
static gr_tensor *singular_value(gr_solver *s)
{
	const gr_operator *A = gr_solver_operator(s);
	gr_tensor *w = gr_operator_apply(A, gr_solver_noise(s, "singular", 0));
	gr_tensor *back = gr_operator_apply(A, gr_operator_adjoint(A, w));
	gr_tensor *ww = gr_sum(gr_mul(w, w), GR_AXES(1, 2, 3), true);
	gr_tensor *wb = gr_sum(gr_mul(w, back), GR_AXES(1, 2, 3), true);
	gr_tensor *bb = gr_sum(gr_mul(back, back), GR_AXES(1, 2, 3), true);
	/* 1 where Cauchy and Schwarz are equal */
	gr_tensor *cosine = gr_mean(gr_div(gr_mul(wb, wb), gr_mul(ww, bb)), GR_ALL_AXES, false);
	if (cosine && !gr_estimating() && !(gr_item(cosine) > 1.0 - 1e-5)) {
		gr_error_set(GR_EUNSUPPORTED,
			"ddnm: the singular values of %s differ, which noise does not go with; hint: sigma 0",
			gr_operator_name(A));
		return NULL;
	}
	return gr_sqrt(gr_div(wb, ww));
}

/* What Phi leaves of the noise z, less sqrt(v) z: in the range of A^T alone. Where the whole of what
 * is brought, a sigma_y / d, is more than v, lambda < 1 and nothing is left. */
static gr_tensor *less_noise(gr_solver *s, const gr_method_step *k, gr_tensor *brought, double v)
{
	gr_tensor *z = gr_solver_noise(s, "step", k->draw);
	gr_tensor *in_range = pseudo_inverse(s, gr_operator_apply(gr_solver_operator(s), z));
	gr_tensor *phi = gr_relu(gr_rsub_s(gr_square(brought), v));
	return gr_mul(in_range, gr_add_s(gr_sqrt(phi), -sqrt(v)));
}

static gr_status ddnm_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	double sigma = gr_solver_sigma(s);
	double a = gr_schedule_posterior_c1(gr_solver_schedule(s), k->j);
	double v = gr_schedule_posterior_variance(gr_solver_schedule(s), k->j);
	gr_tensor *d = sigma > 0.0 ? singular_value(s) : NULL;
	gr_tensor *shift = pseudo_inverse(s, gr__data_residual(s, k->x0_hat));
	gr_tensor *lambda = d ? gr_clamp(gr_mul_s(d, sqrt(v) / (a * sigma)), 0.0, 1.0) : NULL;
	k->x0_hat = gr_add(gr_stop_gradient(k->x0_hat), d ? gr_mul(lambda, shift) : shift);
	/* with eta 1 it is the ancestral one of variance v */
	gr_tensor *x = gr_solver_implicit(s, k, k->x0_hat, gr_solver_implicit_sigma(k, 1.0));
	if (d && k->j > 0)
		x = gr_add(x, less_noise(s, k, gr_rdiv_s(d, a * sigma), v));
	return gr_failed() ? gr_error_code() : gr_solver_finish(s, k, x);
}

static const gr_method_param params[] = {
	{"cg", 50.0, 1.0, 10000.0, "iterations of conjugate gradients"},
	{0},
};

const gr_method gr__method_ddnm = {
	.name = "ddnm",
	.doc = "null-space model, with noise for masks and block means; cg=50 (iterations)",
	.source = "Wang et al. 2023, eq. 13 and 17 to 19",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.hooks = GR_AT_PREDICT,
	.step = ddnm_step,
};
