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

/* c[b,i,j] = sum_k a[b,i,k] b[b,k,j], added to c or not; 3-d views, batch dims broadcast by stride
 * 0. */
gr_status gr__matmul(gr_tensor *c, const gr_tensor *a, const gr_tensor *b, bool add);

/* What the last convolution in f32 on this thread took: "bf16", "winograd", "product" or "direct";
 * for traces, which set it to NULL before. */
extern _Thread_local const char *gr__conv_algorithm;

/* Over the last dim of contiguous x: y = softmax(x), y = log_softmax(x); and dx from y, dy. */
gr_status gr__softmax(gr_tensor *y, const gr_tensor *x);
gr_status gr__softmax_backward(gr_tensor *dx, const gr_tensor *y, const gr_tensor *dy);
gr_status gr__log_softmax(gr_tensor *y, const gr_tensor *x);

/* y = softmax(scale q k') v over contiguous q [...,L,D], k [...,M,D], v [...,M,E], y [...,L,E]; its
 * gradients dq, dk, dv from g = dy, NULL where not wanted. M, D >= 1. */
gr_status gr__attention(gr_tensor *y, const gr_tensor *q, const gr_tensor *k, const gr_tensor *v,
	double scale);
gr_status gr__attention_backward(gr_tensor *const grads[3], const gr_tensor *q, const gr_tensor *k,
	const gr_tensor *v, const gr_tensor *g, double scale);

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

/* What follows takes contiguous tensors alone. */

/* Resampling of one axis from `in` pixels to `out` (kern/resize.c has the rules). */
typedef struct gr_resize_rule {
	int64_t in, out;
	bool cubic; /* else linear */
	bool align_corners, antialias, mirror;
	double scale; /* input pixels per output pixel */
	double a;     /* of the cubic */
} gr_resize_rule;

/* A linear map of an axis: y[i] = sum of weight[k] x[column[k]], start[i] <= k < start[i + 1]. */
typedef struct gr_rows {
	int64_t rows, columns;
	int64_t *start; /* [rows + 1]; the block that holds all three */
	int64_t *column;
	double *weight;
} gr_rows;

/* GR_OK or GR_EMEM; columns ascend in each row. gr__rows_free accepts zeroed memory. */
gr_status gr__resize_rows(gr_rows *rows, const gr_resize_rule *rule);
gr_status gr__rows_transpose(gr_rows *t, const gr_rows *rows);
void gr__rows_free(gr_rows *rows);
gr_status gr__rows_apply(gr_tensor *y, const gr_tensor *x, int axis, const gr_rows *rows);

/* y[i] = x[0] + ... + x[i], or from the other end; the product; and dx of the product. */
gr_status gr__cumsum(gr_tensor *y, const gr_tensor *x, int axis, bool reverse);
gr_status gr__cumprod(gr_tensor *y, const gr_tensor *x, int axis);
gr_status gr__cumprod_backward(gr_tensor *dx, const gr_tensor *x, const gr_tensor *dy, int axis);

/* order i64, like x: the permutation that sorts each line, stable; NaN counts as the largest. */
gr_status gr__argsort(gr_tensor *order, const gr_tensor *x, int axis, bool descending);
/* y[.., i, ..] = x[.., index[.., i, ..], ..], index like y and checked by the caller; and its
 * adjoint: y (zeroed by the call) [.., index[.., i, ..], ..] += x[.., i, ..] in order of i. */
gr_status gr__take_along(gr_tensor *y, const gr_tensor *x, int axis, const gr_tensor *index);
gr_status gr__scatter_along(gr_tensor *y, const gr_tensor *x, int axis, const gr_tensor *index);
/* index i64 [B,H',W']: place h W + w of the first maximum in each window of x [B,H,W]. */
typedef struct gr_pool_window {
	int64_t kernel, stride, pad;
} gr_pool_window;
gr_status gr__max_pool_index(gr_tensor *index, const gr_tensor *x, const gr_pool_window *window);

/* Complex lines along `axis` (the last dim is 2): y_k = scale sum_j x_j exp(-2 pi i jk / n), or
 * with + if inverse. Real lines x [..., n] and half spectra y [..., n/2 + 1, 2]: the same, and its
 * adjoint x_j = scale Re sum_k y_k exp(+2 pi i jk / n). */
gr_status gr__fft(gr_tensor *y, const gr_tensor *x, int axis, bool inverse, double scale);
gr_status gr__rfft(gr_tensor *y, const gr_tensor *x, double scale);
gr_status gr__rfft_adjoint(gr_tensor *x, const gr_tensor *y, double scale);

/* LAPACK on each matrix of a batch in turn; GR_ENUMERIC where a matrix has no result.
 * cholesky: l l^T = (a + a^T) / 2. triangular_solve: x with op(a) x = b from one triangle of a.
 * lu_solve: the same of a whole matrix. eigh: (a + a^T) / 2 = v diag(w) v^T, w ascending. svd:
 * a = u diag(s) v^T, s falling, min(m, n) columns. Of each vector the entry of largest magnitude
 * is positive (in u for svd). */
gr_status gr__cholesky(gr_tensor *l, const gr_tensor *a);
gr_status gr__triangular_solve(gr_tensor *x, const gr_tensor *a, const gr_tensor *b, bool upper,
	bool transpose);
gr_status gr__lu_solve(gr_tensor *x, const gr_tensor *a, const gr_tensor *b, bool transpose);
gr_status gr__eigh(gr_tensor *w, gr_tensor *v, const gr_tensor *a);
gr_status gr__svd(gr_tensor *u, gr_tensor *s, gr_tensor *v, const gr_tensor *a);

#endif
