/* What a restored image is scored by: the columns of metrics.csv and of every table. */
#ifndef GRADUS_INTERNAL_SCORE_H
#define GRADUS_INTERNAL_SCORE_H

#include "gradus/operator.h"

typedef enum gr_score_kind {
	GR_SCORE_PSNR,
	GR_SCORE_PSNR_MISSING, /* over the pixels that a mask hides */
	GR_SCORE_SSIM,
	GR_SCORE_RESIDUAL, /* ||y - A x|| / sqrt(m) in units of sigma, of 1 where that is 0 */
	GR_SCORE_SPREAD,   /* root mean square deviation between the samples of a measurement */
	GR_SCORES,
} gr_score_kind;

typedef struct gr_score_column {
	const char *name;  /* in metrics.csv */
	const char *title; /* in tables */
	int better;        /* 1: larger, -1: smaller, 0: neither */
	int digits;        /* after the point, in tables */
} gr_score_column;

extern const gr_score_column gr__score_columns[GR_SCORES];
/* The column of that name, -1 if there is none. */
int gr__score_find(const char *name, size_t length);

/* Scores of one image; NaN where a score has no meaning. */
typedef struct gr_score {
	double v[GR_SCORES];
} gr_score;

/* x, truth [n,C,H,W] in [-1,1], y [n,...] measured by A: n scores, the spread NaN. */
gr_status gr__score_images(gr_score *out, const gr_operator *A, gr_tensor *x, gr_tensor *truth,
	gr_tensor *y, double sigma);
/* The spread of the k samples of each of n measurements, samples [n*k,C,H,W]; NaN for k = 1. */
gr_status gr__score_spread(gr_score *out, gr_tensor *samples, int64_t n, int64_t k);

#endif
