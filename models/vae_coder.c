/*
 * Encoder and decoder of the latent-diffusion autoencoders, each a chain of links:
 *
 *	encoder: conv_in; per level num_res_blocks x (Res [, Attention]), Down but at the last level;
 *	         Res, Attention, Res; GN, SiLU, conv_out
 *	decoder: conv_in; Res, Attention, Res; per level, last first, num_res_blocks + 1 x
 *	         (Res [, Attention]), Up but at level 0; GN, SiLU, conv_out [, tanh]
 *
 * Down pads one zero on the right and at the bottom only. Whether a level has attention is counted
 * from the configured resolution, not from the input's.
 */
#include "vae_priv.h"

#include <stdio.h>

#include "block.h"
#include "gradus/ops.h"

#define LINKS_MAX 256
#define BLOCKS_MAX 12

typedef enum link_kind {
	LINK_CONV,
	LINK_RES,
	LINK_ATTENTION,
	LINK_UP,
	LINK_DOWN,
} link_kind;

typedef struct coder_link {
	link_kind kind;
	const void *layer;
} coder_link;

struct vae_coder {
	const char *name;
	int64_t in;
	int count;
	coder_link link[LINKS_MAX];
	gr_groupnorm *out_norm;
	gr_conv *out_conv;
	bool tanh_out;
};

const char *const gr__vae_attention_words[] = {"vanilla", "linear", "none", NULL};

static void fill_defaults(gr_vae_coder_config *c)
{
	if (c->num_levels == 0) {
		c->num_levels = 4;
		for (int i = 0; i < 4; i++)
			c->ch_mult[i] = (int64_t)1 << i;
	}
	if (c->num_res_blocks == 0)
		c->num_res_blocks = 2;
	if (c->resolution == 0)
		c->resolution = 256;
	if (c->in_channels == 0)
		c->in_channels = 3;
	if (c->out_ch == 0)
		c->out_ch = c->in_channels;
	if (c->z_channels == 0)
		c->z_channels = 4;
	if (c->norm_groups == 0)
		c->norm_groups = 32;
	if (c->use_linear_attn)
		c->attn_type = GR_VAE_ATTENTION_LINEAR;
}

gr_status gr__vae_coder_check(gr_vae_coder_config *c, const char *model)
{
	fill_defaults(c);
	if (c->ch < 1 || c->in_channels < 1 || c->out_ch < 1 || c->z_channels < 1 || c->resolution < 1)
		return gr_error_set(GR_EARG,
			"%s: ch %lld, in_channels %lld, out_ch %lld, z_channels %lld, resolution %lld: all "
			"must be positive",
			model, (long long)c->ch, (long long)c->in_channels, (long long)c->out_ch,
			(long long)c->z_channels, (long long)c->resolution);
	if (c->num_levels < 1 || c->num_levels > GR_VAE_MAX_LEVELS || c->num_attention < 0 ||
		c->num_attention > GR_VAE_MAX_LEVELS)
		return gr_error_set(GR_EARG, "%s: %d levels and %d attention resolutions; at most %d",
			model, c->num_levels, c->num_attention, GR_VAE_MAX_LEVELS);
	if (c->num_res_blocks < 1 || c->num_res_blocks > BLOCKS_MAX)
		return gr_error_set(GR_EARG, "%s: num_res_blocks %lld is not in 1..%d", model,
			(long long)c->num_res_blocks, BLOCKS_MAX);
	if ((unsigned)c->attn_type > GR_VAE_ATTENTION_NONE)
		return gr_error_set(GR_EARG, "%s: unknown attn_type %d", model, (int)c->attn_type);
	for (int i = 0; i < c->num_levels; i++)
		if (c->ch_mult[i] < 1 || c->norm_groups < 1 || c->ch * c->ch_mult[i] % c->norm_groups != 0)
			return gr_error_set(GR_EARG,
				"%s: width %lld of level %d is not a multiple of the %lld groups of its norms; "
				"hint: norm_groups",
				model, (long long)(c->ch * c->ch_mult[i]), i, (long long)c->norm_groups);
	return GR_OK;
}

int64_t gr__vae_side(int64_t resolution, int levels, int level, bool up)
{
	const int last = levels - 1;
	return up ? (resolution >> last) << (last - level) : resolution >> level;
}

static bool has_attention(const gr_vae_coder_config *c, int level, bool up)
{
	const int64_t side = gr__vae_side(c->resolution, c->num_levels, level, up);
	for (int i = 0; i < c->num_attention; i++)
		if (c->attn_resolutions[i] == side && c->attn_type != GR_VAE_ATTENTION_NONE)
			return true;
	return false;
}

static void append(vae_coder *coder, link_kind kind, const void *layer)
{
	coder->link[coder->count++] = (coder_link){kind, layer};
}

static void append_middle(vae_coder *coder, gr_module *m, const gr_vae_coder_config *c,
	int64_t width)
{
	gr_module *middle = gr_module_child(m, "mid");
	append(coder, LINK_RES, gr__vae_res_new(middle, "block_1", width, width, c->norm_groups, 0));
	if (c->attn_type != GR_VAE_ATTENTION_NONE)
		append(coder, LINK_ATTENTION,
			gr__vae_attention_new(middle, "attn_1", width, c->norm_groups, c->attn_type));
	append(coder, LINK_RES, gr__vae_res_new(middle, "block_2", width, width, c->norm_groups, 0));
}

/* The blocks of one level, in -> out, below m. */
static void append_level(vae_coder *coder, gr_module *m, const gr_vae_coder_config *c, int level,
	int64_t in, bool up)
{
	const int64_t out = c->ch * c->ch_mult[level], blocks = c->num_res_blocks + up;
	for (int64_t i = 0; i < blocks; i++) {
		char name[32];
		snprintf(name, sizeof name, "block.%d", (int)i);
		append(coder, LINK_RES,
			gr__vae_res_new(m, name, i == 0 ? in : out, out, c->norm_groups, 0));
		snprintf(name, sizeof name, "attn.%d", (int)i);
		if (has_attention(c, level, up))
			append(coder, LINK_ATTENTION,
				gr__vae_attention_new(m, name, out, c->norm_groups, c->attn_type));
	}
}

static vae_coder *coder_new(gr_module *parent, const char *name, int64_t in, gr_module **m)
{
	*m = gr_module_child(parent, name);
	vae_coder *coder = gr_module_alloc(*m, sizeof *coder);
	if (coder == NULL)
		return NULL;
	*coder = (vae_coder){.name = name, .in = in};
	return coder;
}

static vae_coder *finish(vae_coder *coder, gr_module *m, const gr_vae_coder_config *c,
	int64_t width, int64_t out)
{
	coder->out_norm = gr_groupnorm_new(m, "norm_out",
		GR_OPTS(gr_groupnorm_opts, .channels = width, .groups = c->norm_groups, .eps = 1e-6,
			.silu = true));
	coder->out_conv =
		gr_conv_new(m, "conv_out", GR_OPTS(gr_conv_layer_opts, .in = width, .out = out));
	return gr_module_status(m) == GR_OK ? coder : NULL;
}

vae_coder *gr__vae_encoder_new(gr_module *parent, const gr_vae_coder_config *c)
{
	gr_module *m;
	vae_coder *coder = coder_new(parent, "encoder", c->in_channels, &m);
	if (coder == NULL)
		return NULL;
	int64_t width = c->ch;
	append(coder, LINK_CONV,
		gr_conv_new(m, "conv_in", GR_OPTS(gr_conv_layer_opts, .in = c->in_channels, .out = width)));
	for (int level = 0; level < c->num_levels; level++) {
		gr_module *down = gr_module_childf(m, "down.%d", level);
		append_level(coder, down, c, level, width, false);
		width = c->ch * c->ch_mult[level];
		if (level + 1 < c->num_levels)
			append(coder, LINK_DOWN,
				gr_downsample_new(down, "downsample",
					GR_OPTS(gr_resample_opts, .channels = width, .pad_end_only = true,
						.no_conv = c->no_conv_resample, .conv_name = "conv")));
	}
	append_middle(coder, m, c, width);
	return finish(coder, m, c, width, c->single_z ? c->z_channels : 2 * c->z_channels);
}

vae_coder *gr__vae_decoder_new(gr_module *parent, const gr_vae_coder_config *c)
{
	gr_module *m;
	vae_coder *coder = coder_new(parent, "decoder", c->z_channels, &m);
	if (coder == NULL)
		return NULL;
	coder->tanh_out = c->tanh_out;
	int64_t width = c->ch * c->ch_mult[c->num_levels - 1];
	append(coder, LINK_CONV,
		gr_conv_new(m, "conv_in", GR_OPTS(gr_conv_layer_opts, .in = c->z_channels, .out = width)));
	append_middle(coder, m, c, width);
	for (int level = c->num_levels - 1; level >= 0; level--) {
		gr_module *up = gr_module_childf(m, "up.%d", level);
		append_level(coder, up, c, level, width, true);
		width = c->ch * c->ch_mult[level];
		if (level > 0)
			append(coder, LINK_UP,
				gr_upsample_new(up, "upsample",
					GR_OPTS(gr_resample_opts, .channels = width, .no_conv = c->no_conv_resample)));
	}
	return finish(coder, m, c, width, c->out_ch);
}

static gr_tensor *apply_link(const void *layer, gr_tensor *x, const void *shared)
{
	const coder_link *l = layer;
	(void)shared;
	switch (l->kind) {
	case LINK_CONV: return gr_conv_forward(l->layer, x);
	case LINK_RES: return gr__vae_res_forward(l->layer, x, NULL);
	case LINK_ATTENTION: return gr__vae_attention_forward(l->layer, x);
	case LINK_UP: return gr_upsample_forward(l->layer, x);
	case LINK_DOWN: return gr_downsample_forward(l->layer, x);
	}
	return NULL;
}

gr_status gr__vae_check_input(const char *model, const gr_tensor *x, int64_t channels)
{
	char text[128];
	if (gr_tensor_ndim(x) == 4 && gr_tensor_dim(x, 1) == channels)
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "%s: the input is %s, expected [N,%lld,H,W]", model,
		gr_tensor_describe(x, text, sizeof text), (long long)channels);
}

gr_tensor *gr__vae_coder_forward(const vae_coder *c, gr_tensor *x)
{
	if (c == NULL || x == NULL || gr__vae_check_input(c->name, x, c->in) != GR_OK)
		return NULL;
	gr_scope_begin();
	gr_tensor *h = gr_tensor_retain(x);
	for (int i = 0; i < c->count; i++)
		h = gr__block_advance(h, apply_link, &c->link[i], NULL);
	gr_tensor *y = gr_conv_forward(c->out_conv, gr_groupnorm_forward(c->out_norm, h));
	gr_tensor_release(h);
	return gr__block_leave(c->tanh_out ? gr_tanh(y) : y);
}
