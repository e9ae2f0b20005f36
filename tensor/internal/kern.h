/*
 * Kernels, as the ops see them. Everything here takes tensor headers of any strides (outputs:
 * contiguous, freshly made) unless it says otherwise, runs on the threads of gr__par_for(), gives
 * the same bits for any number of them, and returns GR_OK or GR_EMEM.
 *
 * The vector loops behind them are plain C in kern/multi/, compiled once per instruction set;
 * gr__kern() is the table of the set in use (kern_table.h).
 */
#ifndef GRADUS_INTERNAL_KERN_H
#define GRADUS_INTERNAL_KERN_H

#include "tensor_int.h"

/* Elementwise functions: kind, number of inputs, expression in a b c d (inputs) and s0 s1. */
#include "ew.def.h"

/* clang-format off */
typedef enum gr_ew_kind {
#define GR_EW_ENUM(NAME, nin, expr) GR_EW_##NAME,
	GR_EW_LIST(GR_EW_ENUM)
#undef GR_EW_ENUM
	GR_EW_COUNT
} gr_ew_kind;
/* clang-format on */

/* out = f(in[0], ...), inputs broadcast to out's shape, all of one float type. */
gr_status gr__ew(gr_ew_kind kind, gr_tensor *out, const gr_tensor *const *in, double s0, double s1);

typedef enum gr_reduce_kind {
	GR_REDUCE_SUM,
	GR_REDUCE_MEAN,
	GR_REDUCE_MAX,
	GR_REDUCE_MIN,
	GR_REDUCE_SUMSQ, /* sum of squares */
	GR_REDUCE_COUNT
} gr_reduce_kind;

/* Reduce the dims whose bit is set in `axes`; out has them removed or as 1. The order of summation
 * depends on the reduced dims alone (a fixed tree of lanes and blocks). */
gr_status gr__reduce(gr_reduce_kind kind, gr_tensor *out, const gr_tensor *x, unsigned axes);
/* Index of the first maximum along `axis`, i64. */
gr_status gr__argmax(gr_tensor *out, const gr_tensor *x, int axis);

/* dst <- src with conversion; any strides on both sides; src broadcasts to dst. */
gr_status gr__copy(gr_tensor *dst, const gr_tensor *src);
gr_status gr__fill(gr_tensor *dst, double value);

/* c[b,i,j] = sum_k a[b,i,k] b[b,k,j]; 3-d views, batch dims broadcast by stride 0. */
gr_status gr__matmul(gr_tensor *c, const gr_tensor *a, const gr_tensor *b);

/* Over the last dim of contiguous x: y = softmax(x), y = log_softmax(x); and dx from y, dy. */
gr_status gr__softmax(gr_tensor *y, const gr_tensor *x);
gr_status gr__softmax_backward(gr_tensor *dx, const gr_tensor *y, const gr_tensor *dy);
gr_status gr__log_softmax(gr_tensor *y, const gr_tensor *x);

typedef struct gr_norm_args {
	int64_t groups; /* group norm: groups of channels */
	double eps;
	bool silu;       /* y = silu(norm) */
	bool per_sample; /* w, b are [N,C] instead of [C] */
} gr_norm_args;

/* x, y [N,C,P] contiguous (P = pixels); w, b contiguous or NULL; stats [N,G,2] = mean, 1/std. */
gr_status gr__group_norm(gr_tensor *y, gr_tensor *stats, const gr_tensor *x, const gr_tensor *w,
	const gr_tensor *b, const gr_norm_args *args);
/* dx, dw, db (dw, db in w's shape; any may be NULL). */
gr_status gr__group_norm_backward(gr_tensor *dx, gr_tensor *dw, gr_tensor *db, const gr_tensor *dy,
	const gr_tensor *x, const gr_tensor *w, const gr_tensor *b, const gr_tensor *stats,
	const gr_norm_args *args);
/* x, y [M,D] contiguous, w, b [D] or NULL; stats [M,2]. */
gr_status gr__layer_norm(gr_tensor *y, gr_tensor *stats, const gr_tensor *x, const gr_tensor *w,
	const gr_tensor *b, double eps);
gr_status gr__layer_norm_backward(gr_tensor *dx, gr_tensor *dw, gr_tensor *db, const gr_tensor *dy,
	const gr_tensor *x, const gr_tensor *w, const gr_tensor *stats);

/* out[..., i, ...] = x[..., index[i], ...] along axis; index i64 1-d, checked by the caller. */
gr_status gr__gather(gr_tensor *out, const gr_tensor *x, int axis, const gr_tensor *index);
/* out (zeroed by the call) [..., index[i], ...] += g[..., i, ...], in order of i. */
gr_status gr__scatter_add(gr_tensor *out, const gr_tensor *g, int axis, const gr_tensor *index);

/* Windows of pixels, x [B,H,W] contiguous: y = scale times the mean over f x f blocks; y = scale
 * times each pixel, f x f times. They are adjoints of one another up to the factor f*f. */
gr_status gr__pool_mean(gr_tensor *y, const gr_tensor *x, int64_t f, double scale);
gr_status gr__repeat(gr_tensor *y, const gr_tensor *x, int64_t f, double scale);

#endif
