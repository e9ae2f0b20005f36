/*
 * A convolution reduced to what the tiled kernel of conv_forward.c computes. One form serves the
 * forward pass and, phase by phase, the input gradient of any stride:
 *
 *     y[o, i, j] = bias[o] + sum_{c,r,s} w[o,c,r,s] x[c, i sh + r0 + r dr, j sw + s0 + s ds]
 *
 * for i < ho, j < wo, where dr and ds may be negative, nr or ns may be 0, and y may be a
 * sub-lattice of an image.
 */
#ifndef GR_KERN_CONV_PRIV_H
#define GR_KERN_CONV_PRIV_H

#include <stdbool.h>

#include "conv.h"

typedef struct gr_conv_low {
	int64_t n;
	int64_t groups;
	int64_t ci; /* channels of one group */
	int64_t co;
	int64_t hi; /* planes of x are contiguous, wi wide */
	int64_t wi;
	int64_t ho;
	int64_t wo;
	int64_t sh;
	int64_t sw;
	int64_t nr;
	int64_t ns;
	int64_t r0;
	int64_t s0;
	int64_t dr;
	int64_t ds;
	int64_t y_row; /* strides of y; its planes are y_plane apart, samples are dense */
	int64_t y_col;
	int64_t y_plane;
	int64_t w_group; /* strides of w */
	int64_t w_o;
	int64_t w_c;
	int64_t w_r;
	int64_t w_s;
} gr_conv_low;

gr_status gr__conv_low_run_f32(const gr_conv_low *l, const float *x, const float *w,
	const float *bias, float *y);
gr_status gr__conv_low_run_f64(const gr_conv_low *l, const double *x, const double *w,
	const double *bias, double *y);

/* conv_pointwise.c: 1x1 that moves nothing, one group; the weight gradient of one sample. */
bool gr__conv_is_pointwise(const gr_conv_low *l);
gr_status gr__conv_pointwise_run_f32(const gr_conv_low *l, const float *x, const float *w,
	const float *bias, float *y);
gr_status gr__conv_pointwise_run_f64(const gr_conv_low *l, const double *x, const double *w,
	const double *bias, double *y);
bool gr__conv_is_pointwise_product(const gr_conv_geom *g);
gr_status gr__conv_pointwise_weight_grad_f32(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);
gr_status gr__conv_pointwise_weight_grad_f64(const gr_conv_geom *g, const double *gy,
	const double *x, double *gw);

/* conv_wgrad.c; gr__conv_weight_grad_* of conv.h choose among this and the faster ways. */
gr_status gr__conv_low_weight_grad_f32(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);
gr_status gr__conv_low_weight_grad_f64(const gr_conv_geom *g, const double *gy, const double *x,
	double *gw);

#endif
