/*
 * Noise schedule tables (see gradus/schedule.h): betas, then the kept steps, then everything else
 * from alpha_bar at the kept steps.
 *
 * Parametrisation: variance preserving, x_t = sqrt(A_t) x_0 + sqrt(1 - A_t) eps. Posterior of
 * Ho et al. 2020, eq. 7:
 *     c1 = beta sqrt(Ap) / (1 - A),  c2 = (1 - Ap) sqrt(1 - beta) / (1 - A),
 *     v  = beta (1 - Ap) / (1 - A),  Ap the A of the step before.
 * The kept steps must equal those of the published samplers bit for bit, hence the accumulated
 * stride and rint() (half to even) below.
 */
#include "gradus/schedule.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BASE_STEPS 1000000

struct gr_schedule {
	int64_t base_steps;
	int64_t count;
	int64_t *timestep; /* [count] */
	double *beta;      /* [count], as all below */
	double *alpha_bar;
	double *log_variance;
};

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

/* "ddimN": the smallest stride i with ceil(T / i) = N. */
static gr_status keep_strided(bool *keep, int64_t steps, int64_t n, const char *text)
{
	for (int64_t stride = 1; stride <= steps; stride++) {
		if ((steps + stride - 1) / stride != n)
			continue;
		for (int64_t t = 0; t < steps; t += stride)
			keep[t] = true;
		return GR_OK;
	}
	return gr_error_set(GR_EARG,
		"schedule: respacing '%s': no whole stride gives %lld of %lld steps", text, (long long)n,
		(long long)steps);
}

/* n of the `length` steps from `start` on, ends included. */
static void keep_section(bool *keep, int64_t start, int64_t length, int64_t n)
{
	double stride = n <= 1 ? 1.0 : (double)(length - 1) / (double)(n - 1);
	double at = 0.0;
	for (int64_t i = 0; i < n; i++) {
		keep[start + (int64_t)rint(at)] = true;
		at += stride;
	}
}

/* The next count of a comma list; *text moves past it. False when it is not a positive integer. */
static bool next_count(const char **text, int64_t *count)
{
	char *end;
	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	long long value = strtoll(*text, &end, 10);
	if (errno || value < 1 || value > MAX_BASE_STEPS || (*end != ',' && *end != '\0'))
		return false;
	*count = value;
	*text = *end == ',' ? end + 1 : end;
	return *end == '\0' || end[1] != '\0';
}

static gr_status keep_steps(bool *keep, int64_t steps, const char *text)
{
	int64_t n = 0;
	if (!text || !*text) {
		for (int64_t t = 0; t < steps; t++)
			keep[t] = true;
		return GR_OK;
	}
	const char *at = text;
	if (strncmp(text, "ddim", 4) == 0) {
		at = text + 4;
		if (!next_count(&at, &n) || *at)
			goto malformed;
		return keep_strided(keep, steps, n, text);
	}
	int64_t sections = 1;
	for (const char *c = text; *c; c++)
		sections += *c == ',';
	int64_t start = 0;
	for (int64_t i = 0; i < sections; i++) {
		if (!next_count(&at, &n))
			goto malformed;
		int64_t length = steps / sections + (i < steps % sections ? 1 : 0);
		if (n > length)
			return gr_error_set(GR_EARG,
				"schedule: respacing '%s': section %lld has %lld steps, cannot keep %lld", text,
				(long long)i, (long long)length, (long long)n);
		keep_section(keep, start, length, n);
		start += length;
	}
	return GR_OK;
malformed:
	return gr_error_set(GR_EARG,
		"schedule: malformed respacing '%s'; hint: \"100\", \"10,15,20\" or \"ddim50\"", text);
}

/* Tables of the kept steps: beta'_j = 1 - A_{u_j} / A_{u_{j-1}}. */
static void fill_tables(gr_schedule *s, const double *base_beta, const bool *keep)
{
	double base_bar = 1.0; /* A of the base process */
	double last_bar = 1.0; /* its value at the last kept step */
	double bar = 1.0;      /* A of the respaced process */
	int64_t j = 0;
	for (int64_t t = 0; t < s->base_steps; t++) {
		base_bar *= 1.0 - base_beta[t];
		if (!keep[t])
			continue;
		/* Unrespaced schedules keep their betas to the bit. */
		s->beta[j] = s->count == s->base_steps ? base_beta[t] : 1.0 - base_bar / last_bar;
		bar *= 1.0 - s->beta[j];
		s->alpha_bar[j] = bar;
		s->timestep[j] = t;
		last_bar = base_bar;
		j++;
	}
	for (j = 0; j < s->count; j++) {
		int64_t at = j == 0 && s->count > 1 ? 1 : j;
		s->log_variance[j] =
			s->count == 1 ? log(s->beta[0]) : log(gr_schedule_posterior_variance(s, at));
	}
}

gr_schedule *gr_schedule_new(const gr_schedule_opts *opts)
{
	const gr_schedule_opts none = {.size = sizeof(none)};
	if (!opts)
		opts = &none;
	int64_t steps = opts->steps ? opts->steps : 1000;
	if (steps < 1 || steps > MAX_BASE_STEPS) {
		gr_error_set(GR_EARG, "schedule: %lld steps, expected 1 to %d", (long long)steps,
			MAX_BASE_STEPS);
		return NULL;
	}
	size_t n = (size_t)steps;
	gr_schedule *s = gr_alloc(sizeof(*s));
	double *beta = gr_alloc(n * sizeof(*beta));
	bool *keep = gr_alloc(n * sizeof(*keep));
	gr_status status = GR_OK;
	if (!s || !beta || !keep) {
		status = gr_error_set(GR_EMEM, "schedule: out of memory for %lld steps", (long long)steps);
		goto out;
	}
	status = base_betas(beta, steps, opts);
	if (!status)
		status = keep_steps(keep, steps, opts->respacing);
	if (status)
		goto out;
	s->base_steps = steps;
	for (int64_t t = 0; t < steps; t++)
		s->count += keep[t];
	s->timestep = gr_alloc((size_t)s->count * sizeof(*s->timestep));
	s->beta = gr_alloc(3 * (size_t)s->count * sizeof(*s->beta));
	if (!s->timestep || !s->beta) {
		status = gr_error_set(GR_EMEM, "schedule: out of memory for %lld steps", (long long)steps);
		goto out;
	}
	s->alpha_bar = s->beta + s->count;
	s->log_variance = s->alpha_bar + s->count;
	fill_tables(s, beta, keep);
out:
	gr_free(beta);
	gr_free(keep);
	if (status) {
		gr_schedule_free(s);
		return NULL;
	}
	return s;
}

void gr_schedule_free(gr_schedule *s)
{
	if (!s)
		return;
	gr_free(s->timestep);
	gr_free(s->beta);
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
	return is_step(s, j) ? s->timestep[j] : -1;
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
