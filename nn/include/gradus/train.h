/*
 * The training loop: gradients of a loss in every parameter of a module, clipping, learning rate,
 * optimiser, moving average; a log, checkpoints and exact resumption.
 *
 * A run is a pure function of its options, its loss and the parameters it starts from: killed at
 * any moment and resumed, it ends with the bits of an uninterrupted run. For that the loss must be
 * a function of (step, key), of parameters and of buffers alone, as batches of gr_loader are.
 *
 * In the output folder: log.csv (step,loss,lr,grad_norm) and the last two checkpoints,
 * checkpoint-STEP.safetensors, each whole or absent: "param.NAME", "ema.NAME", "optim.m.NAME",
 * "optim.v.NAME", "buffer.NAME" for the running statistics that a loss moves, and as text the step,
 * the seed and the hash of the configuration.
 *
 * Ownership: the trainer keeps pointers to module and context, which must outlive it. Threads: one.
 */
#ifndef GRADUS_TRAIN_H
#define GRADUS_TRAIN_H

#include "gradus/optim.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_trainer gr_trainer;

/* Loss of step 0, 1, ... as one number that depends on the parameters; runs in a scope of its own.
 * `key` is this step's: gr_key_fold(gr_key_fold_name(gr_key_seed(seed), "train"), step). */
typedef gr_tensor *(*gr_loss_fn)(int64_t step, gr_key key, void *ctx);

/* What a finished step was like. */
typedef struct gr_train_report {
	int64_t done;  /* steps finished, this one included */
	int64_t steps; /* of so many */
	double loss, lr, grad_norm;
} gr_train_report;

/* Called after a step or a checkpoint; an error stops the run. */
typedef gr_status (*gr_train_fn)(gr_trainer *t, const gr_train_report *report, void *ctx);

typedef struct gr_train_opts {
	size_t size;
	int64_t steps; /* in all; at least 1 */
	uint64_t seed;
	const gr_optim_opts *optim; /* NULL: AdamW's defaults */
	const gr_lr_opts *lr;       /* NULL: constant 1e-3 */
	const gr_ema_opts *ema;     /* NULL: decay 0.999 with warm-up */
	double clip;                /* largest gradient norm; default: no clipping */
	const char *output;         /* folder, made if need be; NULL: nothing is written */
	const char *config; /* a text that determines the run: resuming under another is refused */
	bool resume;        /* continue from the newest checkpoint, if there is one */
	int64_t checkpoint_steps;  /* a checkpoint every so many steps; default: by time only */
	double checkpoint_minutes; /* and every so many minutes; default 10 */
	gr_train_fn on_step;       /* may be NULL, as the next */
	gr_train_fn on_checkpoint;
} gr_train_opts;

/*
 * Prepares a run, resuming it if asked. Values of the parameters must exist. GR_EARG; GR_ESTATE (a
 * checkpoint is there and `resume` is not set, or it belongs to another seed or configuration);
 * GR_EIO, GR_EFORMAT, GR_EMEM.
 */
GR_API GR_MUST_USE gr_status gr_trainer_new(gr_trainer **out, gr_module *m, gr_loss_fn loss,
	const gr_train_opts *opts, void *ctx);
GR_API void gr_trainer_free(gr_trainer *t);

/*
 * Train to the last step. After gr_interrupt() it finishes the step, saves and returns GR_OK with
 * gr_trainer_done() < steps. GR_ENUMERIC names the step at which loss or gradient is not finite;
 * parameters and checkpoints are then those of the last good step (buffers may be one ahead).
 */
GR_API GR_MUST_USE gr_status gr_trainer_run(gr_trainer *t);
/* Number of steps finished. */
GR_API int64_t gr_trainer_done(const gr_trainer *t);
/* The moving average; borrowed. */
GR_API gr_ema *gr_trainer_ema(const gr_trainer *t);

#ifdef __cplusplus
}
#endif

#endif
