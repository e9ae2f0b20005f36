/*
 * The networks of EDM (Karras et al., "Elucidating the design space of diffusion-based generative
 * models", 2022; NVlabs/edm training/networks.py): SongUNet with the settings DDPM++ and NCSN++ of
 * Song et al. 2021, DhariwalUNet (ADM reorganised), and the preconditioners that make a denoiser of
 * one of them,
 *
 *	D(x; sigma) = c_skip x + c_out F(c_in x; c_noise),    score = (D(x; sigma) - x) / sigma^2.
 *
 * Parameter names and shapes are those of the public pickles. Images are in [-1,1]. The U-shaped
 * neural operator of FunDPS (Yao et al. 2025, arXiv 2505.17004) is the same with convolutions in
 * Fourier space, of resolution / 2 modes at each level, two channels of coordinates, and resampling
 * by frequencies; it may be evaluated at more than img_resolution.
 *
 * Ownership: a gr_edm owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_EDM_H
#define GRADUS_EDM_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_EDM_MAX_LEVELS 8
#define GR_EDM_MAX_FILTER 8

typedef enum gr_edm_model {
	GR_EDM_SONG = 0,
	GR_EDM_DHARIWAL = 1,
	GR_EDM_UNO = 2, /* Song's, its 3 x 3 convolutions spectral: a network for functions */
} gr_edm_model;

typedef enum gr_edm_precond {
	GR_EDM_BARE = 0, /* the network F itself */
	GR_EDM_VP = 1,
	GR_EDM_VE = 2,
	GR_EDM_IDDPM = 3, /* F has twice the channels, the second half is not used */
	GR_EDM_EDM = 4,
} gr_edm_precond;

typedef enum gr_edm_embedding {
	GR_EDM_POSITIONAL = 0,
	GR_EDM_FOURIER = 1, /* random frequencies, part of the checkpoint */
} gr_edm_embedding;

typedef enum gr_edm_encoder {
	GR_EDM_ENCODER_STANDARD = 0,
	GR_EDM_ENCODER_SKIP = 1,     /* the image itself, halved and mapped, is added at every level */
	GR_EDM_ENCODER_RESIDUAL = 2, /* so is what the level above made of it: NCSN++ */
} gr_edm_encoder;

typedef enum gr_edm_decoder {
	GR_EDM_DECODER_STANDARD = 0,
	GR_EDM_DECODER_SKIP = 1, /* every level adds its share of the output */
} gr_edm_decoder;

/* Options under the reference's names; zero means the default given here (Song and UNO; Dhariwal). */
typedef struct gr_edm_config {
	size_t size;
	gr_edm_model model_type;
	gr_edm_precond precond;
	int64_t img_resolution;   /* required: it names the blocks, and tells where attention is */
	int64_t in_channels;      /* also img_channels; default 3 */
	int64_t out_channels;     /* default in_channels, twice that for iDDPM */
	int64_t label_dim;        /* classes; default none */
	int64_t augment_dim;      /* width of the augmentation labels; default none */
	int64_t model_channels;   /* default 128; 192 */
	int64_t channel_mult_emb; /* width of the embedding over model_channels, default 4 */
	int64_t num_blocks;       /* per level on the way down, one more on the way up; default 4; 3 */
	int num_levels;           /* entries of channel_mult; default 1, 2, 2, 2; 1, 2, 3, 4 */
	int64_t channel_mult[GR_EDM_MAX_LEVELS];
	int num_attention; /* entries of attn_resolutions, -1 for none; default 16; 32, 16, 8 */
	int64_t attn_resolutions[GR_EDM_MAX_LEVELS];
	double dropout; /* in training only, see gr_edm_forward_opts; default 0 */
	/* Song and UNO alone: */
	gr_edm_embedding embedding_type;
	int64_t channel_mult_noise; /* default 1; 2 for NCSN++ */
	gr_edm_encoder encoder_type;
	gr_edm_decoder decoder_type;
	int filter_length; /* entries of resample_filter; default 1, 1; 1, 3, 3, 1 for NCSN++ */
	double resample_filter[GR_EDM_MAX_FILTER];
	/* Preconditioners: */
	double sigma_data;           /* EDM; default 0.5 */
	double sigma_min, sigma_max; /* supported; default 0, infinity; VE 0.02, 100 */
	double beta_d, beta_min;     /* VP; default 19.9, 0.1 */
	double epsilon_t;            /* VP: sigma_min is sigma(epsilon_t); default 1e-5 */
	int64_t M;                   /* VP, iDDPM: steps; default 1000 */
	double C_1, C_2;             /* iDDPM; default 0.001, 0.008 */
	gr_dtype dtype;              /* f32 (default) or f64 */
} gr_edm_config;

typedef struct gr_edm gr_edm;

/* Build the network; its parameters have no values until gr_module_init() or gr_edm_load(). Initial
 * laws: the reference's. */
GR_API gr_edm *gr_edm_new(const gr_edm_config *config);
GR_API void gr_edm_free(gr_edm *e);
/* The parameters; with a preconditioner, F's names start with "model."; borrowed. */
GR_API gr_module *gr_edm_module(gr_edm *e);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_edm_config *gr_edm_get_config(const gr_edm *e);

/* Read a configuration from a JSON object under the reference's names; the preconditioner is
 * "precond" ("none", "vp", "ve", "iddpm", "edm") or class_name ("EDMPrecond"). An unknown member is
 * GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_edm_config_from_json(gr_edm_config *out, const gr_json *object);

/* All values from a file, with or without "model." before its keys; GR_EFORMAT when it was made for
 * another resample_filter. */
GR_API GR_MUST_USE gr_status gr_edm_load(gr_edm *e, const gr_tensorfile *f);

typedef struct gr_edm_forward_opts {
	size_t size;
	gr_tensor *labels;         /* i64 [N], or one-hot (or any) rows [N,label_dim]; default zeros */
	gr_tensor *augment;        /* [N,augment_dim]; default: none are added */
	const gr_key *dropout_key; /* drop activations at rate config.dropout; default: none dropped.
	                              The mask of a sample depends on its place in the batch */
} gr_edm_forward_opts;

/* x [N,C,H,W], sigma [N] or [1] (a constant to gradients) -> D(x; sigma) [N,C,H,W]; of a bare
 * network F(x; sigma), with sigma its noise label. */
GR_API gr_tensor *gr_edm_forward(const gr_edm *e, gr_tensor *x, gr_tensor *sigma,
	const gr_edm_forward_opts *opts);

/* The noise levels that the preconditioner was made for. */
GR_API void gr_edm_sigma_range(const gr_edm *e, double *sigma_min, double *sigma_max);
/* The level nearest to sigma that the network knows: iDDPM has a grid, the others know any. */
GR_API double gr_edm_round_sigma(const gr_edm *e, double sigma);

#ifdef __cplusplus
}
#endif

#endif
