/*
 * Ancestral sampling: Ho et al. 2020, eq. 7 and Algorithm 2. With A = alpha_bar at step j and the
 * (clipped) estimate x0_hat,
 *     x_{j-1} = c1 x0_hat + c2 x_j + [j > 0] exp(logvar / 2) z - gradient of the terms
 * where logvar is log v_j (fixed small), or learned: f log beta_j + (1 - f) log v_j,
 * f = (v + 1) / 2 (Nichol and Dhariwal 2021, eq. 15). With the DPS term this is Algorithm 1 of Chung
 * et al. 2023.
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

static gr_tensor *next(gr_solver *s, const gr_method_step *k)
{
	const gr_schedule *schedule = gr_solver_schedule(s);
	gr_tensor *mean = gr_axpby(k->x0_hat, gr_schedule_posterior_c1(schedule, k->j), k->x_t,
		gr_schedule_posterior_c2(schedule, k->j));
	if (k->j == 0)
		return mean;
	gr_tensor *z = gr_solver_noise(s, "step", (uint64_t)k->t);
	double log_small = gr_schedule_posterior_log_variance(schedule, k->j);
	if (!k->variance)
		return gr_axpby(mean, 1.0, z, exp(0.5 * log_small));
	double log_large = log(gr_schedule_beta(schedule, k->j));
	/* half of f log_large + (1 - f) log_small, f = (v + 1) / 2 */
	gr_tensor *half =
		gr_affine(k->variance, 0.25 * (log_large - log_small), 0.25 * (log_large + log_small));
	return gr_muladd(gr_exp(half), z, mean);
}

static gr_status ddpm_step(gr_solver *s, gr_method_step *k)
{
	gr_status status = gr_solver_predict(s, k);
	if (status)
		return status;
	gr_tensor *x = next(s, k);
	return gr_solver_set_state(s, 0, k->gradient ? gr_sub(x, k->gradient) : x);
}

const gr_method gr__method_ddpm = {
	.name = "ddpm",
	.doc = "ancestral sampling, noise of the posterior's or the learned variance",
	.source = "Ho et al. 2020, Algorithm 2; Nichol and Dhariwal 2021, eq. 15",
	.hooks = 1u << GR_HOOK_PREDICT,
	.step = ddpm_step,
};
