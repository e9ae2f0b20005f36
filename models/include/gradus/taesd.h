/*
 * TAESD, the tiny autoencoders distilled from those of latent diffusion (madebyollin/taesd): images
 * [N,C,H,W] in [0,1], latents [N,latent_channels,H/8,W/8]. Parameter names and shapes are those of
 * the public files, one for the encoder and one for the decoder.
 *
 * Ownership: a gr_taesd owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_TAESD_H
#define GRADUS_TAESD_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default given here. */
typedef struct gr_taesd_config {
	size_t size;
	int64_t latent_channels; /* default 4; 16 for taesd3 and taef1, 32 for taef2 */
	int64_t image_channels;  /* default 3 */
	int64_t width;           /* default 64 */
	bool use_midblock_gn;    /* the blocks at the lowest resolution have a pooling branch (taef2) */
	gr_dtype dtype;          /* f32 (default) or f64 */
} gr_taesd_config;

typedef struct gr_taesd gr_taesd;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions. */
GR_API gr_taesd *gr_taesd_new(const gr_taesd_config *config);
GR_API void gr_taesd_free(gr_taesd *v);
/* The parameters; borrowed. The names of a public file start at these children. */
GR_API gr_module *gr_taesd_module(gr_taesd *v);
GR_API gr_module *gr_taesd_encoder(gr_taesd *v);
GR_API gr_module *gr_taesd_decoder(gr_taesd *v);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_taesd_config *gr_taesd_get_config(const gr_taesd *v);

/* Read a configuration from a JSON object with the names above. */
GR_API GR_MUST_USE gr_status gr_taesd_config_from_json(gr_taesd_config *out, const gr_json *object);

/* x [N,C,H,W] -> [N,latent_channels,ceil(H/8),ceil(W/8)] */
GR_API gr_tensor *gr_taesd_encode(const gr_taesd *v, gr_tensor *x);
/* z [N,latent_channels,h,w] -> [N,C,8h,8w], not clamped; large latents are bent by 3 tanh(z/3) */
GR_API gr_tensor *gr_taesd_decode(const gr_taesd *v, gr_tensor *z);

#ifdef __cplusplus
}
#endif

#endif
