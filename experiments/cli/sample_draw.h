/* Samples of a prior, for the commands that draw or judge them. */
#ifndef GRADUS_CLI_SAMPLE_DRAW_H
#define GRADUS_CLI_SAMPLE_DRAW_H

#include "gradus/prior.h"

typedef struct sample_draw {
	const char *command; /* for progress on stderr; NULL: none */
	const char *method;  /* as gr_solver_opts.method */
	const char *steps;   /* as gr_solver_opts.respacing: how many, or levels */
	int64_t n, seed;
	int64_t evaluations; /* out: of the prior, for each sample */
} sample_draw;

/* Images [n,C,H,W] in [-1,1], owned by the scope: sample i depends on the seed and i alone. */
gr_tensor *gr__sample_draw(const gr_prior *prior, sample_draw *d);

#endif
