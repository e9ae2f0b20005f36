/* What the families that move elements (shape, slice, join, index) share with one another. */
#ifndef GRADUS_MOVE_PRIV_H
#define GRADUS_MOVE_PRIV_H

#include "gradus/op.h"

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
