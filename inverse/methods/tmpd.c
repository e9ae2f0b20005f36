/*
 * Tweedie moment projected diffusion: Boys, Girolami, Pidstrigach, Reich, Mosca and Akyildiz 2023,
 * arXiv 2310.06721: moment matching (see mmps.c) whose matrix is replaced by the diagonal of its row
 * sums.
 *
 * Parametrisation: D = E[x_0 | x_t] not clipped, J = dD/dx_t, and with A = alpha_bar
 *     C_t = (1 - A) / sqrt(A) J
 *     v = (y - A D) / (sigma^2 + A C_t A^T 1)          (element by element)
 *     x_0' = D + C_t A^T v
 * from which an implicit step goes on. Row sums of a network may be negative: they count as 0, and
 * a denominator is at least 1e-6. Exact where A C_t A^T is diagonal.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"

#define SMALLEST 1e-6

static gr_status tmpd_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	const gr_operator *A = gr_solver_operator(s);
	double sigma = gr_solver_sigma(s);
	double c = gr_solver_tweedie(k);
	gr_tensor *r = gr__data_residual(s, k->x0_raw);
	if (!r)
		return gr_error_code();
	gr_tensor *ones = gr_full(gr_tensor_dtype(r), gr_tensor_ndim(r), gr_tensor_dims(r), 1.0);
	gr_tensor *sums = gr_operator_apply(A, gr_solver_pullback(s, k, gr_operator_adjoint(A, ones)));
	gr_tensor *d = gr_add_s(gr_relu(gr_mul_s(sums, c)), fmax(sigma * sigma, SMALLEST));
	gr_tensor *g = gr_solver_pullback(s, k, gr_operator_adjoint(A, gr_div(r, d)));
	k->x0_hat = gr_solver_clip(s, gr_axpby(gr_stop_gradient(k->x0_raw), 1.0, g, c));
	double along = gr_solver_implicit_sigma(k, gr_solver_param(s, "eta"));
	return gr_solver_finish(s, k, gr_solver_implicit(s, k, k->x0_hat, along));
}

static const gr_method_param params[] = {
	{"eta", 1.0, 0.0, 1.0, "0 deterministic, 1 as noisy as ddpm"},
	{0},
};

const gr_method gr__method_tmpd = {
	.name = "tmpd",
	.doc = "moment matching by row sums; eta=1 (0 deterministic)",
	.source = "Boys et al. 2023, arXiv 2310.06721",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR | GR_METHOD_JACOBIAN,
	.hooks = GR_AT_PREDICT,
	.step = tmpd_step,
};
