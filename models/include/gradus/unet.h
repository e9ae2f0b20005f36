/*
 * The ADM U-Net (Dhariwal and Nichol, "Diffusion models beat GANs", 2021; guided-diffusion), the
 * network behind most pixel-space diffusion priors, and with use_spatial_transformer its offspring
 * in latent diffusion (Rombach et al. 2022; CompVis latent-diffusion openaimodel.py) and Stable
 * Diffusion, which attends to a context. Parameter names and shapes are those of the public
 * checkpoints, so gr_module_load() takes them as they are.
 *
 * Ownership: a gr_unet owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_UNET_H
#define GRADUS_UNET_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_UNET_MAX_LEVELS 8

/* Options under the reference's names; zero means the default given here. */
typedef struct gr_unet_config {
	size_t size;
	int64_t image_size;     /* side trained at, for the record; inputs need H and W to be multiples
	                           of 2^(levels - 1) only */
	int64_t in_channels;    /* default 3 */
	int64_t model_channels; /* required: width of the first level */
	int64_t out_channels;   /* default in_channels; twice that with a learned variance */
	int64_t num_res_blocks; /* per level on the way down, one more on the way up; default 2 */
	int num_levels;         /* entries of channel_mult; default 4 with 1, 2, 4, 8 */
	double channel_mult[GR_UNET_MAX_LEVELS];  /* width of level L: floor(mult[L] model_channels) */
	int num_attention;                        /* entries of the next; default none */
	int64_t attention_ds[GR_UNET_MAX_LEVELS]; /* attention_resolutions as downsampling factors
	                                             (image_size / resolution), in any order */
	int64_t num_heads;                        /* default 1; not used with num_head_channels */
	int64_t num_head_channels;                /* width of a head; default: width / num_heads */
	int64_t num_heads_upsample;               /* heads on the way up; default num_heads */
	int64_t num_classes;                      /* class-conditional if > 0 */
	bool use_scale_shift_norm;                /* the embedding scales and shifts the second norm */
	bool resblock_updown;         /* resample inside residual blocks, not by convolutions */
	bool use_new_attention_order; /* layout of qkv, see models/unet_blocks.c */
	bool no_conv_resample;        /* reference: conv_resample = false */
	double dropout;               /* in training only, see gr_unet_forward_opts */
	int64_t norm_groups;          /* groups of every group norm; default 32 */
	gr_dtype dtype;               /* f32 (default) or f64 */
	/* Latent diffusion. */
	bool use_spatial_transformer;   /* transformers with cross-attention in place of attention */
	int64_t context_dim;            /* required then: width of the context's tokens */
	int64_t transformer_depth;      /* blocks of each transformer; default 1 */
	bool use_linear_in_transformer; /* their projections are linear layers, as in SD 2 */
	bool not_legacy; /* reference: legacy = false; heads on the way up are num_heads, too, and
	                    num_head_channels is the width of a head even if it does not divide */
} gr_unet_config;

typedef struct gr_unet gr_unet;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions, linear layers (U(+-1/sqrt(fan_in))) and embeddings
 * (N(0,1)); the last convolution of every residual and attention block and of the network is
 * zero, so a fresh network returns 0. */
GR_API gr_unet *gr_unet_new(const gr_unet_config *config);
GR_API void gr_unet_free(gr_unet *u);
/* The parameters; borrowed. */
GR_API gr_module *gr_unet_module(gr_unet *u);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_unet_config *gr_unet_get_config(const gr_unet *u);
/* Memory for time (gradus/recompute.h): while on, a forward pass keeps the input of each stage, and
 * gradients run the stage again. The same bits. The network must outlive the graph then. */
GR_API void gr_unet_set_recompute(gr_unet *u, bool on);

/* Read a configuration from a JSON object under the reference's names: those above, conv_resample,
 * legacy, attention_resolutions as downsampling factors; null and -1 mean the default, "arch",
 * "dims", "use_checkpoint" and "use_fp16" are passed over, any other member is GR_EFORMAT. Or from
 * diffusers' config.json of a UNet2DConditionModel. */
GR_API GR_MUST_USE gr_status gr_unet_config_from_json(gr_unet_config *out, const gr_json *object);
/* Write it as such an object; errors stay in the stream. */
GR_API void gr_unet_config_write_json(FILE *stream, const gr_unet_config *config);

/* All values from a file: the network alone under the names of its reference or of diffusers, or a
 * checkpoint of the whole, of which averaged weights ("model_ema.") are preferred. */
GR_API GR_MUST_USE gr_status gr_unet_load(gr_unet *u, const gr_tensorfile *f);

/* x [N,C,H,W], t [N] (fractions allowed, 0..999 for the public models), labels i64 [N] or NULL ->
 * [N,out_channels,H,W]. GR_EARG when labels do not go with the configuration. */
GR_API gr_tensor *gr_unet_forward(const gr_unet *u, gr_tensor *x, gr_tensor *t, gr_tensor *labels);

typedef struct gr_unet_forward_opts {
	size_t size;
	const gr_key *dropout_key; /* drop activations at rate config.dropout; default: none dropped.
	                              The mask of a sample depends on its place in the batch */
	gr_tensor **middle; /* set to the middle block's output [N,C,H',W'], owned by the scope */
	gr_tensor *context; /* [N,M,context_dim], of the transformers; without it they attend to their
	                       own tokens, which need that width then */
} gr_unet_forward_opts;
GR_API gr_tensor *gr_unet_forward_with(const gr_unet *u, gr_tensor *x, gr_tensor *t,
	gr_tensor *labels, const gr_unet_forward_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
