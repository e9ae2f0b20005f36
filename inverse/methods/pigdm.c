/*
 * Pseudo-inverse guided diffusion: Song, Vahdat, Mardani and Kautz, ICLR 2023, eq. 7 and Algorithm 1.
 *
 * Parametrisation: D = E[x_0 | x_t] not clipped, J = dD/dx_t, and with A = alpha_bar
 *     p(x_0 | x_t) = N(D, r^2 I),  r^2 = 1 - A       (s^2 / (1 + s^2), s^2 = (1 - A) / A)
 *     v = (sigma^2 I + r^2 A A^T)^-1 (y - A D)       (conjugate gradients)
 *     x_0' = D + (1 - A) / sqrt(A) J^T A^T v
 * from which an implicit step goes on. J^T A^T v is the gradient of log p(y | x_t), and its factor
 * that of Bayes' rule, which makes x_0' the conditional mean where the prior is N(m, I); the paper's
 * step adds r^2 sqrt(A) times the gradient to x_{t-1} instead.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"

static gr_status pigdm_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	double A = k->alpha_bar;
	double sigma = gr_solver_sigma(s);
	/* divided by r^2 */
	gr_tensor *v = gr__data_solve(s, gr__data_residual(s, k->x0_raw), sigma * sigma / (1.0 - A),
		NULL, NULL, (int64_t)gr_solver_param(s, "cg"));
	gr_tensor *g = gr_solver_pullback(s, k, gr_operator_adjoint(gr_solver_operator(s), v));
	double c = gr_solver_tweedie(k) / (1.0 - A);
	k->x0_hat = gr_solver_clip(s, gr_axpby(gr_stop_gradient(k->x0_raw), 1.0, g, c));
	double along = gr_solver_implicit_sigma(k, gr_solver_param(s, "eta"));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, along));
}

static const gr_method_param params[] = {
	{"eta", 1.0, 0.0, 1.0, "0 deterministic, 1 as noisy as ddpm"},
	{"cg", 50.0, 1.0, 10000.0, "iterations of conjugate gradients"},
	{0},
};

const gr_method gr__method_pigdm = {
	.name = "pigdm",
	.doc = "pseudo-inverse guidance, exact for the prior N(m, I); eta=1, cg=50 (iterations)",
	.source = "Song et al. 2023, eq. 7 and Algorithm 1",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR | GR_METHOD_JACOBIAN,
	.hooks = GR_AT_PREDICT,
	.step = pigdm_step,
};
