/*
 * AutoencoderKL (Rombach et al., "High-resolution image synthesis with latent diffusion models",
 * 2022; CompVis latent-diffusion), the autoencoder of latent diffusion and Stable Diffusion: images
 * [N,C,H,W] in [-1,1], latents [N,embed_dim,H/f,W/f] with f = 2^(levels - 1). Parameter names and
 * shapes are those of the public checkpoints.
 *
 * Ownership: a gr_vae owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_VAE_H
#define GRADUS_VAE_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_VAE_MAX_LEVELS 8

typedef enum gr_vae_attention {
	GR_VAE_ATTENTION_VANILLA = 0, /* softmax over all pixels, one head */
	GR_VAE_ATTENTION_LINEAR = 1,  /* keys' softmax first: cost linear in pixels, no residual */
	GR_VAE_ATTENTION_NONE = 2,    /* no such layers, no such parameters */
} gr_vae_attention;

/* The encoder and the decoder ("ddconfig"), options under the reference's names; zero means the
 * default given here. */
typedef struct gr_vae_coder_config {
	int64_t ch;                                  /* required: width of the first level */
	int num_levels;                              /* entries of ch_mult; default 4 with 1, 2, 4, 8 */
	int64_t ch_mult[GR_VAE_MAX_LEVELS];          /* width of level L: ch ch_mult[L] */
	int64_t num_res_blocks;                      /* per level, one more in the decoder; default 2 */
	int num_attention;                           /* entries of the next; default none */
	int64_t attn_resolutions[GR_VAE_MAX_LEVELS]; /* sides, counted from `resolution`, at which every
	                                                residual block is followed by attention */
	int64_t resolution;         /* side trained at, default 256; inputs may have another */
	int64_t in_channels;        /* default 3 */
	int64_t out_ch;             /* default in_channels */
	int64_t z_channels;         /* default 4 */
	bool single_z;              /* reference: double_z = false; the encoder has no log-variances */
	bool no_conv_resample;      /* reference: resamp_with_conv = false */
	gr_vae_attention attn_type; /* also of the middle blocks */
	bool use_linear_attn;       /* the same as attn_type linear */
	bool tanh_out;              /* the decoder ends with tanh */
	int64_t norm_groups;        /* groups of every group norm; default 32 */
} gr_vae_coder_config;

typedef struct gr_vae_config {
	size_t size;
	gr_vae_coder_config coder;
	int64_t embed_dim;   /* channels of a latent; default z_channels */
	double scale_factor; /* latents are scale_factor z; default 1; 0.18215 for Stable Diffusion */
	gr_dtype dtype;      /* f32 (default) or f64 */
} gr_vae_config;

typedef struct gr_vae gr_vae;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions. */
GR_API gr_vae *gr_vae_new(const gr_vae_config *config);
GR_API void gr_vae_free(gr_vae *v);
/* The parameters; borrowed. Children "encoder" and "quant_conv", "decoder", "post_quant_conv". */
GR_API gr_module *gr_vae_module(gr_vae *v);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_vae_config *gr_vae_get_config(const gr_vae *v);

/* Read a configuration from a JSON object under the reference's names, those of ddconfig beside
 * embed_dim or in an object of that name. null means the default; an unknown member is GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_vae_config_from_json(gr_vae_config *out, const gr_json *object);

/* All values from a file: the autoencoder alone under the names of its reference or of diffusers, or
 * a checkpoint of the whole ("first_stage_model."). */
GR_API GR_MUST_USE gr_status gr_vae_load(gr_vae *v, const gr_tensorfile *f);

/* Mean and log-variance of the posterior, unscaled. x [N,C,H,W] -> [N,2 embed_dim,H/f,W/f] */
GR_API gr_tensor *gr_vae_moments(const gr_vae *v, gr_tensor *x);
/* scale_factor (mean + exp(logvar / 2) n), logvar clamped to -30..20, n ~ N(0, I) of sample i by
 * keys[i]; keys NULL gives the mode, scale_factor mean. [N,2E,h,w] -> [N,E,h,w] */
GR_API gr_tensor *gr_vae_sample(const gr_vae *v, gr_tensor *moments, const gr_key *keys);
/* gr_vae_sample() of gr_vae_moments(). x [N,C,H,W] -> [N,E,h,w] */
GR_API gr_tensor *gr_vae_encode(const gr_vae *v, gr_tensor *x, const gr_key *keys);
/* z [N,E,h,w], scaled -> [N,out_ch,f h,f w], not clamped */
GR_API gr_tensor *gr_vae_decode(const gr_vae *v, gr_tensor *z);

#ifdef __cplusplus
}
#endif

#endif
