/* Three Gaussians in the plane, and integrals over them as sums over a grid. */
#ifndef GRADUS_TESTS_PLANE_MIXTURE_H
#define GRADUS_TESTS_PLANE_MIXTURE_H

#include "gradus/law.h"
#include "gradus/operator.h"

/* Full covariances, or their diagonals alone: of the integrals it is the full one. */
gr_law *plane_mixture_law(bool full);

/*
 * Integrals of p(x) N(x_t; sqrt(A) x, (1-A) I) N(y; <h, x>, sigma^2) over x in the plane, the last
 * factor only with h [2], the middle one only with x_t [2]: out[0] the integral, out[1..2] the mean
 * of x under it, out[3..5] its second moments E[x_1^2], E[x_1 x_2], E[x_2^2].
 */
void plane_mixture_integrate(double out[6], const double *x_t, double A, const double *h, double y,
	double sigma);

/* x [N,1,1,2] -> <h, x> [N,1,1,1], of numbers that stay as long as it does. */
gr_operator *plane_operator(double h[2]);

#endif
