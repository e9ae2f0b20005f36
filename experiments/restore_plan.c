/* What a restoration will take, by a dry run and a few timed steps (see restore.h). */
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "gradus/estimate.h"
#include "restore_job.h"

#define MAX_TIMED 8
#define TIMED_SECONDS 2.0

typedef struct dry {
	const gr_restore_job *j;
	int64_t begin, end;
	int64_t evaluations, gradients;
} dry;

/* Images begin..end-1 from the first step to the last. */
static gr_status run_dry(void *ctx)
{
	dry *d = ctx;
	gr_restore_solving v = {0};
	gr_status status = gr__restore_solving_open(d->j, &v, d->begin, d->end, NULL, NULL);
	if (status == GR_OK)
		status = gr_solver_run(v.s);
	if (status == GR_OK && gr_solver_image(v.s) == NULL)
		status = gr_error_code();
	d->evaluations = gr_solver_evaluations(v.s);
	d->gradients = gr_solver_gradients(v.s);
	gr__restore_solving_close(&v);
	return status;
}

/* `times` chunks like begin..end-1. */
static gr_status add_chunks(gr_restore_plan *p, const gr_restore_job *j, int64_t begin, int64_t end,
	int64_t times)
{
	dry d = {.j = j, .begin = begin, .end = end};
	gr_cost cost;
	gr_status status = gr_estimate(&cost, run_dry, &d);
	if (status != GR_OK)
		return status;
	p->evaluations = (double)d.evaluations;
	p->gradients = (double)d.gradients;
	p->flops += cost.flops * (double)times;
	p->bytes = cost.bytes_peak > p->bytes ? cost.bytes_peak : p->bytes;
	return GR_OK;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The median of the first steps of a chunk, the very first left out where there are more. */
static gr_status time_step(double *seconds, const gr_restore_job *j, int64_t end)
{
	gr_restore_solving v = {0};
	double took[MAX_TIMED];
	int n = 0;
	gr_scope_begin();
	gr_status status = gr__restore_solving_open(j, &v, 0, end, NULL, NULL);
	double start = now();
	while (status == GR_OK && n < MAX_TIMED && gr_solver_done(v.s) < gr_solver_steps(v.s) &&
		(n < 3 || now() - start < TIMED_SECONDS)) {
		double before = now();
		status = gr_solver_step(v.s);
		took[n++] = now() - before;
	}
	gr__restore_solving_close(&v);
	gr_status ended = gr_scope_end();
	int first = n > 1;
	if (status == GR_OK && n > 0) {
		qsort(took + first, (size_t)(n - first), sizeof *took, ascending);
		*seconds = took[first + (n - first) / 2];
	}
	return status != GR_OK ? status : ended;
}

gr_status gr__restore_plan(gr_restore_plan *out, const gr_restore_config *config, bool timed)
{
	gr_restore_job j;
	const gr_restore_opts opts = {.quiet = true};
	*out = (gr_restore_plan){0};
	gr_status status = gr__restore_job_open(&j, config, &opts);
	int64_t n = status == GR_OK ? j.r->images->n : 0,
			rest = n % (j.per_chunk > 0 ? j.per_chunk : 1);
	uint64_t before = gr_memory_stats().bytes_in_use;
	double step = 0.0;
	out->images = n;
	if (status == GR_OK && rest > 0)
		status = add_chunks(out, &j, n - rest, n, 1);
	if (status == GR_OK && n > rest)
		status = add_chunks(out, &j, 0, j.per_chunk, n / j.per_chunk);
	int64_t whole = n > rest ? j.per_chunk : n;
	if (status == GR_OK && timed)
		status = time_step(&step, &j, whole);
	if (status == GR_OK && n > 0)
		out->seconds = step * (double)config->steps * (double)n / (double)whole;
	out->bytes += before;
	gr__restore_job_close(&j);
	gr__restored_free(j.r);
	return status;
}
