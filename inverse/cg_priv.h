/*
 * Conjugate gradients for symmetric positive semidefinite systems, a batch at a time: every sample
 * is a system of its own with its own step lengths and its own end.
 */
#ifndef GRADUS_INVERSE_CG_PRIV_H
#define GRADUS_INVERSE_CG_PRIV_H

#include "gradus/tensor.h"

/* M x for x [N,...], sample by sample; self as given to gr__cg_solve(). */
typedef gr_tensor *(*gr_cg_fn)(void *self, gr_tensor *x);

typedef struct gr_cg_opts {
	size_t size;
	double tolerance;   /* |b - M x| <= tolerance |b| ends a sample; default 1e-8 */
	int64_t iterations; /* at most; default 1000 */
	bool truncate;      /* x after the last iteration will do; and a sample ends, as it is, where M
	                     * turns out not to be positive */
} gr_cg_opts;

/* x with M x = b, from x = 0: b [N,...]; in the caller's scope, not tracked. GR_ENUMERIC when a
 * sample has not converged, unless `truncate`. */
gr_tensor *gr__cg_solve(gr_cg_fn apply, void *self, gr_tensor *b, const gr_cg_opts *opts);

#endif
