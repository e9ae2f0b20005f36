/*
 * Attributes of the ops: plain numbers without padding or pointers, so that two calls are alike
 * when their bytes are. Tests name them in their cases. Axes and bounds are as the caller gave them
 * (negative from the end) unless said otherwise; an op's infer validates them.
 */
#ifndef GRADUS_INTERNAL_ATTR_H
#define GRADUS_INTERNAL_ATTR_H

#include "gradus/tensor.h"

/* affine (scale, shift), axpby (sa, sb), clamp (low, high), rdiv_s pow_s gt_s (s, 0). */
typedef struct gr_scalar_attr {
	double s0, s1;
} gr_scalar_attr;

typedef struct gr_cast_attr {
	int64_t dtype; /* a gr_dtype */
} gr_cast_attr;

/* sum mean max min sumsq norm: bit i of axes reduces dim i; keep leaves it as length 1. */
typedef struct gr_reduce_attr {
	uint32_t axes;
	uint32_t keep;
} gr_reduce_attr;

/* group_norm; layer_norm reads eps alone. */
typedef struct gr_norm_attr {
	int64_t groups;
	double eps;
	int64_t silu; /* 0 or 1 */
} gr_norm_attr;

typedef struct gr_attention_attr {
	double scale; /* never 0 */
} gr_attention_attr;

/* reshape (one dim may be -1), expand, sum_to. */
typedef struct gr_dims_attr {
	int64_t ndim;
	int64_t dims[GR_MAX_DIMS];
} gr_dims_attr;

typedef struct gr_permute_attr {
	int64_t ndim;
	int64_t perm[GR_MAX_DIMS];
} gr_permute_attr;

/* flip, concat, gather, argmax (>= 0 there). */
typedef struct gr_axis_attr {
	int64_t axis;
} gr_axis_attr;

typedef struct gr_slice_attr {
	int64_t axis, start, stop, step;
} gr_slice_attr;

/* Element i of the input goes to start + i step of `length`, zeros elsewhere. */
typedef struct gr_slice_adjoint_attr {
	int64_t axis, start, step, length;
} gr_slice_adjoint_attr;

typedef struct gr_pad_attr {
	int64_t axis, before, after;
} gr_pad_attr;

typedef struct gr_scatter_attr {
	int64_t axis, length;
} gr_scatter_attr;

/* gr_conv_opts with the defaults filled in; out_h, out_w: 0 where the sizes leave no choice. */
typedef struct gr_conv_attr {
	int64_t stride, pad, dilation, groups, pad_end, out_h, out_w;
} gr_conv_attr;

/* avg_pool2d, upsample_nearest2d: the result is multiplied by `scale`, 1 in the public functions. */
typedef struct gr_resample_attr {
	int64_t f;
	double scale;
} gr_resample_attr;

#endif
