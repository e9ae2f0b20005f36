/*
 * Random numbers by key (gradus/rng.h): recomputing a graph draws them again. Normal and uniform
 * tensors are in gradus/tensor.h. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_RANDOM_H
#define GRADUS_OPS_RANDOM_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 1 with probability p, else 0; element i depends on key and i alone. Never tracked. */
GR_API gr_tensor *gr_random_bernoulli(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims,
	double p);
/* Each element zero with probability `rate` (0 <= rate < 1), else divided by 1 - rate; element i of
 * the mask depends on the key and i alone. */
GR_API gr_tensor *gr_dropout(gr_tensor *x, double rate, gr_key key);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_random_bernoulli(...) (gr_at(__FILE__, __LINE__), gr_random_bernoulli(__VA_ARGS__))
#define gr_dropout(...) (gr_at(__FILE__, __LINE__), gr_dropout(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
