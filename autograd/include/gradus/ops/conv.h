/*
 * Convolution (cross-correlation, zero padding) and its two adjoints, closed under differentiation,
 * and pooling over windows. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_CONV_H
#define GRADUS_OPS_CONV_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_conv_opts {
	size_t size;
	int64_t stride;   /* default 1 */
	int64_t pad;      /* zeros on each side, default 0 */
	int64_t dilation; /* default 1 */
	int64_t groups;   /* default 1 */
	int64_t pad_end;  /* zeros beyond `pad` at the bottom and right (may be negative), default 0 */
	int64_t out_h, out_w; /* adjoints only: the size of the result, when stride leaves it open */
	int64_t pad_w;        /* zeros left and right, default as pad; -1 for none */
} gr_conv_opts;

/* x [N,C,H,W], w [K,C/groups,R,S] -> [N,K,H',W'], H' = floor((H + 2 pad + pad_end - dil (R-1) - 1)
 * / stride) + 1. */
GR_API gr_tensor *gr_conv2d(gr_tensor *x, gr_tensor *w, const gr_conv_opts *opts);
/* The same plus b [K] per channel, in one pass. */
GR_API gr_tensor *gr_conv2d_bias(gr_tensor *x, gr_tensor *w, gr_tensor *b,
	const gr_conv_opts *opts);
/* g [N,K,H',W'], w -> [N,C,out_h,out_w]: adjoint in x, also the transposed convolution. */
GR_API gr_tensor *gr_conv2d_input_adjoint(gr_tensor *g, gr_tensor *w, const gr_conv_opts *opts);
/* g [N,K,H',W'], x [N,C,H,W] -> [K,C/groups,out_h,out_w] with out_h, out_w = R, S. */
GR_API gr_tensor *gr_conv2d_weight_adjoint(gr_tensor *g, gr_tensor *x, const gr_conv_opts *opts);

/* x [N,K,H,W], w [K,C/groups,R,S], b [C] or NULL -> [N,C,H',W'], H' = (H - 1) stride - 2 pad -
 * pad_end + dil (R-1) + 1 unless out_h says more: the input adjoint, plus b per channel. */
GR_API gr_tensor *gr_conv_transpose2d(gr_tensor *x, gr_tensor *w, gr_tensor *b,
	const gr_conv_opts *opts);
/* x [N,C,L], w [K,C/groups,R], b [K] or NULL -> [N,K,L']; out_* and pad_w are not read. */
GR_API gr_tensor *gr_conv1d(gr_tensor *x, gr_tensor *w, gr_tensor *b, const gr_conv_opts *opts);

typedef struct gr_pool_opts {
	size_t size;
	int64_t kernel; /* windows of kernel x kernel, default 2 */
	int64_t stride; /* default kernel */
	int64_t pad;    /* cells around the image that do not count, default 0; kernel / 2 at most */
	bool ceil;      /* let a last window hang over the edge where it begins inside */
	bool count_pad; /* gr_mean_pool2d: divide by kernel^2 always, so that padding counts as 0 */
} gr_pool_opts;

/* x [...,H,W] -> [...,H',W'], H' = floor((H + 2 pad - kernel) / stride) + 1: largest of each
 * window (the gradient goes to the first of equals), and mean. */
GR_API gr_tensor *gr_max_pool2d(gr_tensor *x, const gr_pool_opts *opts);
GR_API gr_tensor *gr_mean_pool2d(gr_tensor *x, const gr_pool_opts *opts);
/* Where the largest lies: i64, h W + w; never tracked. */
GR_API gr_tensor *gr_max_pool2d_index(gr_tensor *x, const gr_pool_opts *opts);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_conv2d(...) (gr_at(__FILE__, __LINE__), gr_conv2d(__VA_ARGS__))
#define gr_conv2d_bias(...) (gr_at(__FILE__, __LINE__), gr_conv2d_bias(__VA_ARGS__))
#define gr_conv2d_input_adjoint(...) \
	(gr_at(__FILE__, __LINE__), gr_conv2d_input_adjoint(__VA_ARGS__))
#define gr_conv2d_weight_adjoint(...) \
	(gr_at(__FILE__, __LINE__), gr_conv2d_weight_adjoint(__VA_ARGS__))
#define gr_conv_transpose2d(...) (gr_at(__FILE__, __LINE__), gr_conv_transpose2d(__VA_ARGS__))
#define gr_conv1d(...) (gr_at(__FILE__, __LINE__), gr_conv1d(__VA_ARGS__))
#define gr_max_pool2d(...) (gr_at(__FILE__, __LINE__), gr_max_pool2d(__VA_ARGS__))
#define gr_mean_pool2d(...) (gr_at(__FILE__, __LINE__), gr_mean_pool2d(__VA_ARGS__))
#define gr_max_pool2d_index(...) (gr_at(__FILE__, __LINE__), gr_max_pool2d_index(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
