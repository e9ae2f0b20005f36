/*
 * A constant of an operator or prior, held in both float types, so that it joins the expressions
 * of either without a cast in the graph. Zeroed memory is an empty one.
 */
#ifndef GRADUS_INVERSE_CONSTANT_PRIV_H
#define GRADUS_INVERSE_CONSTANT_PRIV_H

#include "gradus/ops.h"

typedef struct gr_constant {
	gr_tensor *f32, *f64;
} gr_constant;

/* Set to `value` (f32 or f64), detached and contiguous; values that f32 cannot hold are rounded. */
gr_status gr__constant_set(gr_constant *c, gr_tensor *value);
void gr__constant_clear(gr_constant *c);
/* The one of this type, NULL when empty; borrowed. */
gr_tensor *gr__constant_get(const gr_constant *c, gr_dtype dtype);

#endif
