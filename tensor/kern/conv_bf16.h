/*
 * Convolutions whose operands are rounded to bfloat16 and whose sums are f32: what
 * gr_set_precision(GR_PRECISION_BF16) asks for. On CPUs with AMX tiles (conv_amx.c) they are
 * several times faster than f32; elsewhere the f32 kernels run on rounded copies, so that the
 * numbers mean the same everywhere.
 *
 * Promises are those of conv.h: bits independent of batch and threads.
 */
#ifndef GR_KERN_CONV_BF16_H
#define GR_KERN_CONV_BF16_H

#include <stdbool.h>

#include "conv_priv.h"

/* True when this precision is set and the shape is worth it: callers then use the functions here. */
bool gr__conv_bf16_wanted(const gr_conv_low *l);
bool gr__conv_bf16_wanted_weights(const gr_conv_geom *g);

gr_status gr__conv_bf16_run(const gr_conv_low *l, const float *x, const float *w, const float *bias,
	float *y);
gr_status gr__conv_bf16_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);

/* conv_amx.c: on x86-64 alone */
bool gr__amx_usable(void);
gr_status gr__conv_amx_run(const gr_conv_low *l, const float *x, const float *w, const float *bias,
	float *y);
gr_status gr__conv_amx_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw);

#endif
