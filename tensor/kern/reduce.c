/*
 * Reductions over any dims of tensors of any strides.
 *
 * The tree. Let x_0, x_1, ... be the R reduced elements of one kept element, in row-major order of
 * the reduced dims. Blocks of GR_REDUCE_BLOCK elements; in a block, element i goes to lane i mod
 * 32, lanes add in order and are folded in halves; the blocks' results are added pairwise, level by
 * level. All of it is a function of R, so neither strides, kept dims nor threads change a bit.
 *
 * Two ways to walk memory, same tree: along the reduced elements of one kept element at a time, or,
 * where kept elements are the neighbours in memory, across GR_REDUCE_TILE of them at once.
 */
#include <math.h>
#include <stdlib.h>

#include "kern_table.h"
#include "par.h"
#include "pool.h"

typedef struct reduce_ctx {
	const gr_kern_table *kern;
	bool across;
	gr_reduce_job job;
} reduce_ctx;

static void reduce_task(int64_t begin, int64_t end, void *ctx)
{
	const reduce_ctx *c = ctx;
	if (c->across)
		c->kern->reduce_across(&c->job, begin, end);
	else
		c->kern->reduce_along(&c->job, begin, end);
}

static void finish_task(int64_t begin, int64_t end, void *ctx)
{
	const reduce_ctx *c = ctx;
	c->kern->reduce_finish(&c->job, begin, end);
}

static gr_status reduce_nothing(gr_reduce_kind kind, gr_tensor *out)
{
	switch (kind) {
	case GR_REDUCE_MAX: return gr__fill(out, (double)-INFINITY);
	case GR_REDUCE_MIN: return gr__fill(out, (double)INFINITY);
	case GR_REDUCE_MEAN: return gr__fill(out, (double)NAN);
	default: return gr__fill(out, 0.0);
	}
}

static int64_t at_least_one(int64_t n)
{
	return n > 1 ? n : 1;
}

/* Sets the walks and picks the direction: along the dims whose neighbours are nearer in memory. */
static bool plan(gr_reduce_job *job, const gr_tensor *x, unsigned axes)
{
	int64_t dims[2][GR_MAX_DIMS];
	int64_t strides[2][GR_MAX_DIMS];
	int n[2] = {0, 0};
	int64_t count[2] = {1, 1};
	for (int d = 0; d < x->ndim; d++) {
		int which = (int)(axes >> d & 1u);
		dims[which][n[which]] = x->dims[d];
		strides[which][n[which]++] = x->strides[d];
		count[which] *= x->dims[d];
	}
	gr__walk_init(&job->kept, n[0], dims[0], strides[0]);
	gr__walk_init(&job->reduced, n[1], dims[1], strides[1]);
	job->nkept = count[0];
	job->nreduced = count[1];
	job->nblocks = (count[1] + GR_REDUCE_BLOCK - 1) / GR_REDUCE_BLOCK;
	int k = job->kept.ndim - 1;
	int r = job->reduced.ndim - 1;
	job->row = k < 0 ? 1 : job->kept.dims[k];
	job->row_stride = k < 0 ? 0 : job->kept.strides[k];
	job->row_tiles = (job->row + GR_REDUCE_TILE - 1) / GR_REDUCE_TILE;
	return k >= 0 && r >= 0 && llabs(job->kept.strides[k]) < llabs(job->reduced.strides[r]);
}

gr_status gr__reduce(gr_reduce_kind kind, gr_tensor *out, const gr_tensor *x, unsigned axes)
{
	if (out->size == 0)
		return GR_OK;
	if (x->size == 0)
		return reduce_nothing(kind, out);
	reduce_ctx c = {.kern = gr__kern(x->dtype),
		.job = {.kind = kind, .x = x->data, .out = out->data}};
	gr_reduce_job *job = &c.job;
	c.across = plan(job, x, axes);
	job->partial = job->out;
	if (job->nblocks > 1) {
		size_t each = gr_dtype_bytes(x->dtype);
		job->partial = gr__pool_alloc((size_t)job->nkept * (size_t)job->nblocks * each);
		if (job->partial == NULL)
			return GR_EMEM;
	}
	int64_t unit = job->nreduced < GR_REDUCE_BLOCK ? job->nreduced : GR_REDUCE_BLOCK;
	int64_t units = job->nkept * job->nblocks;
	if (c.across) {
		unit *= job->row < GR_REDUCE_TILE ? job->row : GR_REDUCE_TILE;
		units = job->nkept / job->row * job->row_tiles * job->nblocks;
	}
	gr__par_range(units, at_least_one(GR_GRAIN / unit), reduce_task, &c);
	gr__par_range(job->nkept, at_least_one(GR_GRAIN / job->nblocks), finish_task, &c);
	if (job->partial != job->out)
		gr__pool_free(job->partial);
	return GR_OK;
}

typedef struct argmax_ctx {
	const gr_kern_table *kern;
	gr_argmax_job job;
} argmax_ctx;

static void argmax_task(int64_t begin, int64_t end, void *ctx)
{
	const argmax_ctx *c = ctx;
	c->kern->argmax(&c->job, begin, end);
}

gr_status gr__argmax(gr_tensor *out, const gr_tensor *x, int axis)
{
	argmax_ctx c = {.kern = gr__kern(x->dtype),
		.job = {.x = x->data,
			.n = x->dims[axis],
			.stride = x->strides[axis],
			.out = (int64_t *)(void *)out->data}};
	int64_t dims[GR_MAX_DIMS];
	int64_t strides[GR_MAX_DIMS];
	int n = 0;
	for (int d = 0; d < x->ndim; d++) {
		if (d == axis)
			continue;
		dims[n] = x->dims[d];
		strides[n++] = x->strides[d];
	}
	gr__walk_init(&c.job.kept, n, dims, strides);
	gr__par_range(out->size, at_least_one(GR_GRAIN / at_least_one(c.job.n)), argmax_task, &c);
	return GR_OK;
}
