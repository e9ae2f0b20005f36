/*
 * EquiReg: Tolooshams et al., "EquiReg: equivariance regularized diffusion for inverse problems",
 * arXiv 2505.22973, by the released library. For a function f, equivariant on the data and less so
 * off them, and an element g of a group, drawn for each sample and step,
 *
 *     Equi       rho(S_g f(x) - f(T_g x))        T_g, S_g: g on inputs, on maps of features
 *     Equi-plus  rho(x - T_g^-1 f(T_g x))        f from its space to itself
 *
 * of the estimate of the clean image, or state, never of a noisy one. Both branches are
 * differentiated. Unlike the release, rho is taken sample by sample: batches do not couple; and the
 * step that the schedules count goes up.
 *
 * Weights do not compare between reductions, nor between functions of different size.
 */
#ifndef GRADUS_EQUIREG_H
#define GRADUS_EQUIREG_H

#include "gradus/feature.h"
#include "gradus/group.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_equi_form {
	GR_EQUI = 0,
	GR_EQUI_PLUS = 1,
} gr_equi_form;

typedef enum gr_equi_reduce {
	GR_EQUI_NORM = 0,   /* |d|, with gradient 0 where d is 0 */
	GR_EQUI_SQNORM = 1, /* |d|^2 */
	GR_EQUI_MSE = 2,    /* |d|^2 over the number of entries */
} gr_equi_reduce;

/* Where a step is skipped, f is not evaluated. */
typedef enum gr_equi_schedule {
	GR_EQUI_CONSTANT = 0,      /* every max(1, int(1 / freq))-th step, from the first */
	GR_EQUI_CUTOFF = 1,        /* the same, not beyond step total - last */
	GR_EQUI_LEGACY = 2,        /* every step: legacy_psld */
	GR_EQUI_LEGACY_CUTOFF = 3, /* every step up to total - last */
} gr_equi_schedule;

typedef struct gr_equireg_opts {
	size_t size;
	double weight;         /* 0: f is never evaluated */
	gr_feature *f;         /* needed; retained. Of images: decoded ones; of states: as they are */
	const gr_group *group; /* needed */
	gr_equi_form form;
	gr_equi_reduce reduce;
	gr_equi_schedule schedule;
	double freq;  /* default 0.1; negative: every step */
	int64_t last; /* of the cutoffs; default 100. GR_EARG, at the first step, if there are no more
	               * steps than that: the term would never act */
} gr_equireg_opts;

/* Joins the prediction and the estimate; draws from ctx->keys. */
GR_API gr_term *gr_equireg_term(const gr_equireg_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
