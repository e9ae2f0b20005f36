/*
 * Moment matching posterior sampling: Rozet, Andry, Lanusse and Louppe, NeurIPS 2024, arXiv
 * 2405.13712, section 4.2; TMPD, Boys et al. 2023, arXiv 2310.06721, replaces its
 * matrix by a diagonal one.
 *
 * Parametrisation: D = E[x_0 | x_t] not clipped, J = dD/dx_t, and with A = alpha_bar
 *     C_t = Cov[x_0 | x_t] = (1 - A) / sqrt(A) J          (Tweedie's second formula)
 *     v = (sigma^2 I + A C_t A^T)^-1 (y - A D)            (conjugate gradients)
 *     E[x_0 | x_t, y] = D + C_t A^T v
 * from which an implicit step goes on. C_t w is a pullback of the one recorded evaluation, J^T w:
 * for an exact prior J is symmetric. A network's is not quite, nor positive: the iterations are few
 * and end where the curvature is not positive. Exact for every Gaussian prior.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"

typedef struct moment {
	gr_solver *s;
	const gr_method_step *k;
} moment;

static gr_tensor *covariance(void *self, gr_tensor *w)
{
	const moment *m = self;
	return gr_mul_s(gr_solver_pullback(m->s, m->k, w), gr_solver_tweedie(m->k));
}

static gr_status mmps_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	moment m = {s, k};
	double sigma = gr_solver_sigma(s);
	gr_tensor *v = gr__data_solve(s, gr__data_residual(s, k->x0_raw), sigma * sigma, covariance, &m,
		(int64_t)gr_solver_param(s, "cg"));
	gr_tensor *shift = covariance(&m, gr_operator_adjoint(gr_solver_operator(s), v));
	k->x0_hat = gr_solver_clip(s, gr_add(gr_stop_gradient(k->x0_raw), shift));
	double along = gr_solver_implicit_sigma(k, gr_solver_param(s, "eta"));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, along));
}

static const gr_method_param params[] = {
	{"eta", 1.0, 0.0, 1.0, "0 deterministic, 1 as noisy as ddpm"},
	{"cg", 5.0, 1.0, 10000.0, "iterations of conjugate gradients"},
	{0},
};

const gr_method gr__method_mmps = {
	.name = "mmps",
	.doc = "moment matching, exact for Gaussian priors; eta=1, cg=5 (iterations)",
	.source = "Rozet et al. 2024, section 4.2",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR | GR_METHOD_JACOBIAN,
	.hooks = GR_AT_PREDICT,
	.step = mmps_step,
};
