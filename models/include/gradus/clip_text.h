/*
 * The text encoder of CLIP (Radford et al., "Learning transferable visual models from natural
 * language supervision", 2021; openai/CLIP clip/model.py) and OpenCLIP, which conditions Stable
 * Diffusion: token ids to one vector a token. Parameter names and shapes are those of openai/CLIP
 * and mlfoundations/open_clip; Hugging Face's are known by gr_clip_text_load().
 *
 * Ownership: a gr_clip_text owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_CLIP_TEXT_H
#define GRADUS_CLIP_TEXT_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_clip_act {
	GR_CLIP_QUICK_GELU = 0, /* x sigmoid(1.702 x) */
	GR_CLIP_GELU = 1,       /* by erf, as in OpenCLIP */
} gr_clip_act;

typedef enum gr_clip_padding {
	GR_CLIP_PAD_DEFAULT = 0, /* the end token with quick GELU (SD 1), 0 with GELU (SD 2) */
	GR_CLIP_PAD_END = 1,
	GR_CLIP_PAD_ZERO = 2,
} gr_clip_padding;

/* Options under Hugging Face's names; zero means the default given here, CLIP ViT-L/14's. SD 2 has
 * hidden_size 1024, 24 layers, 16 heads, GELU, and skips the last layer. */
typedef struct gr_clip_text_config {
	size_t size;
	int64_t vocab_size;              /* default 49408; the last two ids are start and end */
	int64_t hidden_size;             /* default 768 */
	int64_t intermediate_size;       /* default 4 hidden_size */
	int64_t num_hidden_layers;       /* default 12 */
	int64_t num_attention_heads;     /* default hidden_size / 64 */
	int64_t max_position_embeddings; /* default 77 */
	gr_clip_act hidden_act;
	double layer_norm_eps;        /* default 1e-5 */
	int64_t skip_layers;          /* layers at the end that are not applied; default 0 */
	gr_clip_padding null_padding; /* of the null prompt */
	gr_dtype dtype;               /* f32 (default) or f64 */
} gr_clip_text_config;

typedef struct gr_clip_text gr_clip_text;

/* Build the network; its parameters have no values until gr_module_init() or gr_clip_text_load().
 * Initial laws: openai/CLIP's. config NULL: the defaults. */
GR_API gr_clip_text *gr_clip_text_new(const gr_clip_text_config *config);
GR_API void gr_clip_text_free(gr_clip_text *c);
/* The parameters; borrowed. */
GR_API gr_module *gr_clip_text_module(gr_clip_text *c);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_clip_text_config *gr_clip_text_get_config(const gr_clip_text *c);

/* Read a configuration from a JSON object, such as the config.json of Hugging Face; members about
 * training and files are passed over, an unknown one is GR_EFORMAT. */
GR_API GR_MUST_USE gr_status gr_clip_text_config_from_json(gr_clip_text_config *out,
	const gr_json *object);

/* All values from a file under openai/CLIP's, OpenCLIP's or Hugging Face's names, alone or in a
 * Stable Diffusion checkpoint ("cond_stage_model."); the image encoder, text_projection and
 * logit_scale are passed over. */
GR_API GR_MUST_USE gr_status gr_clip_text_load(gr_clip_text *c, const gr_tensorfile *f);

/* ids i64 [N,L], L at most max_position_embeddings, as a tokeniser gives them: start, words, end,
 * padding -> the sequence after the final norm [N,L,hidden_size]. Every token sees those before it
 * alone. */
GR_API gr_tensor *gr_clip_text_forward(const gr_clip_text *c, gr_tensor *ids);
/* The empty prompt n times, for unconditional use: i64 [n,max_position_embeddings] */
GR_API gr_tensor *gr_clip_text_null(const gr_clip_text *c, int64_t n);
/* The result for token embeddings in place of ids: [N,L,hidden_size], without positions. */
GR_API gr_tensor *gr_clip_text_embedded(const gr_clip_text *c, gr_tensor *embeddings);

#ifdef __cplusplus
}
#endif

#endif
