/*
 * Guidance terms: scalars on the graph of a solver's step, whose weighted sum is differentiated
 * once. A term names the hook it joins and reads the variables published there; so any term serves
 * any solver that publishes its hook.
 *
 * A term gives one value per sample, or one per unit where the particles of a measurement act on
 * each other; the solver adds the values up. Samples (units) therefore never mix.
 *
 * Ownership: the caller frees terms, and keeps operators they refer to alive as long.
 */
#ifndef GRADUS_TERM_H
#define GRADUS_TERM_H

#include "gradus/operator.h"
#include "gradus/prior.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_term gr_term;

/* Where in a step a term joins. */
typedef enum gr_hook {
	GR_HOOK_PREDICT = 0, /* after the prior's prediction; gradient with respect to x_t */
} gr_hook;

/* What a step publishes. Fields that a hook does not have are NULL or 0. */
typedef struct gr_term_ctx {
	gr_hook hook;
	const gr_prior *prior;
	gr_tensor *x_t;    /* [N,C,H,W], the variable */
	gr_tensor *eps;    /* predicted noise, before clipping */
	gr_tensor *x0_hat; /* estimate of the clean state, clipped when the solver clips */
	int64_t step;      /* steps done before this one, 0..steps-1 */
	int64_t steps;     /* steps of the whole run */
	int64_t t;         /* base step of the schedule, descending */
	double alpha_bar;
	int64_t particles;  /* samples u*particles .. (u+1)*particles-1 form unit u */
	const gr_key *keys; /* one per sample */
} gr_term_ctx;

/* The term's values, [N] or [N/particles], in the type of x_t; NULL on error. */
typedef gr_tensor *(*gr_term_fn)(void *self, const gr_term_ctx *ctx);

typedef struct gr_term_opts {
	size_t size;
	gr_hook hook;
	double weight;            /* may be 0: the term is then evaluated but has no effect */
	void (*free)(void *self); /* called by gr_term_free(); default: nothing */
} gr_term_opts;

/* A term of a user's own; `name` is copied. Owns self if opts->free is set, also on failure. */
GR_API gr_term *gr_term_new(const char *name, gr_term_fn fn, void *self, const gr_term_opts *opts);
/* Accepts NULL. */
GR_API void gr_term_free(gr_term *term);
GR_API const char *gr_term_name(const gr_term *term);
GR_API gr_hook gr_term_hook(const gr_term *term);
GR_API double gr_term_weight(const gr_term *term);
/* Evaluate it, unweighted; checks the shape of what comes back. */
GR_API gr_tensor *gr_term_eval(const gr_term *term, const gr_term_ctx *ctx);

/*
 * DPS (Chung et al. 2023): zeta ||y_i - A x0_hat_i||_2 for each sample i, the norm and not its
 * square; the gradient flows through clipping and network, and is 0 where the norm is. A is
 * borrowed, y [N,...] retained. Published zeta: 0.5 for inpainting, 0.3 for the other operators, at
 * 1000 steps; 0 is no guidance.
 */
GR_API gr_term *gr_dps_term(const gr_operator *A, gr_tensor *y, double zeta);

#ifdef __cplusplus
}
#endif

#endif
