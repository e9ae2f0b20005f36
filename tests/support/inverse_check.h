/* What the tests of the inverse layer share. */
#ifndef GRADUS_TESTS_INVERSE_CHECK_H
#define GRADUS_TESTS_INVERSE_CHECK_H

#include "gradus/prior.h"
#include "gradus/solver.h"
#include "nn_check.h"

#define MAX_KEYS 4096

/* n keys of the numbers first, first+1, ...; static storage, overwritten by the next call. */
const gr_key *some_keys(uint64_t first, int64_t n);
/* <a, b> in double. */
double dot(const gr_tensor *a, const gr_tensor *b);
/* Samples begin..end-1. */
gr_tensor *batch_of(gr_tensor *x, int64_t begin, int64_t end);
/* A Gaussian prior on [C,H,W] with mean 0.3 sin(i) and the given full covariance when `full`:
 * C_ij = variance 0.6^|i-j|; else variance I. */
gr_prior *gaussian_prior(int64_t C, int64_t H, int64_t W, double variance, bool full);
/* Its mean and covariance, D = C H W numbers and D x D. */
void gaussian_moments(double *mean, double *covariance, int64_t D, double variance, bool full);
/* A U-Net of 8 channels and two levels on 3 x 16 x 16, out_channels 3 or 6, every parameter drawn
 * (a fresh network would predict 0). */
gr_unet *tiny_unet(int64_t out_channels);
gr_prior *tiny_prior(void);
/* Solve M X = B in place by Gauss-Jordan with pivoting: m [n,n] is destroyed, b [n,k] becomes X. */
void solve_dense(double *m, double *b, int64_t n, int64_t k);

#endif
