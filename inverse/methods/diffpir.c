/*
 * Denoising diffusion for plug-and-play restoration: Zhu, Zhang, Liang, Cao, Wen, Timofte and Van Gool,
 * CVPR workshops 2023, arXiv 2305.08995, Algorithm 1.
 *
 * Parametrisation: x0_hat the (clipped) estimate, A = alpha_bar at step j, Ap the one before,
 *     rho = lambda sigma^2 A / (1 - A)
 *     x_0' = argmin |y - A x|^2 + rho |x - x0_hat|^2
 *          = x0_hat + A^T (A A^T + rho I)^-1 (y - A x0_hat)       (conjugate gradients)
 *     eps' = (x_j - sqrt(A) x_0') / sqrt(1 - A)
 *     x_{j-1} = sqrt(Ap) x_0' + sqrt(1 - Ap) (sqrt(1 - zeta) eps' + sqrt(zeta) z)
 * the last being the implicit step with noise of variance zeta (1 - Ap). Without noise, sigma = 0,
 * rho is 0 and x_0' the projection. No gradient through the prior but for terms.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"

static gr_status diffpir_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	double A = k->alpha_bar;
	double sigma = gr_solver_sigma(s);
	double rho = gr_solver_param(s, "lambda") * sigma * sigma * A / (1.0 - A);
	gr_tensor *v = gr__data_solve(s, gr__data_residual(s, k->x0_hat), rho, NULL, NULL,
		(int64_t)gr_solver_param(s, "cg"));
	k->x0_hat = gr_add(gr_stop_gradient(k->x0_hat), gr_operator_adjoint(gr_solver_operator(s), v));
	double noise = sqrt(gr_solver_param(s, "zeta") * (1.0 - k->alpha_bar_prev));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, noise));
}

static const gr_method_param params[] = {
	{"lambda", 7.0, 0.0, 1e6, "weight of the estimate against the measurement"},
	{"zeta", 0.3, 0.0, 1.0, "fraction of the noise that is drawn anew"},
	{"cg", 50.0, 1.0, 10000.0, "iterations of conjugate gradients"},
	{0},
};

const gr_method gr__method_diffpir = {
	.name = "diffpir",
	.doc = "plug and play, a proximal step of the misfit; lambda=7, zeta=0.3, cg=50 (iterations)",
	.source = "Zhu et al. 2023, Algorithm 1",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.hooks = GR_AT_PREDICT,
	.step = diffpir_step,
};
