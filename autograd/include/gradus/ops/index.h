/*
 * Ops that read or write by an i64 index, and sorting, which makes one. Results belong to the scope; NULL on error, GR_EARG
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

/* Line by line: out[..., i, ...] = x[..., index[..., i, ...], ...]; index has x's dims but for the
 * axis. Its adjoint: out, with `length` entries along axis, [..., index[..., i, ...], ...] +=
 * x[..., i, ...]; index has x's dims. */
GR_API gr_tensor *gr_take_along(gr_tensor *x, int axis, gr_tensor *index);
GR_API gr_tensor *gr_scatter_along(gr_tensor *x, int axis, gr_tensor *index, int64_t length);
/* index [...] -> [...,classes] of `dtype`: 1 at the index, else 0; all 0 for one out of range. */
GR_API gr_tensor *gr_one_hot(gr_tensor *index, int64_t classes, gr_dtype dtype);

/* The order of the elements along axis, i64; equals keep theirs, NaN counts as the largest. Never
 * tracked. */
GR_API gr_tensor *gr_argsort(gr_tensor *x, int axis, bool descending);
/* x in that order, and the order in *index unless that is NULL. Gradients go to the elements that
 * were moved there; among equals, in the order of argsort. */
GR_API gr_tensor *gr_sort(gr_tensor *x, int axis, bool descending, gr_tensor **index);
/* The k largest, falling, and their places in *index unless that is NULL. */
GR_API gr_tensor *gr_topk(gr_tensor *x, int axis, int64_t k, gr_tensor **index);
/* The middle element along axis, of an even number the lower one; the gradient is its alone. */
GR_API gr_tensor *gr_median(gr_tensor *x, int axis, bool keep);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_gather(...) (gr_at(__FILE__, __LINE__), gr_gather(__VA_ARGS__))
#define gr_scatter_add(...) (gr_at(__FILE__, __LINE__), gr_scatter_add(__VA_ARGS__))
#define gr_take_along(...) (gr_at(__FILE__, __LINE__), gr_take_along(__VA_ARGS__))
#define gr_scatter_along(...) (gr_at(__FILE__, __LINE__), gr_scatter_along(__VA_ARGS__))
#define gr_one_hot(...) (gr_at(__FILE__, __LINE__), gr_one_hot(__VA_ARGS__))
#define gr_argsort(...) (gr_at(__FILE__, __LINE__), gr_argsort(__VA_ARGS__))
#define gr_sort(...) (gr_at(__FILE__, __LINE__), gr_sort(__VA_ARGS__))
#define gr_topk(...) (gr_at(__FILE__, __LINE__), gr_topk(__VA_ARGS__))
#define gr_median(...) (gr_at(__FILE__, __LINE__), gr_median(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
