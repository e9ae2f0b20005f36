/*
 * Options of `gradus train` that every objective shares and what follows from them: the number of
 * steps, the learning rate, and the parts of config.json that tell them.
 */
#ifndef GRADUS_CLI_TRAIN_CONFIG_H
#define GRADUS_CLI_TRAIN_CONFIG_H

#include <stdio.h>

#include "args.h"
#include "gradus/dataset.h"
#include "gradus/optim.h"

typedef struct train_options {
	/* as typed */
	const char *recipe, *data, *output, *lr_decay, *precision;
	double epochs, lr, clip, weight_decay, ema, checkpoint_minutes;
	int64_t steps, batch, warmup, seed, image_size, limit;
	int64_t checkpoint_every, sample_every, threads;
	bool flip, resume;
	/* derived */
	gr_lr_opts rate;
	gr_dataset_info info;
} train_options;

#define TRAIN_ARGS_MAX 24

/* The options' rows, which write to *o; returns how many. */
int gr__train_args(gr_arg rows[TRAIN_ARGS_MAX], train_options *o);
/* Steps and learning rate from what was typed and the dataset; GR_EARG. */
gr_status gr__train_derive(train_options *o);
/* The members "data" and "training" of config.json. `identity`: leave out what does not change the
 * course of the run (the number of steps, when the rate does not decay with it). */
void gr__train_config_write(FILE *f, const train_options *o, bool identity);

/* "1,2,3" into out[0..most-1]: how many numbers in (0, 1e6); -1 when malformed or too long. */
int gr__train_list(const char *text, double *out, int most);

#endif
