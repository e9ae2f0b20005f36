/*
 * VQModel, the vector-quantised autoencoder of latent diffusion (Rombach et al. 2022; CompVis
 * latent-diffusion ldm/models/autoencoder.py; codebook of van den Oord et al. 2017). Images
 * [N,C,H,W] in [-1,1], latents [N,embed_dim,H/f,W/f] with f = 2^(levels - 1). Parameter names and
 * shapes are those of the public checkpoints.
 *
 * Ownership: a gr_vqmodel owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_VQMODEL_H
#define GRADUS_VQMODEL_H

#include "gradus/vae.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_vqmodel_config {
	size_t size;
	gr_vae_coder_config coder; /* single_z is required */
	int64_t n_embed;           /* required: codes */
	int64_t embed_dim;         /* width of a code; default z_channels */
	gr_dtype dtype;            /* f32 (default) or f64 */
} gr_vqmodel_config;

typedef struct gr_vqmodel gr_vqmodel;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions; codes from U(-1/n_embed, 1/n_embed). */
GR_API gr_vqmodel *gr_vqmodel_new(const gr_vqmodel_config *config);
GR_API void gr_vqmodel_free(gr_vqmodel *v);
/* The parameters; borrowed. */
GR_API gr_module *gr_vqmodel_module(gr_vqmodel *v);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_vqmodel_config *gr_vqmodel_get_config(const gr_vqmodel *v);

/* Read a configuration from a JSON object under the reference's names, as for gr_vae. */
GR_API GR_MUST_USE gr_status gr_vqmodel_config_from_json(gr_vqmodel_config *out,
	const gr_json *object);

/* All values from a file: the autoencoder alone under the names of its reference or of diffusers, or
 * a checkpoint of the whole ("first_stage_model."). */
GR_API GR_MUST_USE gr_status gr_vqmodel_load(gr_vqmodel *v, const gr_tensorfile *f);

/* Not quantised: what latent diffusion works on. x [N,C,H,W] -> [N,E,h,w] */
GR_API gr_tensor *gr_vqmodel_encode(const gr_vqmodel *v, gr_tensor *x);
/* Every vector over the channels becomes the nearest code, the first among equals; the gradient
 * passes straight through to h. The codes' numbers go to *index, i64 [N h w], unless NULL.
 * h [N,E,h,w] -> like h */
GR_API gr_tensor *gr_vqmodel_quantize(const gr_vqmodel *v, gr_tensor *h, gr_tensor **index);
/* Quantises unless told not to (reference: force_not_quantize). h [N,E,h,w] -> [N,out_ch,f h,f w] */
GR_API gr_tensor *gr_vqmodel_decode(const gr_vqmodel *v, gr_tensor *h, bool not_quantized);

#ifdef __cplusplus
}
#endif

#endif
