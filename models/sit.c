/*
 * SiT and DiT with REPA's projectors. With c = time + label embedding, S = SiLU, LN the layer norm
 * without affine part (eps 1e-6):
 *
 *	X = patches(x) + pos_embed                                     [N,T,D]
 *	block: (sh1, sc1, g1, sh2, sc2, g2) = Linear(S(c)), six parts of D
 *	       X = X + g1 Attention(LN(X) (1 + sc1) + sh1)
 *	       X = X + g2 MLP(LN(X) (1 + sc2) + sh2)                   GELU by tanh
 *	after block encoder_depth: projected = Linear(S(Linear(S(Linear(X))))), a branch
 *	final: (sh, sc) = Linear(S(c)); Linear(LN(X) (1 + sc) + sh)    [N,T,p p C']
 *
 * Column (p i + j) C' + k of token (y, x) is channel k of pixel (p y + i, p x + j).
 */
#include "gradus/sit.h"

#include <math.h>
#include <string.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "options_priv.h"

#define TIME_FEATURES 256
#define DEPTH_MAX 128
#define LN_EPS 1e-6
#define EMBED_STD 0.02

typedef struct sit_block {
	gr_layernorm *norm; /* no parameters: one serves both places */
	gr_multihead *attention;
	gr_mlp *mlp;
	gr_linear *modulation;
	int64_t dim;
} sit_block;

typedef struct sit_projector {
	gr_linear *layer[3];
} sit_projector;

struct gr_sit {
	gr_sit_config config;
	gr_module *root;
	gr_patch *patch;
	gr_param *positions;
	gr_linear *time[2];
	gr_embedding *label;
	int64_t labels;
	sit_block block[DEPTH_MAX];
	sit_projector projector[GR_SIT_MAX_PROJECTORS];
	gr_layernorm *final_norm;
	gr_linear *final_modulation, *final;
	int64_t out_channels; /* of the final layer */
};

#define FIELD(name) offsetof(gr_sit_config, name)

static const option options[] = {
	{"input_size", OPTION_COUNT, FIELD(input_size), 0, NULL},
	{"patch_size", OPTION_COUNT, FIELD(patch_size), 0, NULL},
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"hidden_size", OPTION_COUNT, FIELD(hidden_size), 0, NULL},
	{"decoder_hidden_size", OPTION_COUNT, FIELD(decoder_hidden_size), 0, NULL},
	{"encoder_depth", OPTION_COUNT, FIELD(encoder_depth), 0, NULL},
	{"depth", OPTION_COUNT, FIELD(depth), 0, NULL},
	{"num_heads", OPTION_COUNT, FIELD(num_heads), 0, NULL},
	{"mlp_ratio", OPTION_REAL, FIELD(mlp_ratio), 0, NULL},
	{"class_dropout_prob", OPTION_REAL_OR_0, FIELD(class_dropout_prob), 0, NULL},
	{"num_classes", OPTION_COUNT, FIELD(num_classes), 0, NULL},
	{"z_dims", OPTION_COUNTS, FIELD(z_dims), FIELD(num_projectors), NULL},
	{"projector_dim", OPTION_COUNT, FIELD(projector_dim), 0, NULL},
	{"qk_norm", OPTION_FLAG, FIELD(qk_norm), 0, NULL},
	{"learn_sigma", OPTION_FLAG, FIELD(learn_sigma), 0, NULL},
	{"fused_attn", OPTION_PASSED, 0, 0, NULL},
	{"path_type", OPTION_PASSED, 0, 0, NULL},
	{"use_cfg", OPTION_PASSED, 0, 0, NULL},
};

static const option_table table = {"sit", options, sizeof options / sizeof *options};

gr_status gr_sit_config_from_json(gr_sit_config *out, const gr_json *object)
{
	gr_sit_config c = {.size = sizeof c};
	const gr_json *arch = gr_json_find(object, "arch");
	c.is_dit = arch != NULL && arch->kind == GR_JSON_STRING && strcmp(arch->string, "dit") == 0;
	c.learn_sigma = c.is_dit;
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

static gr_status check_config(gr_sit_config *c)
{
	default_to(&c->input_size, 32);
	default_to(&c->patch_size, 2);
	default_to(&c->in_channels, 4);
	default_to(&c->hidden_size, 1152);
	default_to(&c->depth, 28);
	default_to(&c->num_heads, 16);
	default_to(&c->num_classes, 1000);
	default_to(&c->decoder_hidden_size, c->hidden_size);
	default_to(&c->encoder_depth, 8);
	default_to(&c->projector_dim, 2048);
	if (c->mlp_ratio == 0.0)
		c->mlp_ratio = 4.0;
	if (c->class_dropout_prob == 0.0)
		c->class_dropout_prob = 0.1;
	if (c->input_size < 1 || c->patch_size < 1 || c->input_size % c->patch_size != 0 ||
		c->in_channels < 1 || c->num_classes < 1)
		return gr_error_set(GR_EARG,
			"sit: input_size %lld is not a multiple of patch_size %lld, or in_channels %lld or "
			"num_classes %lld is not positive",
			(long long)c->input_size, (long long)c->patch_size, (long long)c->in_channels,
			(long long)c->num_classes);
	if (c->hidden_size < 4 || c->hidden_size % 4 != 0 || c->num_heads < 1 ||
		c->hidden_size % c->num_heads != 0 || c->hidden_size > 1 << 20)
		return gr_error_set(GR_EARG,
			"sit: hidden_size %lld is not a multiple of 4 and of %lld heads",
			(long long)c->hidden_size, (long long)c->num_heads);
	if (c->decoder_hidden_size != c->hidden_size)
		return gr_error_set(GR_EARG, "sit: decoder_hidden_size %lld must be hidden_size %lld",
			(long long)c->decoder_hidden_size, (long long)c->hidden_size);
	if (c->depth < 1 || c->depth > DEPTH_MAX || !(c->mlp_ratio > 0.0 && c->mlp_ratio <= 64.0) ||
		floor(c->mlp_ratio * (double)c->hidden_size) < 1.0)
		return gr_error_set(GR_EARG, "sit: depth %lld is not in 1..%d, or mlp_ratio %g no ratio",
			(long long)c->depth, DEPTH_MAX, c->mlp_ratio);
	if (c->num_projectors < 0 || c->num_projectors > GR_SIT_MAX_PROJECTORS ||
		(c->num_projectors > 0 && (c->encoder_depth < 1 || c->encoder_depth > c->depth)))
		return gr_error_set(GR_EARG,
			"sit: %d projectors (at most %d) after block %lld of %lld; hint: encoder_depth",
			c->num_projectors, GR_SIT_MAX_PROJECTORS, (long long)c->encoder_depth,
			(long long)c->depth);
	return GR_OK;
}

static gr_linear *xavier(gr_module *m, const char *name, int64_t in, int64_t out)
{
	return gr_linear_new(m, name,
		GR_OPTS(gr_linear_opts, .in = in, .out = out, .init = GR_INIT_XAVIER_UNIFORM));
}

static gr_linear *zero(gr_module *m, const char *name, int64_t in, int64_t out)
{
	return gr_linear_new(m, name,
		GR_OPTS(gr_linear_opts, .in = in, .out = out, .init = GR_INIT_ZEROS));
}

static void build_embeddings(gr_sit *s)
{
	const gr_sit_config *c = &s->config;
	const int64_t d = c->hidden_size, side = c->input_size / c->patch_size;
	const int64_t fan_in = c->in_channels * c->patch_size * c->patch_size;
	s->positions = gr_module_add_param(s->root, "pos_embed",
		GR_OPTS(gr_param_opts, .init = GR_INIT_SINCOS_2D, .frozen = true),
		GR_DIMS(1, side * side, d));
	s->patch = gr_patch_new(s->root, "x_embedder",
		GR_OPTS(gr_patch_opts, .in = c->in_channels, .dim = d, .patch = c->patch_size,
			.init = GR_INIT_UNIFORM, .init_scale = sqrt(6.0 / (double)(fan_in + d))));
	s->time[0] = gr_linear_new(s->root, "t_embedder.mlp.0",
		GR_OPTS(gr_linear_opts, .in = TIME_FEATURES, .out = d, .init = GR_INIT_NORMAL,
			.init_scale = EMBED_STD));
	s->time[1] = gr_linear_new(s->root, "t_embedder.mlp.2",
		GR_OPTS(gr_linear_opts, .in = d, .out = d, .init = GR_INIT_NORMAL,
			.init_scale = EMBED_STD));
	s->labels = c->num_classes + (c->class_dropout_prob > 0.0);
	s->label = gr_embedding_new(s->root, "y_embedder.embedding_table",
		GR_OPTS(gr_embedding_opts, .count = s->labels, .dim = d, .init_scale = EMBED_STD));
}

static void build_block(gr_sit *s, int i)
{
	const gr_sit_config *c = &s->config;
	const int64_t d = c->hidden_size;
	gr_module *m = gr_module_childf(s->root, "blocks.%d", i);
	sit_block *b = &s->block[i];
	b->dim = d;
	b->norm = gr_layernorm_new(m, "norm",
		GR_OPTS(gr_layernorm_opts, .dim = d, .eps = LN_EPS, .no_affine = true));
	b->attention = gr_multihead_new(m, "attn",
		GR_OPTS(gr_multihead_opts, .dim = d, .heads = c->num_heads, .qk_norm = c->qk_norm,
			.init = GR_INIT_XAVIER_UNIFORM));
	b->mlp = gr_mlp_new(m, "mlp",
		GR_OPTS(gr_mlp_opts, .dim = d, .hidden = (int64_t)floor(c->mlp_ratio * (double)d),
			.activation = GR_ACT_GELU_TANH, .init = GR_INIT_XAVIER_UNIFORM));
	b->modulation = zero(m, "adaLN_modulation.1", d, 6 * d);
}

static gr_status build(gr_sit *s)
{
	const gr_sit_config *c = &s->config;
	const int64_t d = c->hidden_size;
	build_embeddings(s);
	for (int i = 0; i < c->depth; i++)
		build_block(s, i);
	for (int i = 0; i < c->num_projectors; i++) {
		gr_module *m = gr_module_childf(s->root, "projectors.%d", i);
		s->projector[i].layer[0] = xavier(m, "0", d, c->projector_dim);
		s->projector[i].layer[1] = xavier(m, "2", c->projector_dim, c->projector_dim);
		s->projector[i].layer[2] = xavier(m, "4", c->projector_dim, c->z_dims[i]);
	}
	gr_module *m = gr_module_child(s->root, "final_layer");
	s->out_channels = c->learn_sigma ? 2 * c->in_channels : c->in_channels;
	s->final_norm = gr_layernorm_new(m, "norm_final",
		GR_OPTS(gr_layernorm_opts, .dim = d, .eps = LN_EPS, .no_affine = true));
	s->final = zero(m, "linear", d, c->patch_size * c->patch_size * s->out_channels);
	s->final_modulation = zero(m, "adaLN_modulation.1", d, 2 * d);
	return gr_module_status(s->root);
}

gr_sit *gr_sit_new(const gr_sit_config *config)
{
	if (config == NULL) {
		gr_error_set(GR_EARG, "sit: a configuration is required");
		return NULL;
	}
	gr_sit_config filled = *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_sit *s = gr_alloc(sizeof *s);
	if (s == NULL)
		return NULL;
	memset(s, 0, sizeof *s);
	s->config = filled;
	s->root = gr_module_new();
	if (s->root == NULL || gr_module_set_dtype(s->root, filled.dtype) != GR_OK ||
		build(s) != GR_OK) {
		gr_sit_free(s);
		return NULL;
	}
	return s;
}

void gr_sit_free(gr_sit *s)
{
	if (s == NULL)
		return;
	gr_module_free(s->root);
	gr_free(s);
}

gr_module *gr_sit_module(gr_sit *s)
{
	return s == NULL ? NULL : s->root;
}

const gr_sit_config *gr_sit_get_config(const gr_sit *s)
{
	return s == NULL ? NULL : &s->config;
}

static gr_status check_inputs(const gr_sit *s, const gr_tensor *x, const gr_tensor *t,
	const gr_tensor *labels)
{
	const gr_sit_config *c = &s->config;
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != c->in_channels ||
		gr_tensor_dim(x, 2) != c->input_size || gr_tensor_dim(x, 3) != c->input_size)
		return gr_error_set(GR_ESHAPE, "sit: x is %s, expected [N,%lld,%lld,%lld]",
			gr_tensor_describe(x, text, sizeof text), (long long)c->in_channels,
			(long long)c->input_size, (long long)c->input_size);
	if (gr_tensor_ndim(t) != 1 || gr_tensor_dim(t, 0) != gr_tensor_dim(x, 0))
		return gr_error_set(GR_ESHAPE, "sit: t is %s, expected one time for each of %lld samples",
			gr_tensor_describe(t, text, sizeof text), (long long)gr_tensor_dim(x, 0));
	if (gr_tensor_ndim(labels) != 1 || gr_tensor_dim(labels, 0) != gr_tensor_dim(x, 0))
		return gr_error_set(GR_ESHAPE, "sit: labels are %s, expected one for each of %lld samples",
			gr_tensor_describe(labels, text, sizeof text), (long long)gr_tensor_dim(x, 0));
	return GR_OK;
}

/* Part i of parts: [N,D] of e [N,parts D]. */
static gr_tensor *part_of(gr_tensor *e, int64_t dim, int i)
{
	return gr_slice(e, 1, i * dim, (i + 1) * dim, 1);
}

/* shared: SiLU(c) [N,D] */
static gr_tensor *apply_block(const void *layer, gr_tensor *x, const void *shared)
{
	const sit_block *b = layer;
	gr_tensor *e = gr_linear_forward(b->modulation, *(gr_tensor *const *)shared), *part[6];
	for (int i = 0; i < 6; i++)
		part[i] = part_of(e, b->dim, i);
	gr_tensor *a = gr_layernorm_modulate(b->norm, x, part[1], part[0]);
	x = gr_muladd(gr_multihead_forward(b->attention, a), gr_unsqueeze(part[2], 1), x);
	a = gr_layernorm_modulate(b->norm, x, part[4], part[3]);
	return gr_muladd(gr_mlp_forward(b->mlp, a), gr_unsqueeze(part[5], 1), x);
}

static gr_tensor *project(const sit_projector *p, gr_tensor *h)
{
	gr_scope_begin();
	for (int i = 0; i < 3; i++)
		h = gr_linear_forward(p->layer[i], i == 0 ? h : gr_silu(h));
	return gr__block_leave(h);
}

/* SiLU(c), c = W2 SiLU(W1 e(t) + b1) + b2 + row of the label: [N,D] */
static gr_tensor *embed(const gr_sit *s, gr_tensor *t, gr_tensor *labels)
{
	gr_scope_begin();
	gr_tensor *e = gr_timestep_embedding(t, TIME_FEATURES, s->config.dtype, NULL);
	e = gr_linear_forward(s->time[1], gr_silu(gr_linear_forward(s->time[0], e)));
	return gr__block_leave(gr_silu(gr_add(e, gr_embedding_forward(s->label, labels))));
}

/* h [N,T,D] -> [N,C',S,S] */
static gr_tensor *finish(const gr_sit *s, gr_tensor *h, gr_tensor *c)
{
	const int64_t p = s->config.patch_size, side = s->config.input_size / p;
	const int64_t k = s->out_channels, d = s->config.hidden_size;
	gr_scope_begin();
	gr_tensor *e = gr_linear_forward(s->final_modulation, c);
	h = gr_layernorm_modulate(s->final_norm, h, part_of(e, d, 1), part_of(e, d, 0));
	h = gr_linear_forward(s->final, h); /* [N,T,p p C'] */
	const int64_t n = h == NULL ? 0 : gr_tensor_dim(h, 0);
	h = gr_reshape(h, GR_DIMS(n, side, side, p, p, k));
	h = gr_permute(h, (const int[]){0, 5, 1, 3, 2, 4}); /* [N,C',y,i,x,j] */
	h = gr_reshape(h, GR_DIMS(n, k, side * p, side * p));
	if (s->config.learn_sigma && !s->config.is_dit)
		h = gr_slice(h, 1, 0, s->config.in_channels, 1);
	return gr__block_leave(h);
}

gr_tensor *gr_sit_forward_with(const gr_sit *s, gr_tensor *x, gr_tensor *t, gr_tensor *labels,
	const gr_sit_forward_opts *opts)
{
	if (s == NULL || x == NULL || t == NULL || labels == NULL ||
		check_inputs(s, x, t, labels) != GR_OK)
		return NULL;
	gr_scope_begin();
	gr_tensor *c = embed(s, t, labels);
	gr_tensor *h = gr_add(gr_patch_forward(s->patch, x), gr_param_tensor(s->positions));
	gr_tensor_retain(h);
	for (int i = 0; i < s->config.depth; i++) {
		h = gr__block_advance(h, apply_block, &s->block[i], &c);
		if (i + 1 != s->config.encoder_depth || opts == NULL)
			continue;
		for (int k = 0; opts->projected != NULL && k < s->config.num_projectors; k++)
			opts->projected[k] = gr_escape(project(&s->projector[k], h));
		if (opts->hidden != NULL)
			*opts->hidden = gr_escape(h);
	}
	gr_tensor *y = finish(s, h, c);
	gr_tensor_release(h);
	return gr__block_leave(y);
}

gr_tensor *gr_sit_forward(const gr_sit *s, gr_tensor *x, gr_tensor *t, gr_tensor *labels)
{
	return gr_sit_forward_with(s, x, t, labels, NULL);
}
