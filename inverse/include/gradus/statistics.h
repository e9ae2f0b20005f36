/*
 * Numbers about many results: intervals of a mean, best and worst of several, how diverse the
 * samples of one measurement are, how far two sets of features. All in double; every random draw
 * follows a key. A metric of one image is in gradus/metric.h.
 */
#ifndef GRADUS_STATISTICS_H
#define GRADUS_STATISTICS_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A mean over images and its 95 % interval by the percentile bootstrap, 2000 draws of whole
 * images. */
typedef struct gr_summary {
	double mean, low, high;
} gr_summary;

/* value [n], one number per image; NaN entries do not count. GR_EARG when none does. */
GR_API GR_MUST_USE gr_status gr_summarize(gr_summary *out, const double *value, int64_t n,
	gr_key key);

/*
 * The same over n measurements of k samples each, value [n,k]: out[0] of the best sample, out[1] of
 * the mean, out[2] of the worst one. The interval is over measurements. `larger` tells whether a
 * larger value is a better one.
 */
GR_API GR_MUST_USE gr_status gr_summarize_samples(gr_summary out[3], const double *value, int64_t n,
	int64_t k, bool larger, gr_key key);

/* The probability, if the n differences of pairs were as likely to have the other sign, of a mean at
 * least as far from 0: all 2^n sign changes up to n = 14, else 20000 draws of them. NaN entries do
 * not count. GR_EARG when none does. */
GR_API GR_MUST_USE gr_status gr_paired_test(double *p, const double *difference, int64_t n,
	gr_key key);

/* ||x - reference|| / ||reference|| for each sample and channel, averaged over the channels:
 * x [N,C,...] -> N numbers; NaN where a reference is 0. */
GR_API GR_MUST_USE gr_status gr_relative_l2(double *out, const gr_tensor *x,
	const gr_tensor *reference);

/* Of the K samples of one measurement. Features [K,D]: the mean cosine of pairs (RLSD's S; K >= 2),
 * and the Vendi score exp(-sum l log l), l the eigenvalues of the cosines over K, 1..K. */
GR_API GR_MUST_USE gr_status gr_pairwise_cosine(double *out, const gr_tensor *features);
GR_API GR_MUST_USE gr_status gr_vendi(double *out, const gr_tensor *features);
/* Samples [K,...], K >= 2: the variance (over K - 1) of each entry, averaged over entries. */
GR_API GR_MUST_USE gr_status gr_sample_variance(double *out, const gr_tensor *samples);

/* The part of the entries of truth [...] that lie inside the central interval of probability
 * `level` of samples [K,...], K >= 2: quantiles between order statistics, linearly. */
GR_API GR_MUST_USE gr_status gr_coverage(double *out, const gr_tensor *samples,
	const gr_tensor *truth, double level);

/* The same over truths [L,...], L >= 1, such as draws of the exact posterior of one measurement. */
GR_API GR_MUST_USE gr_status gr_coverage_of(double *out, const gr_tensor *samples,
	const gr_tensor *truths, double level);

/*
 * Sliced Wasserstein distance of two sets of as many samples, a and b [n,...], n >= 2:
 *     sqrt(mean over u of W_2^2(<u, a>, <u, b>)), u uniform on the sphere, drawn from the key,
 * W_2^2 in one dimension the mean square difference of sorted values. The same key, the same
 * directions: distances to compare are taken with one. It is not 0 for two samples of one law.
 */
GR_API GR_MUST_USE gr_status gr_sliced_wasserstein(double *out, const gr_tensor *a,
	const gr_tensor *b, int64_t projections, gr_key key);
/* What it compares, f64 [projections,n] in the caller's scope: <u, sample> along each direction,
 * sorted. The distance is the root mean square difference of two of them. */
GR_API gr_tensor *gr_sorted_projections(const gr_tensor *samples, int64_t projections, gr_key key);

/* Frechet distance |m - m'|^2 + Tr(C + C' - 2 (C C')^(1/2)) of features [n,D] and [n',D], n >= 2,
 * covariances over n - 1. Compare at equal n alone: with n < D it is biased upwards. */
GR_API GR_MUST_USE gr_status gr_frechet(double *out, const gr_tensor *a, const gr_tensor *b);

#ifdef __cplusplus
}
#endif

#endif
