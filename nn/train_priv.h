/* The trainer's inside, shared by train.c (the loop) and train_files.c (log and checkpoints). */
#ifndef GRADUS_NN_TRAIN_PRIV_H
#define GRADUS_NN_TRAIN_PRIV_H

#include "gradus/train.h"

struct gr_trainer {
	gr_module *module;
	gr_loss_fn loss;
	void *ctx;
	gr_train_opts opts; /* its pointers are cleared, but for the callbacks */
	gr_lr_opts lr;
	gr_params params;   /* names and tensors as they were at the start, retained */
	gr_params buffers;  /* what losses may move beside them, likewise; n 0: none */
	gr_param **handles; /* [params.n], as the next two */
	gr_tensor **leaves; /* this step's */
	gr_tensor **grads;
	gr_optim *optim;
	gr_ema *ema;
	int64_t done;
	char *output; /* folder or NULL */
	char config_hash[65];
	FILE *log;
	int64_t saved;   /* step of the newest checkpoint written or read, -1: none */
	double saved_at; /* and when, in seconds */
};

/* Make the folder, read the newest checkpoint if asked to, open the log at the right place. */
gr_status gr__train_open(gr_trainer *t);
gr_status gr__train_log(gr_trainer *t, const gr_train_report *report);
/* Write checkpoint-DONE and remove all but the last two. */
gr_status gr__train_save(gr_trainer *t);

#endif
