/*
 * Group norm and layer norm.
 *
 * Forward, over a group of m elements: xhat = (x - mean) rstd, z = w xhat + b, y = z or silu(z).
 * Backward, with dz = dy or dy silu'(z) (z is recomputed from x and the statistics):
 *     dw_c = sum dz xhat,  db_c = sum dz,
 *     dx = rstd (w dz - mean(w dz) - xhat mean(w dz xhat)), means over the group.
 *
 * One task is a group of a sample (or some rows), so results do not depend on the batch. dw and db
 * of shared weights are first taken per sample, then added in the order of samples.
 */
#include <string.h>

#include "kern_table.h"
#include "par.h"
#include "pool.h"

typedef struct group_ctx {
	const gr_kern_table *kern;
	gr_norm_job job;
	bool backward;
} group_ctx;

static void group_task(int64_t begin, int64_t end, void *ctx)
{
	const group_ctx *c = ctx;
	if (c->backward)
		c->kern->group_norm_backward(&c->job, begin, end);
	else
		c->kern->group_norm(&c->job, begin, end);
}

static void group_run(group_ctx *c, int64_t samples)
{
	int64_t m = c->job.channels / c->job.groups * c->job.pixels;
	int64_t grain = m > 0 ? GR_GRAIN / 4 / m : 1;
	gr__par_range(samples * c->job.groups, grain > 1 ? grain : 1, group_task, c);
}

static gr_norm_job group_job(const gr_tensor *x, const gr_tensor *w, const gr_tensor *b,
	const gr_norm_args *args)
{
	return (gr_norm_job){.channels = x->dims[1],
		.groups = args->groups,
		.pixels = x->dims[2],
		.eps = args->eps,
		.silu = args->silu,
		.per_sample = args->per_sample,
		.x = x->data,
		.w = w != NULL ? w->data : NULL,
		.b = b != NULL ? b->data : NULL};
}

gr_status gr__group_norm(gr_tensor *y, gr_tensor *stats, const gr_tensor *x, const gr_tensor *w,
	const gr_tensor *b, const gr_norm_args *args)
{
	group_ctx c = {.kern = gr__kern(x->dtype), .job = group_job(x, w, b, args)};
	c.job.y = y->data;
	c.job.stats = stats->data;
	group_run(&c, x->dims[0]);
	return GR_OK;
}

/* The gradients of nothing: dw and db are zero. */
static gr_status clear(gr_tensor *dw, gr_tensor *db)
{
	gr_status status = dw != NULL ? gr__fill(dw, 0.0) : GR_OK;
	return status == GR_OK && db != NULL ? gr__fill(db, 0.0) : status;
}

/* Sums part [n,d] over n into out [d], in order. */
static void add_up(const gr_kern_table *kern, gr_tensor *out, const char *part, int64_t n,
	int64_t d)
{
	size_t bytes = (size_t)d * gr_dtype_bytes(out->dtype);
	memset(out->data, 0, bytes);
	for (int64_t i = 0; i < n; i++)
		kern->add(d, out->data, part + (size_t)i * bytes);
}

gr_status gr__group_norm_backward(gr_tensor *dx, gr_tensor *dw, gr_tensor *db, const gr_tensor *dy,
	const gr_tensor *x, const gr_tensor *w, const gr_tensor *b, const gr_tensor *stats,
	const gr_norm_args *args)
{
	if (x->size == 0)
		return clear(dw, db);
	group_ctx c = {.kern = gr__kern(x->dtype), .job = group_job(x, w, b, args), .backward = true};
	int64_t samples = x->dims[0];
	int64_t channels = x->dims[1];
	c.job.dy = dy->data;
	c.job.stats = stats->data;
	c.job.dx = dx != NULL ? dx->data : NULL;
	char *part_w = NULL;
	char *part_b = NULL;
	bool shared = !args->per_sample;
	size_t bytes = (size_t)samples * (size_t)channels * gr_dtype_bytes(x->dtype);
	gr_status status = GR_EMEM;
	if (dw != NULL && shared && (part_w = gr__pool_alloc(bytes)) == NULL)
		goto out;
	if (db != NULL && shared && (part_b = gr__pool_alloc(bytes)) == NULL)
		goto out;
	if (dw != NULL)
		c.job.dw = shared ? part_w : dw->data;
	if (db != NULL)
		c.job.db = shared ? part_b : db->data;
	group_run(&c, samples);
	if (dw != NULL && shared)
		add_up(c.kern, dw, part_w, samples, channels);
	if (db != NULL && shared)
		add_up(c.kern, db, part_b, samples, channels);
	status = GR_OK;
out:
	gr__pool_free(part_w);
	gr__pool_free(part_b);
	return status;
}

typedef struct layer_ctx {
	const gr_kern_table *kern;
	int64_t rows, d, chunk;
	size_t row_bytes, each;
	double eps;
	char *y, *dx, *part_w, *part_b;
	const char *x, *dy, *w, *b;
	char *stats;
} layer_ctx;

static void layer_task(int64_t begin, int64_t end, void *ctx)
{
	const layer_ctx *c = ctx;
	size_t at = (size_t)begin * c->row_bytes;
	c->kern->layer_norm(end - begin, c->d, c->y + at, c->stats + (size_t)begin * 2 * c->each,
		c->x + at, c->w, c->b, c->eps);
}

static int64_t row_grain(int64_t d)
{
	int64_t grain = d > 0 ? GR_GRAIN / d : GR_GRAIN;
	return grain > 1 ? grain : 1;
}

gr_status gr__layer_norm(gr_tensor *y, gr_tensor *stats, const gr_tensor *x, const gr_tensor *w,
	const gr_tensor *b, double eps)
{
	layer_ctx c = {.kern = gr__kern(x->dtype),
		.d = x->dims[1],
		.each = gr_dtype_bytes(x->dtype),
		.eps = eps,
		.y = y->data,
		.stats = stats->data,
		.x = x->data,
		.w = w != NULL ? w->data : NULL,
		.b = b != NULL ? b->data : NULL};
	c.row_bytes = (size_t)c.d * c.each;
	gr__par_range(x->dims[0], row_grain(c.d), layer_task, &c);
	return GR_OK;
}

static void layer_back_task(int64_t i, void *ctx)
{
	const layer_ctx *c = ctx;
	int64_t begin = i * c->chunk;
	int64_t rows = c->rows - begin < c->chunk ? c->rows - begin : c->chunk;
	size_t at = (size_t)begin * c->row_bytes;
	size_t part = (size_t)i * c->row_bytes;
	c->kern->layer_norm_backward(rows, c->d, c->dx != NULL ? c->dx + at : NULL,
		c->part_w != NULL ? c->part_w + part : NULL, c->part_b != NULL ? c->part_b + part : NULL,
		c->dy + at, c->x + at, c->w, c->stats + (size_t)begin * 2 * c->each);
}

gr_status gr__layer_norm_backward(gr_tensor *dx, gr_tensor *dw, gr_tensor *db, const gr_tensor *dy,
	const gr_tensor *x, const gr_tensor *w, const gr_tensor *stats)
{
	if (x->size == 0)
		return clear(dw, db);
	layer_ctx c = {.kern = gr__kern(x->dtype),
		.rows = x->dims[0],
		.d = x->dims[1],
		.each = gr_dtype_bytes(x->dtype),
		.dx = dx != NULL ? dx->data : NULL,
		.stats = stats->data,
		.x = x->data,
		.dy = dy->data,
		.w = w != NULL ? w->data : NULL};
	c.row_bytes = (size_t)c.d * c.each;
	/* At most 256 partial sums, whatever the number of rows. */
	c.chunk = (c.rows + 255) / 256;
	c.chunk = c.chunk > row_grain(c.d) ? c.chunk : row_grain(c.d);
	int64_t chunks = (c.rows + c.chunk - 1) / c.chunk;
	size_t bytes = (size_t)chunks * c.row_bytes;
	gr_status status = GR_EMEM;
	if (dw != NULL && (c.part_w = gr__pool_alloc(bytes)) == NULL)
		goto out;
	if (db != NULL && (c.part_b = gr__pool_alloc(bytes)) == NULL)
		goto out;
	gr__par_for(chunks, layer_back_task, &c);
	if (dw != NULL)
		add_up(c.kern, dw, c.part_w, chunks, c.d);
	if (db != NULL)
		add_up(c.kern, db, c.part_b, chunks, c.d);
	status = GR_OK;
out:
	gr__pool_free(c.part_w);
	gr__pool_free(c.part_b);
	return status;
}
