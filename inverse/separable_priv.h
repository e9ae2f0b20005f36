/*
 * Separable linear maps of images: A x = R_h x R_w^T for every channel, by two dense matrices. Any
 * boundary rule is a matter of building the matrices, and the adjoint is exact whatever they hold.
 */
#ifndef GRADUS_INVERSE_SEPARABLE_PRIV_H
#define GRADUS_INVERSE_SEPARABLE_PRIV_H

#include <stdint.h>

#include "gradus/operator.h"
#include "gradus/ops.h"

/* R_h x R_w^T, x [...,H,W], R_h [H',H], R_w [W',W] -> [...,H',W']. */
gr_tensor *gr__separable_apply(gr_tensor *rows, gr_tensor *columns, gr_tensor *x);
/* R_h^T y R_w. */
gr_tensor *gr__separable_adjoint(gr_tensor *rows, gr_tensor *columns, gr_tensor *y);

/* Where index i of a line of n pixels falls, mirrored about the centres of the edge pixels
 * (3 2 | 1 2 3 | 2 1). */
int64_t gr__separable_reflect(int64_t i, int64_t n);

/* The same by `boundary`; -1 for what is zero beyond the edges. */
int64_t gr__blur_index(int64_t i, int64_t n, gr_boundary boundary);
/* f64 [taps]: a Gaussian of `sigma` pixels around the middle tap, of sum 1. */
gr_tensor *gr__blur_gauss(int64_t taps, double sigma);
/* f64 [n, n]: correlation with the kernel [taps], taps odd. */
gr_tensor *gr__blur_matrix(int64_t n, const gr_tensor *kernel, gr_boundary boundary);

/* f64 [ceil(n/f), n]: Keys bicubic (a = -1/2) widened by f, symmetric boundary, rows sum to 1. */
gr_tensor *gr__separable_bicubic_down(int64_t n, int64_t f);
/* f64 [n, ceil(n/f)]: the same kernel, not widened, from the small line to the large one. */
gr_tensor *gr__separable_bicubic_up(int64_t n, int64_t f);
/* f64 [n, n]: D^T D of the differences D of neighbours, no neighbour beyond the edge. */
gr_tensor *gr__separable_laplacian(int64_t n);

#endif
