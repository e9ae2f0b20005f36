/*
 * Blocks of the latent-diffusion autoencoders, and their encoder and decoder, for vae.c and
 * vqmodel.c.
 */
#ifndef GRADUS_MODELS_VAE_PRIV_H
#define GRADUS_MODELS_VAE_PRIV_H

#include "gradus/layers.h"
#include "gradus/vae.h"
#include "options_priv.h"

/* vae_blocks.c */
typedef struct vae_res vae_res;
typedef struct vae_attention vae_attention;

/* A residual block in -> out, child `name` of parent; emb > 0: with a time embedding that wide. */
vae_res *gr__vae_res_new(gr_module *parent, const char *name, int64_t in, int64_t out,
	int64_t groups, int64_t emb);
/* x [N,in,H,W], emb [N,E] with its SiLU applied, or NULL -> [N,out,H,W] */
gr_tensor *gr__vae_res_forward(const vae_res *b, gr_tensor *x, gr_tensor *emb);

/* An attention block of one head; NULL for GR_VAE_ATTENTION_NONE, which is no failure. */
vae_attention *gr__vae_attention_new(gr_module *parent, const char *name, int64_t width,
	int64_t groups, gr_vae_attention kind);
/* x [N,C,H,W] -> [N,C,H,W] */
gr_tensor *gr__vae_attention_forward(const vae_attention *b, gr_tensor *x);

/* vae_coder.c */
typedef struct vae_coder vae_coder;

/* Fill in defaults, then refuse what makes no sense; `model` begins the message. */
gr_status gr__vae_coder_check(gr_vae_coder_config *config, const char *model);
/* Children "encoder" and "decoder" of parent. */
vae_coder *gr__vae_encoder_new(gr_module *parent, const gr_vae_coder_config *config);
vae_coder *gr__vae_decoder_new(gr_module *parent, const gr_vae_coder_config *config);
/* x [N,C,H,W] -> [N,z or 2z,H/f,W/f]; z [N,z,h,w] -> [N,out_ch,f h,f w] */
gr_tensor *gr__vae_coder_forward(const vae_coder *c, gr_tensor *x);
/* x is [N,channels,H,W], else GR_ESHAPE. */
gr_status gr__vae_check_input(const char *model, const gr_tensor *x, int64_t channels);

extern const char *const gr__vae_attention_words[];

/* The rows of an option table for the gr_vae_coder_config `coder` in the struct `type`. */
#define VAE_CODER_OPTION(member, kind, type, field) \
	{ \
		member, kind, offsetof(type, coder.field), 0, NULL \
	}
#define VAE_CODER_OPTIONS(type) \
	VAE_CODER_OPTION("ch", OPTION_COUNT, type, ch), \
		{"ch_mult", OPTION_COUNTS, offsetof(type, coder.ch_mult), \
			offsetof(type, coder.num_levels), NULL}, \
		{"attn_resolutions", OPTION_COUNTS, offsetof(type, coder.attn_resolutions), \
			offsetof(type, coder.num_attention), NULL}, \
		{"attn_type", OPTION_WORD, offsetof(type, coder.attn_type), 0, gr__vae_attention_words}, \
		VAE_CODER_OPTION("num_res_blocks", OPTION_COUNT, type, num_res_blocks), \
		VAE_CODER_OPTION("resolution", OPTION_COUNT, type, resolution), \
		VAE_CODER_OPTION("in_channels", OPTION_COUNT, type, in_channels), \
		VAE_CODER_OPTION("out_ch", OPTION_COUNT, type, out_ch), \
		VAE_CODER_OPTION("z_channels", OPTION_COUNT, type, z_channels), \
		VAE_CODER_OPTION("double_z", OPTION_UNSET, type, single_z), \
		VAE_CODER_OPTION("resamp_with_conv", OPTION_UNSET, type, no_conv_resample), \
		VAE_CODER_OPTION("use_linear_attn", OPTION_FLAG, type, use_linear_attn), \
		VAE_CODER_OPTION("tanh_out", OPTION_FLAG, type, tanh_out), \
		VAE_CODER_OPTION("norm_groups", OPTION_COUNT, type, norm_groups), \
		{"ddconfig", OPTION_GROUP, 0, 0, NULL}, {"give_pre_end", OPTION_OFF, 0, 0, NULL}, \
		{"dropout", OPTION_PASSED, 0, 0, NULL}, {"lossconfig", OPTION_PASSED, 0, 0, NULL}, \
		{"ckpt_path", OPTION_PASSED, 0, 0, NULL}, {"ignore_keys", OPTION_PASSED, 0, 0, NULL}, \
		{"image_key", OPTION_PASSED, 0, 0, NULL}, {"monitor", OPTION_PASSED, 0, 0, NULL}, \
	{ \
		"colorize_nlabels", OPTION_PASSED, 0, 0, NULL \
	}

/* The side by which attention on a level is decided: halved on the way down, then doubled. */
int64_t gr__vae_side(int64_t resolution, int levels, int level, bool up);

#endif
