/*
 * A training step and a solver's step, small and whole, for tests of what holds of any step: what it
 * takes, what it does when memory fails, what its threads share. Nothing here asserts, so that
 * programs without a test framework can use it.
 */
#ifndef GRADUS_TESTS_STEPS_H
#define GRADUS_TESTS_STEPS_H

#include "gradus/dataset.h"
#include "gradus/solver.h"
#include "gradus/term.h"
#include "gradus/train.h"
#include "gradus/unet.h"

/* Noise prediction by a U-Net of two levels on 16 x 16 images from memory: data, loader, AdamW,
 * clipping, moving average. */
typedef struct train_steps {
	gr_unet *net;
	gr_dataset *data;
	gr_loader *loader;
	gr_trainer *trainer;
	bool paused;
} train_steps;

/* `width` channels, a multiple of 8; batch samples a step. */
gr_status train_steps_new(train_steps *w, int64_t width, int64_t batch);
/* One step; after an error the next call tries it again. */
gr_status train_steps_next(train_steps *w);
void train_steps_free(train_steps *w);

/* DPS for random inpainting, n samples of 3 x 16 x 16, with a U-Net as prior. */
typedef struct solve_steps {
	gr_prior *prior;
	gr_operator *A;
	gr_term *term;
	gr_solver *solver;
} solve_steps;

gr_status solve_steps_new(solve_steps *w, int64_t width, int64_t n);
gr_status solve_steps_next(solve_steps *w);
void solve_steps_free(solve_steps *w);

#endif
