/*
 * Reductions. Axes are given as GR_AXES(1, 2), negative ones from the end, and removed from the
 * shape unless `keep`. The order of summation depends on the reduced dims alone. Results belong to
 * the scope; NULL on error.
 */
#ifndef GRADUS_OPS_REDUCE_H
#define GRADUS_OPS_REDUCE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Two arguments, the number of axes and the axes. GR_ALL_AXES means every one. */
/* clang-format off */
#define GR_AXES(...) \
	(int)(sizeof((const int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__}
/* clang-format on */
#define GR_ALL_AXES 0, NULL

/* Sum, mean. */
GR_API gr_tensor *gr_sum(gr_tensor *x, int naxes, const int *axes, bool keep);
GR_API gr_tensor *gr_mean(gr_tensor *x, int naxes, const int *axes, bool keep);
/* Largest, smallest; the gradient is shared equally among ties. Not of an empty set. */
GR_API gr_tensor *gr_max(gr_tensor *x, int naxes, const int *axes, bool keep);
GR_API gr_tensor *gr_min(gr_tensor *x, int naxes, const int *axes, bool keep);
/* Sum of squares; square root of it (gradient at 0: 0). */
GR_API gr_tensor *gr_sumsq(gr_tensor *x, int naxes, const int *axes, bool keep);
GR_API gr_tensor *gr_norm(gr_tensor *x, int naxes, const int *axes, bool keep);
/* Sum over the dims in which x was broadcast from `dims`: the adjoint of gr_expand. */
GR_API gr_tensor *gr_sum_to(gr_tensor *x, int ndim, const int64_t *dims);
/* log sum exp, without overflow; of infinities it is what the limit says. */
GR_API gr_tensor *gr_logsumexp(gr_tensor *x, int naxes, const int *axes, bool keep);
/* Running sums and products along one axis, like x: out[i] = x[0] + ... + x[i]. */
GR_API gr_tensor *gr_cumsum(gr_tensor *x, int axis);
GR_API gr_tensor *gr_cumprod(gr_tensor *x, int axis);
/* Index of the first maximum along axis, i64; never tracked. */
GR_API gr_tensor *gr_argmax(gr_tensor *x, int axis);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_sum(...) (gr_at(__FILE__, __LINE__), gr_sum(__VA_ARGS__))
#define gr_mean(...) (gr_at(__FILE__, __LINE__), gr_mean(__VA_ARGS__))
#define gr_max(...) (gr_at(__FILE__, __LINE__), gr_max(__VA_ARGS__))
#define gr_min(...) (gr_at(__FILE__, __LINE__), gr_min(__VA_ARGS__))
#define gr_sumsq(...) (gr_at(__FILE__, __LINE__), gr_sumsq(__VA_ARGS__))
#define gr_norm(...) (gr_at(__FILE__, __LINE__), gr_norm(__VA_ARGS__))
#define gr_sum_to(...) (gr_at(__FILE__, __LINE__), gr_sum_to(__VA_ARGS__))
#define gr_logsumexp(...) (gr_at(__FILE__, __LINE__), gr_logsumexp(__VA_ARGS__))
#define gr_cumsum(...) (gr_at(__FILE__, __LINE__), gr_cumsum(__VA_ARGS__))
#define gr_cumprod(...) (gr_at(__FILE__, __LINE__), gr_cumprod(__VA_ARGS__))
#define gr_argmax(...) (gr_at(__FILE__, __LINE__), gr_argmax(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
