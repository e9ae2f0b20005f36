/* Linear systems in the space of measurements, which the methods for linear operators share. */
#ifndef GRADUS_INVERSE_DATA_SOLVE_PRIV_H
#define GRADUS_INVERSE_DATA_SOLVE_PRIV_H

#include "cg_priv.h"
#include "gradus/method.h"

/* y - A x, a constant, in x's type. */
gr_tensor *gr__data_residual(const gr_solver *s, gr_tensor *x);
/* v with (A C A^T + ridge I) v = r by at most `iterations` of conjugate gradients; C x by
 * `covariance`, NULL for the identity. Where the matrix is singular, as behind a mask, v of the
 * r that it can reach. */
gr_tensor *gr__data_solve(const gr_solver *s, gr_tensor *r, double ridge, gr_cg_fn covariance,
	void *self, int64_t iterations);

#endif
