/*
 * SiT and DiT, transformers on latents (Ma et al., "SiT", 2024, arXiv 2401.08740; Peebles and Xie,
 * "Scalable diffusion models with transformers", 2023), with the projectors of REPA (Yu et al.,
 * "Representation alignment for generation", 2025, arXiv 2410.06940; sihyun-yu/REPA
 * models/sit.py). Parameter names and shapes are those of the public checkpoints.
 *
 * Time: REPA's SiT takes t in [0,1], t = 1 being noise; the original SiT runs the other way round
 * (its velocity at tau = 1 - t is minus ours), DiT takes steps 0..999. Nothing is rescaled here.
 *
 * Ownership: a gr_sit owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_SIT_H
#define GRADUS_SIT_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_SIT_MAX_PROJECTORS 8

/* Options under the reference's names; zero means the default given here. */
typedef struct gr_sit_config {
	size_t size;
	int64_t input_size;  /* side of the latent, default 32 */
	int64_t patch_size;  /* default 2 */
	int64_t in_channels; /* default 4 */
	int64_t hidden_size; /* default 1152; a multiple of 4 and of num_heads */
	int64_t depth;       /* blocks, default 28 */
	int64_t num_heads;   /* default 16 */
	double mlp_ratio;    /* hidden width of the MLPs: floor(mlp_ratio hidden_size), default 4 */
	int64_t num_classes; /* default 1000 */
	double class_dropout_prob;   /* default 0.1; unless it is none (-1) there is one label more,
	                               number num_classes, for "no class" */
	int64_t decoder_hidden_size; /* width at the final layer: hidden_size, its default */
	int64_t encoder_depth;       /* the projectors read the output of this block, default 8 */
	int num_projectors;          /* entries of the next, default none */
	int64_t z_dims[GR_SIT_MAX_PROJECTORS]; /* widths of the projected tokens */
	int64_t projector_dim;                 /* hidden width of the projectors, default 2048 */
	bool qk_norm;                          /* layer norms of queries and keys */
	bool learn_sigma; /* the final layer predicts in_channels more, see gr_sit_forward() */
	bool is_dit;      /* with learn_sigma: return those channels, too */
	gr_dtype dtype;   /* f32 (default) or f64 */
} gr_sit_config;

typedef struct gr_sit gr_sit;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load(). The
 * position table is a parameter `pos_embed` [1,T,hidden_size] that is never trained. Initial laws are the reference's: Xavier-uniform linear layers, N(0, 0.02^2) label table and
 * time layers, zeros for modulations and the last layer, so that a fresh network returns 0. */
GR_API gr_sit *gr_sit_new(const gr_sit_config *config);
GR_API void gr_sit_free(gr_sit *s);
/* The parameters; borrowed. */
GR_API gr_module *gr_sit_module(gr_sit *s);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_sit_config *gr_sit_get_config(const gr_sit *s);

/* Read a configuration from a JSON object under the reference's names; "arch": "dit" sets is_dit and
 * learn_sigma. fused_attn and path_type change nothing here and are passed over; null means the
 * default, an unknown member is GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_sit_config_from_json(gr_sit_config *out, const gr_json *object);

/* x [N,C,S,S], t [N], labels i64 [N] -> [N,C,S,S]. With learn_sigma a SiT drops the second half of
 * the final layer's channels, a DiT returns [N,2C,S,S]. */
GR_API gr_tensor *gr_sit_forward(const gr_sit *s, gr_tensor *x, gr_tensor *t, gr_tensor *labels);

typedef struct gr_sit_forward_opts {
	size_t size;
	gr_tensor **projected; /* num_projectors tensors [N,T,z_dims[i]], owned by the scope */
	gr_tensor **hidden;    /* the output of block encoder_depth, [N,T,hidden_size], likewise */
} gr_sit_forward_opts;
GR_API gr_tensor *gr_sit_forward_with(const gr_sit *s, gr_tensor *x, gr_tensor *t,
	gr_tensor *labels, const gr_sit_forward_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
