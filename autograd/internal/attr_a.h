/*
 * Attributes of the ops in binary, unary, activation, reduce, norm, softmax and attention: plain
 * bytes without padding or pointers, so that two calls with equal attributes compare equal bytewise.
 */
#ifndef GRADUS_INTERNAL_ATTR_A_H
#define GRADUS_INTERNAL_ATTR_A_H

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

typedef struct gr_sum_to_attr {
	int64_t ndim;
	int64_t dims[GR_MAX_DIMS];
} gr_sum_to_attr;

typedef struct gr_argmax_attr {
	int64_t axis; /* >= 0 */
} gr_argmax_attr;

/* group_norm; layer_norm reads eps alone. */
typedef struct gr_norm_attr {
	int64_t groups;
	double eps;
	int64_t silu; /* 0 or 1 */
} gr_norm_attr;

typedef struct gr_attention_attr {
	double scale; /* never 0 */
} gr_attention_attr;

#endif
