/*
 * A posterior that is known exactly, and how far samples are from it. Prior a law in closed form
 * (gradus/law.h); y = H x_0 + sigma e, or y = |H x_0| + sigma e of few dimensions.
 */
#ifndef GRADUS_INTERNAL_POSTERIOR_H
#define GRADUS_INTERNAL_POSTERIOR_H

#include "gradus/law.h"

/* What samples are scored by; exact samples do not reach 0, or 0.9 of the last one. */
typedef enum gr_deviation {
	GR_DEVIATION_SLICED = 0, /* sliced Wasserstein distance to exact samples, as many */
	GR_DEVIATION_MEAN,       /* |mean - m| / sqrt(Tr C) */
	GR_DEVIATION_COVARIANCE, /* |covariance - C| / |C|, Frobenius */
	GR_DEVIATION_MODES,      /* half the sum of |weight - w| over modes; NaN for a single one */
	GR_DEVIATION_COVERAGE,   /* of exact draws by the samples' central 90 % intervals */
	GR_DEVIATIONS,
} gr_deviation;

typedef struct gr_posterior_problem {
	const gr_law *law;     /* borrowed */
	gr_tensor *matrix, *y; /* [M,D], [M]; retained */
	double sigma;          /* above 0 */
	bool magnitude;        /* y is of |H x_0|; M <= 4, draws by rejection */
} gr_posterior_problem;

typedef struct gr_posterior gr_posterior;

/* For samples of n draws, by so many projections. All draws follow the key. GR_EARG, GR_ESHAPE;
 * GR_ENUMERIC when rejection accepts next to nothing. */
gr_status gr__posterior_new(gr_posterior **out, const gr_posterior_problem *problem, int64_t n,
	int64_t projections, gr_key key);
void gr__posterior_free(gr_posterior *p);
/* Exact draws [n,D] in f64, independent of those it is scored against. */
gr_tensor *gr__posterior_draw(const gr_posterior *p, int64_t n, gr_key key);
/* samples [n,D], finite. */
gr_status gr__posterior_score(double score[GR_DEVIATIONS], const gr_posterior *p,
	gr_tensor *samples);
/* "sliced W2", ... */
const char *gr__deviation_name(gr_deviation d);

#endif
