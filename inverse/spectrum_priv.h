/*
 * Spectra of linear operators, A = U diag(s) V^T: functions of A^T A where its singular values are
 * known - one value (masks, colour, Hadamard), a separable matrix (reductions, Gaussian blurs), a
 * convolution on a torus or a mask of frequencies (inverse/spectrum.c).
 */
#ifndef GRADUS_INVERSE_SPECTRUM_PRIV_H
#define GRADUS_INVERSE_SPECTRUM_PRIV_H

#include "operator_priv.h"

typedef struct gr_spectrum gr_spectrum;

/* The spectrum of A, which must outlive it; singular values up to `smallest` times the largest
 * count as 0. GR_EUNSUPPORTED, saying why, for operators without one. The caller frees it. */
gr_status gr__spectrum_new(gr_spectrum **out, const gr_operator *A, double smallest);
/* The same, with NULL and no error for those. */
gr_status gr__spectrum_find(gr_spectrum **out, const gr_operator *A, double smallest);
/* Accepts NULL. */
void gr__spectrum_free(gr_spectrum *sp);

/* V f(s) V^T x: x [N,C,H,W] in f32 or f64; where A sees nothing s is 0. */
typedef double (*gr_spectrum_fn)(double s, const void *self);
gr_tensor *gr__spectrum_filter(const gr_spectrum *sp, gr_tensor *x, gr_spectrum_fn f,
	const void *self);
/* A^+ y. In f32 values near `smallest` lose the digits of 1 / s^2. */
gr_tensor *gr__spectrum_pinv(const gr_spectrum *sp, gr_tensor *y);

/* --- for the rows of operators: one of these in gr_operator_row.spectrum, or none of them where the
 * values are not known; then all of them may be alike, which is found by a probe --- */

/* All singular values are s. */
gr_status gr__spectrum_set_flat(gr_spectrum *sp, double s);
/* A x = R_h x R_w^T by parts 0 and 1. */
gr_status gr__spectrum_set_separable(gr_spectrum *sp);
/* A^T A is diagonal in Fourier space: s^2 of the frequencies, H W numbers. */
gr_status gr__spectrum_set_power(gr_spectrum *sp, gr_tensor *power);

#endif
