/*
 * The choice between the AMX kernels and f32 kernels on rounded copies; see conv_bf16.h.
 */
#include "conv_bf16.h"

#include <string.h>

#include "isa.h"
#include "par.h"
#include "pool.h"

/* With few channels a tile of 32 of them would be mostly padding: f32 is faster and exact. */
static bool worth_it(int64_t groups, int64_t ci, int64_t co)
{
	return gr_get_precision() == GR_PRECISION_BF16 && groups == 1 && ci >= 16 && co >= 16;
}

bool gr__conv_bf16_wanted(const gr_conv_low *l)
{
	return worth_it(l->groups, l->ci, l->co) && l->sh == 1 && l->sw == 1 && l->y_col == 1 &&
		l->nr > 0 && l->ns > 0;
}

bool gr__conv_bf16_wanted_weights(const gr_conv_geom *g)
{
	return worth_it(g->groups, g->c, g->k) && g->stride_h == 1 && g->stride_w == 1;
}

/* Nearest bfloat16, ties to even; NaN stays NaN. */
static float rounded(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return v;
	bits = (bits + 0x7fffu + (bits >> 16 & 1u)) & 0xffff0000u;
	memcpy(&v, &bits, sizeof v);
	return v;
}

typedef struct round_ctx {
	const float *from;
	float *to;
} round_ctx;

static void round_range(int64_t begin, int64_t end, void *ctx)
{
	const round_ctx *r = ctx;
	for (int64_t i = begin; i < end; i++)
		r->to[i] = rounded(r->from[i]);
}

/* A pool block with n rounded values, NULL when it does not fit. */
static float *rounded_copy(const float *from, int64_t n)
{
	round_ctx r = {from, gr__pool_alloc((size_t)n * sizeof(float))};
	if (r.to != NULL)
		gr__par_range(n, 16384, round_range, &r);
	return r.to;
}

gr_status gr__conv_bf16_run(const gr_conv_low *l, const float *x, const float *w, const float *bias,
	float *y)
{
#ifndef GR_ISA_ONLY_BASELINE
	if (gr__amx_usable())
		return gr__conv_amx_run(l, x, w, bias, y);
#endif
	/* w may be a view of some taps: round from its first to its last element. */
	int64_t span = (l->co - 1) * l->w_o + (l->ci - 1) * l->w_c + (l->nr - 1) * l->w_r +
		(l->ns - 1) * l->w_s + 1;
	float *xr = rounded_copy(x, l->n * l->ci * l->hi * l->wi);
	float *wr = rounded_copy(w, span);
	gr_status status =
		xr == NULL || wr == NULL ? GR_EMEM : gr__conv_low_run_f32(l, xr, wr, bias, y);
	gr__pool_free(xr);
	gr__pool_free(wr);
	return status;
}

gr_status gr__conv_bf16_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw)
{
#ifndef GR_ISA_ONLY_BASELINE
	if (gr__amx_usable())
		return gr__conv_amx_weight_grad(g, gy, x, gw);
#endif
	float *gr = rounded_copy(gy, g->n * g->k * g->ho * g->wo);
	float *xr = rounded_copy(x, g->n * g->c * g->h * g->w);
	gr_status status =
		gr == NULL || xr == NULL ? GR_EMEM : gr__conv_low_weight_grad_f32(g, gr, xr, gw);
	gr__pool_free(gr);
	gr__pool_free(xr);
	return status;
}
