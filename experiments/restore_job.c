/* What a restoration stands on: prior, images, keys, measurements, solvers (see restore_job.h). */
#include "restore_job.h"

#include <math.h>
#include <string.h>

#include "gradus/io.h"
#include "gradus/method.h"
#include "gradus/metric.h"
#include "gradus/noise.h"
#include "gradus/ops.h"
#include "runfolder.h"

#define METHOD_SIZE 512

gr_operator *gr__restore_operator(const gr_restore_job *j, int64_t begin, int64_t end,
	int64_t copies)
{
	const int64_t *dims = gr_prior_image_dims(j->prior);
	int64_t n = (end - begin) * copies;
	gr_key *keys = gr_alloc((size_t)n * sizeof *keys);
	if (keys == NULL)
		return NULL;
	for (int64_t i = 0; i < n; i++)
		keys[i] = j->keys[begin + i / copies];
	gr_operator *A = gr_operator_new(j->r->config.spec,
		GR_OPTS(gr_operator_opts, .channels = dims[0], .height = dims[1], .width = dims[2], .n = n,
			.keys = keys));
	gr_free(keys);
	return A;
}

/* y as an image of the prior's size: repeated pixels for small measurements, the middle of larger
 * ones, A^T y for those that are no images. */
static gr_tensor *shown(const gr_operator *A, gr_tensor *y)
{
	const int64_t *in = gr_operator_in_dims(A), *out = gr_operator_out_dims(A);
	int64_t factor = in[1] / out[1];
	bool reduced = factor >= 1 && (out[2] == in[2] / factor || out[2] * factor >= in[2]);
	if (out[0] == in[0] && out[1] >= in[1] && out[2] >= in[2]) {
		int64_t top = (out[1] - in[1]) / 2, left = (out[2] - in[2]) / 2;
		return gr_contiguous(
			gr_slice(gr_slice(y, 2, top, top + in[1], 1), 3, left, left + in[2], 1));
	}
	if (gr_is_linear_operator(A) && (out[0] != in[0] || out[1] == 1 || !reduced))
		return gr_operator_adjoint(A, y);
	gr_tensor *image = factor > 1 ? gr_upsample_nearest2d(y, factor) : y;
	return gr_is_same_shape(image, y) ? gr_contiguous(image) : image;
}

static gr_status measure_all(gr_restore_job *j)
{
	gr_restored *r = j->r;
	gr_operator *A = gr__restore_operator(j, 0, r->images->n, 1);
	if (A == NULL)
		return gr_error_code();
	gr_scope_begin();
	gr_tensor *y = gr_measure(A, r->images->x, r->config.sigma);
	r->y = gr_tensor_retain(y);
	r->shown = gr_tensor_retain(shown(A, y));
	r->baseline = gr_tensor_retain(gr_baseline_restore(A, y, r->config.sigma));
	r->baseline_name = gr_baseline_name(A);
	gr_status status = gr_scope_end();
	gr_operator_free(A);
	return status;
}

static gr_status draw_keys(gr_restore_job *j)
{
	gr_imageset *images = j->r->images;
	j->keys = gr_alloc((size_t)images->n * sizeof *j->keys);
	for (int64_t i = 0; i < images->n && j->keys != NULL; i++) {
		gr_scope_begin();
		j->keys[i] = gr_measurement_key((uint64_t)j->r->config.seed, gr__batch_one(images->x, i));
		gr_scope_end();
	}
	return gr_error_code();
}

/* --- solvers --- */

void gr__restore_solving_close(gr_restore_solving *v)
{
	gr_solver_free(v->s);
	for (int i = 0; v->terms[i] != NULL; i++)
		gr_term_free(v->terms[i]);
	gr_operator_free(v->A);
	gr_free(v->keys);
}

gr_status gr__restore_solving_open(const gr_restore_job *j, gr_restore_solving *v, int64_t begin,
	int64_t end, gr_solver_on_step on_step, void *payload)
{
	const gr_restore_config *c = &j->r->config;
	int64_t particles = c->particles, m = (end - begin) * particles;
	char method[METHOD_SIZE], respacing[128];
	bool guided;
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(m));
	v->A = gr__restore_operator(j, begin, end, particles);
	v->keys = gr_alloc((size_t)m * sizeof *v->keys);
	if (v->A == NULL || index == NULL || v->keys == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < m; i++) {
		((int64_t *)gr_tensor_data(index))[i] = begin + i / particles;
		v->keys[i] = gr_sample_key(j->keys[begin + i / particles], i % particles);
	}
	gr_tensor *y = gr_gather(j->r->y, 0, index);
	const gr_term_problem problem = {.size = sizeof problem,
		.prior = j->prior,
		.A = v->A,
		.y = y,
		.sigma = c->sigma,
		.particles = particles,
		.find = gr__prior_find,
		.encoder = j->encoder[0] != '\0' ? j->encoder : NULL};
	gr_status status = gr__restore_method(method, sizeof method, &guided, c);
	if (status == GR_OK)
		status = gr__restore_terms(v->terms, c, &problem);
	if (status == GR_OK)
		status = gr_method_respacing(respacing, sizeof respacing, method, c->steps);
	if (status != GR_OK)
		return status;
	return gr_solver_new(&v->s,
		GR_OPTS(gr_solver_opts, .prior = j->prior, .n = m, .keys = v->keys, .method = method,
			.A = v->A, .y = y, .sigma = c->sigma, .respacing = respacing, .terms = v->terms,
			.particles = particles, .on_step = on_step, .payload = payload));
}

/* Whether solver, terms and problem go together: found out before anything is written. */
static gr_status try_solver(const gr_restore_job *j)
{
	gr_restore_solving v = {0};
	gr_scope_begin();
	gr_status status = gr__restore_solving_open(j, &v, 0, 1, NULL, NULL);
	gr__restore_solving_close(&v);
	gr_status ended = gr_scope_end();
	return status != GR_OK ? status : ended;
}

/* --- life --- */

static gr_status check_config(const gr_restore_config *c)
{
	char method[METHOD_SIZE];
	bool guided;
	gr_status status = gr__restore_method(method, sizeof method, &guided, c);
	if (status != GR_OK)
		return status;
	if (!(c->sigma >= 0.0) || c->sigma > 100.0)
		return gr_error_set(GR_EARG, "sigma is %g, must be 0 or more (images are in [-1,1])",
			c->sigma);
	if (!(c->scale >= 0.0) || c->scale > 1e6)
		return gr_error_set(GR_EARG, "scale is %g, must be 0 or more", c->scale);
	if (c->particles < 1 || c->particles > 1024)
		return gr_error_set(GR_EARG, "particles is %lld, must be 1..1024", (long long)c->particles);
	if (c->steps < 1 || c->limit < 0)
		return gr_error_set(GR_EARG, "steps and limit must not be negative, steps at least 1");
	return GR_OK;
}

static gr_status prepare(gr_restore_job *j)
{
	gr_restored *r = j->r;
	char weights[sizeof r->prior_folder + 32];
	gr_status status = check_config(&r->config);
	if (status == GR_OK)
		status = gr__prior_find(r->prior_folder, sizeof r->prior_folder, r->config.prior);
	if (status == GR_OK)
		status = gr_prior_open_with(&j->prior, r->prior_folder, gr__prior_find);
	if (status == GR_OK)
		status = gr__restore_encoder(j->encoder, sizeof j->encoder, r->prior_folder);
	if (status == GR_OK && j->opts->recompute)
		status = gr_prior_set_recompute(j->prior, true);
	snprintf(weights, sizeof weights, "%s/weights.safetensors", r->prior_folder);
	if (status == GR_OK)
		status = gr_sha256_file(weights, r->weights_sha);
	if (status == GR_OK)
		status = gr__imageset_open(&r->images, r->config.input, gr_prior_image_dims(j->prior),
			r->config.limit);
	if (status == GR_OK && j->opts->shards > 1)
		status = gr__imageset_shard(r->images, j->opts->shard, j->opts->shards);
	if (status == GR_OK)
		status = draw_keys(j);
	if (status == GR_OK)
		status = measure_all(j);
	if (status == GR_OK)
		status = try_solver(j);
	return status;
}

gr_status gr__restore_job_open(gr_restore_job *j, const gr_restore_config *config,
	const gr_restore_opts *opts)
{
	*j = (gr_restore_job){.opts = opts, .r = gr_alloc(sizeof *j->r)};
	if (j->r == NULL)
		return gr_error_code();
	j->r->config = *config;
	gr_status status = prepare(j);
	int64_t at_once = opts->chunk > 0 ? opts->chunk : 32;
	j->per_chunk = at_once > config->particles ? at_once / config->particles : 1;
	if (status == GR_OK)
		j->chunks = (j->r->images->n + j->per_chunk - 1) / j->per_chunk;
	return status;
}

void gr__restore_job_close(gr_restore_job *j)
{
	gr_prior_free(j->prior);
	gr_free(j->keys);
}
