/*
 * CLIP's text encoder: a transformer whose tokens see only those before them.
 *
 *	X = token_embedding[ids] + positional_embedding
 *	block: X = X + Attention(LN(X)), additive mask -inf above the diagonal
 *	       X = X + W2 act(W1 LN(X))
 *	result: LN(X), of the last layer that is applied
 */
#include "gradus/clip_text.h"

#include <math.h>
#include <string.h>

#include "block.h"
#include "gradus/checkpoint.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define DEPTH_MAX 64
#define MASKED (-1e30) /* its exponential is 0 and its gradient, too */

typedef struct text_block {
	gr_layernorm *norm[2];
	gr_param *qkv_weight, *qkv_bias; /* [3W,W], [3W]: all q, all k, all v */
	gr_linear *out;
	gr_mlp *mlp;
	int64_t heads;
} text_block;

struct gr_clip_text {
	gr_clip_text_config config;
	gr_module *root;
	gr_embedding *tokens;
	gr_param *positions;
	text_block block[DEPTH_MAX];
	gr_layernorm *norm;
};

#define FIELD(name) offsetof(gr_clip_text_config, name)
#define PASSED(name) \
	{ \
		name, OPTION_PASSED, 0, 0, NULL \
	}

static const char *const act_words[] = {"quick_gelu", "gelu", NULL};
static const char *const padding_words[] = {"default", "end", "zero", NULL};

static const option options[] = {
	{"vocab_size", OPTION_COUNT, FIELD(vocab_size), 0, NULL},
	{"hidden_size", OPTION_COUNT, FIELD(hidden_size), 0, NULL},
	{"intermediate_size", OPTION_COUNT, FIELD(intermediate_size), 0, NULL},
	{"num_hidden_layers", OPTION_COUNT, FIELD(num_hidden_layers), 0, NULL},
	{"num_attention_heads", OPTION_COUNT, FIELD(num_attention_heads), 0, NULL},
	{"max_position_embeddings", OPTION_COUNT, FIELD(max_position_embeddings), 0, NULL},
	{"hidden_act", OPTION_WORD, FIELD(hidden_act), 0, act_words},
	{"layer_norm_eps", OPTION_REAL, FIELD(layer_norm_eps), 0, NULL},
	{"skip_layers", OPTION_COUNT, FIELD(skip_layers), 0, NULL},
	{"null_padding", OPTION_WORD, FIELD(null_padding), 0, padding_words},
	PASSED("_name_or_path"),
	PASSED("architectures"),
	PASSED("attention_dropout"),
	PASSED("bos_token_id"),
	PASSED("dropout"),
	PASSED("eos_token_id"),
	PASSED("initializer_factor"),
	PASSED("initializer_range"),
	PASSED("model_type"),
	PASSED("pad_token_id"),
	PASSED("projection_dim"),
	PASSED("torch_dtype"),
	PASSED("transformers_version"),
};

static const option_table table = {"clip_text", options, sizeof options / sizeof *options};

gr_status gr_clip_text_config_from_json(gr_clip_text_config *out, const gr_json *object)
{
	gr_clip_text_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static void default_to(int64_t *field, int64_t value)
{
	if (*field == 0)
		*field = value;
}

static gr_status check_config(gr_clip_text_config *c)
{
	default_to(&c->vocab_size, 49408);
	default_to(&c->hidden_size, 768);
	default_to(&c->intermediate_size, 4 * c->hidden_size);
	default_to(&c->num_hidden_layers, 12);
	default_to(&c->num_attention_heads, c->hidden_size > 64 ? c->hidden_size / 64 : 1);
	default_to(&c->max_position_embeddings, 77);
	if (c->null_padding == GR_CLIP_PAD_DEFAULT)
		c->null_padding = c->hidden_act == GR_CLIP_GELU ? GR_CLIP_PAD_ZERO : GR_CLIP_PAD_END;
	if (c->vocab_size < 2 || c->hidden_size < 1 || c->intermediate_size < 1 ||
		c->num_attention_heads < 1 || c->hidden_size % c->num_attention_heads != 0 ||
		c->max_position_embeddings < 2)
		return gr_error_set(GR_EARG,
			"clip_text: vocab_size %lld, hidden_size %lld, intermediate_size %lld, "
			"num_attention_heads %lld, max_position_embeddings %lld: two ids and positions at "
			"least, and heads that divide the width",
			(long long)c->vocab_size, (long long)c->hidden_size, (long long)c->intermediate_size,
			(long long)c->num_attention_heads, (long long)c->max_position_embeddings);
	if (c->num_hidden_layers < 1 || c->num_hidden_layers > DEPTH_MAX || c->skip_layers < 0 ||
		c->skip_layers >= c->num_hidden_layers)
		return gr_error_set(GR_EARG,
			"clip_text: num_hidden_layers %lld is not in 1..%d, or skip_layers %lld leaves none",
			(long long)c->num_hidden_layers, DEPTH_MAX, (long long)c->skip_layers);
	return GR_OK;
}

static void build_block(text_block *b, gr_module *m, const gr_clip_text_config *c)
{
	static const char *const norms[] = {"ln_1", "ln_2"};
	const int64_t w = c->hidden_size;
	const double std = 1.0 / sqrt((double)w);
	const double last = std / sqrt(2.0 * (double)c->num_hidden_layers);
	gr_module *attention = gr_module_child(m, "attn");
	b->heads = c->num_attention_heads;
	for (int i = 0; i < 2; i++)
		b->norm[i] = gr_layernorm_new(m, norms[i],
			GR_OPTS(gr_layernorm_opts, .dim = w, .eps = c->layer_norm_eps));
	b->qkv_weight = gr_module_add_param(attention, "in_proj_weight",
		GR_OPTS(gr_param_opts, .init = GR_INIT_NORMAL, .scale = std), GR_DIMS(3 * w, w));
	b->qkv_bias = gr_module_add_param(attention, "in_proj_bias", NULL, GR_DIMS(3 * w));
	b->out = gr_linear_new(attention, "out_proj",
		GR_OPTS(gr_linear_opts, .in = w, .out = w, .init = GR_INIT_NORMAL, .init_scale = last));
	b->mlp = gr_mlp_new(m, "mlp",
		GR_OPTS(gr_mlp_opts, .dim = w, .hidden = c->intermediate_size,
			.activation = c->hidden_act == GR_CLIP_GELU ? GR_ACT_GELU : GR_ACT_GELU_QUICK,
			.first_name = "c_fc", .second_name = "c_proj", .init = GR_INIT_NORMAL,
			.init_scale = last));
}

static gr_status build(gr_clip_text *c)
{
	const gr_clip_text_config *o = &c->config;
	c->tokens = gr_embedding_new(c->root, "token_embedding",
		GR_OPTS(gr_embedding_opts, .count = o->vocab_size, .dim = o->hidden_size,
			.init_scale = 0.02));
	c->positions = gr_module_add_param(c->root, "positional_embedding",
		GR_OPTS(gr_param_opts, .init = GR_INIT_NORMAL, .scale = 0.01),
		GR_DIMS(o->max_position_embeddings, o->hidden_size));
	for (int i = 0; i < o->num_hidden_layers; i++)
		build_block(&c->block[i], gr_module_childf(c->root, "transformer.resblocks.%d", i), o);
	c->norm = gr_layernorm_new(c->root, "ln_final",
		GR_OPTS(gr_layernorm_opts, .dim = o->hidden_size, .eps = o->layer_norm_eps));
	return gr_module_status(c->root);
}

gr_clip_text *gr_clip_text_new(const gr_clip_text_config *config)
{
	gr_clip_text_config filled =
		config == NULL ? (gr_clip_text_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_clip_text *c = gr_alloc(sizeof *c);
	if (c == NULL)
		return NULL;
	*c = (gr_clip_text){.config = filled, .root = gr_module_new()};
	if (c->root == NULL || gr_module_set_dtype(c->root, filled.dtype) != GR_OK ||
		build(c) != GR_OK) {
		gr_clip_text_free(c);
		return NULL;
	}
	return c;
}

void gr_clip_text_free(gr_clip_text *c)
{
	if (c == NULL)
		return;
	gr_module_free(c->root);
	gr_free(c);
}

gr_module *gr_clip_text_module(gr_clip_text *c)
{
	return c == NULL ? NULL : c->root;
}

const gr_clip_text_config *gr_clip_text_get_config(const gr_clip_text *c)
{
	return c == NULL ? NULL : &c->config;
}

#define LAYER "text_model.encoder.layers.*."
#define BLOCK "transformer.resblocks.*."

static const gr_keymap_rule rules[] = {
	{"text_model.embeddings.token_embedding.weight", "token_embedding.weight", 0, 0},
	{"text_model.embeddings.position_embedding.weight", "positional_embedding", 0, 0},
	{LAYER "layer_norm1.*", BLOCK "ln_1.*", 0, 0},
	{LAYER "layer_norm2.*", BLOCK "ln_2.*", 0, 0},
	{LAYER "self_attn.q_proj.*", BLOCK "attn.in_proj_*", 0, 3},
	{LAYER "self_attn.k_proj.*", BLOCK "attn.in_proj_*", 1, 3},
	{LAYER "self_attn.v_proj.*", BLOCK "attn.in_proj_*", 2, 3},
	{LAYER "self_attn.out_proj.*", BLOCK "attn.out_proj.*", 0, 0},
	{LAYER "mlp.fc1.*", BLOCK "mlp.c_fc.*", 0, 0},
	{LAYER "mlp.fc2.*", BLOCK "mlp.c_proj.*", 0, 0},
	{"text_model.final_layer_norm.*", "ln_final.*", 0, 0},
	{"text_projection", NULL, 0, 0},
	{"text_projection.*", NULL, 0, 0},
	{"logit_scale", NULL, 0, 0},
	{"visual.**", NULL, 0, 0},
	{"visual_projection.*", NULL, 0, 0},
	{"vision_model.**", NULL, 0, 0},
};
static const gr_keymap keys = {rules, sizeof rules / sizeof *rules};

gr_status gr_clip_text_load(gr_clip_text *c, const gr_tensorfile *f)
{
	static const char *const prefixes[] = {"cond_stage_model.transformer.",
		"cond_stage_model.model.", "transformer.text_model."};
	if (c == NULL || f == NULL)
		return gr_error_set(GR_EARG, "clip_text: nothing to load %s", c == NULL ? "into" : "from");
	gr_load_opts opts = {.size = sizeof opts, .place = gr_keymap_place, .map = &keys};
	gr_tensor_info t;
	for (int64_t i = 0; opts.prefix == NULL && gr_tensorfile_info(f, i, &t); i++)
		for (int k = 0; k < 3 && opts.prefix == NULL; k++)
			if (strncmp(t.name, prefixes[k], strlen(prefixes[k])) == 0)
				opts.prefix = k == 2 ? "transformer." : prefixes[k];
	return gr_module_load_file(c->root, f, &opts);
}

/* 0 on and below the diagonal: [L,L] */
static gr_tensor *causal_mask(int64_t length, gr_dtype dtype)
{
	gr_tensor *m = gr_zeros(GR_F64, GR_DIMS(length, length));
	double *data = gr_tensor_data(m);
	for (int64_t i = 0; data != NULL && i < length; i++)
		for (int64_t k = i + 1; k < length; k++)
			data[i * length + k] = MASKED;
	return gr_cast(m, dtype);
}

/* x [N,L,W] -> [N,L,W] */
static gr_tensor *attend(const text_block *b, gr_tensor *x, gr_tensor *mask)
{
	if (x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), length = gr_tensor_dim(x, 1), w = gr_tensor_dim(x, 2);
	gr_tensor *rows = gr_reshape(x, GR_DIMS(n * length, w)), *part[3];
	gr_tensor *qkv = gr_matmul(rows, gr_transpose(gr_param_tensor(b->qkv_weight), 0, 1));
	qkv = gr_reshape(gr_add(qkv, gr_param_tensor(b->qkv_bias)), GR_DIMS(n, length, 3 * w));
	for (int i = 0; i < 3; i++)
		part[i] = gr_split_heads(gr_slice(qkv, 2, i * w, (i + 1) * w, 1), b->heads);
	gr_tensor *q = gr_mul_s(part[0], 1.0 / sqrt((double)(w / b->heads))); /* [N,heads,L,d] */
	gr_tensor *p = gr_softmax(gr_add(gr_matmul(q, gr_transpose(part[1], 2, 3)), mask));
	return gr_linear_forward(b->out, gr_merge_heads(gr_matmul(p, part[2])));
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const text_block *b = layer;
	gr_tensor *const *mask = shared;
	x = gr_add(x, attend(b, gr_layernorm_forward(b->norm[0], x), *mask));
	return gr_add(x, gr_mlp_forward(b->mlp, gr_layernorm_forward(b->norm[1], x)));
}

gr_tensor *gr_clip_text_embedded(const gr_clip_text *c, gr_tensor *embeddings)
{
	if (c == NULL || embeddings == NULL)
		return NULL;
	const gr_clip_text_config *o = &c->config;
	const int64_t length = gr_tensor_ndim(embeddings) == 3 ? gr_tensor_dim(embeddings, 1) : 0;
	char text[128];
	if (length < 1 || length > o->max_position_embeddings ||
		gr_tensor_dim(embeddings, 2) != o->hidden_size) {
		gr_error_set(GR_ESHAPE, "clip_text: the embeddings are %s, expected [N,L,%lld], L <= %lld",
			gr_tensor_describe(embeddings, text, sizeof text), (long long)o->hidden_size,
			(long long)o->max_position_embeddings);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *mask = causal_mask(length, o->dtype);
	gr_tensor *positions = gr_slice(gr_param_tensor(c->positions), 0, 0, length, 1);
	gr_tensor *h = gr_tensor_retain(gr_add(embeddings, positions));
	for (int64_t i = 0; i < o->num_hidden_layers - o->skip_layers; i++)
		h = gr__block_advance(h, apply_block, &c->block[i], &mask);
	gr_tensor *y = gr_layernorm_forward(c->norm, h);
	gr_tensor_release(h);
	return gr__block_leave(y);
}

gr_tensor *gr_clip_text_forward(const gr_clip_text *c, gr_tensor *ids)
{
	if (c == NULL || ids == NULL)
		return NULL;
	char text[128];
	if (gr_tensor_ndim(ids) != 2 || gr_tensor_dtype(ids) != GR_I64) {
		gr_error_set(GR_ESHAPE, "clip_text: the ids are %s, expected i64 [N,L]",
			gr_tensor_describe(ids, text, sizeof text));
		return NULL;
	}
	gr_scope_begin();
	return gr__block_leave(gr_clip_text_embedded(c, gr_embedding_forward(c->tokens, ids)));
}

gr_tensor *gr_clip_text_null(const gr_clip_text *c, int64_t n)
{
	if (c == NULL)
		return NULL;
	const int64_t length = c->config.max_position_embeddings, end = c->config.vocab_size - 1;
	gr_tensor *ids = gr_empty(GR_I64, GR_DIMS(n, length));
	int64_t *id = gr_tensor_data(ids);
	for (int64_t i = 0; id != NULL && i < n * length; i++) {
		const int64_t at = i % length;
		const int64_t pad = c->config.null_padding == GR_CLIP_PAD_ZERO ? 0 : end;
		id[i] = at == 0 ? end - 1 : at == 1 ? end : pad;
	}
	return ids;
}
