/*
 * Terms of images and latents alone, and of how both agree: total variation, PSLD's gluing, the
 * latent goodness of modified LDPS; and the likelihoods beside the DPS norm. Each gives one value per
 * sample and joins the prediction and the estimate.
 */
#ifndef GRADUS_REGULARISERS_H
#define GRADUS_REGULARISERS_H

#include "gradus/noise.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Total variation (Rudin, Osher and Fatemi 1992), isotropic and smooth: over the places of each
 * channel, sum sqrt(dx^2 + dy^2 + smooth^2) - smooth, forward differences, 0 at the last. smooth > 0. */
GR_API gr_term *gr_tv_term(double weight, double smooth);

/* What stands for A^T. */
typedef enum gr_glue {
	GR_GLUE_ADJOINT = 0,
	GR_GLUE_PAPER = 1, /* as PSLD's code: the identity for y of the image's size, nearest
	                         * neighbours for whole factors; GR_EUNSUPPORTED for others */
} gr_glue;

/* PSLD (Rout et al. 2023, arXiv 2307.00619): with x = D(z), the estimate z of a latent prior,
 *     |E(A^T y + x - A^T A x) - z|
 * A linear and borrowed, y retained. */
GR_API gr_term *gr_gluing_term(double weight, const gr_operator *A, gr_tensor *y,
	gr_glue transpose);
/* The same without a measurement, |E(D(z)) - z|: GML-DPS of that paper. */
GR_API gr_term *gr_gml_term(double weight);

typedef enum gr_likelihood {
	GR_LIKELIHOOD_NORM = 0,   /* |y - A x|: gr_dps_term() */
	GR_LIKELIHOOD_SQUARE = 1, /* |y - A x|^2 */
	GR_LIKELIHOOD_GAUSS = 2,  /* -log p(y | A x) of the laws of gradus/noise.h, with their level */
	GR_LIKELIHOOD_LAPLACE = 3,
	GR_LIKELIHOOD_POISSON = 4,
} gr_likelihood;

/* `level` is not read by norm and square. */
GR_API gr_term *gr_likelihood_term(double weight, gr_likelihood form, const gr_operator *A,
	gr_tensor *y, double level);

#ifdef __cplusplus
}
#endif

#endif
