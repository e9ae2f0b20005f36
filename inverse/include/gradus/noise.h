/*
 * Measurement noise, and the keys from which all randomness of a measurement comes.
 *
 * Parametrisation: y = A x + sigma e, e ~ N(0, I). Images are in [-1,1] and sigma is in that range
 * (DPS's convention: its 0.05 is 0.025 on images in [0,1]).
 *
 * Keys: gr_measurement_key(seed, image) stands for one measurement of one image. Its uses are
 * folded apart: the operator's own draws, the noise (by operator name), the samples. None depends
 * on a position in a batch.
 */
#ifndef GRADUS_NOISE_H
#define GRADUS_NOISE_H

#include "gradus/operator.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From the seed and the image's content: dims and values, rounded to f32. image [C,H,W]. */
GR_API gr_key gr_measurement_key(uint64_t seed, const gr_tensor *image);
/* Key of sample `particle` of a measurement: what gr_solver_opts.keys wants. */
GR_API gr_key gr_sample_key(gr_key measurement, int64_t particle);

/* y + sigma e: y [N,...], e of image i drawn from keys[i], element by element; n must be N. */
GR_API gr_tensor *gr_noise_add(gr_tensor *y, double sigma, int64_t n, const gr_key *keys);
/*
 * A x + sigma e, from the keys bound to A (GR_ESTATE when there are none): the same e for every
 * sigma, another one for every operator. Only measured entries carry noise. x [N,C,H,W].
 */
GR_API gr_tensor *gr_measure(const gr_operator *A, gr_tensor *x, double sigma);

/*
 * log N(y; mean, sigma^2 I) of each image: y, mean [N,...] -> [N]; differentiable in both. Entries
 * where support (of gr_operator_support(), or NULL) is 0 do not count. sigma > 0.
 */
GR_API gr_tensor *gr_noise_log_likelihood(gr_tensor *y, gr_tensor *mean, double sigma,
	gr_tensor *support);

/*
 * Other laws of noise: y given its mean A x. `level` is the standard deviation of Gaussian noise,
 * the scale b of Laplace noise (standard deviation b sqrt 2), and of Poisson noise the counts of a
 * white pixel, so that larger is cleaner; formulas in inverse/noise_law.c.
 */
typedef enum gr_noise_law {
	GR_NOISE_GAUSS = 0,
	GR_NOISE_LAPLACE = 1,
	GR_NOISE_POISSON = 2,
	GR_NOISE_NONE = 3,
} gr_noise_law;

/* mean [N,...] -> y [N,...], image i from keys[i], whatever the batch; n must be N. Not tracked. */
GR_API gr_tensor *gr_noise_draw(gr_noise_law law, gr_tensor *mean, double level, int64_t n,
	const gr_key *keys);
/* log p(y | mean) of each image, [N], as gr_noise_log_likelihood(); differentiable in mean.
 * GR_EUNSUPPORTED for GR_NOISE_NONE. */
GR_API gr_tensor *gr_noise_log_density(gr_noise_law law, gr_tensor *y, gr_tensor *mean,
	double level, gr_tensor *support);

#ifdef __cplusplus
}
#endif

#endif
