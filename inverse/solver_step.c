/*
 * What a step of a sampling method does with its estimate of the clean state: the ancestral and the
 * implicit step, and the end of both (see gradus/method.h).
 *
 * Ancestral: Ho et al. 2020, eq. 7 and Algorithm 2. With A = alpha_bar at step j,
 *     x_{j-1} = c1 x0 + c2 x_j + [j > 0] exp(logvar / 2) z
 * where logvar is log v_j (fixed small), or learned: f log beta_j + (1 - f) log v_j,
 * f = (v + 1) / 2 (Nichol and Dhariwal 2021, eq. 15).
 *
 * Implicit: Song et al. 2021, eq. 12 and 16. With Ap the alpha_bar before, and eps derived from x0,
 *     x_{j-1} = sqrt(Ap) x0 + sqrt(1 - Ap - sigma^2) eps + [j > 0] sigma z
 */
#include <math.h>

#include "gradus/ops.h"
#include "solver_priv.h"

gr_tensor *gr_solver_ancestral(gr_solver *s, const gr_method_step *k, gr_tensor *x0)
{
	const gr_schedule *schedule = gr_solver_schedule(s);
	gr_tensor *mean = gr_axpby(x0, gr_schedule_posterior_c1(schedule, k->j), k->x_t,
		gr_schedule_posterior_c2(schedule, k->j));
	if (k->j == 0)
		return mean;
	gr_tensor *z = gr_solver_noise(s, "step", k->draw);
	double log_small = gr_schedule_posterior_log_variance(schedule, k->j);
	if (!k->variance)
		return gr_axpby(mean, 1.0, z, exp(0.5 * log_small));
	double log_large = log(gr_schedule_beta(schedule, k->j));
	/* half of f log_large + (1 - f) log_small, f = (v + 1) / 2 */
	gr_tensor *half =
		gr_affine(k->variance, 0.25 * (log_large - log_small), 0.25 * (log_large + log_small));
	return gr_muladd(gr_exp(half), z, mean);
}

double gr_solver_implicit_sigma(const gr_method_step *k, double eta)
{
	double A = k->alpha_bar;
	double Ap = k->alpha_bar_prev;
	return eta * sqrt((1.0 - Ap) / (1.0 - A)) * sqrt(1.0 - A / Ap);
}

double gr_solver_tweedie(const gr_method_step *k)
{
	return k->alpha_bar > 0.0 ? (1.0 - k->alpha_bar) / sqrt(k->alpha_bar) : 0.0;
}

gr_tensor *gr_solver_implicit(gr_solver *s, const gr_method_step *k, gr_tensor *x0, double sigma)
{
	double Ap = k->alpha_bar_prev;
	double along = sqrt(fmax(1.0 - Ap - sigma * sigma, 0.0));
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, k->x_t, x0, k->alpha_bar);
	gr_tensor *x = gr_axpby(x0, sqrt(Ap), eps, along);
	if (k->j == 0 || sigma == 0.0)
		return x;
	return gr_axpby(x, 1.0, gr_solver_noise(s, "step", k->draw), sigma);
}

gr_tensor *gr_solver_clip(const gr_solver *s, gr_tensor *x0)
{
	return s->opts.no_clip || gr_is_latent_prior(s->opts.prior) ? x0 : gr_clamp(x0, -1.0, 1.0);
}

gr_status gr_solver_finish(gr_solver *s, const gr_method_step *k, gr_tensor *x)
{
	return gr_solver_set_state(s, 0, k->gradient ? gr_sub(x, k->gradient) : x);
}
