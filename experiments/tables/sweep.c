/*
 * A search over settings: a grid, or draws from ranges. It is an experiment like the tables, so that
 * it resumes and shards; it is to be run on images that no table shows.
 *
 *     over: "gamma=1,10,100;scale=0.5,1"   every combination; in operator, solver and terms {gamma}
 *                                          stands for the value, `scale`, `sigma` and `steps` are
 *                                          the row's own
 *     over: "gamma~1..100", draws=20       log-uniform draws where both ends are positive
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/experiment.h"
#include "gradus/tensor.h"

#define PARAMS(P) \
	P(text, over, "", "", "scale=0.5,1", "names and values; see experiments/tables/sweep.c") \
	P(text, prior, "fashion", "fashion", "fashion", "the prior") \
	P(text, operator_, "inpaint_box", "inpaint_box", "inpaint_box", "the measurement") \
	P(text, solver, "dps", "dps", "dps", "the solver") \
	P(text, terms, "", "", "", "further terms, separated by blanks") \
	P(text, images, "shipped", "shipped", "shipped", "validation images") \
	P(int, n, 0, 16, 2, "images, 0 for all") \
	P(int, steps, 1000, 100, 3, "reverse steps") \
	P(int, particles, 1, 1, 1, "samples of an image") \
	P(double, sigma, 0.05, 0.05, 0.05, "noise of the measurement") \
	P(double, scale, 1.0, 1.0, 1.0, "weight of the DPS term") \
	P(int, draws, 0, 0, 0, "of ranges; 0: a grid") \
	P(int, seed, 0, 0, 0, "of draws and samples")

#define MAX_NAMES 8
#define MAX_VALUES 64

typedef struct axis {
	char name[32];
	double value[MAX_VALUES]; /* two ends of a range */
	int count;
	bool range;
} axis;

/* One of "name=v,v,v" or "name~low..high", up to ';'. */
static bool read_axis(axis *a, const char *text)
{
	size_t length = strcspn(text, "=~;");
	if (length == 0 || length >= sizeof a->name || (text[length] != '=' && text[length] != '~'))
		return false;
	snprintf(a->name, sizeof a->name, "%.*s", (int)length, text);
	a->range = text[length] == '~';
	const char *at = text + length + 1;
	for (a->count = 0; a->count < MAX_VALUES;) {
		char *end;
		a->value[a->count++] = strtod(at, &end);
		if (end == at)
			return false;
		/* "1..10" reads as 1. and .10 by strtod */
		if (a->range && end > at && end[-1] == '.' && *end == '.')
			end--;
		if (*end == '\0' || *end == ';')
			return !a->range || a->count == 2;
		if (strncmp(end, "..", 2) != 0 && *end != ',')
			return false;
		at = end + (*end == ',' ? 1 : 2);
	}
	return false;
}

/* `text` with {name} replaced by values. */
static const char *fill_in(gr_exp_set *e, const char *text, const axis *a, const double *v, int n)
{
	char out[1024];
	size_t used = 0;
	for (const char *at = text; *at && used < sizeof out - 40;) {
		int found = -1;
		for (int i = 0; i < n && *at == '{'; i++) {
			size_t length = strlen(a[i].name);
			if (strncmp(at + 1, a[i].name, length) == 0 && at[1 + length] == '}')
				found = i;
		}
		if (found < 0) {
			out[used++] = *at++;
			continue;
		}
		used += (size_t)snprintf(out + used, sizeof out - used, "%.10g", v[found]);
		at += strlen(a[found].name) + 2;
	}
	out[used] = '\0';
	return gr_exp_text_of(e, "%s", out);
}

static double value_of(const char *name, double fallback, const axis *a, const double *v, int n)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(a[i].name, name) == 0)
			return v[i];
	}
	return fallback;
}

static double draw(const axis *a, gr_key key)
{
	double low = a->value[0], high = a->value[1], u = gr_key_uniform(key, 0);
	return low > 0.0 && high > 0.0 ? low * pow(high / low, u) : low + u * (high - low);
}

GR_EXPERIMENT(sweep, "A search over settings", PARAMS)
{
	axis a[MAX_NAMES];
	int n = 0;
	int64_t points = 1;
	for (const char *at = p->over; *at && n < MAX_NAMES; at += strcspn(at, ";"), at += *at == ';') {
		if (!read_axis(&a[n], at) || (a[n].range && p->draws < 1)) {
			gr_error_set(GR_EARG,
				"sweep: cannot read '%s'; hint: gamma=1,10;scale=0.5,1 or gamma~1..100 with draws",
				at);
			return;
		}
		points *= a[n].range ? 1 : a[n].count;
		n++;
	}
	points = p->draws > 0 ? p->draws : points;
	for (int64_t k = 0; k < points && n > 0 && points <= 4096; k++) {
		double v[MAX_NAMES];
		const char *label = "";
		int64_t rest = k;
		for (int i = 0; i < n; i++) {
			gr_key key = gr_key_fold(gr_key_fold_name(gr_key_seed((uint64_t)p->seed), a[i].name),
				(uint64_t)k);
			int64_t at =
				p->draws > 0 ? (int64_t)(gr_key_uniform(key, 1) * a[i].count) : rest % a[i].count;
			v[i] = a[i].range ? draw(&a[i], key) : a[i].value[at];
			rest /= a[i].count;
			label = gr_exp_text_of(e, "%s%s%s=%.6g", label, i > 0 ? " " : "", a[i].name, v[i]);
		}
		GR_EXP_ROW(e, .task = p->operator_, .method = label, .prior = p->prior, .input = p->images,
			.operator_ = fill_in(e, p->operator_, a, v, n),
			.solver = fill_in(e, p->solver, a, v, n), .terms = fill_in(e, p->terms, a, v, n),
			.sigma = value_of("sigma", p->sigma, a, v, n),
			.scale = value_of("scale", p->scale, a, v, n),
			.steps = (int64_t)value_of("steps", (double)p->steps, a, v, n),
			.particles = p->particles, .images = p->n, .seed = p->seed);
	}
}
