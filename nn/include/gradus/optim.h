/*
 * Optimisers, learning rate schedules and exponential moving averages of parameters. They act on
 * a list of named tensors; gr_params_of() makes that list from a module. One step of training:
 *
 *     gr_grad(grads, loss, n, params, NULL);
 *     norm = gr_grad_norm(grads, n);
 *     gr_optim_step(optim, grads, gr_lr_at(&lr, step), gr_clip_scale(norm, 1.0));
 *     gr_ema_update(ema);
 *
 * All arithmetic is in double, element by element in the order of the list, then rounded to the
 * parameter's type: one thread, the same bits always. In steady state nothing is allocated from
 * the system.
 *
 * Ownership: an optimiser and an average keep references to the parameters and own their state.
 * Their memory is the parameters', so the values may be changed (gr_param_update) but not replaced.
 */
#ifndef GRADUS_OPTIM_H
#define GRADUS_OPTIM_H

#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The parameters to train: n names and tensors, all borrowed. */
typedef struct gr_params {
	int n;
	const char **names;
	gr_tensor **tensors;
} gr_params;

/* Every trainable parameter of m, in its order. Freed by gr_params_free; GR_EARG when there is none,
 * GR_ESTATE without values, GR_EMEM. */
GR_API GR_MUST_USE gr_status gr_params_of(gr_params *out, const gr_module *m);
/* Frees the two arrays and zeroes the struct. */
GR_API void gr_params_free(gr_params *p);

/* --- optimisers --- */

typedef struct gr_optim gr_optim;

typedef enum gr_optim_kind {
	GR_ADAMW = 0, /* Loshchilov and Hutter 2019, decoupled decay, as torch.optim.AdamW */
	GR_SGD = 1,   /* with momentum, decay added to the gradient, as torch.optim.SGD */
} gr_optim_kind;

typedef struct gr_optim_opts {
	size_t size;
	gr_optim_kind kind;
	double beta1;        /* AdamW: default 0.9 */
	double beta2;        /* AdamW: default 0.999 */
	double eps;          /* AdamW: default 1e-8 */
	double momentum;     /* SGD: default 0 */
	double weight_decay; /* default 0 */
} gr_optim_opts;

/* State is zero. The parameters are f32 or f64 and contiguous; GR_EARG, GR_EMEM. */
GR_API GR_MUST_USE gr_status gr_optim_new(gr_optim **out, const gr_params *params,
	const gr_optim_opts *opts);
GR_API void gr_optim_free(gr_optim *o);
/* One update with gradients grads[0..n-1] times grad_scale; GR_ESHAPE, GR_EMEM. */
GR_API GR_MUST_USE gr_status gr_optim_step(gr_optim *o, gr_tensor *const *grads, double lr,
	double grad_scale);
/* Number of updates so far. */
GR_API int64_t gr_optim_steps(const gr_optim *o);
/* State as tensors "optim.m.NAME", "optim.v.NAME" and text "optim.steps". Loading restores it
 * to the bit; GR_EFORMAT names what is missing or mis-shaped, and nothing is changed then. */
GR_API GR_MUST_USE gr_status gr_optim_save(const gr_optim *o, gr_archive *a);
GR_API GR_MUST_USE gr_status gr_optim_load(gr_optim *o, const gr_archive *a);

/* Euclidean norm of all gradients together, summed in fixed order; NaN with an error recorded when
 * one is NULL. */
GR_API double gr_grad_norm(gr_tensor *const *grads, int n);
/* Factor that clips a gradient of this norm: min(1, max_norm / (norm + 1e-6)); 1 when max_norm is
 * 0. */
GR_API double gr_clip_scale(double norm, double max_norm);

/* --- learning rate --- */

typedef enum gr_lr_decay {
	GR_LR_CONSTANT = 0,
	GR_LR_LINEAR = 1, /* straight down to `last` */
	GR_LR_COSINE = 2, /* half a cosine down to `last` */
} gr_lr_decay;

typedef struct gr_lr_opts {
	size_t size;
	double base;       /* the rate after warm-up; default 1e-3 */
	int64_t warmup;    /* steps: rate base (s + 1) / warmup at step s < warmup */
	gr_lr_decay decay; /* from the end of warm-up to `steps` */
	int64_t steps;     /* total number of steps; needed by decay */
	double last;       /* rate at the end; default 0 */
} gr_lr_opts;

/* Rate at step 0, 1, ...: a pure function. */
GR_API double gr_lr_at(const gr_lr_opts *opts, int64_t step);

/* --- moving averages --- */

typedef struct gr_ema gr_ema;

typedef struct gr_ema_opts {
	size_t size;
	double decay;   /* default 0.999 */
	bool no_warmup; /* by default update n = 0, 1, ... decays by min(decay, (1 + n) / (10 + n)) */
} gr_ema_opts;

/* The average starts as a copy of the parameters. */
GR_API GR_MUST_USE gr_status gr_ema_new(gr_ema **out, const gr_params *params,
	const gr_ema_opts *opts);
GR_API void gr_ema_free(gr_ema *e);
/* average += (1 - decay) (parameter - average). */
GR_API GR_MUST_USE gr_status gr_ema_update(gr_ema *e);
/* Exchange parameters and average, to the bit; the second call undoes the first. */
GR_API GR_MUST_USE gr_status gr_ema_swap(gr_ema *e);
/* Average of parameter i; borrowed. */
GR_API gr_tensor *gr_ema_tensor(const gr_ema *e, int i);
/* Tensors prefix + NAME in `storage` (f32, f16, ...); the text "ema.updates". `load` reads what
 * was saved in the parameters' own type with the same prefix, to the bit. */
GR_API GR_MUST_USE gr_status gr_ema_save(const gr_ema *e, gr_archive *a, const char *prefix,
	gr_dtype storage);
GR_API GR_MUST_USE gr_status gr_ema_load(gr_ema *e, const gr_archive *a, const char *prefix);

#ifdef __cplusplus
}
#endif

#endif
