/*
 * Normalisation and softmax. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_NORM_H
#define GRADUS_OPS_NORM_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Over the last axis. */
GR_API gr_tensor *gr_softmax(gr_tensor *x);
GR_API gr_tensor *gr_log_softmax(gr_tensor *x);

typedef struct gr_group_norm_opts {
	size_t size;
	int64_t groups; /* default 32 */
	double eps;     /* default 1e-5 */
	bool silu;      /* apply SiLU to the result, in the same pass */
} gr_group_norm_opts;

/* x [N,C,...], w and b [C], or [N,C] for a scale and shift per sample -> like x. Mean and biased
 * variance per sample and group of C/groups consecutive channels. */
GR_API gr_tensor *gr_group_norm(gr_tensor *x, gr_tensor *w, gr_tensor *b,
	const gr_group_norm_opts *opts);
/* x [...,D], w and b [D] -> like x; eps 0 means 1e-5. */
GR_API gr_tensor *gr_layer_norm(gr_tensor *x, gr_tensor *w, gr_tensor *b, double eps);

/* x [...,D], w [D] -> w x / sqrt(mean(x^2) + eps); eps 0 means 1e-5. */
GR_API gr_tensor *gr_rms_norm(gr_tensor *x, gr_tensor *w, double eps);
/* x [N,C,...], mean, var, w, b [C] -> w (x - mean) / sqrt(var + eps) + b: the statistics are given.
 * eps 0 means 1e-5. */
GR_API gr_tensor *gr_batch_norm(gr_tensor *x, gr_tensor *mean, gr_tensor *var, gr_tensor *w,
	gr_tensor *b, double eps);
/* The same with mean and biased variance of each channel over batch and pixels, which come back
 * in *mean and *var unless those are NULL. A sample depends on its batch: the one op
 * here that lets it. */
GR_API gr_tensor *gr_batch_norm_train(gr_tensor *x, gr_tensor *w, gr_tensor *b, double eps,
	gr_tensor **mean, gr_tensor **var);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_softmax(...) (gr_at(__FILE__, __LINE__), gr_softmax(__VA_ARGS__))
#define gr_log_softmax(...) (gr_at(__FILE__, __LINE__), gr_log_softmax(__VA_ARGS__))
#define gr_group_norm(...) (gr_at(__FILE__, __LINE__), gr_group_norm(__VA_ARGS__))
#define gr_layer_norm(...) (gr_at(__FILE__, __LINE__), gr_layer_norm(__VA_ARGS__))
#define gr_rms_norm(...) (gr_at(__FILE__, __LINE__), gr_rms_norm(__VA_ARGS__))
#define gr_batch_norm(...) (gr_at(__FILE__, __LINE__), gr_batch_norm(__VA_ARGS__))
#define gr_batch_norm_train(...) (gr_at(__FILE__, __LINE__), gr_batch_norm_train(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
