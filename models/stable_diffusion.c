/*
 * Files of latent and Stable Diffusion: which of their layouts one has, and where its keys belong.
 *
 *	CompVis, the network alone   the names themselves
 *	CompVis, the whole           "model.diffusion_model.", "first_stage_model."; of the U-Net also
 *	                             averaged weights, "model_ema.diffusion_model" and the name without
 *	                             its dots, which are preferred
 *	diffusers                    grouped by level: "down_blocks.1.resnets.0.", the decoder's levels
 *	                             counted from the other end
 *
 * Weights of linear layers and of 1 x 1 convolutions differ in trailing ones, which loading allows.
 */
#include <stdio.h>
#include <string.h>

#include "gradus/unet.h"
#include "gradus/vae.h"
#include "gradus/vqmodel.h"
#include "io/keymap_priv.h"

#define EMA "model_ema.diffusion_model"

/* Step over a literal, or a number and the dot after it. */
static bool eat(const char **key, const char *literal)
{
	const size_t length = strlen(literal);
	if (strncmp(*key, literal, length) != 0)
		return false;
	*key += length;
	return true;
}

static bool eat_number(const char **key, int *n)
{
	int used = 0;
	if (**key < '0' || **key > '9' || sscanf(*key, "%4d.%n", n, &used) != 1 || used == 0)
		return false;
	*key += used;
	return true;
}

typedef struct rename_rule {
	const char *from, *to;
} rename_rule;

/* `stem` and the rest of the key, its first part renamed if a rule knows it. */
static void put(gr_key_place *place, const char *stem, const rename_rule *rules, const char *rest)
{
	const char *to = "";
	for (; rules != NULL && rules->from != NULL; rules++) {
		if (eat(&rest, rules->from)) {
			to = rules->to;
			break;
		}
	}
	snprintf(place->name, sizeof place->name, "%s%s%s", stem, to, rest);
}

/* --- the U-Net ------------------------------------------------------------------------------- */

static const rename_rule unet_res[] = {{"norm1.", "in_layers.0."}, {"conv1.", "in_layers.2."},
	{"time_emb_proj.", "emb_layers.1."}, {"norm2.", "out_layers.0."}, {"conv2.", "out_layers.3."},
	{"conv_shortcut.", "skip_connection."}, {NULL, NULL}};

static const rename_rule unet_outside[] = {{"time_embedding.linear_1.", "time_embed.0."},
	{"time_embedding.linear_2.", "time_embed.2."}, {"class_embedding.", "label_emb."},
	{"conv_in.", "input_blocks.0.0."}, {"conv_norm_out.", "out.0."}, {"conv_out.", "out.2."},
	{NULL, NULL}};

/* Queries, keys and values apart are thirds of qkv in the new order alone; in the legacy one they
 * lie interleaved by head. */
static void put_attention(const gr_unet_config *c, gr_key_place *place, const char *stem,
	const char *rest)
{
	static const rename_rule single[] = {{"group_norm.", "norm."}, {"to_out.0.", "proj_out."},
		{"proj_attn.", "proj_out."}, {"to_q.", "qkv."}, {"query.", "qkv."}, {"to_k.", "qkv."},
		{"key.", "qkv."}, {"to_v.", "qkv."}, {"value.", "qkv."}, {NULL, NULL}};
	if (c->use_spatial_transformer) {
		put(place, stem, NULL, rest);
		return;
	}
	for (int i = 3; single[i].from != NULL && c->use_new_attention_order; i++) {
		if (strncmp(rest, single[i].from, strlen(single[i].from)) == 0) {
			place->part = (i - 3) / 2;
			place->parts = 3;
		}
	}
	put(place, stem, c->use_new_attention_order ? single : NULL, rest);
}

static bool has_attention(const gr_unet_config *c, int level)
{
	for (int i = 0; i < c->num_attention; i++)
		if (c->attention_ds[i] == (int64_t)1 << level)
			return true;
	return false;
}

/* A key below level i on the way down or up, counted in the direction of the way. */
static void put_level(const gr_unet_config *c, gr_key_place *place, bool up, int i,
	const char *rest)
{
	const char *side = up ? "output_blocks" : "input_blocks";
	const int stages = (int)c->num_res_blocks + 1, blocks = stages - !up;
	int j = 0;
	char stem[64];
	if (i >= c->num_levels)
		return;
	if (eat(&rest, "resnets.") && eat_number(&rest, &j) && j < blocks) {
		snprintf(stem, sizeof stem, "%s.%d.0.", side, stages * i + j + !up);
		put(place, stem, unet_res, rest);
	} else if (eat(&rest, "attentions.") && eat_number(&rest, &j) && j < blocks) {
		snprintf(stem, sizeof stem, "%s.%d.1.", side, stages * i + j + !up);
		put_attention(c, place, stem, rest);
	} else if (!up && eat(&rest, "downsamplers.0.conv.")) {
		snprintf(stem, sizeof stem, "%s.%d.0.op.", side, stages * (i + 1));
		put(place, stem, NULL, rest);
	} else if (up && eat(&rest, "upsamplers.0.conv.")) {
		snprintf(stem, sizeof stem, "%s.%d.%d.conv.", side, stages * i + stages - 1,
			has_attention(c, c->num_levels - 1 - i) ? 2 : 1);
		put(place, stem, NULL, rest);
	}
}

static bool unet_diffusers(const void *map, const char *key, gr_key_place *place)
{
	const gr_unet_config *c = map;
	const char *rest = key;
	int i;
	*place = (gr_key_place){.parts = 0};
	if (eat(&rest, "down_blocks.") && eat_number(&rest, &i))
		put_level(c, place, false, i, rest);
	else if (eat(&rest, "up_blocks.") && eat_number(&rest, &i))
		put_level(c, place, true, i, rest);
	else if (eat(&rest, "mid_block.resnets.0."))
		put(place, "middle_block.0.", unet_res, rest);
	else if (eat(&rest, "mid_block.resnets.1."))
		put(place, "middle_block.2.", unet_res, rest);
	else if (eat(&rest, "mid_block.attentions.0."))
		put_attention(c, place, "middle_block.1.", rest);
	else
		put(place, "", unet_outside, key);
	return true; /* what has no name is reported */
}

/* Does `name` without its dots read so? */
static bool is_dotless(const char *name, const char *text)
{
	for (; *name != '\0'; name++)
		if (*name != '.' && *name != *text++)
			return false;
	return *text == '\0';
}

static bool unet_ema(const void *map, const char *key, gr_key_place *place)
{
	const gr_module *m = map;
	const char *name;
	*place = (gr_key_place){.parts = 0};
	for (int64_t i = 0; (name = gr_module_param_name(m, i)) != NULL; i++)
		if (is_dotless(name, key))
			snprintf(place->name, sizeof place->name, "%s", name);
	return true;
}

gr_status gr_unet_load(gr_unet *u, const gr_tensorfile *f)
{
	static const char whole[] = "model.diffusion_model.";
	if (u == NULL || f == NULL)
		return gr_error_set(GR_EARG, "unet: nothing to load %s", u == NULL ? "into" : "from");
	gr_load_opts opts = {.size = sizeof opts};
	if (gr__keymap_starts(f, EMA)) {
		opts.prefix = EMA;
		opts.place = unet_ema;
		opts.map = gr_unet_module(u);
	} else if (gr__keymap_starts(f, whole)) {
		opts.prefix = whole;
	} else if (gr__keymap_starts(f, "down_blocks.") && gr__keymap_starts(f, "time_embedding.")) {
		opts.place = unet_diffusers;
		opts.map = gr_unet_get_config(u);
	}
	return gr_module_load_file(gr_unet_module(u), f, &opts);
}

/* --- autoencoders ---------------------------------------------------------------------------- */

static const rename_rule vae_res[] = {{"conv_shortcut.", "nin_shortcut."}, {NULL, NULL}};
static const rename_rule vae_attention[] = {{"group_norm.", "norm."}, {"to_q.", "q."},
	{"query.", "q."}, {"to_k.", "k."}, {"key.", "k."}, {"to_v.", "v."}, {"value.", "v."},
	{"to_out.0.", "proj_out."}, {"proj_attn.", "proj_out."}, {NULL, NULL}};
static const rename_rule vae_outside[] = {{"conv_norm_out.", "norm_out."}, {NULL, NULL}};

static void put_coder(const gr_vae_coder_config *c, gr_key_place *place, const char *coder,
	const char *rest)
{
	const char *const whole = rest;
	const bool down = eat(&rest, "down_blocks.");
	char stem[64];
	int i, j;
	if (down || eat(&rest, "up_blocks.")) {
		if (!eat_number(&rest, &i))
			return;
		const int level = down ? i : c->num_levels - 1 - i;
		const char *side = down ? "down" : "up";
		if (eat(&rest, "resnets.") && eat_number(&rest, &j)) {
			snprintf(stem, sizeof stem, "%s.%s.%d.block.%d.", coder, side, level, j);
			put(place, stem, vae_res, rest);
		} else if (eat(&rest, "attentions.") && eat_number(&rest, &j)) {
			snprintf(stem, sizeof stem, "%s.%s.%d.attn.%d.", coder, side, level, j);
			put(place, stem, vae_attention, rest);
		} else if (eat(&rest, down ? "downsamplers.0." : "upsamplers.0.")) {
			snprintf(stem, sizeof stem, "%s.%s.%d.%ssample.", coder, side, level, side);
			put(place, stem, NULL, rest);
		}
		return;
	}
	snprintf(stem, sizeof stem, "%s.mid.", coder);
	if (eat(&rest, "mid_block.resnets.") && eat_number(&rest, &i)) {
		snprintf(stem, sizeof stem, "%s.mid.block_%d.", coder, i + 1);
		put(place, stem, vae_res, rest);
	} else if (eat(&rest, "mid_block.attentions.0.")) {
		snprintf(stem, sizeof stem, "%s.mid.attn_1.", coder);
		put(place, stem, vae_attention, rest);
	} else {
		snprintf(stem, sizeof stem, "%s.", coder);
		put(place, stem, vae_outside, whole);
	}
}

static bool vae_diffusers(const void *map, const char *key, gr_key_place *place)
{
	const char *rest = key;
	*place = (gr_key_place){.parts = 0};
	if (eat(&rest, "encoder."))
		put_coder(map, place, "encoder", rest);
	else if (eat(&rest, "decoder."))
		put_coder(map, place, "decoder", rest);
	else
		put(place, "", NULL, key);
	return true;
}

/* The names themselves; what belongs to training is passed over. */
static bool vae_plain(const void *map, const char *key, gr_key_place *place)
{
	(void)map;
	*place = (gr_key_place){.parts = 0};
	put(place, "", NULL, key);
	return strncmp(key, "loss.", 5) != 0;
}

static gr_status load_coder(gr_module *m, const gr_vae_coder_config *c, const gr_tensorfile *f)
{
	static const char whole[] = "first_stage_model.";
	gr_load_opts opts = {.size = sizeof opts, .place = vae_plain};
	if (gr__keymap_starts(f, whole)) {
		opts.prefix = whole;
	} else if (gr__keymap_starts(f, "encoder.down_blocks.") ||
		gr__keymap_starts(f, "decoder.up_blocks.")) {
		opts.place = vae_diffusers;
		opts.map = c;
	}
	return gr_module_load_file(m, f, &opts);
}

gr_status gr_vae_load(gr_vae *v, const gr_tensorfile *f)
{
	if (v == NULL || f == NULL)
		return gr_error_set(GR_EARG, "vae: nothing to load %s", v == NULL ? "into" : "from");
	return load_coder(gr_vae_module(v), &gr_vae_get_config(v)->coder, f);
}

gr_status gr_vqmodel_load(gr_vqmodel *v, const gr_tensorfile *f)
{
	if (v == NULL || f == NULL)
		return gr_error_set(GR_EARG, "vqmodel: nothing to load %s", v == NULL ? "into" : "from");
	return load_coder(gr_vqmodel_module(v), &gr_vqmodel_get_config(v)->coder, f);
}
