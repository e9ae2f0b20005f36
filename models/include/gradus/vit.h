/*
 * Vision transformers of DINO (Caron et al. 2021; facebookresearch/dino vision_transformer.py) and
 * DINOv2 (Oquab et al. 2023; facebookresearch/dinov2 dinov2/models/vision_transformer.py, with
 * registers: Darcet et al. 2023): images to a class token and one token a patch. Parameter names
 * and shapes are those of the public checkpoints.
 *
 * Images are what the caller normalised (ImageNet's mean and deviation for the public weights).
 *
 * Ownership: a gr_vit owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_VIT_H
#define GRADUS_VIT_H

#include "gradus/checkpoint.h"
#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_vit_ffn {
	GR_VIT_FFN_MLP = 0,    /* mlp.fc1, GELU by erf, mlp.fc2 */
	GR_VIT_FFN_SWIGLU = 1, /* mlp.w12, SiLU of one half times the other, mlp.w3; its hidden width is
	                          2/3 of the MLP's, rounded up to a multiple of 8 */
	GR_VIT_FFN_IDENTITY = 2, /* no layer */
} gr_vit_ffn;

/*
 * Options under the reference's names; zero means the default given here. The table of positions is
 * resampled (bicubic) for images of another size by one of the rules in circulation:
 *
 *	interpolate_offset 0.1, no antialias   DINO, DINOv2 without registers (the default)
 *	interpolate_offset -1 (none), antialias DINOv2 with registers, timm and REPA, Hugging Face's
 *	                                        "with registers"
 *	interpolate_offset -1, no antialias     Hugging Face's Dinov2Model
 */
typedef struct gr_vit_config {
	size_t size;
	int64_t img_size;     /* side trained at, default 224 (518 for the public DINOv2 weights) */
	int64_t patch_size;   /* default 16 */
	int64_t in_chans;     /* default 3 */
	int64_t embed_dim;    /* default 768 */
	int64_t depth;        /* default 12 */
	int64_t num_heads;    /* default 12 */
	double mlp_ratio;     /* default 4 */
	gr_vit_ffn ffn_layer; /* default MLP */
	double init_values;   /* initial factor of the layer scales; default: there are none */
	int64_t num_register_tokens;
	double
		interpolate_offset; /* added to the number of patches in the scale; default 0.1, -1 none */
	bool interpolate_antialias;
	int64_t
		block_chunks; /* names are blocks.CHUNK.BLOCK, as in training files; default blocks.BLOCK */
	bool no_qkv_bias, no_proj_bias, no_ffn_bias; /* reference: qkv_bias = false, ... */
	bool no_mask_token;                          /* DINO: no parameter of that name */
	gr_dtype dtype;                              /* f32 (default) or f64 */
	double qk_scale; /* of the logits; default 1 / sqrt(width of a head) */
} gr_vit_config;

typedef struct gr_vit gr_vit;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: linear layers, tokens and positions from N(0, 0.02^2) cut at two deviations, biases
 * zero. mask_token is there for its name only. */
GR_API gr_vit *gr_vit_new(const gr_vit_config *config);
GR_API void gr_vit_free(gr_vit *v);
/* The parameters; borrowed. */
GR_API gr_module *gr_vit_module(gr_vit *v);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_vit_config *gr_vit_get_config(const gr_vit *v);

/* Read a configuration from a JSON object under the reference's names; "arch": "dino" sets
 * no_mask_token. An interpolate_offset of 0 or null means none; options of training alone
 * (drop_path_rate, num_classes, ...) are passed over, an unknown member is GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_vit_config_from_json(gr_vit_config *out, const gr_json *object);

/* All values from a file, under the reference's names, blocks with or without their chunk, or under
 * Hugging Face's. */
GR_API GR_MUST_USE gr_status gr_vit_load(gr_vit *v, const gr_tensorfile *f);

/* Hugging Face's names (Dinov2Model, Dinov2WithRegistersModel, without a "dinov2." in front) as
 * those here, for gr_load_opts.map with gr_keymap_place(); static storage. */
GR_API const gr_keymap *gr_vit_huggingface_keys(void);

/* The normalised patch tokens, row by row. x [N,C,H,W], H and W multiples of patch_size ->
 * [N,H/P W/P,embed_dim] */
GR_API gr_tensor *gr_vit_forward(const gr_vit *v, gr_tensor *x);

typedef struct gr_vit_forward_opts {
	size_t size;
	gr_tensor **cls;       /* the normalised class token [N,embed_dim], owned by the scope */
	gr_tensor **registers; /* the normalised registers [N,R,embed_dim], likewise */
	int64_t blocks;        /* stop after that many, default all; the norm is applied then */
} gr_vit_forward_opts;
GR_API gr_tensor *gr_vit_forward_with(const gr_vit *v, gr_tensor *x,
	const gr_vit_forward_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
