/*
 * Random batches whose samples have keys of their own (gradus/rng.h): what a sample is does not
 * depend on its batch. Ownership and errors as in gradus/tensor.h; safe in every thread.
 */
#ifndef GRADUS_RANDOM_H
#define GRADUS_RANDOM_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [n, dims...]: sample i is gr_random_normal(keys[i], dtype, ndim, dims), to the bit; ndim at most
 * GR_MAX_DIMS - 1. GR_EDTYPE, GR_ESHAPE. */
GR_API gr_tensor *gr_random_normal_each(int64_t n, const gr_key *keys, gr_dtype dtype, int ndim,
	const int64_t *dims);

#ifdef __cplusplus
}
#endif

#endif
