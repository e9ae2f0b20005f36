/*
 * Attributes of the ops: plain numbers without padding or pointers, so that two calls are alike
 * when their bytes are. Tests name them in their cases. Axes and bounds are as the caller gave them
 * (negative from the end) unless said otherwise; an op's infer validates them.
 */
#ifndef GRADUS_INTERNAL_ATTR_H
#define GRADUS_INTERNAL_ATTR_H

#include "gradus/tensor.h"

/* affine (scale, shift), axpby (sa, sb), clamp (low, high), rdiv_s pow_s gt_s leaky_relu (s, 0). */
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

/* group_norm; the others read eps alone. */
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
	int64_t stride, pad, dilation, groups, pad_end, out_h, out_w, pad_w;
} gr_conv_attr;

/* gr_pool_opts with the defaults filled in. */
typedef struct gr_pool_attr {
	int64_t kernel, stride, pad, ceil, count_pad;
} gr_pool_attr;

/* argsort, sort, topk (count), median (keep). */
typedef struct gr_order_attr {
	int64_t axis, descending, count, keep;
} gr_order_attr;

/* cumsum, cumprod (never reverse). */
typedef struct gr_scan_attr {
	int64_t axis, reverse;
} gr_scan_attr;

/* random_normal, random_uniform (low, high), random_bernoulli (p), dropout (rate; key alone). */
typedef struct gr_random_attr {
	uint64_t hi, lo; /* the key */
	int64_t dtype, ndim;
	int64_t dims[GR_MAX_DIMS];
	double s0, s1;
} gr_random_attr;

/* fft, ifft: axis (without the last dim), inverse and scale of fft alone; rfft: scale; rfft_adjoint,
 * irfft, irfft2: length of the line that results. */
typedef struct gr_fft_attr {
	int64_t axis, inverse, length;
	double scale;
} gr_fft_attr;

/* cholesky, eigh and svd have none. */
typedef struct gr_solve_attr {
	int64_t upper, transpose; /* solve reads transpose alone */
} gr_solve_attr;

/* one_hot */
typedef struct gr_one_hot_attr {
	int64_t classes, dtype;
} gr_one_hot_attr;

/* avg_pool2d, upsample_nearest2d: the result is multiplied by `scale`, 1 in the public functions. */
typedef struct gr_resample_attr {
	int64_t f;
	double scale;
} gr_resample_attr;

/* resize, resize_adjoint: `length` is the result's; scale and a may be 0 for their defaults. The
 * composition resize2d has both lengths and scales, in order. */
typedef struct gr_resize_attr {
	int64_t axis, length, width; /* width: resize2d alone */
	int64_t cubic, align_corners, antialias, mirror;
	double scale, scale_w, a;
} gr_resize_attr;

#endif
