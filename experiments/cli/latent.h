/*
 * What a latent prior works on: an autoencoder of a folder of its own, its latents brought to mean 0
 * and variance 1,
 *
 *	z_0 = scale (gr_vae_encode(x) - shift),   x = gr_vae_decode(z_0 / scale + shift),
 *
 * and how config.json names that folder (docs/priors.md, "Format").
 */
#ifndef GRADUS_CLI_LATENT_H
#define GRADUS_CLI_LATENT_H

#include "folder.h"
#include "gradus/dataset.h"

typedef struct latent_space {
	gr_vae *net;
	double scale, shift;
	char name[FOLDER_PATH]; /* as config.json says it */
	char sha256[65];        /* of the weights */
} latent_space;

/* How a folder opened as `typed` is called in the config.json of `output`, which exists: its name
 * alone when it lies beside it or is found by name, else its absolute path. */
gr_status gr__folder_call(char *name, size_t size, const prior_folder *f, const char *typed,
	const char *output);
/* The folder that member `name` of f's config.json calls so; the weights must have the SHA-256 of the
 * member `name`_sha256. Closed by the caller also after an error. */
gr_status gr__folder_called(prior_folder *out, const prior_folder *f, const char *name);

/* The autoencoder in the folder `typed`, for a prior in `output`; scale and shift are those of latents
 * of images 0, 1, ... of the dataset, drawn from the posterior. */
gr_status gr__latent_measure(latent_space *out, const char *typed, const char *output,
	gr_dataset *data);
/* That of a trained prior. */
gr_status gr__latent_open(latent_space *out, const prior_folder *f);
void gr__latent_close(latent_space *l);

/* x [N,C,H,W] in [-1,1] -> z_0 [N,E,h,w], drawn from the posterior by the keys, or its mode for keys
 * NULL. */
gr_tensor *gr__latent_encode(const latent_space *l, gr_tensor *x, const gr_key *keys);
gr_tensor *gr__latent_decode(const latent_space *l, gr_tensor *z);
/* Members "autoencoder", "autoencoder_sha256", "latent_scale", "latent_shift" of config.json. */
void gr__latent_describe(const latent_space *l, FILE *f);

#endif
