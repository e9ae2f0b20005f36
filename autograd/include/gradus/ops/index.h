/*
 * Ops that read or write by an i64 index. Results belong to the scope; NULL on error, GR_EARG
 * for an index out of range.
 */
#ifndef GRADUS_OPS_INDEX_H
#define GRADUS_OPS_INDEX_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows by number: out[..., i, ...] = x[..., index[i], ...] along axis; index [M]. */
GR_API gr_tensor *gr_gather(gr_tensor *x, int axis, gr_tensor *index);
/* Its adjoint: out, with `length` entries along axis, out[..., index[i], ...] += x[..., i, ...]. */
GR_API gr_tensor *gr_scatter_add(gr_tensor *x, int axis, gr_tensor *index, int64_t length);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_gather(...) (gr_at(__FILE__, __LINE__), gr_gather(__VA_ARGS__))
#define gr_scatter_add(...) (gr_at(__FILE__, __LINE__), gr_scatter_add(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
