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
 * where d are the singular values of A, lambda and Phi functions of them: Phi takes from the noise
 * what x_0' brings, v - (a lambda sigma_y / d)^2 in the range of A^T, v in its complement. sigma_y = 0
 * gives lambda = 1, Phi = v: then A x_0' = y, and v = 0 at the last step hands that out. Noise needs A
 * to have known singular vectors (inverse/spectrum_priv.h). No gradient through the prior but for
 * terms.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "solver_priv.h"
#include "spectrum_priv.h"

/* A^+ r */
static gr_tensor *pseudo_inverse(gr_solver *s, gr_tensor *r)
{
	gr_tensor *v = gr__data_solve(s, r, 0.0, NULL, NULL, (int64_t)gr_solver_param(s, "cg"));
	return gr_operator_adjoint(gr_solver_operator(s), v);
}

/* What a step with noise knows: of y sigma_y, of itself a and v. */
typedef struct level {
	double a, v, sigma_y;
} level;

static double lambda(double s, const level *l)
{
	return fmin(1.0, sqrt(l->v) * s / (l->a * l->sigma_y));
}

/* Of A^T (y - A x0) = V s^2 V^T A^+ (y - A x0). */
static double of_residual(double s, const void *self)
{
	return s > 0.0 ? lambda(s, self) / (s * s) : 0.0;
}

/* sqrt(Phi) */
static double of_noise(double s, const void *self)
{
	const level *l = self;
	double brought = s > 0.0 ? l->a * l->sigma_y / s : 0.0; /* by lambda = 1; else all of v */
	return sqrt(fmax(l->v - brought * brought, 0.0));
}

/* eq. 17 to 19, in double inside: values near `smallest` are divided by. */
static gr_status noisy_step(gr_solver *s, gr_method_step *k)
{
	const gr_schedule *schedule = gr_solver_schedule(s);
	const gr_spectrum *sp = gr__solver_spectrum(s, gr_solver_param(s, "smallest"));
	level l = {gr_schedule_posterior_c1(schedule, k->j),
		gr_schedule_posterior_variance(schedule, k->j), gr_solver_sigma(s)};
	if (!sp)
		return gr_error_code();
	gr_tensor *x0 = gr_cast(gr_stop_gradient(k->x0_hat), GR_F64);
	gr_tensor *back = gr_operator_adjoint(gr_solver_operator(s), gr__data_residual(s, x0));
	x0 = gr_add(x0, gr__spectrum_filter(sp, back, of_residual, &l));
	k->x0_hat = gr_cast(x0, gr__solver_dtype(s));
	gr_tensor *x = gr_axpby(k->x0_hat, l.a, k->x_t, gr_schedule_posterior_c2(schedule, k->j));
	if (k->j == 0)
		return gr_solver_finish(s, k, x);
	gr_tensor *z = gr_cast(gr_solver_noise(s, "step", k->draw), GR_F64);
	z = gr_cast(gr__spectrum_filter(sp, z, of_noise, &l), gr__solver_dtype(s));
	return gr_solver_finish(s, k, gr_add(x, z));
}

static gr_status ddnm_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	if (gr_solver_sigma(s) > 0.0)
		return noisy_step(s, k);
	gr_tensor *shift = pseudo_inverse(s, gr__data_residual(s, k->x0_hat));
	k->x0_hat = gr_add(gr_stop_gradient(k->x0_hat), shift);
	/* with eta 1 it is the ancestral one of variance v */
	gr_tensor *x = gr_solver_implicit(s, k, k->x0_hat, gr_solver_implicit_sigma(k, 1.0));
	return gr_solver_finish(s, k, x);
}

static const gr_method_param params[] = {
	{"cg", 50.0, 1.0, 10000.0, "iterations of conjugate gradients, without noise"},
	{"smallest", 1e-4, 0.0, 1.0, "with noise: singular values that count as 0, of the largest"},
	{0},
};

const gr_method gr__method_ddnm = {
	.name = "ddnm",
	.doc = "null-space model; cg=50 (iterations), with noise smallest=1e-4 (singular values)",
	.source = "Wang et al. 2023, eq. 13 and 17 to 19",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR,
	.hooks = GR_AT_PREDICT,
	.step = ddnm_step,
};
