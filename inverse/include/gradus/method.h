/*
 * Methods: what a solver does in a step. A method is a table; gr_solver_opts.method names one of
 * the library's or, after gr_method_register(), one of a program's own.
 *
 *     static gr_status my_step(gr_solver *s, gr_method_step *k)
 *     {
 *         gr_status status = gr_solver_predict(s, k);
 *         return status ? status : gr_solver_set_state(s, 0, next_of(k->x_t, k->x0_hat));
 *     }
 *
 * A step runs in a scope of its own, with recording off except where gr_solver_predict() turns it
 * on. It reads states and sets new ones; the loop of inverse/solver.c checks that they are finite
 * and commits them together, so a step that fails changes nothing. All randomness comes from
 * gr_solver_noise().
 */
#ifndef GRADUS_METHOD_H
#define GRADUS_METHOD_H

#include "gradus/solver.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A number that can be set as NAME=VALUE; low <= value <= high. */
typedef struct gr_method_param {
	const char *name;
	double fallback, low, high;
	const char *help;
} gr_method_param;

/* What a method asks for. */
enum {
	GR_METHOD_MEASURED = 1, /* uses A, y and sigma itself */
	GR_METHOD_LINEAR = 2,   /* and A must be linear, on the prior's own states */
	GR_METHOD_JACOBIAN = 4, /* products with the derivative of the estimate */
	GR_METHOD_WEIGHTED = 8, /* particles of a unit stand for its posterior together, the better the
	                         * more there are */
};

/* One step on its way. Tensors belong to its scope. */
typedef struct gr_method_step {
	int64_t i;                        /* steps done before this one */
	int64_t j;                        /* index in the schedule, descending: steps - 1 - i */
	int64_t t;                        /* base step; of a level between two, the nearest */
	double time;                      /* base step, fractional there: what the prior is told */
	uint64_t draw;                    /* index of the step's draws, of `time` alone */
	double alpha_bar, alpha_bar_prev; /* A_j, and A_{j-1} with 1 before the first */
	gr_tensor *x_t;                   /* the first state */
	/* Of gr_solver_predict(): */
	gr_tensor *x0_hat;   /* clipped unless the solver has no_clip; a method that goes on from a
	                      * better one puts it here, and the report tells it */
	gr_tensor *x0_raw;   /* as predicted, not clipped */
	gr_tensor *eps;      /* as predicted, not clipped */
	gr_tensor *variance; /* v of a learned reverse variance, or NULL */
	gr_tensor *gradient; /* of the weighted terms to x_t; NULL when none had anything to say */
	double loss;
	gr_tensor *leaf;  /* x_t of the recorded graph; NULL when nothing was recorded */
	gr_tensor *noisy; /* for terms at the estimate: its noisy state, where the method has one */
} gr_method_step;

typedef struct gr_method {
	const char *name, *doc, *source; /* source: paper and equation */
	const gr_method_param *params;   /* ends with a param without name; NULL for none */
	unsigned needs;
	unsigned hooks; /* GR_AT_... of gradus/term.h: where terms can join */
	/* Makes the states; optional: one state "x", from N(0, I). */
	gr_status (*open)(gr_solver *s);
	gr_status (*step)(gr_solver *s, gr_method_step *k);
	gr_tensor *(*result)(gr_solver *s); /* optional: the first state */
	gr_tensor *(*image)(gr_solver *s);  /* optional: the result, decoded */
	const char *respacing;              /* where the solver's options name none; optional: all */
} gr_method;

/* Kept as long as the program runs. GR_EARG: a field missing, a name that is taken. */
GR_API GR_MUST_USE gr_status gr_method_register(const gr_method *m);

/* What the method that `spec` names asks for; GR_EARG as gr_solver_new(). */
GR_API GR_MUST_USE gr_status gr_method_needs(unsigned *needs, const char *spec);
/* Its respacing with `steps` in place of its own number, in `text` of at most `size` bytes: "daps:20";
 * the number alone for methods that take the prior's steps. GR_EARG as above. */
GR_API GR_MUST_USE gr_status gr_method_respacing(char *text, size_t size, const char *spec,
	int64_t steps);

/* --- for the functions of a method --- */

GR_API const gr_prior *gr_solver_prior(const gr_solver *s);
GR_API const gr_schedule *gr_solver_schedule(const gr_solver *s);
GR_API const gr_operator *gr_solver_operator(const gr_solver *s);
GR_API gr_tensor *gr_solver_measurement(const gr_solver *s);
GR_API double gr_solver_sigma(const gr_solver *s);
/* A parameter of the method; NaN, with an error recorded, for a name that it does not have. */
GR_API double gr_solver_param(const gr_solver *s, const char *name);

/* In open: add a state. The tensor is retained. */
GR_API gr_status gr_solver_add_state(gr_solver *s, const char *name, gr_tensor *value);
/* In step: state i from the end of this step on. NULL records nothing and fails. */
GR_API gr_status gr_solver_set_state(gr_solver *s, int i, gr_tensor *value);
/* In open: the state that a run starts from unless it is given, x_T ~ N(0, I). */
GR_API gr_tensor *gr_solver_start(gr_solver *s);
/* W(t), 0 <= t <= 1, of each sample's Brownian path, [N,C,H,W], W(0) = 0: a function of the key and t
 * alone, so runs with other step counts see the same path. */
GR_API gr_tensor *gr_solver_path(gr_solver *s, double t);
/* N(0, I) in the prior's shape, [N,C,H,W], or its own noise (gradus/noise_field.h): of each sample's
 * key, a name and an index. */
GR_API gr_tensor *gr_solver_noise(gr_solver *s, const char *name, uint64_t index);

/*
 * Evaluate the prior at k->x_t and base step k->t, with the terms that join after it: fills k. One
 * evaluation; with terms one gradient, taken through clipping and network.
 */
GR_API GR_MUST_USE gr_status gr_solver_predict(gr_solver *s, gr_method_step *k);
/* J^T w, J = d x0_raw / d x_t of that evaluation, as often as wanted: w, result [N,C,H,W]. For
 * methods with GR_METHOD_JACOBIAN; clipping has no part in it. For an exact prior J is symmetric,
 * and Cov[x_0 | x_t] = (1 - A) / sqrt(A) J. */
GR_API gr_tensor *gr_solver_pullback(gr_solver *s, const gr_method_step *k, gr_tensor *w);

/*
 * Another evaluation in the same step, at any state x and noise level, without terms: for methods
 * that look twice, or optimise through the network. Counted like the first. The base step that the
 * network is told is the fractional one of that level. Recorded where the caller records.
 */
typedef struct gr_estimate_at {
	gr_tensor *x0_hat, *x0_raw, *eps; /* as in gr_method_step */
	gr_tensor *features;              /* as in gr_prior_call, if some term asked for them */
} gr_estimate_at;
GR_API GR_MUST_USE gr_status gr_solver_evaluate(gr_solver *s, gr_tensor *x, double alpha_bar,
	gr_estimate_at *out);

/* The weighted sum, over all samples, of the terms that join at the estimate x0: *total stays what
 * it was when there is none. `image` is x0 decoded if the caller has it, else NULL. step, steps:
 * of the method's optimisation. */
GR_API GR_MUST_USE gr_status gr_solver_terms(gr_solver *s, const gr_method_step *k, gr_tensor *x0,
	gr_tensor *image, int64_t step, int64_t steps, gr_tensor **total);
/* y - A D(x0), [N,...], in the solver's type: the state decoded and measured. */
GR_API gr_tensor *gr_solver_residual(const gr_solver *s, gr_tensor *x0);

/* --- optimisations inside a step: inverse/solver_inner.c --- */

/* Adam (Kingma and Ba 2015), with decay the decoupled one of AdamW. Elementwise: samples keep to
 * themselves. */
typedef struct gr_adam {
	double lr, beta1, beta2, eps, decay;
} gr_adam;
#define GR_ADAM(rate) ((gr_adam){.lr = (rate), .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8})
/* x after step k = 1, 2, ... by gradient g; *m and *v, zeros before the first, are replaced. Any
 * NULL gives NULL. */
GR_API gr_tensor *gr_adam_step(const gr_adam *opts, gr_tensor *x, gr_tensor *g, gr_tensor **m,
	gr_tensor **v, int64_t k);

/* Losses [N] of x, sample by sample, recorded; NULL on error. */
typedef gr_tensor *(*gr_inner_loss)(gr_solver *s, gr_method_step *k, gr_tensor *x, void *self);

typedef struct gr_inner_opts {
	size_t size;
	gr_adam adam;
	int64_t iterations; /* at most */
	double enough;      /* a sample stops when its loss is below; default 0: never */
	bool stop_before;   /* it stops before the step at which that is seen, not after it */
	int64_t window;     /* from this iteration on it also stops when its loss is above that of
	                     * `window` iterations before; default 0: never */
	bool terms;         /* the terms at the estimate are added to the sum of the losses, which
	                     * alone decide when to stop */
} gr_inner_opts;

/* x [N,...] moved to lower the sum of the losses, with an Adam of its own for this call; a constant,
 * in the caller's scope. A loss that is NULL leaves the terms alone, and where none of them has
 * anything to say nothing moves. Memory does not grow with iterations. NULL on error. */
GR_API gr_tensor *gr_solver_minimise(gr_solver *s, gr_method_step *k, gr_tensor *x,
	gr_inner_loss loss, void *self, const gr_inner_opts *opts);

/* --- steps --- */

/* An estimate as the solver wants it: clipped to [-1,1] unless it has no_clip or is a latent. */
GR_API gr_tensor *gr_solver_clip(const gr_solver *s, gr_tensor *x0);
/* x_{j-1} from x_t and an estimate x0 (inverse/solver_step.c has the equations): ancestral, with
 * k->variance where there is one; or implicit, with noise of deviation sigma, which
 * gr_solver_implicit_sigma() makes of eta: 0 deterministic, 1 as noisy as ancestral. */
GR_API gr_tensor *gr_solver_ancestral(gr_solver *s, const gr_method_step *k, gr_tensor *x0);
GR_API gr_tensor *gr_solver_implicit(gr_solver *s, const gr_method_step *k, gr_tensor *x0,
	double sigma);
GR_API double gr_solver_implicit_sigma(const gr_method_step *k, double eta);
/* (1 - A) / sqrt(A), of which and J Tweedie's formula makes Cov[x_0 | x_t]; 0 at A = 0, where x_t
 * says nothing of x_0 and J is 0. */
GR_API double gr_solver_tweedie(const gr_method_step *k);
/* The first state is x less the gradient of the terms. */
GR_API gr_status gr_solver_finish(gr_solver *s, const gr_method_step *k, gr_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
