/*
 * Elementwise functions of tensors: broadcasts the inputs to the output's shape, merges dims and
 * splits the output into tiles of GR_GRAIN elements. The loops are in multi/ew_impl.h.
 */
#include <stdlib.h>

#include "dry.h"
#include "kern_table.h"
#include "par.h"
#include "pool.h"

static const signed char ew_nin[GR_EW_COUNT] = {
#define GR_EW_NIN(NAME, nin, expr) nin,
	GR_EW_LIST(GR_EW_NIN)
#undef GR_EW_NIN
};

typedef struct ew_ctx {
	const gr_kern_table *kern;
	gr_ew_job job;
} ew_ctx;

static void ew_tile(int64_t begin, int64_t end, void *ctx)
{
	const ew_ctx *c = ctx;
	c->kern->ew(&c->job, begin, end);
}

/*
 * A large operand whose neighbours along the last dim lie far apart, while those along another dim
 * are adjacent (a transpose): each cache line would be fetched for one element. It is laid out
 * anew first, tile by tile.
 */
static bool is_scattered(const gr_walk *w)
{
	int last = w->ndim - 1;
	if (last < 1 || w->strides[last] == 0 || llabs(w->strides[last]) < 16)
		return false;
	int64_t size = 1;
	bool adjacent = false;
	for (int d = 0; d <= last; d++) {
		size *= w->strides[d] != 0 ? w->dims[d] : 1;
		adjacent = adjacent || w->strides[d] == 1;
	}
	return adjacent && size > GR_GRAIN;
}

static gr_status lay_out(gr_ew_job *job, int k, const gr_tensor *in, const gr_tensor *out,
	void **temp)
{
	gr_tensor copy = {.size = in->size, .ndim = in->ndim, .dtype = in->dtype};
	int64_t stride = 1;
	for (int d = in->ndim - 1; d >= 0; d--) {
		copy.dims[d] = in->dims[d];
		copy.strides[d] = stride;
		stride *= in->dims[d];
	}
	*temp = gr__pool_alloc((size_t)in->size * gr_dtype_bytes(in->dtype));
	if (*temp == NULL)
		return GR_EMEM;
	copy.data = *temp;
	job->in[k] = *temp;
	gr__walk_broadcast(&job->walk[k], &copy, out->ndim, out->dims);
	return gr__copy(&copy, in);
}

/* The common cases at once: an operand laid out as the result is, and one value for all. */
static void walk_operand(gr_walk *w, const gr_tensor *in, const gr_tensor *out)
{
	bool alike = in->ndim == out->ndim;
	for (int d = 0; d < out->ndim && alike; d++)
		alike = in->dims[d] == out->dims[d] && in->strides[d] == out->strides[d];
	if ((!alike && in->size != 1) || out->size == 0) {
		gr__walk_broadcast(w, in, out->ndim, out->dims);
		return;
	}
	w->ndim = out->size == 1 ? 0 : 1;
	w->dims[0] = out->size;
	w->strides[0] = alike ? 1 : 0;
}

/* A large result, or operands that are laid out anew. */
static gr_status run_tiles(ew_ctx *c, gr_tensor *out, const gr_tensor *const *in)
{
	void *temp[GR_EW_MAX_IN] = {NULL};
	gr_status status = GR_OK;
	for (int k = 0; k < c->job.nin && status == GR_OK; k++) {
		if (is_scattered(&c->job.walk[k]))
			status = lay_out(&c->job, k, in[k], out, &temp[k]);
	}
	if (status == GR_OK)
		gr__par_range(out->size, GR_GRAIN, ew_tile, c);
	for (int k = 0; k < c->job.nin; k++)
		gr__pool_free(temp[k]);
	return status;
}

gr_status gr__ew(gr_ew_kind kind, gr_tensor *out, const gr_tensor *const *in, double s0, double s1)
{
	/* A square is correctly rounded, as powers are not. */
	if (kind == GR_EW_POW_S && s0 == 2.0)
		kind = GR_EW_SQUARE;
	/* Set member by member: walks are long, and need no zeros behind their dims. */
	ew_ctx c;
	c.kern = gr__kern(out->dtype);
	c.job.kind = kind;
	c.job.nin = ew_nin[kind];
	c.job.out = out->data;
	c.job.s0 = s0;
	c.job.s1 = s1;
	bool scattered = false;
	for (int k = 0; k < c.job.nin; k++) {
		c.job.in[k] = in[k]->data;
		walk_operand(&c.job.walk[k], in[k], out);
		scattered = scattered || is_scattered(&c.job.walk[k]);
	}
	if (scattered || out->size > GR_GRAIN || gr__is_dry())
		return run_tiles(&c, out, in);
	if (out->size > 0)
		c.kern->ew(&c.job, 0, out->size);
	return GR_OK;
}
