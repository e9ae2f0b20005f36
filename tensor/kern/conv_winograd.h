/*
 * f32 convolutions 3x3 with stride 1 by Winograd's F(4x4, 3x3): a quarter of the multiplications,
 * a rounding error two to five times that of direct summation (docs/design/006-winograd.md; the method is in
 * winograd.h).
 * gr_set_precision(GR_PRECISION_DIRECT) switches it off.
 *
 * Promises are those of conv.h: bits independent of batch and threads. Whether a convolution runs
 * here depends on the shape of one sample.
 */
#ifndef GR_KERN_CONV_WINOGRAD_H
#define GR_KERN_CONV_WINOGRAD_H

#include <stdbool.h>

#include "conv_priv.h"

bool gr__conv_winograd_wanted(const gr_conv_low *l);
gr_status gr__conv_winograd_run(const gr_conv_low *l, const float *x, const float *w,
	const float *bias, float *y);

/* The weight gradient: chosen by the whole batch, over which it sums. */
bool gr__conv_winograd_wanted_weights(const gr_conv_geom *g);
gr_status gr__conv_winograd_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);

#endif
