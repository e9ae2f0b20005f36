/*
 * What a run of `gradus train` learns, as a table of functions: a network, the options that shape it
 * and a loss. Data, batches, optimiser, average, checkpoints and the folder are cmd_train.c's and
 * the same for all.
 *
 * A run must repeat and resume to the bit, so a loss is a function of (step, key), the parameters
 * and their average alone; what it draws, it draws by the key. `self` is the objective's own state:
 * zeroed, then filled by the options, then by build().
 */
#ifndef GRADUS_CLI_OBJECTIVE_H
#define GRADUS_CLI_OBJECTIVE_H

#include "gradus/train.h"
#include "train_config.h"

#define OBJECTIVE_ARGS_MAX 24

typedef struct train_run {
	const train_options *o;
	gr_dataset *dataset;
	gr_loader *loader;
	gr_trainer *trainer; /* NULL while the objective is being built */
} train_run;

typedef struct objective {
	const char *name;    /* the word after `gradus train` */
	const char *model;   /* "model" in config.json */
	const char *summary; /* one line of help */
	size_t bytes;        /* of `self` */
	const char *aside;   /* parameters of this prefix serve training alone and are not shipped */
	/* Rows for options of its own, at most OBJECTIVE_ARGS_MAX; returns how many. */
	int (*args)(void *self, gr_arg *rows);
	/* The network, from options and data; it has no values yet. */
	gr_status (*build)(void *self, const train_run *run);
	gr_module *(*module)(void *self); /* borrowed */
	gr_tensor *(*loss)(void *self, const train_run *run, int64_t step, gr_key key);
	/* Members of config.json: the network under the name of its model, and what it learnt by. */
	void (*describe)(const void *self, FILE *f);
	/* What there is to see so far, with the averaged weights in place. */
	gr_status (*picture)(void *self, const train_run *run, const char *path);
	/* Before the averaged weights, in place, are written for good: what describe() tells of them.
	 * May be NULL. */
	gr_status (*finish)(void *self, const train_run *run);
	void (*release)(void *self);
} objective;

extern const objective gr__objective_unet, gr__objective_vae, gr__objective_dino,
	gr__objective_classifier, gr__objective_mpe, gr__objective_sit, gr__objective_uno;

/* The objective of that name; NULL when there is none. */
const objective *gr__objective_find(const char *name);
/* Number i, NULL when out of range. */
const objective *gr__objective_at(int i);

#endif
