/*
 * Solvers: one loop for all combinations of prior, method and terms. A method says how a state is
 * stepped along the prior's schedule: alone it samples; with terms, or with a measurement of its
 * own, it restores. Each step may evaluate the prior once, evaluates the terms on the same graph
 * and takes one gradient.
 *
 * Randomness: sample i starts from, and is stepped with, numbers of keys[i] alone, each draw under
 * a name and an index. A sample is the same alone and in any batch, bit for bit, and a run continued
 * from saved states equals an uninterrupted one.
 *
 * Ownership: the caller frees the solver, and keeps prior, operator and terms alive as long.
 * Threads: one solver belongs to one thread. After the first step nothing is allocated from the
 * system. A method of one's own: gradus/method.h.
 */
#ifndef GRADUS_SOLVER_H
#define GRADUS_SOLVER_H

#include "gradus/prior.h"
#include "gradus/term.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_SOLVER_MAX_TERMS 16
#define GR_SOLVER_MAX_STATES 8

typedef struct gr_solver gr_solver;

/* What a finished step tells. Tensors are valid during the call. */
typedef struct gr_solver_report {
	int64_t step;  /* steps done, 1..steps */
	int64_t steps; /* steps of the whole run */
	int64_t t;     /* base step just left */
	double alpha_bar;
	const gr_tensor *x;      /* the first state, as the step left it */
	const gr_tensor *x0_hat; /* the estimate it was made from; NULL if the method makes none */
	double loss;             /* weighted sum of all terms, mean over samples; 0 without terms */
	int terms;
	gr_tensor *const *value; /* values of each term, unweighted: [N] or [N/particles]; NULL for one
	                          * that this step did not ask */
} gr_solver_report;

/* Return nonzero to stop after this step; gr_solver_run() then returns GR_OK. */
typedef int (*gr_solver_on_step)(const gr_solver_report *report, void *payload);

typedef struct gr_solver_opts {
	size_t size;
	const gr_prior *prior; /* needed */
	int64_t n;             /* samples; needed */
	const gr_key *keys;    /* n sample keys, gr_sample_key() of gradus/noise.h; needed, copied */
	const char *method;    /* "ddim" or, with parameters, "ddim:eta=0.5"; default "ddpm" */
	const gr_operator *A;  /* the measurement, for methods that use it themselves: operator, */
	gr_tensor *y;          /* [N,...], retained, */
	double sigma;          /* and standard deviation of its noise */
	const char *
		respacing; /* steps to keep, as in gradus/schedule.h: "100"; default: the method's, or all */
	bool no_clip;  /* leave x0_hat as it is; default: clip images to [-1,1], latents never */
	gr_term *const *terms; /* ends with NULL; default none, 16 at most. The list is copied. */
	int64_t particles;     /* samples per unit, a divisor of n; default 1 */
	gr_dtype dtype;        /* f32 (default) or f64 */
	gr_tensor *start;      /* the first state [N,C,H,W]; default: the method's, from the keys */
	gr_solver_on_step on_step;
	void *payload;
} gr_solver_opts;

/* The methods there are: i in 0..count-1, NULL beyond. Help is one line with the parameters. */
GR_API int gr_method_count(void);
GR_API const char *gr_method_list_name(int i);
GR_API const char *gr_method_list_help(int i);

/* Solvers that papers name and that are here a method with terms: the method, the terms in addition
 * to a likelihood of weight of the user's choice, separated by blanks, as gr_term_open() takes them.
 * i = 0, 1, ..., NULL beyond; or by name, up to a colon, NULL if it is none of these. */
typedef struct gr_named_solver {
	const char *name, *method, *terms, *doc, *source;
} gr_named_solver;
GR_API const gr_named_solver *gr_named_solver_at(int i);
GR_API const gr_named_solver *gr_named_solver_find(const char *spec);

/* A solver at its first step. GR_EARG naming the option that is wrong; GR_EUNSUPPORTED when method,
 * operator and terms do not go together, saying why. */
GR_API GR_MUST_USE gr_status gr_solver_new(gr_solver **out, const gr_solver_opts *opts);
/* Accepts NULL. */
GR_API void gr_solver_free(gr_solver *s);

/* One step. GR_ENUMERIC naming step and sample when a value is not finite; GR_ESTATE after the
 * last one. The states are unchanged when it fails. */
GR_API GR_MUST_USE gr_status gr_solver_step(gr_solver *s);
/* Steps to the end; stops early, with GR_OK, when on_step says so or gr_interrupted(). Calling it
 * again goes on from there. */
GR_API GR_MUST_USE gr_status gr_solver_run(gr_solver *s);

/* Steps of the whole run; steps done; whether on_step asked to stop the last run. */
GR_API int64_t gr_solver_steps(const gr_solver *s);
GR_API int64_t gr_solver_done(const gr_solver *s);
GR_API bool gr_is_solver_stopped(const gr_solver *s);
/* Evaluations of the prior so far, for each sample; those through which a gradient was taken. */
GR_API int64_t gr_solver_evaluations(const gr_solver *s);
GR_API int64_t gr_solver_gradients(const gr_solver *s);

/* States after the steps done: with gr_solver_done() all there is to save. Names are the method's,
 * the first is "x"; NULL beyond the last. Borrowed, until the next step. */
GR_API int gr_solver_state_count(const gr_solver *s);
GR_API const char *gr_solver_state_name(const gr_solver *s, int i);
GR_API gr_tensor *gr_solver_state(const gr_solver *s, int i);
/* Continue from saved states, all of them, after `done` steps. GR_EARG, GR_ESHAPE. */
GR_API GR_MUST_USE gr_status gr_solver_restore(gr_solver *s, gr_tensor *const *states,
	int64_t done);
/* The estimate [N,C,H,W] that the states stand for, in the prior's state space and the caller's
 * scope: after the last step the sample. With terms it may lie a little outside [-1,1]. */
GR_API gr_tensor *gr_solver_result(gr_solver *s);

/* That estimate as an image [N,C,H,W]: decoded, or the image that the method itself keeps. */
GR_API gr_tensor *gr_solver_image(gr_solver *s);

/* All of it in one call: the result, in the caller's scope. GR_ESTATE when interrupted or stopped
 * before the end. */
GR_API gr_tensor *gr_solver_solve(const gr_solver_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
