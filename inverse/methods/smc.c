/*
 * Twisted sequential Monte Carlo: Wu, Trippe, Naesseth, Blei and Cunningham, NeurIPS 2023, arXiv
 * 2306.17775, Algorithm 1; the particles of a unit are its particles.
 *
 * Parametrisation: p(x_{t-1} | x_t) = N(mu, v I) the ancestral kernel from the (clipped) estimate,
 * with the fixed variance; H the operator, D = E[x_0 | x_t] not clipped, J = dD/dx_t, A = alpha_bar,
 *     S = sigma^2 I + (1 - A) / sqrt(A) (H J H^T, symmetric part, without negative eigenvalues)
 *     psi_t(x_t) = N(y; H D, S)                             (twisting; moments=0: S without J,
 *                                                            sigma^2 I + (1 - A) H H^T)
 *     g = J^T H^T S^-1 (y - H D)                            (its gradient, S held)
 *     x_{t-1} = mu + v g + sqrt(v) z
 *     log w += log psi_{t-1}(x_{t-1}) - log psi_t(x_t) - v |g|^2 / 2 - sqrt(v) <g, z>
 * The last factor psi_0 is the likelihood N(y; H x_0, sigma^2 I). Whatever psi, weighted particles
 * tend to the posterior of the sampler without a measurement as their number grows. When
 * (sum w)^2 / sum w^2 falls below half of them, a unit is resampled systematically, by a number of
 * its first particle's key, and its weights are alike again. The states are x and log_weight, the
 * latter complete but for psi_t(x_t), which the step at x_t brings; the result is resampled.
 */
#include <math.h>

#include "data_solve_priv.h"
#include "gradus/ops.h"
#include "resample_priv.h"
#include "solver_priv.h"

/* --- twisting --- */

/* H J H^T [N,M,M], a column each by a pullback, or H H^T. */
static gr_tensor *spread(gr_solver *s, const gr_method_step *k, int64_t M, bool moments)
{
	const gr_operator *H = gr_solver_operator(s);
	const int64_t *out = gr_operator_out_dims(H);
	gr_dtype dtype = gr_tensor_dtype(k->x_t);
	int64_t N = s->opts.n;
	gr_tensor *columns = NULL;
	for (int64_t m = 0; m < M; m++) {
		gr_tensor *unit = gr_one_hot(gr_full(GR_I64, GR_DIMS(N), (double)m), M, dtype);
		gr_tensor *x = gr_operator_adjoint(H, gr_reshape(unit, GR_DIMS(N, out[0], out[1], out[2])));
		gr_tensor *column = gr_operator_apply(H, moments ? gr_solver_pullback(s, k, x) : x);
		gr_tensor *both[] = {columns, gr_reshape(column, GR_DIMS(N, 1, M))};
		columns = columns ? gr_concat(2, both, 1) : both[1];
	}
	return columns;
}

/* log psi_t of each particle, up to a constant of t, and its gradient [N,C,H,W]. */
static gr_tensor *twist(gr_solver *s, const gr_method_step *k, gr_tensor **gradient)
{
	const gr_operator *H = gr_solver_operator(s);
	double sigma = gr_solver_sigma(s);
	double A = k->alpha_bar;
	bool moments = gr_solver_param(s, "moments") != 0.0;
	gr_tensor *r = gr__data_residual(s, k->x0_raw);
	if (!r)
		return NULL;
	int64_t N = s->opts.n;
	int64_t M = gr_tensor_size(r) / N;
	gr_tensor *vectors = NULL;
	gr_tensor *values = gr_eigh(spread(s, k, M, moments), &vectors); /* [N,M], [N,M,M] */
	double scale = moments ? (1.0 - A) / sqrt(A) : 1.0 - A;
	gr_tensor *S = gr_affine(gr_relu(values), scale, sigma * sigma);
	gr_tensor *turned = gr_matmul(gr_reshape(r, GR_DIMS(N, 1, M)), vectors);
	gr_tensor *solved = gr_div(turned, gr_unsqueeze(S, 1)); /* [N,1,M] */
	gr_tensor *v = gr_matmul(solved, gr_transpose(vectors, 1, 2));
	*gradient =
		gr_solver_pullback(s, k, gr_operator_adjoint(H, gr_reshape(v, 4, gr_tensor_dims(r))));
	gr_tensor *square = gr_sum(gr_mul(turned, solved), GR_AXES(1, 2), false);
	return gr_axpby(square, -0.5, gr_sum(gr_log(S), GR_AXES(1), false), -0.5);
}

/* <a, b> of each sample. */
static gr_tensor *inner(gr_tensor *a, gr_tensor *b)
{
	return gr_sum(gr_mul(a, b), GR_AXES(1, 2, 3), false);
}

/* --- steps --- */

static gr_tensor *resample(const gr_solver *s, gr_tensor **log_weight, const char *name, bool all)
{
	return gr__resample(log_weight, s->opts.particles, s->keys, name, (uint64_t)s->done, all);
}

/* log N(y; H x_0, sigma^2 I), up to the constant. */
static gr_tensor *likelihood(gr_solver *s, gr_tensor *x0)
{
	gr_tensor *r = gr__data_residual(s, x0);
	return gr_mul_s(inner(r, r), -0.5 / (gr_solver_sigma(s) * gr_solver_sigma(s)));
}

static gr_status smc_open(gr_solver *s)
{
	const int64_t *out = gr_operator_out_dims(gr_solver_operator(s));
	if (!(gr_solver_sigma(s) > 0.0))
		return gr_error_set(GR_EUNSUPPORTED, "smc: weights are of a noisy measurement, sigma is 0");
	if (out[0] * out[1] * out[2] > 64)
		return gr_error_set(GR_EUNSUPPORTED,
			"smc: %lld numbers are measured, and the covariance of 64 at most is taken",
			(long long)(out[0] * out[1] * out[2]));
	gr_status status = gr_solver_add_state(s, "x", gr_solver_noise(s, "start", 0));
	return status ? status
				  : gr_solver_add_state(s, "log_weight", gr_zeros(GR_F64, GR_DIMS(s->opts.n)));
}

static gr_status smc_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	gr_tensor *g = NULL;
	gr_tensor *log_psi = status ? NULL : gr_cast(twist(s, k, &g), GR_F64);
	gr_tensor *w = log_psi ? gr_add(gr_solver_state(s, 1), log_psi) : NULL;
	gr_tensor *index = w ? resample(s, &w, "resample", false) : NULL;
	if (!index)
		return status ? status : gr_error_code();
	k->x_t = gr_gather(k->x_t, 0, index);
	k->x0_hat = gr_gather(gr_stop_gradient(k->x0_hat), 0, index);
	k->variance = NULL; /* the kernel of the weights has the fixed one */
	g = gr_gather(g, 0, index);
	w = gr_sub(w, gr_gather(log_psi, 0, index));
	gr_tensor *x = gr_solver_ancestral(s, k, k->x0_hat);
	gr_tensor *change = NULL;
	if (k->j > 0) {
		const gr_schedule *schedule = gr_solver_schedule(s);
		double v = gr_schedule_posterior_variance(schedule, k->j);
		gr_tensor *mu = gr_axpby(k->x0_hat, gr_schedule_posterior_c1(schedule, k->j), k->x_t,
			gr_schedule_posterior_c2(schedule, k->j));
		/* sqrt(v) z is what the step added to mu */
		change = gr_axpby(inner(g, g), -0.5 * v, inner(g, gr_sub(x, mu)), -1.0);
		x = gr_axpby(x, 1.0, g, v);
	} else {
		change = likelihood(s, x);
	}
	status = gr_solver_set_state(s, 1, gr_add(w, gr_cast(change, GR_F64)));
	return status ? status : gr_solver_set_state(s, 0, x);
}

/* As many particles, of equal weight. */
static gr_tensor *smc_result(gr_solver *s)
{
	gr_tensor *w = gr_solver_state(s, 1);
	gr_tensor *index = resample(s, &w, "result", true);
	return index ? gr_gather(gr_solver_state(s, 0), 0, index) : NULL;
}

static const gr_method_param params[] = {
	{"moments", 1.0, 0.0, 1.0, "1: twisting by the covariance of the estimate, 0: without"},
	{0},
};

const gr_method gr__method_smc = {
	.name = "smc",
	.doc = "twisted sequential Monte Carlo, exact for many particles; moments=1 (or 0)",
	.source = "Wu et al. 2023, Algorithm 1",
	.params = params,
	.needs = GR_METHOD_MEASURED | GR_METHOD_LINEAR | GR_METHOD_JACOBIAN | GR_METHOD_WEIGHTED,
	.open = smc_open,
	.step = smc_step,
	.result = smc_result,
};
