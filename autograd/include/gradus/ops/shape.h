/*
 * Ops that move elements. Views share storage where the strides allow; the others copy. Axes < 0
 * count from the end. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_SHAPE_H
#define GRADUS_OPS_SHAPE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Same elements row-major in another shape; one dim may be -1. Copies only if it must. */
GR_API gr_tensor *gr_reshape(gr_tensor *x, int ndim, const int64_t *dims);
/* out dim i = x dim perm[i]; perm has x's ndim entries. */
GR_API gr_tensor *gr_permute(gr_tensor *x, const int *perm);
GR_API gr_tensor *gr_transpose(gr_tensor *x, int axis_a, int axis_b);
/* Elements start, start + step, ... before stop along axis; step >= 1, bounds as in Python. */
GR_API gr_tensor *gr_slice(gr_tensor *x, int axis, int64_t start, int64_t stop, int64_t step);
GR_API gr_tensor *gr_flip(gr_tensor *x, int axis);
/* Rotate the last two dims by k quarter turns counter-clockwise. */
GR_API gr_tensor *gr_rot90(gr_tensor *x, int k);
/* Broadcast to dims. */
GR_API gr_tensor *gr_expand(gr_tensor *x, int ndim, const int64_t *dims);
/* Remove dim `axis` of length 1; insert one before position `axis`. */
GR_API gr_tensor *gr_squeeze(gr_tensor *x, int axis);
GR_API gr_tensor *gr_unsqueeze(gr_tensor *x, int axis);
/* Row-major copy, or x itself when it is. */
GR_API gr_tensor *gr_contiguous(gr_tensor *x);
/* Zeros around dim `axis`: `before` and `after` elements, >= 0. */
GR_API gr_tensor *gr_pad(gr_tensor *x, int axis, int64_t before, int64_t after);
/* Join n tensors (2..16) along an axis; stack inserts a new one. */
GR_API gr_tensor *gr_concat(int n, gr_tensor *const *x, int axis);
GR_API gr_tensor *gr_stack(int n, gr_tensor *const *x, int axis);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_reshape(...) (gr_at(__FILE__, __LINE__), gr_reshape(__VA_ARGS__))
#define gr_permute(...) (gr_at(__FILE__, __LINE__), gr_permute(__VA_ARGS__))
#define gr_transpose(...) (gr_at(__FILE__, __LINE__), gr_transpose(__VA_ARGS__))
#define gr_slice(...) (gr_at(__FILE__, __LINE__), gr_slice(__VA_ARGS__))
#define gr_flip(...) (gr_at(__FILE__, __LINE__), gr_flip(__VA_ARGS__))
#define gr_rot90(...) (gr_at(__FILE__, __LINE__), gr_rot90(__VA_ARGS__))
#define gr_expand(...) (gr_at(__FILE__, __LINE__), gr_expand(__VA_ARGS__))
#define gr_squeeze(...) (gr_at(__FILE__, __LINE__), gr_squeeze(__VA_ARGS__))
#define gr_unsqueeze(...) (gr_at(__FILE__, __LINE__), gr_unsqueeze(__VA_ARGS__))
#define gr_contiguous(...) (gr_at(__FILE__, __LINE__), gr_contiguous(__VA_ARGS__))
#define gr_pad(...) (gr_at(__FILE__, __LINE__), gr_pad(__VA_ARGS__))
#define gr_concat(...) (gr_at(__FILE__, __LINE__), gr_concat(__VA_ARGS__))
#define gr_stack(...) (gr_at(__FILE__, __LINE__), gr_stack(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
