/*
 * A linear-Gaussian problem, y = A x_0 + sigma e with x_0 ~ N(m, C), whose answers are known: what
 * the solvers for linear operators are held against. Images are [1,H,W], of one measurement.
 */
#ifndef GRADUS_TESTS_LINEAR_GAUSSIAN_H
#define GRADUS_TESTS_LINEAR_GAUSSIAN_H

#include "inverse_check.h"

#define LG_MAX 24

typedef struct linear_gaussian {
	gr_prior *prior;
	gr_operator *A;
	double sigma;
	int64_t D, M; /* numbers of an image, of a measurement */
	double mean[LG_MAX], covariance[LG_MAX * LG_MAX], matrix[LG_MAX * LG_MAX], y[LG_MAX];
} linear_gaussian;

/* The prior of gaussian_prior() on [1,H,W] and the operator of that name. */
void linear_gaussian_new(linear_gaussian *p, const char *spec, int64_t H, int64_t W,
	double variance, bool full, double sigma);
void linear_gaussian_free(linear_gaussian *p);
/* Options for n samples of it by a method, in f64 and not clipped. */
gr_solver_opts linear_gaussian_opts(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing);
/* Mean [D] and covariance [D,D] of x_0 given y and x_t [D]; x_t NULL: given y alone. */
void linear_gaussian_posterior(const linear_gaussian *p, const double *x_t, double alpha_bar,
	double *mean, double *covariance);
/* The largest deviation of a step's estimate from E[x_0 | x_t, y] in a run of n samples. */
double linear_gaussian_worst_step(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing);
/* Moments of the method's n samples against those of the posterior: the largest deviation in units
 * of what is allowed, five standard deviations of n exact samples (sqrt(C_ii / n) of a mean,
 * sqrt((C_ii C_jj + C_ij^2) / n) of a covariance) plus `bias` sqrt(C_ii C_jj) for covariances. */
double linear_gaussian_moments(const linear_gaussian *p, int64_t n, const char *method,
	const char *respacing, double bias);

/* Whether sample 1 of 3 is the same, to the bit, alone. */
bool linear_gaussian_same_alone(const linear_gaussian *p, const char *method);

/* Singular values s [D] and vectors v [D,D] by columns: A^T A = V diag(s^2) V^T. */
void linear_gaussian_basis(const linear_gaussian *p, double *s, double *v);
/* out = V x; back: V^T x. */
void linear_gaussian_turn(const linear_gaussian *p, const double *v, const double *x, bool back,
	double *out);
/* V^T z, z the key's D normal numbers. */
void linear_gaussian_draw(const linear_gaussian *p, gr_key key, const double *v, double *z);
/* eps = sqrt(1-A) (A C + (1-A) I)^-1 (x - sqrt(A) m) of the prior. */
void linear_gaussian_eps(const linear_gaussian *p, const double *x, double A, double *eps);

#endif
