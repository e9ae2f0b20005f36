/*
 * Attributes of the ops that move, index, multiply and resample: plain 64-bit numbers without
 * padding, so that two calls are alike when their bytes are. Tests name them in their cases. Axes
 * and bounds are as the caller gave them (negative from the end); an op's infer validates them.
 *
 * The second half is what these families share with one another.
 */
#ifndef GRADUS_INTERNAL_ATTR_B_H
#define GRADUS_INTERNAL_ATTR_B_H

#include "gradus/op.h"

/* reshape (one dim may be -1), expand. */
typedef struct gr_dims_attr {
	int64_t ndim;
	int64_t dims[GR_MAX_DIMS];
} gr_dims_attr;

typedef struct gr_permute_attr {
	int64_t ndim;
	int64_t perm[GR_MAX_DIMS];
} gr_permute_attr;

/* flip, concat, gather. */
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

/* Adjoint of gr_slice with resolved bounds: x back at start, start + step, ... of `length`. */
gr_tensor *gr__slice_adjoint(gr_tensor *x, int axis, int64_t start, int64_t step, int64_t length);

/* From infer: GR_EARG unless `axis` names a dim of t. */
gr_status gr__shape_check_axis(const gr_op_call *c, int64_t axis, const gr_tensor *t);
/* A valid axis, counted from the front. */
int gr__shape_axis(int64_t axis, int ndim);
/* out[start + i step] <- x[i] along axis, for freshly made `out`. */
gr_status gr__slice_write(gr_tensor *out, const gr_tensor *x, int axis, int64_t start,
	int64_t step);

#endif
