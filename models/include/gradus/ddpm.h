/*
 * The U-Net of DDPM (Ho et al., "Denoising diffusion probabilistic models", 2020) as PyTorch code
 * bases have it (ermongroup/ddim diffusion.py, and DDRM after it): the network of the public
 * CelebA-HQ 256 checkpoint. Parameter names and shapes are the checkpoint's.
 *
 * Ownership: a gr_ddpm owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_DDPM_H
#define GRADUS_DDPM_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_DDPM_MAX_LEVELS 8

/* Options under the reference's names; zero means the default given here, CelebA-HQ 256's. */
typedef struct gr_ddpm_config {
	size_t size;
	int64_t resolution;                  /* side trained at, default 256 */
	int64_t in_channels;                 /* default 3 */
	int64_t out_ch;                      /* default in_channels */
	int64_t ch;                          /* width of the first level, default 128 */
	int num_levels;                      /* entries of ch_mult; default 1, 1, 2, 2, 4, 4 */
	int64_t ch_mult[GR_DDPM_MAX_LEVELS]; /* width of level L: ch ch_mult[L] */
	int64_t num_res_blocks;              /* per level, one more on the way up; default 2 */
	int num_attention; /* entries of attn_resolutions, -1 for none; default resolution / 16 */
	int64_t
		attn_resolutions[GR_DDPM_MAX_LEVELS]; /* sides, counted from `resolution`, at which every
	                                                 residual block is followed by attention */
	bool no_conv_resample;                    /* reference: resamp_with_conv = false */
	int64_t norm_groups;                      /* groups of every group norm; default 32 */
	gr_dtype dtype;                           /* f32 (default) or f64 */
} gr_ddpm_config;

typedef struct gr_ddpm gr_ddpm;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions and linear layers. config NULL: the defaults. */
GR_API gr_ddpm *gr_ddpm_new(const gr_ddpm_config *config);
GR_API void gr_ddpm_free(gr_ddpm *u);
/* The parameters; borrowed. */
GR_API gr_module *gr_ddpm_module(gr_ddpm *u);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_ddpm_config *gr_ddpm_get_config(const gr_ddpm *u);

/* Read a configuration from a JSON object under the reference's names, those of "model" and "data"
 * beside the others or in objects of those names. An unknown member is GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_ddpm_config_from_json(gr_ddpm_config *out, const gr_json *object);

/* x [N,C,H,W] in [-1,1], H and W multiples of 2^(levels - 1), t [N] in 0..999 (fractions allowed)
 * -> [N,out_ch,H,W] */
GR_API gr_tensor *gr_ddpm_forward(const gr_ddpm *u, gr_tensor *x, gr_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
