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

gr_status gr__ew(gr_ew_kind kind, gr_tensor *out, const gr_tensor *const *in, double s0, double s1)
{
	/* A square is correctly rounded, as powers are not. */
	if (kind == GR_EW_POW_S && s0 == 2.0)
		kind = GR_EW_SQUARE;
	ew_ctx c = {.kern = gr__kern(out->dtype),
		.job = {.kind = kind, .nin = ew_nin[kind], .out = out->data, .s0 = s0, .s1 = s1}};
	void *temp[GR_EW_MAX_IN] = {NULL};
	gr_status status = GR_OK;
	for (int k = 0; k < c.job.nin && status == GR_OK; k++) {
		c.job.in[k] = in[k]->data;
		gr__walk_broadcast(&c.job.walk[k], in[k], out->ndim, out->dims);
		if (is_scattered(&c.job.walk[k]))
			status = lay_out(&c.job, k, in[k], out, &temp[k]);
	}
	if (status == GR_OK && (out->size > GR_GRAIN || gr__is_dry()))
		gr__par_range(out->size, GR_GRAIN, ew_tile, &c);
	else if (status == GR_OK && out->size > 0)
		ew_tile(0, out->size, &c);
	for (int k = 0; k < c.job.nin; k++)
		gr__pool_free(temp[k]);
	return status;
}
