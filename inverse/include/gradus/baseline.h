/*
 * Classical restorations without a learned prior, to compare solvers with: one per kind of
 * operator, none of them sees the true image.
 *
 *     inpaint_*    harmonic fill: the Laplacian is 0 at every missing pixel, measured pixels stay
 *     sr_*         bicubic upsampling of y (Keys, a = -0.5)
 *     other linear regularised least squares: min ||y - A x||^2 / sigma^2 + ||D x||^2 / tau^2, D the
 *                  differences of neighbouring pixels, tau = 0.15 (images in [-1,1]); the Wiener
 *                  filter of that smoothness prior
 *     not linear   grey: the image 0
 */
#ifndef GRADUS_BASELINE_H
#define GRADUS_BASELINE_H

#include "gradus/operator.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y [N,...] measured with noise sigma -> [N,C,H,W] in y's type. GR_ENUMERIC when the
 * linear solver does not converge. */
GR_API gr_tensor *gr_baseline_restore(const gr_operator *A, gr_tensor *y, double sigma);
/* "harmonic", "bicubic", "wiener" or "grey". */
GR_API const char *gr_baseline_name(const gr_operator *A);

#ifdef __cplusplus
}
#endif

#endif
