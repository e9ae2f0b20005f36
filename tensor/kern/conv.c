/*
 * Convolution and its adjoint in x, both reduced to the one form that conv_forward.c computes.
 * The weight gradient is in conv_wgrad.c. Here also the choice: bfloat16 where it is asked for,
 * Winograd's algorithm where it is faster, a matrix product where that is all, else the direct
 * kernels.
 */
#include "conv.h"

#include "conv_bf16.h"
#include "conv_priv.h"
#include "conv_winograd.h"
#include "kern.h"

_Thread_local const char *gr__conv_algorithm;

/* A 1x1 convolution that moves nothing is a product over pixels, whatever the image's shape. */
static void flatten_pointwise(gr_conv_low *l)
{
	if (l->nr != 1 || l->ns != 1 || l->sh != 1 || l->sw != 1 || l->r0 != 0 || l->s0 != 0)
		return;
	if (l->hi != l->ho || l->wi != l->wo || l->y_col != 1 || l->y_row != l->wo)
		return;
	l->wi *= l->hi;
	l->hi = 1;
	l->wo = l->wi;
	l->ho = 1;
	l->y_row = l->wi;
}

static gr_conv_low lower_forward(const gr_conv_geom *g)
{
	const int64_t cg = g->c / g->groups;
	gr_conv_low l = {
		.n = g->n,
		.groups = g->groups,
		.ci = cg,
		.co = g->k / g->groups,
		.hi = g->h,
		.wi = g->w,
		.ho = g->ho,
		.wo = g->wo,
		.sh = g->stride_h,
		.sw = g->stride_w,
		.nr = g->r,
		.ns = g->s,
		.r0 = -g->pad_top,
		.s0 = -g->pad_left,
		.dr = g->dil_h,
		.ds = g->dil_w,
		.y_row = g->wo,
		.y_col = 1,
		.y_plane = g->ho * g->wo,
		.w_group = g->k / g->groups * cg * g->r * g->s,
		.w_o = cg * g->r * g->s,
		.w_c = g->r * g->s,
		.w_r = g->s,
		.w_s = 1,
	};
	flatten_pointwise(&l);
	return l;
}

/* Taps that reach input rows congruent to `phase` mod stride, as an arithmetic progression. */
typedef struct taps {
	int64_t first;
	int64_t step;
	int64_t count;
	int64_t origin; /* output row that tap `first` reads for input row `phase` */
	int64_t delta;  /* change of that row from tap to tap */
} taps;

/*
 * Input row h = i stride + phase gets from output row o through tap t where
 * o stride + t dil - pad = h, so o = i + (phase + pad - t dil) / stride for the taps that divide.
 */
static taps phase_taps(int64_t phase, int64_t taps_all, int64_t stride, int64_t dil, int64_t pad)
{
	taps p = {.first = 0, .step = 1};
	while (p.step * dil % stride != 0)
		p.step++;
	while (p.first < p.step && (phase + pad - p.first * dil) % stride != 0)
		p.first++;
	if (p.first == p.step || p.first >= taps_all)
		return (taps){.step = p.step};
	p.count = (taps_all - p.first + p.step - 1) / p.step;
	p.origin = (phase + pad - p.first * dil) / stride;
	p.delta = -(p.step * dil / stride);
	return p;
}

/* gx at rows congruent to a mod stride_h, columns to b mod stride_w: a convolution of gy with
 * stride 1 by some of the taps, flipped, the channel roles of w exchanged. */
static gr_conv_low lower_phase(const gr_conv_geom *g, int64_t a, int64_t b)
{
	const taps r = phase_taps(a, g->r, g->stride_h, g->dil_h, g->pad_top);
	const taps s = phase_taps(b, g->s, g->stride_w, g->dil_w, g->pad_left);
	const int64_t cg = g->c / g->groups;
	const int64_t kg = g->k / g->groups;
	gr_conv_low l = {
		.n = g->n,
		.groups = g->groups,
		.ci = kg,
		.co = cg,
		.hi = g->ho,
		.wi = g->wo,
		.ho = (g->h - a + g->stride_h - 1) / g->stride_h,
		.wo = (g->w - b + g->stride_w - 1) / g->stride_w,
		.sh = 1,
		.sw = 1,
		.nr = r.count,
		.ns = s.count,
		.r0 = r.origin,
		.s0 = s.origin,
		.dr = r.delta,
		.ds = s.delta,
		.y_row = g->stride_h * g->w,
		.y_col = g->stride_w,
		.y_plane = g->h * g->w,
		.w_group = kg * cg * g->r * g->s,
		.w_o = g->r * g->s,
		.w_c = cg * g->r * g->s,
		.w_r = r.step * g->s,
		.w_s = s.step,
	};
	flatten_pointwise(&l);
	return l;
}

/* First tap of the phase in w, and first pixel of the phase in gx. */
static int64_t phase_weight(const gr_conv_geom *g, int64_t a, int64_t b)
{
	return phase_taps(a, g->r, g->stride_h, g->dil_h, g->pad_top).first * g->s +
		phase_taps(b, g->s, g->stride_w, g->dil_w, g->pad_left).first;
}

static gr_status run_f32(const gr_conv_low *l, const float *x, const float *w, const float *bias,
	float *y)
{
	if (gr__conv_bf16_wanted(l)) {
		gr__conv_algorithm = "bf16";
		return gr__conv_bf16_run(l, x, w, bias, y);
	}
	if (gr__conv_winograd_wanted(l)) {
		gr__conv_algorithm = "winograd";
		return gr__conv_winograd_run(l, x, w, bias, y);
	}
	if (gr__conv_is_pointwise(l)) {
		gr__conv_algorithm = "product";
		return gr__conv_pointwise_run_f32(l, x, w, bias, y);
	}
	gr__conv_algorithm = "direct";
	return gr__conv_low_run_f32(l, x, w, bias, y);
}

static gr_status run_f64(const gr_conv_low *l, const double *x, const double *w, const double *bias,
	double *y)
{
	return gr__conv_is_pointwise(l) ? gr__conv_pointwise_run_f64(l, x, w, bias, y)
									: gr__conv_low_run_f64(l, x, w, bias, y);
}

gr_status gr__conv_forward_f32(const gr_conv_geom *g, const float *x, const float *w,
	const float *bias, float *y)
{
	const gr_conv_low l = lower_forward(g);
	return run_f32(&l, x, w, bias, y);
}

gr_status gr__conv_forward_f64(const gr_conv_geom *g, const double *x, const double *w,
	const double *bias, double *y)
{
	const gr_conv_low l = lower_forward(g);
	return run_f64(&l, x, w, bias, y);
}

gr_status gr__conv_input_grad_f32(const gr_conv_geom *g, const float *gy, const float *w, float *gx)
{
	for (int64_t a = 0; a < g->stride_h && a < g->h; a++)
		for (int64_t b = 0; b < g->stride_w && b < g->w; b++) {
			const gr_conv_low l = lower_phase(g, a, b);
			const gr_status status =
				run_f32(&l, gy, w + phase_weight(g, a, b), NULL, gx + a * g->w + b);
			if (status != GR_OK)
				return status;
		}
	return GR_OK;
}

gr_status gr__conv_input_grad_f64(const gr_conv_geom *g, const double *gy, const double *w,
	double *gx)
{
	for (int64_t a = 0; a < g->stride_h && a < g->h; a++)
		for (int64_t b = 0; b < g->stride_w && b < g->w; b++) {
			const gr_conv_low l = lower_phase(g, a, b);
			const gr_status status =
				run_f64(&l, gy, w + phase_weight(g, a, b), NULL, gx + a * g->w + b);
			if (status != GR_OK)
				return status;
		}
	return GR_OK;
}

gr_status gr__conv_weight_grad_f32(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw)
{
	if (gr__conv_bf16_wanted_weights(g)) {
		gr__conv_algorithm = "bf16";
		return gr__conv_bf16_weight_grad(g, gy, x, gw);
	}
	if (gr__conv_winograd_wanted_weights(g)) {
		gr__conv_algorithm = "winograd";
		return gr__conv_winograd_weight_grad(g, gy, x, gw);
	}
	if (gr__conv_is_pointwise_product(g)) {
		gr__conv_algorithm = "product";
		return gr__conv_pointwise_weight_grad_f32(g, gy, x, gw);
	}
	gr__conv_algorithm = "direct";
	return gr__conv_low_weight_grad_f32(g, gy, x, gw);
}

gr_status gr__conv_weight_grad_f64(const gr_conv_geom *g, const double *gy, const double *x,
	double *gw)
{
	if (gr__conv_is_pointwise_product(g))
		return gr__conv_pointwise_weight_grad_f64(g, gy, x, gw);
	return gr__conv_low_weight_grad_f64(g, gy, x, gw);
}
