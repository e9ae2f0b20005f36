/*
 * Laws of x_0 in closed form: mixtures of Gaussians and Gaussian random fields. Each is a prior
 * whose prediction is exact, and knows its own posterior given linear measurements with Gaussian
 * noise: what solvers are certified with.
 *
 * Parametrisation: x_0 ~ sum_k w_k N(m_k, C_k) on R^D; noised, x_t = sqrt(A) x_0 + sqrt(1-A) eps
 * follows the mixture of N(sqrt(A) m_k, A C_k + (1-A) I). y = H x_0 + sigma e leaves a mixture,
 * of
 *     w_k N(y; H m_k, S_k),  S_k = H C_k H^T + sigma^2 I
 *     m_k + C_k H^T S_k^-1 (y - H m_k)
 *     C_k - C_k H^T S_k^-1 H C_k.
 *
 * Ownership: the caller frees a law, and keeps it as long as priors made of it. Threads: immutable.
 */
#ifndef GRADUS_LAW_H
#define GRADUS_LAW_H

#include "gradus/prior.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_law gr_law;

typedef struct gr_mixture_opts {
	size_t size;
	gr_tensor *means;       /* [K,D]; needed. K = 1 is a Gaussian */
	gr_tensor *weights;     /* [K], above 0, scaled to sum 1; default equal */
	double variance;        /* s^2 of s^2 I for every component; default 1 */
	gr_tensor *variances;   /* [K,D]: diagonal covariances, in place of variance */
	gr_tensor *covariances; /* [K,D,D] symmetric, positive semidefinite, in place of both */
} gr_mixture_opts;

/* GR_EARG, GR_ESHAPE. */
GR_API gr_law *gr_law_mixture(const gr_mixture_opts *opts);

typedef struct gr_field_opts {
	size_t size;
	int64_t height, width; /* needed */
	double variance;       /* of a pixel; default 1 */
	double length;         /* of correlation, in pixels; default 4 */
	double smoothness;     /* nu; default 1.5 */
	gr_tensor *mean;       /* [H,W]; default 0 */
	gr_tensor *spectrum;   /* [H,W], in place of variance, length and smoothness */
} gr_field_opts;

/*
 * A stationary field on a torus of H x W pixels: its covariance is diagonal in Fourier space,
 * C = F^-1 diag(S) F, with the Matern-Whittle spectrum
 *     S(f) = c (1 + (2 pi length |f|)^2 / (2 nu))^-(nu + 1),  f in cycles per pixel, |f| <= 1/2 an
 * axis, and c such that the mean of S, a pixel's variance, is `variance`. A given spectrum must be
 * that of a real field, S(f) = S(-f) >= 0. GR_EARG, GR_ESHAPE.
 */
GR_API gr_law *gr_law_field(const gr_field_opts *opts);

/* Accepts NULL. */
GR_API void gr_law_free(gr_law *law);
/* K and D. */
GR_API int64_t gr_law_components(const gr_law *law);
GR_API int64_t gr_law_size(const gr_law *law);

/* The law as a prior that predicts eps = -sqrt(1-A) grad log p_t(x_t), in f32 and f64; D must be
 * channels * height * width, and of a field height and width its own. NULL on error. */
GR_API gr_prior *gr_prior_law_new(const gr_law *law, const gr_prior_opts *opts);
/* log p_t of each x_t [N,D] at alpha_bar in (0,1], [N] in f64; differentiable. */
GR_API gr_tensor *gr_law_log_density(const gr_law *law, gr_tensor *x_t, double alpha_bar);

/* Of each x_t [N,D], the probability that it came from each component: [N,K] in f64. Their mean
 * over draws of a posterior tends to its weights. Differentiable. */
GR_API gr_tensor *gr_law_responsibilities(const gr_law *law, gr_tensor *x_t, double alpha_bar);

/* A measurement y [M] = matrix [M,D] x_0 + sigma e. */
typedef struct gr_linear_data {
	gr_tensor *matrix, *y;
	double sigma; /* 0 only where the rows are independent on every component */
} gr_linear_data;

/* Of x_0 given the data, or of the law itself where `data` is NULL; all in f64. Weights [K] and
 * means [K,D] of its components; its mean [D] and covariance [D,D]; n draws [n,D], the i-th from
 * the key and i alone. NULL, or a status, on error. */
GR_API gr_tensor *gr_law_weights(const gr_law *law, const gr_linear_data *data);
GR_API gr_tensor *gr_law_means(const gr_law *law, const gr_linear_data *data);
GR_API GR_MUST_USE gr_status gr_law_moments(gr_tensor **mean, gr_tensor **covariance,
	const gr_law *law, const gr_linear_data *data);
GR_API gr_tensor *gr_law_draw(const gr_law *law, const gr_linear_data *data, int64_t n, gr_key key);

#ifdef __cplusplus
}
#endif

#endif
