/*
 * A Gaussian prior, N(m, diag(l)) on [1,2,3], on a schedule of a flow or of EDM: its equation without
 * noise has a solution, which samplers are held against.
 */
#ifndef GRADUS_TESTS_FLOW_GAUSSIAN_H
#define GRADUS_TESTS_FLOW_GAUSSIAN_H

#include "inverse_check.h"

#define FG_D 6

extern const double flow_gaussian_mean[FG_D], flow_gaussian_variance[FG_D];

/* It predicts the flow. */
gr_prior *flow_gaussian_new(gr_schedule_kind kind);
/* Options for n samples of it, in f64 and not clipped. */
gr_solver_opts flow_gaussian_opts(const gr_prior *p, int64_t n, const char *method,
	const char *respacing);
/*
 * The largest distance of n samples from where the equation takes their starts: along it
 * (x_t - sqrt(A) m) / sqrt(A l + 1 - A) does not change. *evaluations: of the prior.
 */
double flow_gaussian_error(const gr_prior *p, const char *method, const char *respacing,
	int64_t *evaluations);
/* log2 of the error's ratio between `steps` levels of the kind "flow:" or "edm:" and twice as many. */
double flow_gaussian_order(const gr_prior *p, const char *method, const char *levels, int steps);

#endif
