/*
 * Score distillation: Poole et al., "DreamFusion", arXiv 2209.14988; as a regulariser of inverse
 * problems, Mardani et al. (RED-diff), arXiv 2305.04391. Of a clean state z and a noise level A,
 *
 *     z_t = sqrt(A) z + sqrt(1-A) eps,    value = w(A) <sg(eps_hat(z_t) - eps), z>
 *
 * whose gradient to z is w (eps_hat - eps): the network is not differentiated. The value itself means
 * nothing. Each use is one more evaluation of the prior.
 */
#ifndef GRADUS_SDS_H
#define GRADUS_SDS_H

#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

/* w as a function of s = sqrt((1-A) / A): RED-diff's names. */
typedef enum gr_sds_weight {
	GR_SDS_LINEAR = 0, /* s */
	GR_SDS_SQRT = 1,
	GR_SDS_SQUARE = 2,
	GR_SDS_LOG = 3,  /* log(1 + s) */
	GR_SDS_CLIP = 4, /* min(s, 1) */
	GR_SDS_CUBE = 5, /* s^(2/3) */
	GR_SDS_CONST = 6,
} gr_sds_weight;

/* Values [N] of any z [N,C,H,W] in the prior's state space, at base step t, with the noise of sample i
 * from keys[i]. GR_ENUMERIC where the weight is not finite. */
GR_API gr_tensor *gr_sds(const gr_prior *prior, gr_tensor *z, double t, const gr_key *keys,
	gr_sds_weight weight);

typedef struct gr_sds_opts {
	size_t size;
	double weight;
	gr_sds_weight rule;
	double from, to; /* base steps as parts of all, 0..1: the level falls from the one to the other
	                  * over the steps; default: the level of the solver's own step */
} gr_sds_opts;

/* Joins the prediction and the estimate: z is the estimate of the clean state. */
GR_API gr_term *gr_sds_term(const gr_sds_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
