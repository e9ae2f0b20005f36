/*
 * Diffusion sampling, with or without guidance: one loop for all combinations of prior, step rule
 * and terms. Each step evaluates the prior once, evaluates the terms on the same graph, takes one
 * gradient, and sets
 *     x_{t-1} = step(x_t, x0_hat, z) - d/dx_t sum_k weight_k sum_i term_k,i.
 *
 * Randomness: sample i starts from, and is stepped with, numbers of keys[i] alone; the noise of a
 * step is that of its base step t. A sample is the same alone and in any batch, bit for bit, and a
 * run continued from a saved state equals an uninterrupted one.
 *
 * Ownership: the caller frees the sampler, and keeps prior and terms alive as long. Threads: one
 * sampler belongs to one thread. After the first step nothing is allocated from the system.
 */
#ifndef GRADUS_SAMPLER_H
#define GRADUS_SAMPLER_H

#include "gradus/prior.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_SAMPLER_MAX_TERMS 16

typedef struct gr_sampler gr_sampler;

typedef enum gr_sampler_kind {
	GR_SAMPLER_DDPM = 0, /* ancestral; posterior variance (fixed small) or the learned one */
	GR_SAMPLER_DDIM = 1, /* Song et al. 2021, eq. 12, with eta */
} gr_sampler_kind;

/* What a finished step tells. Tensors are valid during the call. */
typedef struct gr_sampler_report {
	int64_t step;  /* steps done, 1..steps */
	int64_t steps; /* steps of the whole run */
	int64_t t;     /* base step just left */
	double alpha_bar;
	const gr_tensor *x;      /* the new state */
	const gr_tensor *x0_hat; /* the estimate it was made from */
	double loss;             /* weighted sum of all terms, mean over samples; 0 without terms */
	int terms;
	gr_tensor *const *value; /* values of each term, unweighted: [N] or [N/particles] */
} gr_sampler_report;

/* Return nonzero to stop after this step; gr_sampler_run() then returns GR_OK. */
typedef int (*gr_sampler_on_step)(const gr_sampler_report *report, void *payload);

typedef struct gr_sampler_opts {
	size_t size;
	const gr_prior *prior; /* needed */
	int64_t n;             /* samples; needed */
	const gr_key *keys;    /* n sample keys, gr_sample_key() of gradus/noise.h; needed, copied */
	gr_sampler_kind kind;
	double eta;            /* DDIM: 0 (default) deterministic, 1 as noisy as DDPM */
	const char *respacing; /* steps to keep, as in gradus/schedule.h: "100"; default all */
	bool no_clip;          /* leave x0_hat as it is; default: clip to [-1,1] */
	gr_term *const *terms; /* ends with NULL; default none, 16 at most. The list is copied. */
	int64_t particles;     /* samples per unit, a divisor of n; default 1 */
	gr_dtype dtype;        /* f32 (default) or f64 */
	gr_tensor *start;      /* x_T [N,C,H,W]; default: drawn from the keys */
	gr_sampler_on_step on_step;
	void *payload;
} gr_sampler_opts;

/* A sampler at its first step. GR_EARG naming the option that is wrong. */
GR_API GR_MUST_USE gr_status gr_sampler_new(gr_sampler **out, const gr_sampler_opts *opts);
/* Accepts NULL. */
GR_API void gr_sampler_free(gr_sampler *s);

/* One step. GR_ENUMERIC naming step and sample when a value is not finite; GR_ESTATE after the
 * last one. The state is unchanged when it fails. */
GR_API GR_MUST_USE gr_status gr_sampler_step(gr_sampler *s);
/* Steps to the end; stops early, with GR_OK, when on_step says so or gr_interrupted(). Calling it
 * again goes on from there. */
GR_API GR_MUST_USE gr_status gr_sampler_run(gr_sampler *s);

/* Steps of the whole run; steps done; whether on_step asked to stop the last run. */
GR_API int64_t gr_sampler_steps(const gr_sampler *s);
GR_API int64_t gr_sampler_done(const gr_sampler *s);
GR_API bool gr_is_sampler_stopped(const gr_sampler *s);
/* x [N,C,H,W] after the steps done: with gr_sampler_done() all there is to save. Borrowed, until
 * the next step. The last state is the sample; with terms it may lie a little outside [-1,1]. */
GR_API gr_tensor *gr_sampler_state(const gr_sampler *s);
/* Continue from a saved state after `done` steps. */
GR_API GR_MUST_USE gr_status gr_sampler_restore(gr_sampler *s, gr_tensor *x, int64_t done);

/* All of it in one call: the sample [N,C,H,W], in the caller's scope. GR_ESTATE when interrupted or
 * stopped before the end. */
GR_API gr_tensor *gr_sample(const gr_sampler_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
