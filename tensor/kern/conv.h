/*
 * 2-d convolution (cross-correlation) of the CPU device, its adjoint in x and its adjoint in w.
 *
 * Arrays are contiguous: x [N,C,H,W], w [K,C/groups,R,S], y [N,K,H',W'];
 *
 *     y[n,k,i,j] = bias[k] + sum_{c,r,s} w[k,c,r,s]
 *                            x[n, c, i stride_h + r dil_h - pad_top, j stride_w + s dil_w - pad_left]
 *
 * with x = 0 outside. Padding below and to the right is what ho and wo imply. Every function
 * writes all of its output and returns GR_OK or GR_EMEM.
 *
 * Promise: output and input gradient of one sample have the same bits in any batch, and nothing
 * depends on the thread count. Weight gradients sum over the batch in an order fixed by shape.
 */
#ifndef GR_KERN_CONV_H
#define GR_KERN_CONV_H

#include <stdint.h>

#include "gradus/base.h"

typedef struct gr_conv_geom {
	int64_t n;
	int64_t c;
	int64_t h;
	int64_t w;
	int64_t k;
	int64_t r;
	int64_t s;
	int64_t ho;
	int64_t wo;
	int64_t stride_h;
	int64_t stride_w;
	int64_t pad_top;
	int64_t pad_left;
	int64_t dil_h;
	int64_t dil_w;
	int64_t groups;
} gr_conv_geom;

/* bias [K] may be NULL. */
gr_status gr__conv_forward_f32(const gr_conv_geom *g, const float *x, const float *w,
	const float *bias, float *y);
gr_status gr__conv_forward_f64(const gr_conv_geom *g, const double *x, const double *w,
	const double *bias, double *y);

/* gy [N,K,H',W'], w -> gx [N,C,H,W]; also the forward of a transposed convolution. */
gr_status gr__conv_input_grad_f32(const gr_conv_geom *g, const float *gy, const float *w,
	float *gx);
gr_status gr__conv_input_grad_f64(const gr_conv_geom *g, const double *gy, const double *w,
	double *gx);

/* gy [N,K,H',W'], x [N,C,H,W] -> gw [K,C/groups,R,S], summed over N. */
gr_status gr__conv_weight_grad_f32(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);
gr_status gr__conv_weight_grad_f64(const gr_conv_geom *g, const double *gy, const double *x,
	double *gw);

#endif
