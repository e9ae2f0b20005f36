/*
 * Coloured noise for priors on functions (FunDPS, Yao et al. 2025, arXiv 2505.17004): Gaussian fields
 * on a grid of the unit square, points (i/H, j/W), channels independent, with covariance
 *     C(p, q) = exp(-|p - q| / (2 length^2)) + nugget [p = q],
 * the distance itself and not its square, as in the released code. Drawn by circulant embedding
 * (Dietrich and Newsam 1997): exact, in H W log(H W).
 *
 * Ownership: the caller frees a field, unless a prior took it. Threads: only read after creation.
 */
#ifndef GRADUS_NOISE_FIELD_H
#define GRADUS_NOISE_FIELD_H

#include "gradus/prior.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_noise_field gr_noise_field;

typedef struct gr_noise_field_opts {
	size_t size;
	int64_t height, width; /* needed */
	double length;         /* default 0.05 */
	double nugget;         /* default 1e-4 */
} gr_noise_field_opts;

/* GR_EARG for sizes or lengths that are none, GR_EUNSUPPORTED where the covariance reaches so far that
 * it has no embedding in a torus of twice the size. */
GR_API gr_noise_field *gr_noise_field_new(const gr_noise_field_opts *opts);
/* Accepts NULL. */
GR_API void gr_noise_field_free(gr_noise_field *f);

/* [n,channels,H,W], field i by keys[i] alone; f32 or f64. */
GR_API gr_tensor *gr_noise_field_draw(const gr_noise_field *f, int64_t n, const gr_key *keys,
	int64_t channels, gr_dtype dtype);

/* From here on the noise of this prior's diffusion is the field's, start and steps of every solver
 * among it: x_t = sqrt(A) x_0 + sqrt(1-A) xi. Owns the field, also when it fails; NULL is white noise
 * again. GR_ESHAPE. */
GR_API gr_status gr_prior_set_noise(gr_prior *p, gr_noise_field *f);

#ifdef __cplusplus
}
#endif

#endif
