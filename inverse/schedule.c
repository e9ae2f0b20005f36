/*
 * Noise schedule tables (see gradus/schedule.h): betas or alpha_bars of the base steps, then the
 * kept steps (schedule_steps.c), then everything else from alpha_bar at the kept steps.
 *
 * Parametrisation: variance preserving, x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) eps. Posterior of
 * Ho et al. 2020, eq. 7:
 *     c1 = beta sqrt(Ap) / (1 - A),  c2 = (1 - Ap) sqrt(1 - beta) / (1 - A),
 *     v  = beta (1 - Ap) / (1 - A),  Ap the A of the step before.
 * A may be 0 at the last step (beta is 1 there), which the linear path from data to noise needs.
 */
#include <math.h>

#include "schedule_priv.h"

/* f(u) of the cosine schedule: alpha_bar up to a constant. */
static double cosine_alpha_bar(double u)
{
	double c = cos((u + 0.008) / 1.008 * 3.14159265358979323846 / 2.0);
	return c * c;
}

/* Point i of n evenly spaced ones from a to b, both included. */
static double spaced(double a, double b, int64_t i, int64_t n)
{
	if (n == 1)
		return a;
	return i == n - 1 ? b : a + (double)i * ((b - a) / (double)(n - 1));
}

/* A of a process that is given by its levels of noise. */
static double base_level(int64_t i, int64_t steps, const gr_schedule_opts *opts)
{
	double u = (double)(i + 1) / (double)steps;
	if (opts->kind == GR_SCHEDULE_FLOW)
		return gr__alpha_bar_of_flow(u);
	double root = 1.0 / (opts->rho != 0.0 ? opts->rho : 7.0);
	double low = pow(opts->sigma_min != 0.0 ? opts->sigma_min : 0.002, root);
	double high = pow(opts->sigma_max != 0.0 ? opts->sigma_max : 80.0, root);
	double sigma = pow(spaced(low, high, i, steps), 1.0 / root);
	return 1.0 / (1.0 + sigma * sigma);
}

static gr_status base_levels(double *beta, double *alpha_bar, int64_t steps,
	const gr_schedule_opts *opts)
{
	double last = 1.0;
	for (int64_t i = 0; i < steps; i++) {
		double A = base_level(i, steps, opts);
		if (!(A >= 0.0 && A < last) || (A == 0.0 && i + 1 < steps))
			return gr_error_set(GR_EARG,
				"schedule: alpha_bar %g at step %lld of %lld does not fall; hint: 0 < sigma_min < "
				"sigma_max, rho > 0",
				A, (long long)i, (long long)steps);
		alpha_bar[i] = A;
		beta[i] = 1.0 - A / last;
		last = A;
	}
	return GR_OK;
}

static bool has_betas(gr_schedule_kind kind)
{
	return kind != GR_SCHEDULE_FLOW && kind != GR_SCHEDULE_EDM;
}

static gr_status base_betas(double *beta, int64_t steps, const gr_schedule_opts *opts)
{
	bool linear = opts->kind == GR_SCHEDULE_LINEAR;
	double scale = 1000.0 / (double)steps;
	double first = opts->beta_first != 0.0 ? opts->beta_first : linear ? 1e-4 * scale : 0.0015;
	double last = opts->beta_last != 0.0 ? opts->beta_last : linear ? 0.02 * scale : 0.0195;
	for (int64_t i = 0; i < steps; i++) {
		switch (opts->kind) {
		case GR_SCHEDULE_LINEAR: beta[i] = spaced(first, last, i, steps); break;
		case GR_SCHEDULE_COSINE: {
			double a = cosine_alpha_bar((double)i / (double)steps);
			double b = cosine_alpha_bar((double)(i + 1) / (double)steps);
			beta[i] = fmin(1.0 - b / a, 0.999);
			break;
		}
		case GR_SCHEDULE_SQRT_LINEAR: {
			double root = spaced(sqrt(first), sqrt(last), i, steps);
			beta[i] = root * root;
			break;
		}
		default: return gr_error_set(GR_EARG, "schedule: unknown kind %d", (int)opts->kind);
		}
		if (!(beta[i] > 0.0 && beta[i] < 1.0))
			return gr_error_set(GR_EARG,
				"schedule: beta %g at step %lld of %lld is outside (0,1); hint: beta_first and "
				"beta_last default to 0.1/T and 20/T, which needs T > 20",
				beta[i], (long long)i, (long long)steps);
	}
	return GR_OK;
}

/* betas and A of all base steps */
static gr_status base_tables(double *beta, double *alpha_bar, int64_t steps,
	const gr_schedule_opts *opts)
{
	if (!has_betas(opts->kind))
		return base_levels(beta, alpha_bar, steps, opts);
	gr_status status = base_betas(beta, steps, opts);
	double bar = 1.0;
	for (int64_t t = 0; t < steps && !status; t++) {
		bar *= 1.0 - beta[t];
		alpha_bar[t] = bar;
	}
	return status;
}

/* Tables of the kept steps: beta'_j = 1 - A_{u_j} / A_{u_{j-1}}. */
static void fill_tables(gr_schedule *s, const double *base_beta, bool product)
{
	double last_bar = 1.0; /* A at the step before */
	double bar = 1.0;      /* A of the respaced process */
	for (int64_t j = 0; j < s->count; j++) {
		double base_bar = s->alpha_bar[j];
		/* Unrespaced schedules keep their betas to the bit. */
		s->beta[j] =
			s->count == s->base_steps && product ? base_beta[j] : 1.0 - base_bar / last_bar;
		bar *= 1.0 - s->beta[j];
		if (product)
			s->alpha_bar[j] = bar;
		last_bar = base_bar;
	}
	for (int64_t j = 0; j < s->count; j++) {
		int64_t at = j == 0 && s->count > 1 ? 1 : j;
		s->log_variance[j] =
			s->count == 1 ? log(s->beta[0]) : log(gr_schedule_posterior_variance(s, at));
	}
}

static gr_status build(gr_schedule *s, const gr_schedule_opts *opts)
{
	int64_t steps = s->base_steps;
	double *base = gr_alloc(2 * (size_t)steps * sizeof(*base)); /* betas, alpha_bars */
	if (!base)
		return gr_error_code();
	const schedule_base process = {opts->kind, steps, base + steps};
	bool levels = false;
	gr_status status = base_tables(base, base + steps, steps, opts);
	if (!status)
		status = gr__schedule_steps(s, &levels, &process, opts->respacing);
	if (!status)
		fill_tables(s, base, has_betas(opts->kind) && !levels);
	gr_free(base);
	return status;
}

gr_schedule *gr_schedule_new(const gr_schedule_opts *opts)
{
	const gr_schedule_opts none = {.size = sizeof(none)};
	if (!opts)
		opts = &none;
	int64_t steps = opts->steps ? opts->steps : 1000;
	if (steps < 1 || steps > SCHEDULE_MAX_STEPS) {
		gr_error_set(GR_EARG, "schedule: %lld steps, expected 1 to %d", (long long)steps,
			SCHEDULE_MAX_STEPS);
		return NULL;
	}
	gr_schedule *s = gr_alloc(sizeof(*s));
	if (!s)
		return NULL;
	s->kind = opts->kind;
	s->base_steps = steps;
	if (build(s, opts)) {
		gr_schedule_free(s);
		return NULL;
	}
	return s;
}

gr_status gr__schedule_alloc(gr_schedule *s, int64_t count)
{
	s->time = gr_alloc(4 * (size_t)count * sizeof(*s->time));
	if (!s->time)
		return gr_error_code();
	s->count = count;
	s->alpha_bar = s->time + count;
	s->beta = s->alpha_bar + count;
	s->log_variance = s->beta + count;
	return GR_OK;
}

void gr_schedule_free(gr_schedule *s)
{
	if (!s)
		return;
	gr_free(s->time);
	gr_free(s);
}

int64_t gr_schedule_count(const gr_schedule *s)
{
	return s ? s->count : 0;
}

int64_t gr_schedule_base_steps(const gr_schedule *s)
{
	return s ? s->base_steps : 0;
}

static bool is_step(const gr_schedule *s, int64_t j)
{
	if (s && j >= 0 && j < s->count)
		return true;
	gr_error_set(GR_EARG, "schedule: step %lld of %lld", (long long)j,
		(long long)gr_schedule_count(s));
	return false;
}

int64_t gr_schedule_timestep(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? (int64_t)rint(s->time[j]) : -1;
}

double gr_schedule_time(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? s->time[j] : NAN;
}

double gr_schedule_beta(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? s->beta[j] : NAN;
}

double gr_schedule_alpha_bar(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? s->alpha_bar[j] : NAN;
}

double gr_schedule_alpha_bar_prev(const gr_schedule *s, int64_t j)
{
	if (!is_step(s, j))
		return NAN;
	return j == 0 ? 1.0 : s->alpha_bar[j - 1];
}

double gr_schedule_sigma(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? sqrt((1.0 - s->alpha_bar[j]) / s->alpha_bar[j]) : NAN;
}

double gr_schedule_posterior_c1(const gr_schedule *s, int64_t j)
{
	if (!is_step(s, j))
		return NAN;
	return s->beta[j] * sqrt(gr_schedule_alpha_bar_prev(s, j)) / (1.0 - s->alpha_bar[j]);
}

double gr_schedule_posterior_c2(const gr_schedule *s, int64_t j)
{
	if (!is_step(s, j))
		return NAN;
	double prev = gr_schedule_alpha_bar_prev(s, j);
	return (1.0 - prev) * sqrt(1.0 - s->beta[j]) / (1.0 - s->alpha_bar[j]);
}

double gr_schedule_posterior_variance(const gr_schedule *s, int64_t j)
{
	if (!is_step(s, j))
		return NAN;
	return s->beta[j] * (1.0 - gr_schedule_alpha_bar_prev(s, j)) / (1.0 - s->alpha_bar[j]);
}

double gr_schedule_posterior_log_variance(const gr_schedule *s, int64_t j)
{
	return is_step(s, j) ? s->log_variance[j] : NAN;
}
