/*
 * A flow on latents small enough for a test, every parameter drawn: a SiT of two blocks with a
 * projector on [4,4,4], and a KL autoencoder of [1,8,8] images.
 */
#ifndef GRADUS_TESTS_TINY_LATENT_H
#define GRADUS_TESTS_TINY_LATENT_H

#include "gradus/prior_networks.h"
#include "inverse_check.h"

/* `classes` 1: unconditional; more: with a label for none. */
gr_sit *tiny_sit(int64_t classes);
gr_vae *tiny_vae(void);
/* Both, with scale 2 and shift 0.1. */
gr_prior *tiny_latent_prior(int64_t classes);

/* The folders DIR/sit and DIR/vae of tiny_sit(classes) and tiny_vae(); `members` is added to the
 * outer object of the SiT's config.json, beginning with a comma. */
void tiny_latent_write(const char *dir, int64_t classes, const char *members);
void tiny_latent_remove(const char *dir);

#endif
