/*
 * The steps that a schedule keeps (see gradus/schedule.h), read from text: a subset of the base
 * steps, or levels of noise that may lie between two; and what lies between two.
 *
 * Subsets must equal those of the published samplers bit for bit, hence the accumulated stride and
 * rint() (half to even) below. Levels, with i = 0..N-1 from the noisiest, u = (N - i) / N:
 *     flow  time S u / (1 + (S - 1) u) of the linear path
 *     edm   sigma = (max^(1/rho) + i / (N-1) (min^(1/rho) - max^(1/rho)))^rho
 *           (Karras et al. 2022, eq. 5)
 *     daps  the same with i / N: min is where the 0 after the last level stands (Zhang et al. 2024)
 *     em    times 1 to `last`, evenly, of the linear path (REPA's Euler-Maruyama sampler)
 * and A = 1 / (1 + sigma^2), sigma = time / (1 - time).
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schedule_priv.h"

/* --- subsets --- */

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
	if (errno || value < 1 || value > SCHEDULE_MAX_STEPS || (*end != ',' && *end != '\0'))
		return false;
	*count = value;
	*text = *end == ',' ? end + 1 : end;
	return *end == '\0' || end[1] != '\0';
}

/* One count for a flow: steps at even times, the last one among them. */
static gr_status keep_even(bool *keep, int64_t steps, int64_t n, const char *text)
{
	if (n > steps)
		return gr_error_set(GR_EARG, "schedule: respacing '%s': there are %lld steps", text,
			(long long)steps);
	for (int64_t j = 1; j <= n; j++)
		keep[(2 * j * steps + n) / (2 * n) - 1] = true;
	return GR_OK;
}

/* "rlsd:N": r (N - 1 - k) + 1 with r = floor(T / N), all but the last of them. */
static gr_status keep_rlsd(bool *keep, int64_t steps, const char *text)
{
	const char *at = text + 5;
	int64_t n = 0;
	if (!next_count(&at, &n) || *at || n < 2 || n > steps || steps / n * (n - 1) + 1 >= steps)
		return gr_error_set(GR_EARG,
			"schedule: respacing '%s': expected rlsd:N with steps floor(T/N) k + 1 below T = %lld; "
			"hint: rlsd:%lld",
			text, (long long)steps, (long long)steps - 1);
	for (int64_t k = 1; k < n; k++)
		keep[steps / n * k + 1] = true;
	return GR_OK;
}

static gr_status malformed(const char *text)
{
	return gr_error_set(GR_EARG,
		"schedule: malformed respacing '%s'; hint: \"100\", \"10,15,20\", \"ddim50\", "
		"\"rlsd:500\", or levels: \"flow:28,shift=4\", \"edm:18\", \"daps:50\", \"em:250\"",
		text);
}

static gr_status keep_sections(bool *keep, int64_t steps, const char *text)
{
	const char *at = text;
	int64_t n = 0, start = 0, sections = 1;
	for (const char *c = text; *c; c++)
		sections += *c == ',';
	for (int64_t i = 0; i < sections; i++) {
		if (!next_count(&at, &n))
			return malformed(text);
		int64_t length = steps / sections + (i < steps % sections ? 1 : 0);
		if (n > length)
			return gr_error_set(GR_EARG,
				"schedule: respacing '%s': section %lld has %lld steps, cannot keep %lld", text,
				(long long)i, (long long)length, (long long)n);
		keep_section(keep, start, length, n);
		start += length;
	}
	return GR_OK;
}

static gr_status keep_steps(bool *keep, const schedule_base *base, const char *text)
{
	int64_t n = 0;
	if (!text || !*text) {
		for (int64_t t = 0; t < base->steps; t++)
			keep[t] = true;
		return GR_OK;
	}
	const char *at = text;
	if (strncmp(text, "rlsd:", 5) == 0)
		return keep_rlsd(keep, base->steps, text);
	if (strncmp(text, "ddim", 4) == 0) {
		at = text + 4;
		return next_count(&at, &n) && !*at ? keep_strided(keep, base->steps, n, text)
										   : malformed(text);
	}
	if (base->kind == GR_SCHEDULE_FLOW && next_count(&at, &n) && !*at)
		return keep_even(keep, base->steps, n, text);
	return keep_sections(keep, base->steps, text);
}

/* --- levels --- */

typedef struct grid {
	const char *name;
	const char *keys; /* of the numbers that it takes, a space after each */
} grid;

static const grid grids[] = {
	{"flow", "shift "},
	{"edm", "min max rho "},
	{"daps", "min max rho "},
	{"em", "last "},
};

typedef struct grid_numbers {
	int64_t n;
	double min, max, rho, shift, last;
} grid_numbers;

/* "KEY=NUMBER" for a key of the grid. */
static bool read_number(const grid *g, grid_numbers *p, const char *text, size_t length)
{
	const struct {
		const char *key;
		double *value;
	} all[] = {{"min", &p->min}, {"max", &p->max}, {"rho", &p->rho}, {"shift", &p->shift},
		{"last", &p->last}};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		size_t key = strlen(all[i].key);
		char *end = NULL;
		if (length < key + 2 || strncmp(text, all[i].key, key) != 0 || text[key] != '=' ||
			!strstr(g->keys, all[i].key))
			continue;
		*all[i].value = strtod(text + key + 1, &end);
		return end == text + length && *all[i].value > 0.0 && *all[i].value < 1e6;
	}
	return false;
}

/* The grid that `text` names, its count and its numbers; NULL when it names none. */
static const grid *read_grid(grid_numbers *p, const char *text, gr_status *status)
{
	const grid *g = NULL;
	size_t name = text ? strcspn(text, ":") : 0;
	for (size_t i = 0; name > 0 && text[name] && i < sizeof(grids) / sizeof(grids[0]); i++)
		if (strlen(grids[i].name) == name && strncmp(grids[i].name, text, name) == 0)
			g = &grids[i];
	if (!g)
		return NULL;
	char *end = NULL;
	const char *at = text + name + 1;
	errno = 0;
	long long n = strtoll(at, &end, 10);
	bool ok = *at >= '0' && *at <= '9' && !errno && n >= 1 && n <= SCHEDULE_MAX_STEPS;
	p->n = n;
	for (at = end; ok && *at; at = end) {
		end = (char *)at + 1 + strcspn(at + 1, ",");
		ok = *at == ',' && read_number(g, p, at + 1, (size_t)(end - at - 1));
	}
	*status = ok ? GR_OK : malformed(text);
	return g;
}

/* Level i of 0..n-1, the noisiest first: its A. */
static double level(const grid *g, const grid_numbers *p, int64_t i)
{
	double u = (double)(p->n - i) / (double)p->n;
	if (strcmp(g->name, "flow") == 0)
		return gr__alpha_bar_of_flow(p->shift * u / (1.0 + (p->shift - 1.0) * u));
	if (strcmp(g->name, "em") == 0)
		return gr__alpha_bar_of_flow(
			p->n == 1 ? 1.0 : 1.0 + (double)i / (double)(p->n - 1) * (p->last - 1.0));
	double high = pow(p->max, 1.0 / p->rho);
	double low = pow(p->min, 1.0 / p->rho);
	/* daps counts the 0 after the last level as one more */
	double of = strcmp(g->name, "daps") == 0 ? (double)p->n : (double)(p->n - 1);
	double sigma = i == 0 ? p->max : pow(high + (double)i / of * (low - high), p->rho);
	return 1.0 / (1.0 + sigma * sigma);
}

static gr_status fill_levels(gr_schedule *s, const schedule_base *base, const grid *g,
	const grid_numbers *p, const char *text)
{
	const double most = base->alpha_bar[0];
	const double least = base->alpha_bar[base->steps - 1];
	double last = 0.0;
	gr_status status = gr__schedule_alloc(s, p->n);
	for (int64_t i = 0; i < p->n && !status; i++) {
		int64_t j = p->n - 1 - i;
		double A = level(g, p, i);
		if (!(A <= most * (1.0 + 1e-9) && A >= least * (1.0 - 1e-9)))
			return gr_error_set(GR_EARG,
				"schedule: respacing '%s': a noise level of %g, the base steps have %g to %g", text,
				sqrt((1.0 - A) / A), sqrt((1.0 - most) / most), sqrt((1.0 - least) / least));
		if (i > 0 && !(A > last))
			return gr_error_set(GR_EARG,
				"schedule: respacing '%s': level %lld does not lie below the one before", text,
				(long long)i);
		double t = gr__schedule_time(base, A);
		s->alpha_bar[j] = A;
		s->time[j] = fabs(t - rint(t)) < 1e-9 ? rint(t) : t;
		last = A;
	}
	return status;
}

/* Defaults, which keep within the process. */
static grid_numbers defaults_of(const schedule_base *base, bool is_daps)
{
	double most = base->alpha_bar[0];
	double least = base->alpha_bar[base->steps - 1];
	return (grid_numbers){.min = fmax(is_daps ? 0.1 : 0.002, sqrt((1.0 - most) / most)),
		.max = fmin(is_daps ? 100.0 : 80.0, sqrt((1.0 - least) / least)),
		.rho = 7.0,
		.shift = 1.0,
		.last = 0.04};
}

gr_status gr__schedule_steps(gr_schedule *s, bool *levels, const schedule_base *base,
	const char *text)
{
	gr_status status = GR_OK;
	grid_numbers p = defaults_of(base, text && strncmp(text, "daps", 4) == 0);
	const grid *g = read_grid(&p, text, &status);
	*levels = g != NULL;
	if (g)
		return status ? status : fill_levels(s, base, g, &p, text);
	bool *keep = gr_alloc((size_t)base->steps * sizeof(*keep));
	if (!keep)
		return gr_error_code();
	int64_t count = 0;
	status = keep_steps(keep, base, text);
	for (int64_t t = 0; t < base->steps; t++)
		count += keep[t];
	if (!status)
		status = gr__schedule_alloc(s, count);
	for (int64_t t = 0, j = 0; t < base->steps && !status; t++) {
		if (!keep[t])
			continue;
		s->time[j] = (double)t;
		s->alpha_bar[j++] = base->alpha_bar[t];
	}
	gr_free(keep);
	return status;
}

/* --- between base steps --- */

double gr__alpha_bar_of_flow(double u)
{
	double a = fmax(1.0 - u, 0.0);
	return a * a / (a * a + u * u);
}

double gr__flow_of_alpha_bar(double alpha_bar)
{
	double a = sqrt(alpha_bar);
	double b = sqrt(1.0 - alpha_bar);
	return b / (a + b);
}

double gr__schedule_alpha_bar(const schedule_base *base, double t)
{
	int64_t below = (int64_t)t;
	double part = t - (double)below;
	double A = base->alpha_bar[below];
	if (part == 0.0)
		return A;
	if (base->kind == GR_SCHEDULE_FLOW)
		return gr__alpha_bar_of_flow((t + 1.0) / (double)base->steps);
	return exp((1.0 - part) * log(A) + part * log(base->alpha_bar[below + 1]));
}

double gr__schedule_time(const schedule_base *base, double alpha_bar)
{
	int64_t below = 0; /* A falls with the step: A[below] > alpha_bar >= A[above] */
	int64_t above = base->steps - 1;
	if (alpha_bar >= base->alpha_bar[0])
		return 0.0;
	if (alpha_bar <= base->alpha_bar[above])
		return (double)above;
	if (base->kind == GR_SCHEDULE_FLOW)
		return (double)base->steps * gr__flow_of_alpha_bar(alpha_bar) - 1.0;
	while (above - below > 1) {
		int64_t middle = below + (above - below) / 2;
		*(base->alpha_bar[middle] > alpha_bar ? &below : &above) = middle;
	}
	double high = base->alpha_bar[below];
	return (double)below + log(high / alpha_bar) / log(high / base->alpha_bar[above]);
}
