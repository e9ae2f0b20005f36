/*
 * Gather and scatter-add along one axis. The tensor with the index's length is seen as
 * [outer, M, inner]; tasks are pieces of outer x inner, so that every output element belongs to
 * one task, and additions to it happen in the order of the index.
 */
#include <string.h>

#include "kern_table.h"
#include "par.h"

/* Inner elements of a task of scatter_add. */
#define INNER_TILE 512

typedef struct index_ctx {
	const gr_kern_table *kern;
	const gr_copy_table *copy;
	size_t each;
	int64_t m, length; /* of the index; of the other tensor's axis */
	int64_t inner;
	const int64_t *index;
	int64_t index_stride;
	gr_walk outer, within; /* over the strided tensor, before and after the axis */
	int64_t axis_stride;
	char *out;
	const char *in;
	int64_t tiles;
} index_ctx;

static void walks(index_ctx *c, const gr_tensor *t, int axis)
{
	gr__walk_init(&c->outer, axis, t->dims, t->strides);
	gr__walk_init(&c->within, t->ndim - axis - 1, t->dims + axis + 1, t->strides + axis + 1);
	c->axis_stride = t->strides[axis];
	c->inner = 1;
	for (int d = axis + 1; d < t->ndim; d++)
		c->inner *= t->dims[d];
}

static int64_t outer_size(const gr_tensor *t, int axis)
{
	int64_t n = 1;
	for (int d = 0; d < axis; d++)
		n *= t->dims[d];
	return n;
}

/* Copies elements pos..pos+n-1 of the inner walk, run by run. */
static void read_inner(const index_ctx *c, const char *src, int64_t pos, int64_t n, char *dst)
{
	const gr_walk *w = &c->within;
	int64_t idx[GR_MAX_DIMS];
	int inner = w->ndim - 1;
	if (inner < 0) {
		memcpy(dst, src, c->each);
		return;
	}
	int64_t offset = gr__walk_seek(w, pos, idx);
	while (n > 0) {
		int64_t run = w->dims[inner] - idx[inner] < n ? w->dims[inner] - idx[inner] : n;
		c->copy->strided[gr__size_log(c->each)](1, run, dst, 0, 1, src + offset * (int64_t)c->each,
			0, w->strides[inner]);
		dst += (size_t)run * c->each;
		n -= run;
		offset -= idx[inner] * w->strides[inner];
		idx[inner] = 0;
		if (n > 0)
			offset += gr__walk_carry(w, inner - 1, idx);
	}
}

/* Units: rows (outer, i) of the output. */
static void gather_task(int64_t begin, int64_t end, void *ctx)
{
	const index_ctx *c = ctx;
	int64_t idx[GR_MAX_DIMS];
	for (int64_t u = begin; u < end; u++) {
		int64_t o = u / c->m;
		int64_t i = u - o * c->m;
		int64_t from = c->index[i * c->index_stride];
		int64_t offset = gr__walk_seek(&c->outer, o, idx) + from * c->axis_stride;
		read_inner(c, c->in + offset * (int64_t)c->each, 0, c->inner,
			c->out + (size_t)(u * c->inner) * c->each);
	}
}

gr_status gr__gather(gr_tensor *out, const gr_tensor *x, int axis, const gr_tensor *index)
{
	if (out->size == 0)
		return GR_OK;
	index_ctx c = {.copy = gr__kern_copy(),
		.each = gr_dtype_bytes(x->dtype),
		.m = index->size,
		.index = (const int64_t *)(const void *)index->data,
		.index_stride = index->ndim > 0 ? index->strides[0] : 0,
		.out = out->data,
		.in = x->data};
	walks(&c, x, axis);
	int64_t grain = GR_GRAIN / c.inner;
	gr__par_range(outer_size(x, axis) * c.m, grain > 1 ? grain : 1, gather_task, &c);
	return GR_OK;
}

/* Units: (outer, tile of inner). */
static void scatter_task(int64_t begin, int64_t end, void *ctx)
{
	const index_ctx *c = ctx;
	int64_t idx[GR_MAX_DIMS];
	double buf[INNER_TILE];
	for (int64_t u = begin; u < end; u++) {
		int64_t o = u / c->tiles;
		int64_t pos = (u - o * c->tiles) * INNER_TILE;
		int64_t n = c->inner - pos < INNER_TILE ? c->inner - pos : INNER_TILE;
		int64_t offset = gr__walk_seek(&c->outer, o, idx);
		char *out = c->out + (size_t)(o * c->length * c->inner + pos) * c->each;
		size_t row = (size_t)c->inner * c->each;
		for (int64_t i = 0; i < c->length; i++)
			memset(out + (size_t)i * row, 0, (size_t)n * c->each);
		for (int64_t i = 0; i < c->m; i++) {
			const char *src = c->in + (offset + i * c->axis_stride) * (int64_t)c->each;
			read_inner(c, src, pos, n, (char *)buf);
			c->kern->add(n, out + (size_t)c->index[i * c->index_stride] * row, buf);
		}
	}
}

gr_status gr__scatter_add(gr_tensor *out, const gr_tensor *g, int axis, const gr_tensor *index)
{
	if (out->size == 0)
		return GR_OK;
	index_ctx c = {.kern = gr__kern(out->dtype),
		.copy = gr__kern_copy(),
		.each = gr_dtype_bytes(g->dtype),
		.m = index->size,
		.length = out->dims[axis],
		.index = (const int64_t *)(const void *)index->data,
		.index_stride = index->ndim > 0 ? index->strides[0] : 0,
		.out = out->data,
		.in = g->data};
	walks(&c, g, axis);
	c.tiles = (c.inner + INNER_TILE - 1) / INNER_TILE;
	int64_t work = (c.m + c.length) * (c.inner < INNER_TILE ? c.inner : INNER_TILE);
	int64_t grain = GR_GRAIN / work;
	gr__par_range(outer_size(out, axis) * c.tiles, grain > 1 ? grain : 1, scatter_task, &c);
	return GR_OK;
}
