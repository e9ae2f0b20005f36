/*
 * Elementwise functions of tensors: broadcasts the inputs to the output's shape, merges dims and
 * splits the output into tiles of GR_GRAIN elements. The loops are in multi/ew_impl.h.
 */
#include "kern_table.h"
#include "par.h"

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

gr_status gr__ew(gr_ew_kind kind, gr_tensor *out, const gr_tensor *const *in, double s0, double s1)
{
	/* A square is correctly rounded, as powers are not. */
	if (kind == GR_EW_POW_S && s0 == 2.0)
		kind = GR_EW_SQUARE;
	ew_ctx c = {.kern = gr__kern(out->dtype),
		.job = {.kind = kind, .nin = ew_nin[kind], .out = out->data, .s0 = s0, .s1 = s1}};
	for (int k = 0; k < c.job.nin; k++) {
		c.job.in[k] = in[k]->data;
		gr__walk_broadcast(&c.job.walk[k], in[k], out->ndim, out->dims);
	}
	gr__par_range(out->size, GR_GRAIN, ew_tile, &c);
	return GR_OK;
}
