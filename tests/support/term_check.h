/*
 * What the tests of terms share: a latent prior and feature networks of random weights, small and in
 * any float type, the context that a solver's step makes, and derivatives.
 */
#ifndef GRADUS_TESTS_TERM_CHECK_H
#define GRADUS_TESTS_TERM_CHECK_H

#include "gradus/feature.h"
#include "gradus/term_kind.h"
#include "inverse_check.h"

/* States [2,4,4], images [1,8,8], hidden features [16,3] if asked for. */
gr_prior *toy_latent_prior(void);
/* Images are its states, [1,8,8]; the same network otherwise. */
gr_prior *toy_pixel_prior(void);
/* Images, resampled to [N,1,8,8], to maps [N,3,4,4] with a kernel of no symmetry; and states
 * [N,2,4,4] to themselves. Each evaluation adds one to *calls unless that is NULL. */
gr_feature *toy_feature(int *calls);
gr_feature *toy_state_feature(void);

/* A step's context: x is the variable of `hook`, watched; base step 400 of 1000, step 0 of 10, as many
 * keys as samples from 50 on. */
gr_term_ctx toy_ctx(const gr_prior *prior, gr_hook hook, gr_tensor *x, int64_t particles);
/* The sum of the term's values there, and its gradient to x if wanted. */
double toy_value(const gr_term *term, const gr_prior *prior, gr_hook hook, gr_tensor *x,
	int64_t particles, gr_tensor **grad);
/* The relative difference between <gradient, d> and a central difference, for a random d. */
double toy_gradient_error(const gr_term *term, const gr_prior *prior, gr_hook hook, gr_tensor *x,
	int64_t particles);

/* The result of four steps of `method` for n samples with keys from `first` on; NULL on error. */
gr_tensor *toy_solve(const gr_prior *prior, const char *method, gr_term *const *terms,
	uint64_t first, int64_t n, int64_t particles, gr_dtype dtype);

#endif
