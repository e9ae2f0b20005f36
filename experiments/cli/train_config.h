/*
 * Options of `gradus train unet` and what follows from them: the network's configuration, the
 * number of steps, and config.json, the text that makes a folder of weights a prior.
 */
#ifndef GRADUS_CLI_TRAIN_CONFIG_H
#define GRADUS_CLI_TRAIN_CONFIG_H

#include <stdio.h>

#include "gradus/dataset.h"
#include "gradus/optim.h"
#include "gradus/prior.h"
#include "gradus/unet.h"

typedef struct train_options {
	/* as typed */
	const char *data, *output, *mult, *attention, *lr_decay, *precision, *prediction;
	double epochs, lr, clip, weight_decay, ema, checkpoint_minutes;
	int64_t steps, batch, warmup, seed, base, blocks, groups, head_channels, image_size, limit;
	int64_t checkpoint_every, sample_every, threads;
	bool flip, resume, recompute;
	/* derived */
	gr_unet_config unet;
	gr_lr_opts rate;
	gr_prediction predict;
	gr_dataset_info info;
} train_options;

/* Steps, learning rate and network from what was typed and the dataset; GR_EARG. */
gr_status gr__train_derive(train_options *o);
/* config.json. `identity`: leave out what does not change the course of the run (the number of
 * steps, when the rate does not decay with it). */
void gr__train_config_write(FILE *f, const train_options *o, bool identity);

#endif
