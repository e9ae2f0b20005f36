/*
 * Convolutions 1x1 that move nothing are matrix products over pixels: y = W x + bias, gw = gy x'.
 * They run as such for few samples; for many conv_forward.c packs the weights once. Both sum over
 * the channels in blocks of GR_GEMM_KC, so a sample's bits are the same; with channels enough for
 * gemm_split.h, which sums otherwise, all samples run here.
 */
#include "blocks.h"
#include "conv_priv.h"
#include "gemm.h"
#include "gemm_split.h"
#include "par.h"

#define FEW_SAMPLES 4
/* Elements of y that a task fills with the bias. */
#define GRAIN 16384

bool gr__conv_is_pointwise(const gr_conv_low *l)
{
	return l->nr == 1 && l->ns == 1 && l->sh == 1 && l->sw == 1 && l->r0 == 0 && l->s0 == 0 &&
		l->hi == l->ho && l->wi == l->wo && l->y_col == 1 && l->y_row == l->wo &&
		l->y_plane == l->ho * l->wo && l->groups == 1 &&
		(l->n <= FEW_SAMPLES || gr__gemm_split_wanted(l->ci));
}

bool gr__conv_is_pointwise_product(const gr_conv_geom *g)
{
	return g->r == 1 && g->s == 1 && g->stride_h == 1 && g->stride_w == 1 && g->pad_top == 0 &&
		g->pad_left == 0 && g->h == g->ho && g->w == g->wo && g->groups == 1 && g->n == 1;
}

typedef struct fill_run {
	const gr_conv_low *l;
	const void *bias;
	void *y;
	int64_t rows; /* of a task */
} fill_run;

#define POINTWISE(T, S) \
	static void fill_task_##S(int64_t task, void *ctx) \
	{ \
		const fill_run *f = ctx; \
		const int64_t plane = f->l->y_plane; \
		const int64_t end = min64((task + 1) * f->rows, f->l->n * f->l->co); \
		for (int64_t row = task * f->rows; row < end; row++) { \
			T *y = (T *)f->y + row * plane; \
			const T value = ((const T *)f->bias)[row % f->l->co]; \
			for (int64_t i = 0; i < plane; i++) \
				y[i] = value; \
		} \
	} \
\
	gr_status gr__conv_pointwise_run_##S(const gr_conv_low *l, const T *x, const T *w, \
		const T *bias, T *y) \
	{ \
		const int64_t pixels = l->y_plane; \
		if (bias != NULL) { \
			fill_run f = {.l = l, \
				.bias = bias, \
				.y = y, \
				.rows = max64(1, GRAIN / max64(1, pixels))}; \
			gr__par_for(ceil_div(l->n * l->co, f.rows), fill_task_##S, &f); \
		} \
		return gr__gemm_batch_##S(l->n, l->co, pixels, l->ci, w, 0, l->w_o, l->w_c, x, \
			l->ci * pixels, pixels, 1, y, l->co * pixels, pixels, 1, bias != NULL); \
	} \
\
	gr_status gr__conv_pointwise_weight_grad_##S(const gr_conv_geom *g, const T *gy, const T *x, \
		T *gw) \
	{ \
		const int64_t pixels = g->h * g->w; \
		return gr__gemm_##S(g->k, g->c, pixels, gy, pixels, 1, x, 1, pixels, gw, g->c, 1, false); \
	}

POINTWISE(float, f32)
POINTWISE(double, f64)
