/*
 * Running a certificate: every solver on every problem, scores summed up over the measurements (see
 * certify.h). What a solver is made of - method, the DPS term for those without a measurement of
 * their own, further terms - is what `gradus solve` makes of its name.
 */
#include "certify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus/method.h"
#include "gradus/noise.h"
#include "gradus/ops.h"
#include "restore.h"

#define MAX_SOLVERS 64
#define EXACT_SAMPLES 4 /* that the noise floor is averaged over */

/* A problem with what is known of its measurements. */
typedef struct work {
	gr_certified *c;
	gr_certify_problem *problem;
	gr_posterior **known; /* [I] */
	int64_t draws;        /* of each measurement */
	int64_t particles;    /* that the solver at work has for them */
	gr_key key;
} work;

static void say(const gr_certified *c, const char *problem, const char *solver)
{
	char line[256];
	if (c->opts.progress == NULL)
		return;
	snprintf(line, sizeof line, "%s: %s", problem, solver);
	c->opts.progress(line, c->opts.payload);
}

/* --- scores --- */

/* values [GR_DEVIATIONS,I] */
static gr_status summarize(gr_summary out[GR_DEVIATIONS], const double *value, int64_t I)
{
	gr_status status = GR_OK;
	for (int d = 0; d < GR_DEVIATIONS && status == GR_OK; d++) {
		out[d] = (gr_summary){NAN, NAN, NAN};
		if (!isnan(value[d * I]))
			status = gr_summarize(&out[d], value + d * I, I, gr_key_seed((uint64_t)d));
	}
	return status;
}

/* samples [I n,D] f64, into the column of each measurement. */
static gr_status score_each(double *value, const work *w, gr_tensor *samples)
{
	int64_t I = w->problem->I;
	gr_status status = GR_OK;
	for (int64_t i = 0; i < I && status == GR_OK; i++) {
		double one[GR_DEVIATIONS];
		gr_scope_begin();
		status = gr__posterior_score(one, w->known[i],
			gr_slice(samples, 0, i * w->draws, (i + 1) * w->draws, 1));
		gr_scope_end();
		for (int d = 0; d < GR_DEVIATIONS && status == GR_OK; d++)
			value[d * I + i] += one[d];
	}
	return status;
}

static gr_status score(gr_summary out[GR_DEVIATIONS], const work *w, gr_tensor *samples)
{
	int64_t I = w->problem->I;
	double *value = gr_alloc((size_t)(GR_DEVIATIONS * I) * sizeof *value);
	gr_status status = value == NULL ? gr_error_code() : score_each(value, w, samples);
	if (status == GR_OK)
		status = summarize(out, value, I);
	gr_free(value);
	return status;
}

/* The first two numbers of the first measurement's samples. */
static gr_tensor *shown(const work *w, gr_tensor *samples)
{
	gr_tensor *few = gr_slice(samples, 0, 0, w->draws, 1);
	return gr_tensor_retain(gr_contiguous(gr_slice(few, 1, 0, 2, 1)));
}

/* --- solvers --- */

static gr_status name_solvers(const char *names[MAX_SOLVERS], int *count, const char *one)
{
	*count = 0;
	if (one != NULL) {
		names[(*count)++] = one;
		return GR_OK;
	}
	for (int i = 0; gr_named_solver_at(i) != NULL && *count < MAX_SOLVERS; i++)
		names[(*count)++] = gr_named_solver_at(i)->name;
	for (int i = 0; i < gr_method_count() && *count < MAX_SOLVERS; i++) {
		const char *name = gr_method_list_name(i);
		bool named = false; /* a named solver that adds nothing to the method */
		for (int k = 0; gr_named_solver_at(k) != NULL; k++)
			named = named ||
				(strcmp(gr_named_solver_at(k)->method, name) == 0 &&
					*gr_named_solver_at(k)->terms == '\0');
		if (!named)
			names[(*count)++] = name;
	}
	return GR_OK;
}

static gr_key *sample_keys(const work *w, int64_t N)
{
	gr_key *keys = gr_alloc((size_t)N * sizeof *keys);
	for (int64_t i = 0; keys != NULL && i < N; i++)
		keys[i] =
			gr_sample_key(gr_key_fold(w->key, (uint64_t)(i / w->particles)), i % w->particles);
	return keys;
}

/* y of every sample [N,...], as the operator's measurements are. */
static gr_tensor *repeated(const work *w)
{
	const gr_certify_problem *p = w->problem;
	const int64_t *out = gr_operator_out_dims(p->A);
	gr_tensor *y = gr_expand(gr_unsqueeze(p->y, 1), GR_DIMS(p->I, w->particles, p->row->M));
	return gr_contiguous(
		gr_reshape(gr_contiguous(y), GR_DIMS(p->I * w->particles, out[0], out[1], out[2])));
}

static gr_status solve(gr_tensor **samples, gr_certificate *row, const work *w,
	gr_solver_opts *opts)
{
	gr_solver *s = NULL;
	gr_status status = gr_solver_new(&s, opts);
	if (status == GR_OK)
		status = gr_solver_run(s);
	if (status == GR_OK && gr_interrupted())
		status = gr_error_set(GR_ESTATE, "interrupted");
	if (status == GR_OK) {
		gr_tensor *x = gr_cast(gr_solver_result(s), GR_F64);
		x = gr_reshape(x, GR_DIMS(opts->n, w->problem->row->D));
		*samples = gr_contiguous(gr_slice(x, 0, 0, opts->n, w->particles / w->draws));
		row->evaluations = gr_solver_evaluations(s);
		row->steps = gr_solver_steps(s);
		status = gr_error_code();
	}
	gr_solver_free(s);
	return status;
}

/* Samples of a solver by name, [I n,D] f64. */
static gr_status run_solver(gr_tensor **samples, gr_certificate *row, const work *w,
	const char *solver)
{
	const gr_certify_problem *p = w->problem;
	const gr_certify_opts *o = &w->c->opts;
	char method[512], respacing[32];
	bool guided = false;
	gr_term *terms[GR_SOLVER_MAX_TERMS + 1] = {NULL};
	const gr_restore_config config = {.solver = solver, .terms = o->terms, .scale = o->scale};
	gr_status status = gr__restore_method(method, sizeof method, &guided, &config);
	int64_t N = p->I * w->particles;
	gr_key *keys = status == GR_OK ? sample_keys(w, N) : NULL;
	gr_tensor *y = repeated(w);
	const gr_term_problem problem = {.size = sizeof problem,
		.prior = p->prior,
		.A = p->A,
		.y = y,
		.sigma = p->sigma,
		.particles = w->particles};
	if (status == GR_OK)
		status = keys == NULL || y == NULL ? gr_error_code() : GR_OK;
	if (status == GR_OK)
		status = gr__restore_terms(terms, &config, &problem);
	snprintf(respacing, sizeof respacing, "%lld",
		(long long)(o->steps > 0 ? o->steps : p->row->steps));
	gr_solver_opts opts = {.size = sizeof opts,
		.prior = p->prior,
		.n = N,
		.keys = keys,
		.method = method,
		.A = p->A,
		.y = y,
		.sigma = p->sigma,
		.respacing = respacing,
		.no_clip = true,
		.terms = terms,
		.particles = w->draws,
		.dtype = GR_F64};
	if (status == GR_OK)
		status = solve(samples, row, w, &opts);
	for (int i = 0; terms[i] != NULL; i++)
		gr_term_free(terms[i]);
	gr_free(keys);
	return status;
}

/* What keeps a solver from a problem is told in its row; everything else ends the run. */
static gr_status skip(gr_certificate *row, gr_status status)
{
	if (status == GR_EMEM || gr_interrupted())
		return status;
	const char *message = gr_error_message();
	const char *at = strstr(message, " (at "); /* where in the sources is nothing to a user */
	snprintf(row->skipped, sizeof row->skipped, "%.*s",
		at != NULL ? (int)(at - message) : (int)strlen(message), message);
	gr_error_clear();
	return GR_OK;
}

static gr_certificate *add_row(gr_certified *c, const work *w, const char *solver)
{
	gr_certificate *row = &c->row[c->count++];
	row->problem = w->problem->row->name;
	row->measurements = w->problem->I;
	snprintf(row->solver, sizeof row->solver, "%s", solver);
	return row;
}

/* More particles than draws for methods that are the better for it, where modes are weighed. */
static gr_status set_particles(work *w, const char *solver)
{
	char method[512];
	unsigned needs = 0;
	bool guided = false;
	const gr_restore_config config = {.solver = solver};
	gr_status status = gr__restore_method(method, sizeof method, &guided, &config);
	if (status == GR_OK)
		status = gr_method_needs(&needs, method);
	bool many = (needs & GR_METHOD_WEIGHTED) != 0 && gr_law_components(w->problem->law) > 1;
	int64_t times = !many ? 1 : w->c->opts.quick ? 2 : 4;
	w->particles = w->draws * times;
	return status;
}

static gr_status certify_solver(work *w, const char *solver, const gr_certificate *exact)
{
	gr_certificate *row = add_row(w->c, w, solver);
	gr_tensor *samples = NULL;
	memcpy(row->exact, exact->score, sizeof row->exact);
	say(w->c, row->problem, solver);
	gr_scope_begin();
	gr_status status = set_particles(w, solver);
	row->particles = w->particles;
	if (status == GR_OK)
		status = run_solver(&samples, row, w, solver);
	if (status == GR_OK)
		status = score(row->score, w, samples);
	if (status == GR_OK)
		row->shown = shown(w, samples);
	gr_scope_end();
	return status == GR_OK ? GR_OK : skip(row, status);
}

/* Exact draws of every measurement [I n,D]. */
static gr_tensor *draw_exact(const work *w, int sample)
{
	const gr_certify_problem *p = w->problem;
	gr_tensor *samples = gr_empty(GR_F64, GR_DIMS(p->I * w->draws, p->row->D));
	for (int64_t i = 0; i < p->I && samples != NULL; i++) {
		gr_key key = gr_key_fold(gr_key_fold(w->key, (uint64_t)i), (uint64_t)sample);
		gr_scope_begin();
		gr_tensor *x = gr__posterior_draw(w->known[i], w->draws, key);
		if (x != NULL)
			gr_tensor_to_f64(x, (double *)gr_tensor_data(samples) + i * w->draws * p->row->D);
		if (gr_scope_end() != GR_OK)
			return NULL;
	}
	return samples;
}

/* Exact samples that are scored as a solver's: the first row of a problem. */
static gr_status certify_exact(const work *w)
{
	int64_t I = w->problem->I;
	gr_certificate *row = add_row(w->c, w, "exact samples");
	double *value = gr_alloc((size_t)(GR_DEVIATIONS * I) * sizeof *value);
	gr_status status = value == NULL ? gr_error_code() : GR_OK;
	say(w->c, row->problem, row->solver);
	for (int k = 0; k < EXACT_SAMPLES && status == GR_OK; k++) {
		gr_scope_begin();
		gr_tensor *samples = draw_exact(w, k);
		status = samples == NULL ? gr_error_code() : score_each(value, w, samples);
		if (k == 0 && status == GR_OK)
			row->shown = shown(w, samples);
		gr_status ended = gr_scope_end();
		status = status == GR_OK ? ended : status;
	}
	for (int64_t i = 0; i < GR_DEVIATIONS * I && status == GR_OK; i++)
		value[i] /= EXACT_SAMPLES;
	if (status == GR_OK)
		status = summarize(row->score, value, I);
	memcpy(row->exact, row->score, sizeof row->exact);
	gr_free(value);
	return status;
}

/* --- problems --- */

static gr_status know(work *w)
{
	const gr_certify_problem *p = w->problem;
	w->known = gr_alloc((size_t)p->I * sizeof(*w->known));
	gr_status status = w->known == NULL ? gr_error_code() : GR_OK;
	for (int64_t i = 0; i < p->I && status == GR_OK; i++) {
		gr_scope_begin();
		gr_posterior_problem one = gr__certify_measurement(p, i);
		status = gr__posterior_new(&w->known[i], &one, w->draws, w->c->projections,
			gr_key_fold(w->key, (uint64_t)i));
		gr_status ended = gr_scope_end();
		status = status == GR_OK ? ended : status;
	}
	return status;
}

static gr_status certify_problem(gr_certified *c, const gr_certify_row *row, int count,
	const char *const *solvers)
{
	work w = {.c = c, .draws = c->draws};
	int64_t I = c->opts.quick && row->quick > 0 ? row->quick : row->full;
	w.key = gr_key_fold_name(gr_key_fold_name(gr_key_seed(c->opts.seed), "draws"), row->name);
	gr_status status = gr__certify_problem_new(&w.problem, row, I, c->opts.seed);
	if (status == GR_OK)
		status = know(&w);
	int first = c->count;
	if (status == GR_OK)
		status = certify_exact(&w);
	for (int i = 0; i < count && status == GR_OK; i++)
		status = certify_solver(&w, solvers[i], &c->row[first]);
	for (int64_t i = 0; w.known != NULL && i < I; i++)
		gr__posterior_free(w.known[i]);
	gr_free(w.known);
	gr__certify_problem_free(w.problem);
	return status;
}

static bool is_asked(const gr_certify_opts *o, const gr_certify_row *row)
{
	return o->problem != NULL ? strcmp(o->problem, row->name) == 0 : row->quick > 0 || !o->quick;
}

static gr_status run(gr_certified *c)
{
	const char *solvers[MAX_SOLVERS];
	int count = 0, problems = 0;
	gr_status status = name_solvers(solvers, &count, c->opts.solver);
	for (int i = 0; gr__certify_row(i) != NULL; i++)
		problems += is_asked(&c->opts, gr__certify_row(i));
	if (status == GR_OK && problems == 0)
		status = gr_error_set(GR_EARG, "certify: no problem '%s'; hint: --list", c->opts.problem);
	c->row = status == GR_OK ? gr_alloc((size_t)(problems * (count + 1)) * sizeof *c->row) : NULL;
	if (c->row == NULL)
		return gr_error_code();
	for (int i = 0; gr__certify_row(i) != NULL && status == GR_OK; i++)
		if (is_asked(&c->opts, gr__certify_row(i)))
			status = certify_problem(c, gr__certify_row(i), count, solvers);
	return status;
}

gr_status gr__certify_run(gr_certified **out, const gr_certify_opts *opts)
{
	char method[512];
	bool guided = false;
	*out = NULL;
	const gr_restore_config config = {.solver = opts->solver};
	gr_status status =
		opts->solver != NULL ? gr__restore_method(method, sizeof method, &guided, &config) : GR_OK;
	gr_certified *c = status == GR_OK ? gr_alloc(sizeof *c) : NULL;
	if (c == NULL)
		return gr_error_code();
	c->opts = *opts;
	c->draws = 256;
	c->projections = opts->quick ? 256 : 1000;
	bool recording = gr_set_recording(false);
	status = run(c);
	if (status == GR_OK && opts->solver == NULL && opts->problem == NULL)
		status = gr__certify_orders(c);
	gr_set_recording(recording);
	if (status == GR_OK) {
		*out = c;
		return GR_OK;
	}
	gr__certified_free(c);
	return status;
}

void gr__certified_free(gr_certified *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < c->count; i++)
		gr_tensor_release(c->row[i].shown);
	gr_free(c->row);
	gr_free(c);
}

const char *gr__certify_verdict(char *text, size_t size, const gr_certificate *row)
{
	double ratio = row->score[GR_DEVIATION_SLICED].mean / row->exact[GR_DEVIATION_SLICED].mean;
	double covers = row->score[GR_DEVIATION_COVERAGE].mean;
	if (*row->skipped != '\0')
		snprintf(text, size, "%s", row->skipped);
	else if (ratio <= 1.1 && covers >= 0.88 && covers <= 0.92)
		snprintf(text, size, "exact");
	else
		snprintf(text, size, "biased: %.2f x the floor, intervals hold %.1f %%", ratio,
			100.0 * covers);
	return text;
}
