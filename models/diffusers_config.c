/*
 * Configurations of Stable Diffusion's U-Net and autoencoder as diffusers writes them. Where its
 * names say the same as the reference's they are copied. What is said otherwise:
 *
 *	block_out_channels            widths of the levels; the first is model_channels or ch
 *	down_block_types              which levels have attention; up_block_types must mirror it
 *	attention_head_dim            heads, in spite of its name: one number, or one for each level
 *	                              (num_attention_heads, where it is there, comes before it)
 *	scaling_factor                scale_factor, 0.18215 if it is not there
 *
 * Its other options are there for other networks: each must have the value that these have.
 */
#include "diffusers_priv.h"

#include <math.h>
#include <string.h>

#include "options_priv.h"

#define LEVELS_MAX OPTION_LIST_MAX

/* Options with one value that these networks can have; flags are 0 and 1. */
typedef struct fixed_option {
	const char *name;
	double value;
} fixed_option;

/* What both networks say of their levels. */
typedef struct level_options {
	int count;
	int64_t width[LEVELS_MAX];
	bool attention[LEVELS_MAX];
} level_options;

typedef struct unet_options {
	gr_unet_config unet;
	level_options levels;
	int head_dims, head_counts; /* entries of the two below */
	int64_t head_dim[LEVELS_MAX], head_count[LEVELS_MAX];
	int scale_shift, word; /* places of words; `word` is not looked at */
} unet_options;

typedef struct vae_options {
	gr_vae_config vae;
	level_options levels;
	bool no_attention;
	int word;
} vae_options;

#define UNET(name) offsetof(unet_options, unet.name)
#define OWN(name) offsetof(unet_options, name)
#define CODER(name) offsetof(vae_options, vae.coder.name)

static const char *const activations[] = {"silu", "swish", NULL};
static const char *const shifts[] = {"default", "scale_shift", NULL};
static const char *const embeddings[] = {"positional", NULL};
static const char *const defaults[] = {"default", NULL};
static const char *const middles[] = {"UNetMidBlock2DCrossAttn", NULL};

static const option unet_rows[] = {
	{"sample_size", OPTION_COUNT, UNET(image_size), 0, NULL},
	{"in_channels", OPTION_COUNT, UNET(in_channels), 0, NULL},
	{"out_channels", OPTION_COUNT, UNET(out_channels), 0, NULL},
	{"block_out_channels", OPTION_COUNTS, OWN(levels.width), OWN(levels.count), NULL},
	{"layers_per_block", OPTION_COUNT, UNET(num_res_blocks), 0, NULL},
	{"norm_num_groups", OPTION_COUNT, UNET(norm_groups), 0, NULL},
	{"cross_attention_dim", OPTION_COUNT, UNET(context_dim), 0, NULL},
	{"transformer_layers_per_block", OPTION_COUNT, UNET(transformer_depth), 0, NULL},
	{"attention_head_dim", OPTION_COUNTS, OWN(head_dim), OWN(head_dims), NULL},
	{"num_attention_heads", OPTION_COUNTS, OWN(head_count), OWN(head_counts), NULL},
	{"use_linear_projection", OPTION_FLAG, UNET(use_linear_in_transformer), 0, NULL},
	{"num_class_embeds", OPTION_COUNT, UNET(num_classes), 0, NULL},
	{"dropout", OPTION_REAL, UNET(dropout), 0, NULL},
	{"resnet_time_scale_shift", OPTION_WORD, OWN(scale_shift), 0, shifts},
	{"act_fn", OPTION_WORD, OWN(word), 0, activations},
	{"time_embedding_type", OPTION_WORD, OWN(word), 0, embeddings},
	{"attention_type", OPTION_WORD, OWN(word), 0, defaults},
	{"mid_block_type", OPTION_WORD, OWN(word), 0, middles},
	{"dual_cross_attention", OPTION_OFF, 0, 0, NULL},
	{"only_cross_attention", OPTION_OFF, 0, 0, NULL},
	{"mid_block_only_cross_attention", OPTION_OFF, 0, 0, NULL},
	{"cross_attention_norm", OPTION_OFF, 0, 0, NULL},
	{"reverse_transformer_layers_per_block", OPTION_OFF, 0, 0, NULL},
	{"encoder_hid_dim", OPTION_OFF, 0, 0, NULL},
	{"encoder_hid_dim_type", OPTION_OFF, 0, 0, NULL},
	{"class_embed_type", OPTION_OFF, 0, 0, NULL},
	{"class_embeddings_concat", OPTION_OFF, 0, 0, NULL},
	{"projection_class_embeddings_input_dim", OPTION_OFF, 0, 0, NULL},
	{"addition_embed_type", OPTION_OFF, 0, 0, NULL},
	{"addition_time_embed_dim", OPTION_OFF, 0, 0, NULL},
	{"time_embedding_dim", OPTION_OFF, 0, 0, NULL},
	{"time_embedding_act_fn", OPTION_OFF, 0, 0, NULL},
	{"timestep_post_act", OPTION_OFF, 0, 0, NULL},
	{"time_cond_proj_dim", OPTION_OFF, 0, 0, NULL},
	{"resnet_skip_time_act", OPTION_OFF, 0, 0, NULL},
	{"addition_embed_type_num_heads", OPTION_PASSED, 0, 0, NULL},
	{"upcast_attention", OPTION_PASSED, 0, 0, NULL}, /* f32 here in any case */
	{"center_input_sample", OPTION_PASSED, 0, 0, NULL},
	{"flip_sin_to_cos", OPTION_PASSED, 0, 0, NULL},
	{"freq_shift", OPTION_PASSED, 0, 0, NULL},
	{"norm_eps", OPTION_PASSED, 0, 0, NULL},
	{"downsample_padding", OPTION_PASSED, 0, 0, NULL},
	{"mid_block_scale_factor", OPTION_PASSED, 0, 0, NULL},
	{"resnet_out_scale_factor", OPTION_PASSED, 0, 0, NULL},
	{"conv_in_kernel", OPTION_PASSED, 0, 0, NULL},
	{"conv_out_kernel", OPTION_PASSED, 0, 0, NULL},
	{"down_block_types", OPTION_PASSED, 0, 0, NULL},
	{"up_block_types", OPTION_PASSED, 0, 0, NULL},
	{"_class_name", OPTION_PASSED, 0, 0, NULL},
	{"_diffusers_version", OPTION_PASSED, 0, 0, NULL},
	{"_name_or_path", OPTION_PASSED, 0, 0, NULL},
};

static const fixed_option unet_fixed[] = {{"center_input_sample", 0.0}, {"flip_sin_to_cos", 1.0},
	{"freq_shift", 0.0}, {"norm_eps", 1e-5}, {"downsample_padding", 1.0},
	{"mid_block_scale_factor", 1.0}, {"resnet_out_scale_factor", 1.0}, {"conv_in_kernel", 3.0},
	{"conv_out_kernel", 3.0}, {NULL, 0.0}};

static const option vae_rows[] = {
	{"sample_size", OPTION_COUNT, CODER(resolution), 0, NULL},
	{"in_channels", OPTION_COUNT, CODER(in_channels), 0, NULL},
	{"out_channels", OPTION_COUNT, CODER(out_ch), 0, NULL},
	{"latent_channels", OPTION_COUNT, CODER(z_channels), 0, NULL},
	{"block_out_channels", OPTION_COUNTS, offsetof(vae_options, levels.width),
		offsetof(vae_options, levels.count), NULL},
	{"layers_per_block", OPTION_COUNT, CODER(num_res_blocks), 0, NULL},
	{"norm_num_groups", OPTION_COUNT, CODER(norm_groups), 0, NULL},
	{"scaling_factor", OPTION_REAL, offsetof(vae_options, vae.scale_factor), 0, NULL},
	{"mid_block_add_attention", OPTION_UNSET, offsetof(vae_options, no_attention), 0, NULL},
	{"act_fn", OPTION_WORD, offsetof(vae_options, word), 0, activations},
	{"shift_factor", OPTION_OFF, 0, 0, NULL},
	{"latents_mean", OPTION_OFF, 0, 0, NULL},
	{"latents_std", OPTION_OFF, 0, 0, NULL},
	{"use_quant_conv", OPTION_PASSED, 0, 0, NULL},
	{"use_post_quant_conv", OPTION_PASSED, 0, 0, NULL},
	{"force_upcast", OPTION_PASSED, 0, 0, NULL}, /* f32 here in any case */
	{"down_block_types", OPTION_PASSED, 0, 0, NULL},
	{"up_block_types", OPTION_PASSED, 0, 0, NULL},
	{"_class_name", OPTION_PASSED, 0, 0, NULL},
	{"_diffusers_version", OPTION_PASSED, 0, 0, NULL},
	{"_name_or_path", OPTION_PASSED, 0, 0, NULL},
};

static const fixed_option vae_fixed[] = {{"use_quant_conv", 1.0}, {"use_post_quant_conv", 1.0},
	{NULL, 0.0}};

static const option_table unet_table = {"unet (diffusers)", unet_rows,
	sizeof unet_rows / sizeof *unet_rows};
static const option_table vae_table = {"vae (diffusers)", vae_rows,
	sizeof vae_rows / sizeof *vae_rows};

bool gr__diffusers_is(const gr_json *object)
{
	return object != NULL && object->kind == GR_JSON_OBJECT &&
		gr_json_find(object, "_class_name") != NULL;
}

/* This class, and each fixed option with its one value. */
static gr_status check_fixed(const gr_json *object, const char *class_name, const fixed_option *f)
{
	const gr_json *own = gr_json_find(object, "_class_name");
	if (own->kind != GR_JSON_STRING || strcmp(own->string, class_name) != 0)
		return gr_error_set(GR_EFORMAT, "diffusers: \"_class_name\" at byte %zu is not %s",
			own->offset, class_name);
	for (; f->name != NULL; f++) {
		const gr_json *v = gr_json_find(object, f->name);
		const double value = v == NULL  ? f->value
			: v->kind == GR_JSON_BOOL   ? (double)v->boolean
			: v->kind == GR_JSON_NUMBER ? v->number
			: v->kind == GR_JSON_NULL   ? f->value
										: f->value + 1.0;
		if (value != f->value)
			return gr_error_set(GR_EFORMAT, "%s: option '%s' at byte %zu is not %g", class_name,
				f->name, v->offset, f->value);
	}
	return GR_OK;
}

/* Entry i of a list of block types, one of two words: *attends says which. */
static gr_status read_type(const gr_json *list, int i, const char *const words[2], bool *attends)
{
	const gr_json *e = list->child;
	for (int k = 0; k < i && e != NULL; k++)
		e = e->next;
	for (int k = 0; e != NULL && e->kind == GR_JSON_STRING && k < 2; k++) {
		if (words[k] != NULL && strcmp(e->string, words[k]) == 0) {
			*attends = k == 1;
			return GR_OK;
		}
	}
	return gr_error_set(GR_EFORMAT, "diffusers: entry %d of '%s' at byte %zu is not %s%s%s", i,
		list->name, e != NULL ? e->offset : list->offset, words[0], words[1] != NULL ? " or " : "",
		words[1] != NULL ? words[1] : "");
}

/* The types on the way down, and on the way up in the other order. Without a list the levels keep
 * what they have. */
static gr_status read_types(const gr_json *object, level_options *l, const char *const down[2],
	const char *const up[2])
{
	static const char *const names[] = {"down_block_types", "up_block_types"};
	if (l->count == 0)
		return gr_error_set(GR_EFORMAT, "diffusers: 'block_out_channels' is empty");
	for (int way = 0; way < 2; way++) {
		const gr_json *list = gr_json_find(object, names[way]);
		if (list == NULL || list->kind == GR_JSON_NULL)
			continue;
		if (list->kind != GR_JSON_ARRAY || list->count != (size_t)l->count)
			return gr_error_set(GR_EFORMAT,
				"diffusers: '%s' at byte %zu has no entry for each of "
				"%d levels",
				names[way], list->offset, l->count);
		for (int i = 0; i < l->count; i++) {
			const int level = way == 0 ? i : l->count - 1 - i;
			bool attends = false;
			gr_status status = read_type(list, i, way == 0 ? down : up, &attends);
			if (status != GR_OK)
				return status;
			if (way == 1 && attends != l->attention[level])
				return gr_error_set(GR_EFORMAT,
					"diffusers: entry %d of '%s' at byte %zu does not mirror down_block_types", i,
					names[way], list->offset);
			l->attention[level] = attends;
		}
	}
	return GR_OK;
}

/* Levels to factors of the first, such that their floors are the widths. */
static void set_widths(gr_unet_config *c, const level_options *l)
{
	c->model_channels = l->width[0];
	c->num_levels = l->count;
	for (int i = 0; i < l->count; i++) {
		c->channel_mult[i] = (double)l->width[i] / (double)l->width[0];
		if (floor(c->channel_mult[i] * (double)l->width[0]) < (double)l->width[i])
			c->channel_mult[i] = nextafter(c->channel_mult[i], INFINITY);
		if (l->attention[i])
			c->attention_ds[c->num_attention++] = (int64_t)1 << i;
	}
}

/* One number of heads for all levels, or one width of a head. */
static gr_status set_heads(gr_unet_config *c, const level_options *l, int count,
	const int64_t *heads)
{
	bool same_count = true, same_width = count == l->count;
	c->num_heads = count == 0 ? 8 : heads[0];
	for (int i = 1; i < count; i++)
		same_count = same_count && heads[i] == heads[0];
	for (int i = 0; i < count && same_width; i++)
		same_width = l->width[i] * heads[0] == l->width[0] * heads[i];
	if (!same_count && (!same_width || l->width[0] % heads[0] != 0))
		return gr_error_set(GR_EFORMAT,
			"unet (diffusers): heads of another width on each level are not there; hint: "
			"attention_head_dim in proportion to block_out_channels");
	if (!same_count)
		c->num_head_channels = l->width[0] / heads[0];
	return GR_OK;
}

gr_status gr__diffusers_unet(gr_unet_config *out, const gr_json *object)
{
	static const char *const down[] = {"DownBlock2D", "CrossAttnDownBlock2D"};
	static const char *const up[] = {"UpBlock2D", "CrossAttnUpBlock2D"};
	unet_options o = {.unet = {.size = sizeof o.unet, .in_channels = 4, .context_dim = 1280},
		.levels = {4, {320, 640, 1280, 1280}, {true, true, true}}};
	gr_status status = check_fixed(object, "UNet2DConditionModel", unet_fixed);
	if (status == GR_OK)
		status = gr__options_read(&unet_table, object, &o);
	if (status == GR_OK)
		status = read_types(object, &o.levels, down, up);
	if (status == GR_OK)
		status = o.head_counts > 0 ? set_heads(&o.unet, &o.levels, o.head_counts, o.head_count)
								   : set_heads(&o.unet, &o.levels, o.head_dims, o.head_dim);
	if (status != GR_OK)
		return status;
	set_widths(&o.unet, &o.levels);
	o.unet.use_scale_shift_norm = o.scale_shift == 1;
	o.unet.use_spatial_transformer = true;
	*out = o.unet;
	return GR_OK;
}

gr_status gr__diffusers_vae(gr_vae_config *out, const gr_json *object)
{
	static const char *const down[] = {"DownEncoderBlock2D", NULL};
	static const char *const up[] = {"UpDecoderBlock2D", NULL};
	vae_options o = {.vae = {.size = sizeof o.vae,
						 .coder = {.num_res_blocks = 1, .z_channels = 4},
						 .scale_factor = 0.18215},
		.levels = {1, {64}, {false}}};
	gr_status status = check_fixed(object, "AutoencoderKL", vae_fixed);
	if (status == GR_OK)
		status = gr__options_read(&vae_table, object, &o);
	if (status == GR_OK)
		status = read_types(object, &o.levels, down, up);
	gr_vae_coder_config *c = &o.vae.coder;
	c->num_levels = o.levels.count;
	c->ch = o.levels.width[0];
	c->attn_type = o.no_attention ? GR_VAE_ATTENTION_NONE : GR_VAE_ATTENTION_VANILLA;
	for (int i = 0; i < o.levels.count && status == GR_OK; i++) {
		c->ch_mult[i] = o.levels.width[i] / c->ch;
		if (c->ch_mult[i] * c->ch != o.levels.width[i])
			status = gr_error_set(GR_EFORMAT,
				"vae (diffusers): width %lld of level %d is not a multiple of the first, %lld",
				(long long)o.levels.width[i], i, (long long)c->ch);
	}
	if (status == GR_OK)
		*out = o.vae;
	return status;
}
