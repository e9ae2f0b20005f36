/*
 * Solving one inverse problem for a set of images, chunk by chunk; see restore.h. What a run stands on
 * is opened by restore_job.c, the files that a finished one leaves are written by restore_report.c.
 */
#include "restore_job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gradus/io.h"
#include "gradus/json.h"
#include "gradus/noise.h"
#include "gradus/operator.h"
#include "gradus/ops.h"
#include "gradus/prior.h"
#include "gradus/term.h"
#include "runfolder.h"

#define SAVE_SECONDS 15.0
#define LINE_SECONDS 10.0
#define PATH_SIZE 4096
#define METHOD_SIZE 512

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void state_path(const gr_restore_job *j, char *path, size_t size, const char *what)
{
	snprintf(path, size, "%s/state/chunk%05lld_%s.safetensors", j->opts->output,
		(long long)j->chunk, what);
}

/* A list of named tensors and the steps done. */
static gr_status save_state(const gr_restore_job *j, const char *what, int n,
	const char *const *names, gr_tensor *const *states, int64_t done)
{
	char path[PATH_SIZE], text[32];
	state_path(j, path, sizeof path, what);
	snprintf(text, sizeof text, "%lld", (long long)done);
	gr_archive *a = gr_archive_new();
	if (a == NULL)
		return gr_error_code();
	gr_status status = GR_OK;
	for (int i = 0; i < n && status == GR_OK; i++)
		status = gr_archive_add(a, names[i], states[i]);
	if (status == GR_OK)
		status = gr_archive_set_meta(a, "done", text);
	if (status == GR_OK)
		status = gr_safetensors_write(path, a);
	gr_archive_free(a);
	return status;
}

/* The named tensors of a saved state in the caller's scope; false (and no error) when there is
 * none. */
static bool load_state(const gr_restore_job *j, const char *what, int n, const char *const *names,
	gr_tensor **states, int64_t *done)
{
	char path[PATH_SIZE];
	state_path(j, path, sizeof path, what);
	if (access(path, F_OK) != 0)
		return false;
	gr_archive *a;
	if (gr_safetensors_read(&a, path) != GR_OK)
		return false;
	const char *text = gr_archive_meta(a, "done");
	bool whole = text != NULL;
	for (int i = 0; i < n && whole; i++) {
		gr_tensor *found = gr_archive_find(a, names[i]);
		states[i] = found != NULL ? gr_contiguous(gr_affine(found, 1.0, 0.0)) : NULL;
		whole = states[i] != NULL;
	}
	if (!whole && !gr_failed())
		gr_error_set(GR_EFORMAT, "%s: not a saved state; hint: delete it", path);
	*done = text != NULL ? strtoll(text, NULL, 10) : 0;
	gr_archive_free(a);
	return whole;
}

static gr_status save_part(const gr_restore_job *j, const gr_solver *s)
{
	const char *names[GR_SOLVER_MAX_STATES];
	gr_tensor *states[GR_SOLVER_MAX_STATES];
	int n = gr_solver_state_count(s);
	for (int i = 0; i < n; i++) {
		names[i] = gr_solver_state_name(s, i);
		states[i] = gr_solver_state(s, i);
	}
	return save_state(j, "part", n, names, states, gr_solver_done(s));
}

/* Go on from a saved part, if there is one. */
static gr_status load_part(const gr_restore_job *j, gr_solver *s)
{
	const char *names[GR_SOLVER_MAX_STATES];
	gr_tensor *states[GR_SOLVER_MAX_STATES];
	int n = gr_solver_state_count(s);
	int64_t done;
	for (int i = 0; i < n; i++)
		names[i] = gr_solver_state_name(s, i);
	if (load_state(j, "part", n, names, states, &done))
		return gr_solver_restore(s, states, done);
	return gr_error_code();
}

static void progress(gr_restore_job *j, const gr_solver_report *report)
{
	if (j->opts->quiet)
		return;
	bool live = isatty(STDERR_FILENO) != 0;
	double t = now();
	bool last = report->step == report->steps;
	if (t - j->printed < (live ? 0.1 : LINE_SECONDS) && !last)
		return;
	j->printed = t;
	int64_t first = j->chunk * j->per_chunk, n = j->r->images->n;
	int64_t end = first + j->per_chunk < n ? first + j->per_chunk : n;
	int64_t done = j->steps_before + report->step;
	double left = (t - j->started) / (double)done * (double)(j->steps_total - done);
	fprintf(stderr, "%s%s %s  images %lld-%lld of %lld  step %lld/%lld  loss %.4g  %.0f s left%s",
		live ? "\r\033[K" : "", j->r->config.solver, j->r->config.spec, (long long)first + 1,
		(long long)end, (long long)n, (long long)report->step, (long long)report->steps,
		report->loss, left > 0.0 ? left : 0.0, live && !last ? "" : "\n");
}

static int on_step(const gr_solver_report *report, void *payload)
{
	gr_restore_job *j = payload;
	j->r->steps++;
	j->r->steps_of_run = report->steps;
	progress(j, report);
	if (now() - j->saved > SAVE_SECONDS && report->step < report->steps) {
		j->saved = now();
		return 1; /* run_solver() saves and goes on */
	}
	return 0;
}

/* Run to the end, saving the state now and then and when interrupted. */
static gr_status run_solver(gr_restore_job *j, gr_solver *s)
{
	while (gr_solver_done(s) < gr_solver_steps(s)) {
		gr_status status = gr_solver_run(s);
		if (status != GR_OK)
			return status;
		if (gr_solver_done(s) == gr_solver_steps(s))
			break;
		status = save_part(j, s);
		if (status != GR_OK)
			return status;
		if (gr_interrupted())
			return gr_error_set(GR_ESTATE, "interrupted; hint: --resume continues %s",
				j->opts->output);
	}
	return GR_OK;
}

/* Samples [m,C,H,W] of images begin..end-1, in the caller's scope. */
static gr_tensor *solve_chunk(gr_restore_job *j, int64_t begin, int64_t end)
{
	gr_restore_solving v = {0};
	gr_tensor *x = NULL;
	if (gr__restore_solving_open(j, &v, begin, end, on_step, j) == GR_OK &&
		load_part(j, v.s) == GR_OK && run_solver(j, v.s) == GR_OK)
		x = gr_contiguous(gr_affine(gr_solver_image(v.s), 1.0, 0.0));
	j->r->evaluations += gr_solver_evaluations(v.s);
	j->r->gradients += gr_solver_gradients(v.s);
	gr__restore_solving_close(&v);
	return x;
}

/* A numerical failure says which images were at work. */
static gr_status name_images(const gr_restore_job *j, int64_t begin, int64_t end, gr_status status)
{
	if (status != GR_ENUMERIC)
		return status;
	char method[METHOD_SIZE];
	bool guided;
	char message[1024];
	snprintf(message, sizeof message, "%s", gr_error_message());
	gr_error_clear();
	if (gr__restore_method(method, sizeof method, &guided, &j->r->config) != GR_OK)
		return gr_error_code();
	return gr_error_set(GR_ENUMERIC, "%s (images %s to %s%s)", message, j->r->images->names[begin],
		j->r->images->names[end - 1], guided ? "; hint: a smaller --scale" : "");
}

static gr_status run_chunk(gr_restore_job *j)
{
	int64_t begin = j->chunk * j->per_chunk, n = j->r->images->n, done;
	int64_t end = begin + j->per_chunk < n ? begin + j->per_chunk : n;
	gr_scope_begin();
	static const char *const name = "x";
	gr_tensor *x = NULL;
	if (!load_state(j, "done", 1, &name, &x, &done) && !gr_failed()) {
		x = solve_chunk(j, begin, end);
		if (x != NULL && save_state(j, "done", 1, &name, &x, j->r->config.steps) == GR_OK) {
			char path[PATH_SIZE];
			state_path(j, path, sizeof path, "part");
			unlink(path);
		}
		j->steps_before += j->r->config.steps;
	} else {
		j->steps_total -= j->r->config.steps;
	}
	if (!gr_failed()) {
		int64_t pixels = gr_tensor_size(j->r->samples) / (n * j->r->config.particles);
		float *to =
			(float *)gr_tensor_data(j->r->samples) + begin * j->r->config.particles * pixels;
		if (gr_tensor_size(x) != (end - begin) * j->r->config.particles * pixels)
			gr_error_set(GR_EFORMAT, "state of chunk %lld has another size; hint: delete %s/state",
				(long long)j->chunk, j->opts->output);
		else
			gr_tensor_to_f32(x, to);
	}
	return name_images(j, begin, end, gr_scope_end());
}

static gr_status run_chunks(gr_restore_job *j)
{
	gr_restored *r = j->r;
	const int64_t *dims = gr_prior_image_dims(j->prior);
	int64_t n = r->images->n;
	j->steps_total = j->chunks * r->config.steps;
	r->samples = gr_tensor_retain(
		gr_zeros(GR_F32, GR_DIMS(n * r->config.particles, dims[0], dims[1], dims[2])));
	if (r->samples == NULL)
		return gr_error_code();
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/state", j->opts->output);
	gr_status status = gr__runfolder_make(path);
	j->started = j->saved = j->printed = now();
	for (j->chunk = 0; j->chunk < j->chunks && status == GR_OK; j->chunk++)
		status = run_chunk(j);
	return status;
}

/* Scores of x [n*copies,C,H,W] against image i / copies; the baseline and the mean have 1 copy. */
static gr_status score(gr_restore_job *j, gr_score *out, gr_tensor *x, int64_t copies)
{
	gr_restored *r = j->r;
	int64_t m = r->images->n * copies;
	gr_scope_begin();
	gr_operator *A = gr__restore_operator(j, 0, r->images->n, copies);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(m));
	for (int64_t i = 0; i < m && index != NULL; i++)
		((int64_t *)gr_tensor_data(index))[i] = i / copies;
	gr_status status = gr_error_code();
	if (status == GR_OK)
		status = gr__score_images(out, A, x, gr_gather(r->images->x, 0, index),
			gr_gather(r->y, 0, index), r->config.sigma);
	gr_operator_free(A);
	gr_status ended = gr_scope_end();
	return status != GR_OK ? status : ended;
}

static gr_status score_all(gr_restore_job *j)
{
	gr_restored *r = j->r;
	int64_t n = r->images->n, particles = r->config.particles;
	const int64_t *dims = gr_prior_image_dims(j->prior);
	gr_scope_begin();
	gr_tensor *units = gr_reshape(r->samples, GR_DIMS(n, particles, dims[0], dims[1], dims[2]));
	r->mean = gr_tensor_retain(gr_mean(units, GR_AXES(1), false));
	gr_status status = gr_scope_end();
	r->score_baseline = gr_alloc((size_t)n * sizeof(gr_score));
	r->score_mean = gr_alloc((size_t)n * sizeof(gr_score));
	r->score_sample = gr_alloc((size_t)(n * particles) * sizeof(gr_score));
	if (status == GR_OK)
		status = score(j, r->score_baseline, r->baseline, 1);
	if (status == GR_OK)
		status = score(j, r->score_sample, r->samples, particles);
	if (status == GR_OK)
		status = score(j, r->score_mean, r->mean, 1);
	return status == GR_OK ? gr__score_spread(r->score_mean, r->samples, n, particles) : status;
}

static gr_status run_job(gr_restore_job *j)
{
	gr_restored *r = j->r;
	char *config = gr__restore_config_text(&r->config);
	gr_status status = config == NULL
		? gr_error_code()
		: gr__runfolder_open(j->opts->output, config, j->opts->resume);
	gr_free(config);
	double start = now();
	if (status == GR_OK)
		status = run_chunks(j);
	r->seconds = now() - start;
	if (status == GR_OK)
		status = score_all(j);
	if (status == GR_OK)
		status = gr__restore_report(r, j->opts->output);
	if (status == GR_OK)
		gr__runfolder_remove(j->opts->output, "state");
	return status;
}

gr_status gr__restore_run(gr_restored **out, const gr_restore_config *config,
	const gr_restore_opts *opts)
{
	gr_restore_job j;
	*out = NULL;
	gr_status status = gr__restore_job_open(&j, config, opts);
	if (status == GR_OK)
		status = run_job(&j);
	gr__restore_job_close(&j);
	if (status == GR_OK)
		*out = j.r;
	else
		gr__restored_free(j.r);
	return status;
}

void gr__restored_free(gr_restored *r)
{
	if (r == NULL)
		return;
	gr__imageset_free(r->images);
	gr_tensor *tensors[] = {r->y, r->shown, r->baseline, r->samples, r->mean};
	for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++)
		gr_tensor_release(tensors[i]);
	gr_free(r->score_baseline);
	gr_free(r->score_sample);
	gr_free(r->score_mean);
	gr_free(r);
}
