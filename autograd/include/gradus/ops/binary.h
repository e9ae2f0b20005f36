/*
 * Elementwise ops of two or more tensors. Shapes broadcast as in NumPy; operands share one float
 * type. Masks are 0 or 1 in that type. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_BINARY_H
#define GRADUS_OPS_BINARY_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a + b, a - b, a * b, a / b. */
GR_API gr_tensor *gr_add(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_sub(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_mul(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_div(gr_tensor *a, gr_tensor *b);
/* sa a + sb b, in one pass. */
GR_API gr_tensor *gr_axpby(gr_tensor *a, double sa, gr_tensor *b, double sb);
/* a b + c, in one pass. */
GR_API gr_tensor *gr_muladd(gr_tensor *a, gr_tensor *b, gr_tensor *c);
/* a to the power b, a > 0. */
GR_API gr_tensor *gr_pow(gr_tensor *a, gr_tensor *b);
/* The larger, the smaller; where equal the gradient goes to b. */
GR_API gr_tensor *gr_maximum(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_minimum(gr_tensor *a, gr_tensor *b);
/* mask != 0 ? a : b; no gradient to mask. A NaN in the branch not taken does not leak. */
GR_API gr_tensor *gr_where(gr_tensor *mask, gr_tensor *a, gr_tensor *b);
/* Masks a == b, a < b, a <= b; never tracked. */
GR_API gr_tensor *gr_eq(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_lt(gr_tensor *a, gr_tensor *b);
GR_API gr_tensor *gr_le(gr_tensor *a, gr_tensor *b);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_add(...) (gr_at(__FILE__, __LINE__), gr_add(__VA_ARGS__))
#define gr_sub(...) (gr_at(__FILE__, __LINE__), gr_sub(__VA_ARGS__))
#define gr_mul(...) (gr_at(__FILE__, __LINE__), gr_mul(__VA_ARGS__))
#define gr_div(...) (gr_at(__FILE__, __LINE__), gr_div(__VA_ARGS__))
#define gr_axpby(...) (gr_at(__FILE__, __LINE__), gr_axpby(__VA_ARGS__))
#define gr_muladd(...) (gr_at(__FILE__, __LINE__), gr_muladd(__VA_ARGS__))
#define gr_pow(...) (gr_at(__FILE__, __LINE__), gr_pow(__VA_ARGS__))
#define gr_maximum(...) (gr_at(__FILE__, __LINE__), gr_maximum(__VA_ARGS__))
#define gr_minimum(...) (gr_at(__FILE__, __LINE__), gr_minimum(__VA_ARGS__))
#define gr_where(...) (gr_at(__FILE__, __LINE__), gr_where(__VA_ARGS__))
#define gr_eq(...) (gr_at(__FILE__, __LINE__), gr_eq(__VA_ARGS__))
#define gr_lt(...) (gr_at(__FILE__, __LINE__), gr_lt(__VA_ARGS__))
#define gr_le(...) (gr_at(__FILE__, __LINE__), gr_le(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
