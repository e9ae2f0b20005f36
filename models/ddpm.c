/*
 * The DDPM U-Net, of the blocks of vae_blocks.c with a time embedding:
 *
 *	down: conv_in; per level num_res_blocks x (Res [, Attention]); Down but at the last level
 *	middle: Res, Attention, Res
 *	up: per level, last first, num_res_blocks + 1 x (Res [, Attention]), Up but at level 0
 *	out: GN, SiLU, conv
 *
 * Every result on the way down is kept, that of Down too; residual blocks on the way up take them
 * back last first, joined as [h, skip] along the channels. Down pads one zero on the right and at
 * the bottom only. The embedding of t has sines first, w_i = 10000^(-i / (h - 1)).
 */
#include "gradus/ddpm.h"

#include <stdio.h>
#include <string.h>

#include "block.h"
#include "gradus/ops.h"
#include "vae_priv.h"

#define LINKS_MAX 256
#define BLOCKS_MAX 12

typedef enum link_kind {
	LINK_CONV,
	LINK_RES,
	LINK_JOIN, /* a residual block that takes a skip */
	LINK_ATTENTION,
	LINK_UP,
	LINK_DOWN,
} link_kind;

typedef struct net_link {
	link_kind kind;
	const void *layer;
	bool keep; /* its result is a skip */
} net_link;

struct gr_ddpm {
	gr_ddpm_config config;
	gr_module *root;
	gr_linear *dense[2];
	net_link link[LINKS_MAX];
	int count;
	gr_groupnorm *out_norm;
	gr_conv *out_conv;
};

#define FIELD(name) offsetof(gr_ddpm_config, name)

static const option options[] = {
	{"resolution", OPTION_COUNT, FIELD(resolution), 0, NULL},
	{"image_size", OPTION_COUNT, FIELD(resolution), 0, NULL},
	{"in_channels", OPTION_COUNT, FIELD(in_channels), 0, NULL},
	{"out_ch", OPTION_COUNT, FIELD(out_ch), 0, NULL},
	{"ch", OPTION_COUNT, FIELD(ch), 0, NULL},
	{"ch_mult", OPTION_COUNTS, FIELD(ch_mult), FIELD(num_levels), NULL},
	{"num_res_blocks", OPTION_COUNT, FIELD(num_res_blocks), 0, NULL},
	{"attn_resolutions", OPTION_COUNTS, FIELD(attn_resolutions), FIELD(num_attention), NULL},
	{"resamp_with_conv", OPTION_UNSET, FIELD(no_conv_resample), 0, NULL},
	{"norm_groups", OPTION_COUNT, FIELD(norm_groups), 0, NULL},
	{"model", OPTION_GROUP, 0, 0, NULL},
	{"data", OPTION_GROUP, 0, 0, NULL},
	{"type", OPTION_PASSED, 0, 0, NULL},
	{"dropout", OPTION_PASSED, 0, 0, NULL},
	{"var_type", OPTION_PASSED, 0, 0, NULL},
	{"ema", OPTION_PASSED, 0, 0, NULL},
	{"ema_rate", OPTION_PASSED, 0, 0, NULL},
	{"diffusion", OPTION_PASSED, 0, 0, NULL},
	{"training", OPTION_PASSED, 0, 0, NULL},
	{"sampling", OPTION_PASSED, 0, 0, NULL},
	{"optim", OPTION_PASSED, 0, 0, NULL},
	/* Of "data", beside image_size. */
	{"dataset", OPTION_PASSED, 0, 0, NULL},
	{"category", OPTION_PASSED, 0, 0, NULL},
	{"channels", OPTION_PASSED, 0, 0, NULL},
	{"logit_transform", OPTION_PASSED, 0, 0, NULL},
	{"uniform_dequantization", OPTION_PASSED, 0, 0, NULL},
	{"gaussian_dequantization", OPTION_PASSED, 0, 0, NULL},
	{"random_flip", OPTION_PASSED, 0, 0, NULL},
	{"rescaled", OPTION_PASSED, 0, 0, NULL},
	{"num_workers", OPTION_PASSED, 0, 0, NULL},
	{"out_of_dist", OPTION_PASSED, 0, 0, NULL},
};

static const option_table table = {"ddpm", options, sizeof options / sizeof *options};

gr_status gr_ddpm_config_from_json(gr_ddpm_config *out, const gr_json *object)
{
	gr_ddpm_config c = {.size = sizeof c};
	gr_status status = gr__options_read(&table, object, &c);
	const gr_json *model = gr_json_find(object, "model");
	const gr_json *attention = gr_json_find(model != NULL ? model : object, "attn_resolutions");
	if (attention != NULL && attention->kind == GR_JSON_ARRAY && attention->count == 0)
		c.num_attention = -1; /* none, which is not the default */
	if (status == GR_OK && out != NULL)
		*out = c;
	return status;
}

static void default_to(int64_t *field, int64_t value)
{
	if (*field == 0)
		*field = value;
}

static gr_status check_config(gr_ddpm_config *c)
{
	static const int64_t usual_mult[] = {1, 1, 2, 2, 4, 4};
	default_to(&c->resolution, 256);
	default_to(&c->in_channels, 3);
	default_to(&c->out_ch, c->in_channels);
	default_to(&c->ch, 128);
	default_to(&c->num_res_blocks, 2);
	default_to(&c->norm_groups, 32);
	if (c->num_levels == 0) {
		c->num_levels = 6;
		memcpy(c->ch_mult, usual_mult, sizeof usual_mult);
	}
	if (c->num_attention == 0) {
		c->num_attention = 1;
		c->attn_resolutions[0] = c->resolution / 16;
	}
	if (c->ch < 2 || c->in_channels < 1 || c->out_ch < 1 || c->resolution < 1 || c->norm_groups < 1)
		return gr_error_set(GR_EARG,
			"ddpm: ch %lld, in_channels %lld, out_ch %lld, resolution %lld, norm_groups %lld: all "
			"must be positive",
			(long long)c->ch, (long long)c->in_channels, (long long)c->out_ch,
			(long long)c->resolution, (long long)c->norm_groups);
	if (c->num_levels < 1 || c->num_levels > GR_DDPM_MAX_LEVELS ||
		c->num_attention > GR_DDPM_MAX_LEVELS || c->num_res_blocks < 1 ||
		c->num_res_blocks > BLOCKS_MAX)
		return gr_error_set(GR_EARG,
			"ddpm: %d levels of %lld blocks with %d attention resolutions; at most %d, %d and %d",
			c->num_levels, (long long)c->num_res_blocks, c->num_attention, GR_DDPM_MAX_LEVELS,
			BLOCKS_MAX, GR_DDPM_MAX_LEVELS);
	for (int i = 0; i < c->num_levels; i++)
		if (c->ch_mult[i] < 1 || c->ch * c->ch_mult[i] % c->norm_groups != 0)
			return gr_error_set(GR_EARG,
				"ddpm: width %lld of level %d is not a multiple of the %lld groups of its norms; "
				"hint: norm_groups",
				(long long)(c->ch * c->ch_mult[i]), i, (long long)c->norm_groups);
	return GR_OK;
}

static bool has_attention(const gr_ddpm_config *c, int level, bool up)
{
	const int64_t side = gr__vae_side(c->resolution, c->num_levels, level, up);
	for (int i = 0; i < c->num_attention; i++)
		if (c->attn_resolutions[i] == side)
			return true;
	return false;
}

static void append(gr_ddpm *u, link_kind kind, const void *layer)
{
	u->link[u->count++] = (net_link){kind, layer, false};
}

/* The width of the last result is that of a skip. */
static void keep(gr_ddpm *u, int64_t width, int64_t *skip, int *skips)
{
	u->link[u->count - 1].keep = true;
	skip[(*skips)++] = width;
}

/* A residual block and, where the level has it, attention: numbers i of their lists below m. */
static void append_pair(gr_ddpm *u, gr_module *m, link_kind kind, int level, int64_t i, int64_t in)
{
	const gr_ddpm_config *c = &u->config;
	const int64_t out = c->ch * c->ch_mult[level];
	char name[32];
	snprintf(name, sizeof name, "block.%d", (int)i);
	append(u, kind, gr__vae_res_new(m, name, in, out, c->norm_groups, 4 * c->ch));
	snprintf(name, sizeof name, "attn.%d", (int)i);
	if (has_attention(c, level, kind == LINK_JOIN))
		append(u, LINK_ATTENTION,
			gr__vae_attention_new(m, name, out, c->norm_groups, GR_VAE_ATTENTION_VANILLA));
}

static int64_t build_down(gr_ddpm *u, int64_t *skip, int *skips)
{
	const gr_ddpm_config *c = &u->config;
	int64_t width = c->ch;
	append(u, LINK_CONV,
		gr_conv_new(u->root, "conv_in",
			GR_OPTS(gr_conv_layer_opts, .in = c->in_channels, .out = width)));
	keep(u, width, skip, skips);
	for (int level = 0; level < c->num_levels; level++) {
		gr_module *m = gr_module_childf(u->root, "down.%d", level);
		for (int64_t i = 0; i < c->num_res_blocks; i++) {
			append_pair(u, m, LINK_RES, level, i, width);
			width = c->ch * c->ch_mult[level];
			keep(u, width, skip, skips);
		}
		if (level + 1 == c->num_levels)
			break;
		append(u, LINK_DOWN,
			gr_downsample_new(m, "downsample",
				GR_OPTS(gr_resample_opts, .channels = width, .pad_end_only = true,
					.no_conv = c->no_conv_resample, .conv_name = "conv")));
		keep(u, width, skip, skips);
	}
	return width;
}

static void build_middle(gr_ddpm *u, int64_t width)
{
	const int64_t groups = u->config.norm_groups, emb = 4 * u->config.ch;
	gr_module *m = gr_module_child(u->root, "mid");
	append(u, LINK_RES, gr__vae_res_new(m, "block_1", width, width, groups, emb));
	append(u, LINK_ATTENTION,
		gr__vae_attention_new(m, "attn_1", width, groups, GR_VAE_ATTENTION_VANILLA));
	append(u, LINK_RES, gr__vae_res_new(m, "block_2", width, width, groups, emb));
}

static gr_status build(gr_ddpm *u)
{
	const gr_ddpm_config *c = &u->config;
	int64_t skip[LINKS_MAX];
	int skips = 0;
	u->dense[0] = gr_linear_new(u->root, "temb.dense.0",
		GR_OPTS(gr_linear_opts, .in = c->ch, .out = 4 * c->ch));
	u->dense[1] = gr_linear_new(u->root, "temb.dense.1",
		GR_OPTS(gr_linear_opts, .in = 4 * c->ch, .out = 4 * c->ch));
	int64_t width = build_down(u, skip, &skips);
	build_middle(u, width);
	for (int level = c->num_levels - 1; level >= 0; level--) {
		gr_module *m = gr_module_childf(u->root, "up.%d", level);
		for (int64_t i = 0; i <= c->num_res_blocks; i++) {
			append_pair(u, m, LINK_JOIN, level, i, width + skip[--skips]);
			width = c->ch * c->ch_mult[level];
		}
		if (level > 0)
			append(u, LINK_UP,
				gr_upsample_new(m, "upsample",
					GR_OPTS(gr_resample_opts, .channels = width, .no_conv = c->no_conv_resample)));
	}
	u->out_norm = gr_groupnorm_new(u->root, "norm_out",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = c->norm_groups, .eps = 1e-6,
			.silu = true));
	u->out_conv = gr_conv_new(u->root, "conv_out",
		GR_OPTS(gr_conv_layer_opts, .in = width, .out = c->out_ch));
	return gr_module_status(u->root);
}

gr_ddpm *gr_ddpm_new(const gr_ddpm_config *config)
{
	gr_ddpm_config filled = config == NULL ? (gr_ddpm_config){.size = sizeof filled} : *config;
	if (check_config(&filled) != GR_OK)
		return NULL;
	gr_ddpm *u = gr_alloc(sizeof *u);
	if (u == NULL)
		return NULL;
	*u = (gr_ddpm){.config = filled, .root = gr_module_new()};
	if (u->root == NULL || gr_module_set_dtype(u->root, filled.dtype) != GR_OK ||
		build(u) != GR_OK) {
		gr_ddpm_free(u);
		return NULL;
	}
	return u;
}

void gr_ddpm_free(gr_ddpm *u)
{
	if (u == NULL)
		return;
	gr_module_free(u->root);
	gr_free(u);
}

gr_module *gr_ddpm_module(gr_ddpm *u)
{
	return u == NULL ? NULL : u->root;
}

const gr_ddpm_config *gr_ddpm_get_config(const gr_ddpm *u)
{
	return u == NULL ? NULL : &u->config;
}

/* SiLU of W1 SiLU(W0 e(t)): [N,4 ch] */
static gr_tensor *embed(const gr_ddpm *u, gr_tensor *t)
{
	gr_scope_begin();
	gr_tensor *e = gr_timestep_embedding(t, u->config.ch, u->config.dtype,
		GR_OPTS(gr_timestep_opts, .sin_first = true, .divide_by_h1 = true));
	e = gr_linear_forward(u->dense[1], gr_silu(gr_linear_forward(u->dense[0], e)));
	return gr__block_leave(gr_silu(e));
}

/* One link on h, or on [h, skip]; takes over the references to both and returns one. */
static gr_tensor *advance(const net_link *l, gr_tensor *h, gr_tensor *skip, gr_tensor *emb)
{
	gr_scope_begin();
	gr_tensor *y = NULL;
	switch (l->kind) {
	case LINK_CONV: y = gr_conv_forward(l->layer, h); break;
	case LINK_RES: y = gr__vae_res_forward(l->layer, h, emb); break;
	case LINK_JOIN:
		y = gr_concat(2, (gr_tensor *const[]){h, skip}, 1);
		y = gr__vae_res_forward(l->layer, y, emb);
		break;
	case LINK_ATTENTION: y = gr__vae_attention_forward(l->layer, h); break;
	case LINK_UP: y = gr_upsample_forward(l->layer, h); break;
	case LINK_DOWN: y = gr_downsample_forward(l->layer, h); break;
	}
	gr_tensor_retain(y);
	gr_scope_end();
	gr_tensor_release(h);
	gr_tensor_release(skip);
	return y;
}

static gr_status check_inputs(const gr_ddpm *u, const gr_tensor *x, const gr_tensor *t)
{
	const gr_ddpm_config *c = &u->config;
	const int64_t multiple = (int64_t)1 << (c->num_levels - 1);
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != c->in_channels ||
		gr_tensor_dim(x, 2) % multiple != 0 || gr_tensor_dim(x, 3) % multiple != 0)
		return gr_error_set(GR_ESHAPE,
			"ddpm: x is %s, expected [N,%lld,H,W] with H and W multiples of %lld",
			gr_tensor_describe(x, text, sizeof text), (long long)c->in_channels,
			(long long)multiple);
	if (gr_tensor_ndim(t) == 1 && gr_tensor_dim(t, 0) == gr_tensor_dim(x, 0))
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "ddpm: t is %s, expected one timestep for each of %lld samples",
		gr_tensor_describe(t, text, sizeof text), (long long)gr_tensor_dim(x, 0));
}

gr_tensor *gr_ddpm_forward(const gr_ddpm *u, gr_tensor *x, gr_tensor *t)
{
	if (u == NULL || x == NULL || t == NULL || check_inputs(u, x, t) != GR_OK)
		return NULL;
	gr_scope_begin();
	gr_tensor *emb = embed(u, t), *skip[LINKS_MAX], *h = gr_tensor_retain(x);
	int top = 0;
	for (int i = 0; i < u->count; i++) {
		const net_link *l = &u->link[i];
		h = advance(l, h, l->kind == LINK_JOIN ? skip[--top] : NULL, emb);
		if (l->keep)
			skip[top++] = gr_tensor_retain(h);
	}
	gr_tensor *y = gr_conv_forward(u->out_conv, gr_groupnorm_forward(u->out_norm, h));
	gr_tensor_release(h);
	return gr__block_leave(y);
}
