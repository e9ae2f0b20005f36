/*
 * Vision transformers of DINO and DINOv2. With M x M the grid that the table of positions is for and
 * h x w that of the image:
 *
 *	X = [class, patches(x)] + [pos_0, resampled(pos_1 ... pos_MM)]
 *	X = [X_0, registers, X_1 ...]                     registers have no position
 *	block: X = X + ls1 Attention(LN(X));  X = X + ls2 FFN(LN(X))
 *	result: LN(X), eps 1e-6 everywhere
 *
 * The table is used as it is when the image has its grid and is square. Else its source coordinate
 * of row i is (i + 1/2) M / (h + offset) - 1/2.
 */
#include "gradus/vit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "io/keymap_priv.h"
#include "options_priv.h"

#define DEPTH_MAX 128
#define LN_EPS 1e-6
#define INIT_STD 0.02

typedef struct vit_block {
	gr_layernorm *norm[2];
	gr_multihead *attention;
	gr_mlp *ffn;        /* NULL: the identity */
	gr_param *scale[2]; /* NULL: none */
} vit_block;

struct gr_vit {
	gr_vit_config config;
	gr_module *root;
	gr_patch *patch;
	gr_param *class_token, *positions, *registers; /* registers NULL: none */
	vit_block block[DEPTH_MAX];
	gr_layernorm *norm;
};

#define FIELD(name) offsetof(gr_vit_config, name)

static const char *const ffn_words[] = {"mlp", "swiglu", "identity", "swiglufused", NULL};

static const option options[] = {
	{"img_size", OPTION_COUNT, FIELD(img_size), 0, NULL},
	{"patch_size", OPTION_COUNT, FIELD(patch_size), 0, NULL},
	{"in_chans", OPTION_COUNT, FIELD(in_chans), 0, NULL},
	{"embed_dim", OPTION_COUNT, FIELD(embed_dim), 0, NULL},
	{"depth", OPTION_COUNT, FIELD(depth), 0, NULL},
	{"num_heads", OPTION_COUNT, FIELD(num_heads), 0, NULL},
	{"mlp_ratio", OPTION_REAL, FIELD(mlp_ratio), 0, NULL},
	{"qkv_bias", OPTION_UNSET, FIELD(no_qkv_bias), 0, NULL},
	{"qk_scale", OPTION_REAL, FIELD(qk_scale), 0, NULL},
	{"proj_bias", OPTION_UNSET, FIELD(no_proj_bias), 0, NULL},
	{"ffn_bias", OPTION_UNSET, FIELD(no_ffn_bias), 0, NULL},
	{"ffn_layer", OPTION_WORD, FIELD(ffn_layer), 0, ffn_words},
	{"init_values", OPTION_REAL, FIELD(init_values), 0, NULL},
	{"num_register_tokens", OPTION_COUNT, FIELD(num_register_tokens), 0, NULL},
	{"interpolate_antialias", OPTION_FLAG, FIELD(interpolate_antialias), 0, NULL},
	{"interpolate_offset", OPTION_REAL_OR_0, FIELD(interpolate_offset), 0, NULL},
	{"block_chunks", OPTION_COUNT, FIELD(block_chunks), 0, NULL},
	{"num_classes", OPTION_PASSED, 0, 0, NULL},
	{"drop_rate", OPTION_PASSED, 0, 0, NULL},
	{"attn_drop_rate", OPTION_PASSED, 0, 0, NULL},
	{"drop_path_rate", OPTION_PASSED, 0, 0, NULL},
	{"drop_path_uniform", OPTION_PASSED, 0, 0, NULL},
};

static const option_table table = {"vit", options, sizeof options / sizeof *options};

gr_status gr_vit_config_from_json(gr_vit_config *out, const gr_json *object)
{
	gr_vit_config c = {.size = sizeof c};
	const gr_json *arch = gr_json_find(object, "arch");
	c.no_mask_token =
		arch != NULL && arch->kind == GR_JSON_STRING && strcmp(arch->string, "dino") == 0;
	gr_status status = gr__options_read(&table, object, &c);
	if (c.ffn_layer > GR_VIT_FFN_IDENTITY) /* one layer, two spellings */
		c.ffn_layer = GR_VIT_FFN_SWIGLU;
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

const gr_keymap *gr_vit_huggingface_keys(void)
{
	static const gr_keymap_rule rules[] = {
		{"embeddings.position_embeddings", "pos_embed", 0, 0},
		{"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*", 0, 0},
		{"embeddings.*", "*", 0, 0},
		{"encoder.layer.*.attention.attention.query.*", "blocks.*.attn.qkv.*", 0, 3},
		{"encoder.layer.*.attention.attention.key.*", "blocks.*.attn.qkv.*", 1, 3},
		{"encoder.layer.*.attention.attention.value.*", "blocks.*.attn.qkv.*", 2, 3},
		{"encoder.layer.*.attention.output.dense.*", "blocks.*.attn.proj.*", 0, 0},
		{"encoder.layer.*.layer_scale1.lambda1", "blocks.*.ls1.gamma", 0, 0},
		{"encoder.layer.*.layer_scale2.lambda1", "blocks.*.ls2.gamma", 0, 0},
		{"encoder.layer.*.mlp.weights_in.*", "blocks.*.mlp.w12.*", 0, 0},
		{"encoder.layer.*.mlp.weights_out.*", "blocks.*.mlp.w3.*", 0, 0},
		{"encoder.layer.**", "blocks.**", 0, 0},
		{"layernorm.*", "norm.*", 0, 0},
	};
	static const gr_keymap map = {rules, sizeof rules / sizeof *rules};
	return &map;
}

/* What a key is called here, once it has the reference's names: with its chunk or without. */
static void renumber(const gr_vit_config *c, gr_key_place *place)
{
	char name[sizeof place->name];
	int number[2], used = 0;
	memcpy(name, place->name, sizeof name);
	if (sscanf(name, "blocks.%4d.%4d.%n", &number[0], &number[1], &used) == 2 && used > 0)
		number[0] = number[1];
	else if (sscanf(name, "blocks.%4d.%n", &number[0], &used) != 1 || used == 0)
		return;
	const int chunk = c->block_chunks == 0 ? 0 : number[0] / (int)(c->depth / c->block_chunks);
	if (c->block_chunks == 0)
		snprintf(place->name, sizeof place->name, "blocks.%d.%s", number[0], name + used);
	else
		snprintf(place->name, sizeof place->name, "blocks.%d.%d.%s", chunk, number[0], name + used);
}

static bool place_plain(const void *map, const char *key, gr_key_place *place)
{
	snprintf(place->name, sizeof place->name, "%s", key);
	renumber(map, place);
	return true;
}

static bool place_huggingface(const void *map, const char *key, gr_key_place *place)
{
	const bool known = gr_keymap_place(gr_vit_huggingface_keys(), key, place);
	renumber(map, place);
	return known;
}

gr_status gr_vit_load(gr_vit *v, const gr_tensorfile *f)
{
	if (v == NULL || f == NULL)
		return gr_error_set(GR_EARG, "vit: nothing to load %s", v == NULL ? "into" : "from");
	const bool inside = gr__keymap_starts(f, "dinov2.embeddings.");
	const bool huggingface = inside || gr__keymap_starts(f, "embeddings.");
	return gr_module_load_file(v->root, f,
		GR_OPTS(gr_load_opts, .prefix = inside ? "dinov2." : NULL, .map = &v->config,
			.place = huggingface ? place_huggingface : place_plain));
}

static void default_to(int64_t *field, int64_t value)
{
	if (*field == 0)
		*field = value;
}

static gr_status check_config(gr_vit_config *c)
{
	default_to(&c->img_size, 224);
	default_to(&c->patch_size, 16);
	default_to(&c->in_chans, 3);
	default_to(&c->embed_dim, 768);
	default_to(&c->depth, 12);
	default_to(&c->num_heads, 12);
	if (c->mlp_ratio == 0.0)
		c->mlp_ratio = 4.0;
	if (c->interpolate_offset == 0.0)
		c->interpolate_offset = 0.1;
	if (c->img_size < 1 || c->patch_size < 1 || c->img_size < c->patch_size || c->in_chans < 1)
		return gr_error_set(GR_EARG,
			"vit: img_size %lld holds no patch of %lld, or in_chans %lld is not positive",
			(long long)c->img_size, (long long)c->patch_size, (long long)c->in_chans);
	if (c->embed_dim < 1 || c->embed_dim > 1 << 20 || c->num_heads < 1 ||
		c->embed_dim % c->num_heads != 0)
		return gr_error_set(GR_EARG, "vit: embed_dim %lld does not split into %lld heads",
			(long long)c->embed_dim, (long long)c->num_heads);
	if (c->depth < 1 || c->depth > DEPTH_MAX || c->block_chunks < 0 || c->block_chunks > c->depth ||
		c->num_register_tokens < 0)
		return gr_error_set(GR_EARG,
			"vit: depth %lld is not in 1..%d, or %lld chunks or %lld registers make no sense",
			(long long)c->depth, DEPTH_MAX, (long long)c->block_chunks,
			(long long)c->num_register_tokens);
	if (!(c->mlp_ratio > 0.0 && c->mlp_ratio <= 64.0) ||
		floor(c->mlp_ratio * (double)c->embed_dim) < 1.0)
		return gr_error_set(GR_EARG, "vit: mlp_ratio %g is no ratio", c->mlp_ratio);
	return GR_OK;
}

static gr_param *add_token(gr_module *m, const char *name, double std, bool frozen, int ndim,
	const int64_t *dims)
{
	return gr_module_add_param(m, name,
		GR_OPTS(gr_param_opts, .init = std > 0.0 ? GR_INIT_TRUNC_NORMAL : GR_INIT_ZEROS,
			.scale = std, .frozen = frozen),
		ndim, dims);
}

static gr_module *block_module(gr_vit *v, int i)
{
	const gr_vit_config *c = &v->config;
	if (c->block_chunks == 0)
		return gr_module_childf(v->root, "blocks.%d", i);
	return gr_module_childf(v->root, "blocks.%d.%d", i / (int)(c->depth / c->block_chunks), i);
}

static void build_block(gr_vit *v, int i)
{
	static const char *const norms[] = {"norm1", "norm2"}, *const scales[] = {"ls1", "ls2"};
	const gr_vit_config *c = &v->config;
	const int64_t d = c->embed_dim;
	gr_module *m = block_module(v, i);
	vit_block *b = &v->block[i];
	for (int k = 0; k < 2; k++)
		b->norm[k] =
			gr_layernorm_new(m, norms[k], GR_OPTS(gr_layernorm_opts, .dim = d, .eps = LN_EPS));
	b->attention = gr_multihead_new(m, "attn",
		GR_OPTS(gr_multihead_opts, .dim = d, .heads = c->num_heads, .no_qkv_bias = c->no_qkv_bias,
			.no_proj_bias = c->no_proj_bias, .scale = c->qk_scale, .init = GR_INIT_TRUNC_NORMAL,
			.init_scale = INIT_STD));
	const int64_t hidden = (int64_t)floor(c->mlp_ratio * (double)d);
	const bool gated = c->ffn_layer == GR_VIT_FFN_SWIGLU;
	if (c->ffn_layer != GR_VIT_FFN_IDENTITY)
		b->ffn = gr_mlp_new(m, "mlp",
			GR_OPTS(gr_mlp_opts, .dim = d, .hidden = gated ? (2 * hidden / 3 + 7) / 8 * 8 : hidden,
				.activation = gated ? GR_ACT_SILU : GR_ACT_GELU,
				.gate = gated ? GR_GATE_FIRST : GR_GATE_NONE, .first_name = gated ? "w12" : "fc1",
				.second_name = gated ? "w3" : "fc2", .no_bias = c->no_ffn_bias,
				.init = GR_INIT_TRUNC_NORMAL, .init_scale = INIT_STD));
	for (int k = 0; k < 2 && c->init_values != 0.0; k++)
		b->scale[k] = gr_module_add_param(gr_module_child(m, scales[k]), "gamma",
			GR_OPTS(gr_param_opts, .init = GR_INIT_CONSTANT, .scale = c->init_values), GR_DIMS(d));
}

static gr_status build(gr_vit *v)
{
	const gr_vit_config *c = &v->config;
	const int64_t d = c->embed_dim, side = c->img_size / c->patch_size;
	v->class_token = add_token(v->root, "cls_token", INIT_STD, false, GR_DIMS(1, 1, d));
	v->positions = add_token(v->root, "pos_embed", INIT_STD, false, GR_DIMS(1, 1 + side * side, d));
	if (c->num_register_tokens > 0)
		v->registers = add_token(v->root, "register_tokens", INIT_STD, false,
			GR_DIMS(1, c->num_register_tokens, d));
	if (!c->no_mask_token)
		add_token(v->root, "mask_token", 0.0, true, GR_DIMS(1, d));
	v->patch = gr_patch_new(v->root, "patch_embed",
		GR_OPTS(gr_patch_opts, .in = c->in_chans, .dim = d, .patch = c->patch_size));
	for (int i = 0; i < c->depth; i++)
		build_block(v, i);
	v->norm =
		gr_layernorm_new(v->root, "norm", GR_OPTS(gr_layernorm_opts, .dim = d, .eps = LN_EPS));
	return gr_module_status(v->root);
}

gr_vit *gr_vit_new(const gr_vit_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "vit: a configuration is required");
		return NULL;
	}
	gr_vit_config filled = *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_vit *v = gr_alloc(sizeof *v);
	if (v == NULL)
		return NULL;
	memset(v, 0, sizeof *v);
	v->config = filled;
	v->root = gr_module_new();
	if (v->root == NULL || gr_module_set_dtype(v->root, filled.dtype) != GR_OK ||
		build(v) != GR_OK) {
		gr_vit_free(v);
		return NULL;
	}
	return v;
}

void gr_vit_free(gr_vit *v)
{
	if (v == NULL)
		return;
	gr_module_free(v->root);
	gr_free(v);
}

gr_module *gr_vit_module(gr_vit *v)
{
	return v == NULL ? NULL : v->root;
}

const gr_vit_config *gr_vit_get_config(const gr_vit *v)
{
	return v == NULL ? NULL : &v->config;
}

/* The positions of the patches of an h x w grid. [1,h w,D] */
static gr_tensor *patch_positions(const gr_vit *v, int64_t h, int64_t w)
{
	const gr_vit_config *c = &v->config;
	const int64_t d = c->embed_dim, side = c->img_size / c->patch_size;
	gr_tensor *p = gr_slice(gr_param_tensor(v->positions), 1, 1, 1 + side * side, 1);
	if (h == side && w == side)
		return p;
	const double offset = c->interpolate_offset > 0.0 ? c->interpolate_offset : 0.0;
	p = gr_permute(gr_reshape(p, GR_DIMS(side, side, d)), (const int[]){2, 0, 1});
	p = gr_resize2d(p, h, w,
		GR_OPTS(gr_resize_opts, .mode = GR_RESIZE_CUBIC, .antialias = c->interpolate_antialias,
			.scale_h = (double)side / ((double)h + offset),
			.scale_w = (double)side / ((double)w + offset))); /* [D,h,w] */
	return gr_transpose(gr_reshape(p, GR_DIMS(1, d, h * w)), 1, 2);
}

/* [N,1 + R + h w,D] */
static gr_tensor *embed(const gr_vit *v, gr_tensor *x)
{
	const gr_vit_config *c = &v->config;
	const int64_t n = gr_tensor_dim(x, 0), d = c->embed_dim;
	const int64_t h = gr_tensor_dim(x, 2) / c->patch_size, w = gr_tensor_dim(x, 3) / c->patch_size;
	gr_scope_begin();
	gr_tensor *first = gr_slice(gr_param_tensor(v->positions), 1, 0, 1, 1);
	gr_tensor *part[3];
	int parts = 0;
	first = gr_add(gr_param_tensor(v->class_token), first);
	part[parts++] = gr_expand(first, GR_DIMS(n, 1, d));
	if (v->registers != NULL)
		part[parts++] =
			gr_expand(gr_param_tensor(v->registers), GR_DIMS(n, c->num_register_tokens, d));
	part[parts++] = gr_add(gr_patch_forward(v->patch, x), patch_positions(v, h, w));
	return gr__block_leave(gr_concat(parts, part, 1));
}

/* x + scale y */
static gr_tensor *add_scaled(gr_tensor *x, gr_tensor *y, const gr_param *scale)
{
	return scale == NULL ? gr_add(x, y) : gr_muladd(y, gr_param_tensor(scale), x);
}

static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const vit_block *b = layer;
	(void)shared;
	gr_tensor *a = gr_multihead_forward(b->attention, gr_layernorm_forward(b->norm[0], x));
	x = add_scaled(x, a, b->scale[0]);
	a = gr_layernorm_forward(b->norm[1], x);
	return add_scaled(x, b->ffn == NULL ? a : gr_mlp_forward(b->ffn, a), b->scale[1]);
}

static gr_status check_input(const gr_vit *v, const gr_tensor *x)
{
	const gr_vit_config *c = &v->config;
	char text[128];
	if (gr_tensor_ndim(x) == 4 && gr_tensor_dim(x, 1) == c->in_chans && gr_tensor_dim(x, 2) > 0 &&
		gr_tensor_dim(x, 3) > 0 && gr_tensor_dim(x, 2) % c->patch_size == 0 &&
		gr_tensor_dim(x, 3) % c->patch_size == 0)
		return GR_OK;
	return gr_error_set(GR_ESHAPE,
		"vit: x is %s, expected [N,%lld,H,W] with H and W multiples of %lld",
		gr_tensor_describe(x, text, sizeof text), (long long)c->in_chans, (long long)c->patch_size);
}

gr_tensor *gr_vit_forward_with(const gr_vit *v, gr_tensor *x, const gr_vit_forward_opts *opts)
{
	if (v == NULL || x == NULL || check_input(v, x) != GR_OK)
		return NULL;
	const gr_vit_config *c = &v->config;
	const int64_t before = 1 + c->num_register_tokens;
	int64_t blocks = opts != NULL && opts->blocks > 0 ? opts->blocks : c->depth;
	if (blocks > c->depth)
		blocks = c->depth;
	gr_scope_begin();
	gr_tensor *h = gr_tensor_retain(embed(v, x));
	for (int64_t i = 0; i < blocks; i++)
		h = gr__block_advance(h, apply_block, &v->block[i], NULL);
	gr_tensor *y = gr_layernorm_forward(v->norm, h);
	gr_tensor_release(h);
	if (opts != NULL && opts->cls != NULL)
		*opts->cls = gr_escape(gr_squeeze(gr_slice(y, 1, 0, 1, 1), 1));
	if (opts != NULL && opts->registers != NULL)
		*opts->registers = gr_escape(gr_slice(y, 1, 1, before, 1));
	return gr__block_leave(gr_slice(y, 1, before, INT64_MAX, 1));
}

gr_tensor *gr_vit_forward(const gr_vit *v, gr_tensor *x)
{
	return gr_vit_forward_with(v, x, NULL);
}
