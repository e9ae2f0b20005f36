/*
 * Guidance terms: scalars on the graph of a solver's step, whose weighted sum is differentiated
 * once. A term names the hooks it can join and reads the variables published there; so any term
 * serves any solver that publishes one of them.
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

/* Where in a step a term joins, and what it is then differentiated with respect to. A term that can
 * join both joins the estimate where a solver has both. */
typedef enum gr_hook {
	GR_HOOK_PREDICT = 0,  /* after the prior's prediction: x_t, through the network */
	GR_HOOK_ESTIMATE = 1, /* the clean estimate is itself the variable: an optimisation inside a
	                       * step, or the particle of a variational method */
} gr_hook;

/* What a step publishes. Fields that a hook does not have are NULL or 0. */
typedef struct gr_term_ctx {
	gr_hook hook;
	const gr_prior *prior;
	gr_tensor *x_t;      /* [N,C,H,W], the variable; at the estimate its noisy state, whose gradient
	                      * counts as its own, or NULL */
	gr_tensor *eps;      /* predicted noise, before clipping; NULL at the estimate */
	gr_tensor *x0_hat;   /* estimate of the clean state, clipped when the solver clips */
	gr_tensor *features; /* [N,P,D], what the prior's network says of x_t, if the term asked for
	                      * them (gr_prior_call); NULL at the estimate */
	int64_t step;        /* steps done before this one, 0..steps-1; at the estimate those of the */
	int64_t steps;       /* optimisation, of so many */
	int64_t t;           /* base step of the schedule, descending */
	double alpha_bar;
	int64_t particles;  /* samples u*particles .. (u+1)*particles-1 form unit u */
	const gr_key *keys; /* one per sample */
	gr_tensor **image;  /* of gr_term_image(); NULL to compute it at every call */
	int64_t
		*evaluations; /* a term that asks the prior itself counts it here; NULL: nobody counts */
} gr_term_ctx;

/* x0_hat as an image: decoded by a latent prior, once a step for all terms; x0_hat itself for
 * others. */
GR_API gr_tensor *gr_term_image(const gr_term_ctx *ctx);

/* The term's values, [N] or [N/particles], in the type of x_t; NULL on error. */
typedef gr_tensor *(*gr_term_fn)(void *self, const gr_term_ctx *ctx);

#define GR_AT_PREDICT (1u << GR_HOOK_PREDICT)
#define GR_AT_ESTIMATE (1u << GR_HOOK_ESTIMATE)

typedef struct gr_term_opts {
	size_t size;
	unsigned hooks;           /* GR_AT_..., those it can join; default GR_AT_PREDICT */
	bool features;            /* it reads ctx->features */
	double weight;            /* may be 0: the term is then evaluated but has no effect */
	void (*free)(void *self); /* called by gr_term_free(); default: nothing */
} gr_term_opts;

/* A term of a user's own; `name` is copied. Owns self if opts->free is set, also on failure. */
GR_API gr_term *gr_term_new(const char *name, gr_term_fn fn, void *self, const gr_term_opts *opts);
/* Accepts NULL. */
GR_API void gr_term_free(gr_term *term);
GR_API const char *gr_term_name(const gr_term *term);
GR_API unsigned gr_term_hooks(const gr_term *term);
GR_API bool gr_is_term_with_features(const gr_term *term);
GR_API double gr_term_weight(const gr_term *term);
/* Evaluate it, unweighted; checks the shape of what comes back. */
GR_API gr_tensor *gr_term_eval(const gr_term *term, const gr_term_ctx *ctx);

/*
 * DPS (Chung et al. 2023): zeta ||y_i - A x0_hat_i||_2 for each sample i, the norm and not its
 * square; the gradient flows through clipping and network - and through the decoder of a latent
 * prior - and is 0 where the norm is. A is borrowed, y [N,...] retained. Published zeta: 0.5 for
 * inpainting, 0.3 for the other operators, at 1000 steps; 0 is no guidance.
 */
GR_API gr_term *gr_dps_term(const gr_operator *A, gr_tensor *y, double zeta);

#ifdef __cplusplus
}
#endif

#endif
