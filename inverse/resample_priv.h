/* Systematic resampling of weighted particles, unit by unit. */
#ifndef GRADUS_INVERSE_RESAMPLE_PRIV_H
#define GRADUS_INVERSE_RESAMPLE_PRIV_H

#include "gradus/tensor.h"

/*
 * Which particle each one becomes, i64 [N], by log weights in *log_weight, f64 [N]: particle i of a
 * unit of n becomes the one in whose share of the weights (i + u) / n falls, u a number of the
 * unit's first key, `name` and `draw`. A unit whose effective sample size (sum w)^2 / sum w^2 is
 * n / 2 or more stays as it is, unless `all`. *log_weight becomes new values, 0 where a unit was
 * resampled. Not tracked; NULL on error.
 */
gr_tensor *gr__resample(gr_tensor **log_weight, int64_t n, const gr_key *keys, const char *name,
	uint64_t draw, bool all);

#endif
