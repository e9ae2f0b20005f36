/* Normal numbers of a batch, each sample from a key of its own. */
#ifndef GRADUS_INVERSE_NOISE_PRIV_H
#define GRADUS_INVERSE_NOISE_PRIV_H

#include "gradus/tensor.h"

/* [n, dims...]: sample i is gr_random_normal(keys[i]) in this shape, whatever the batch. */
gr_tensor *gr__noise_normal(int64_t n, const gr_key *keys, gr_dtype dtype, int ndim,
	const int64_t *dims);

#endif
