/*
 * Decoupled annealing posterior sampling: DAPS, CVPR 2025, arXiv 2407.01521, in the form of the
 * released code; daps for pixels, latent_daps for states with a decoder D.
 *
 * Parametrisation: x_j / sqrt(A_j) = x_0 + sigma_j n with sigma_j = sqrt((1 - A_j) / A_j); the levels
 * are the schedule's, sigma after the last is 0. In step k of K
 *     1. x_0' from x_j by `ode` Euler steps of dx/dsigma = (x - E[x_0 | x]) / sigma, at levels
 *        (sigma_j^(1/7) + i/n (end^(1/7) - sigma_j^(1/7)))^7, i = 0..n, no gradient
 *     2. `chain` steps of a Markov chain from u = x_0', of size h (1 + k/(K+1) (ratio - 1)), with
 *          S(u) = -c d|y - A(D(u))|^2/du / tau^2 + (x_0' - u) / sigma_j^2 - d(terms)/du
 *        Langevin:   u += h S + sqrt(2 h) z
 *        with momentum: q = momentum q + sqrt(h) S + sqrt(2 (1 - momentum)) z, u += sqrt(h) q,
 *        from q ~ N(0, I)
 *     3. x_{j-1} / sqrt(A_{j-1}) = u + sigma_{j-1} n
 * c is 1 in the release's main branch and 1/2, the likelihood's own with tau = sigma_y, in its legacy
 * branch (legacy=1). latent_daps clamps the data's gradient to [-1, 1] element by element, as released.
 * A chain that runs away is an error of the step, not a result of zeros. No gradient through the
 * prior's network. Defaults: super-resolution by 4.
 */
#include <math.h>

#include "chain_priv.h"
#include "gradus/ops.h"

/* x_0': Euler steps of the flow from x_j. */
static gr_tensor *flow(gr_solver *s, const gr_method_step *k, double sigma)
{
	int64_t n = (int64_t)gr_solver_param(s, "ode");
	double end = fmin(pow(gr_solver_param(s, "end"), 1.0 / 7.0), pow(sigma, 1.0 / 7.0));
	double first = pow(sigma, 1.0 / 7.0);
	gr_tensor *v = gr_mul_s(k->x_t, 1.0 / sqrt(k->alpha_bar));
	for (int64_t i = 0; i < n; i++) {
		double at = pow(first + (double)i / (double)n * (end - first), 7.0);
		double next = pow(first + (double)(i + 1) / (double)n * (end - first), 7.0);
		double A = 1.0 / (1.0 + at * at);
		gr_estimate_at e;
		if (gr_solver_evaluate(s, gr_mul_s(v, sqrt(A)), A, &e))
			return NULL;
		double by = (next - at) / at;
		v = gr_axpby(v, 1.0 + by, e.x0_raw, -by);
	}
	return v;
}

static gr_status daps_open(gr_solver *s)
{
	const gr_schedule *schedule = gr_solver_schedule(s);
	double A = gr_schedule_alpha_bar(schedule, gr_schedule_count(schedule) - 1);
	return gr_solver_add_state(s, "x", gr_mul_s(gr_solver_noise(s, "start", 0), sqrt(1.0 - A)));
}

static gr_status anneal(gr_solver *s, gr_method_step *k, bool latent)
{
	double sigma = sqrt((1.0 - k->alpha_bar) / k->alpha_bar);
	double tau = gr_solver_param(s, "tau");
	double passed = (double)k->i / (double)(s->steps + 1);
	double size = gr_solver_param(s, "h");
	const gr_chain c = {
		.steps = (int64_t)gr_solver_param(s, "chain"),
		.h = size * (1.0 + passed * (gr_solver_param(s, "ratio") - 1.0)),
		.tau2 = tau * tau * (gr_solver_param(s, "legacy") != 0.0 ? 2.0 : 1.0),
		.sigma2 = sigma * sigma,
		.momentum = gr_solver_param(s, "momentum"),
		.clamp = latent,
		.x0 = flow(s, k, sigma),
	};
	k->x0_hat = gr__chain_run(s, k, &c);
	double Ap = k->alpha_bar_prev;
	gr_tensor *x = gr_mul_s(k->x0_hat, sqrt(Ap));
	if (k->j > 0)
		x = gr_axpby(x, 1.0, gr_solver_noise(s, "step", (uint64_t)k->i), sqrt(1.0 - Ap));
	return gr_solver_set_state(s, 0, x);
}

static gr_status daps_step(gr_solver *s, gr_method_step *k)
{
	return anneal(s, k, false);
}

static gr_status latent_step(gr_solver *s, gr_method_step *k)
{
	return anneal(s, k, true);
}

#define PARAMS(ode, end, chain, h, ratio, momentum) \
	{ \
		{"ode", ode, 1.0, 1000.0, "Euler steps from a level to the estimate"}, \
			{"end", end, 1e-9, 100.0, "sigma at which they end"}, \
			{"chain", chain, 0.0, 1e6, "steps of the Markov chain"}, \
			{"h", h, 0.0, 1.0, "size of its steps at the first level"}, \
			{"ratio", ratio, 0.0, 1.0, "what becomes of that towards the last"}, \
			{"momentum", momentum, 0.0, 1.0, "0: Langevin; else what is kept of it"}, \
			{"tau", 0.01, 1e-9, 1e3, "deviation that the measurement is trusted to"}, \
			{"legacy", 0.0, 0.0, 1.0, "1: the misfit counts half"}, {0}, \
	}

static const gr_method_param params[] = PARAMS(5.0, 0.01, 100.0, 1e-4, 0.01, 0.0);
static const gr_method_param latent_params[] = PARAMS(2.0, 1e-3, 24.0, 1.35e-4, 0.023, 0.86);

const gr_method gr__method_daps = {
	.name = "daps",
	.doc = "anneals decoupled estimates; ode=5, end=0.01, chain=100, h=1e-4, ratio=0.01, "
		   "momentum=0 (Langevin), tau=0.01, legacy=0",
	.source = "DAPS, arXiv 2407.01521, released code",
	.params = params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.open = daps_open,
	.step = daps_step,
	.respacing = "daps:200",
};

const gr_method gr__method_latent_daps = {
	.name = "latent_daps",
	.doc = "the same through a decoder; ode=2, end=1e-3, chain=24, h=1.35e-4, ratio=0.023, "
		   "momentum=0.86, tau=0.01, legacy=0",
	.source = "DAPS, arXiv 2407.01521, released code",
	.params = latent_params,
	.needs = GR_METHOD_MEASURED,
	.hooks = GR_AT_ESTIMATE,
	.open = daps_open,
	.step = latent_step,
	.respacing = "daps:50,max=10",
};
