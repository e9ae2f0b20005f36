/* Files of latent and Stable Diffusion: the same bits under the names of CompVis, alone and in a
 * checkpoint of the whole, averaged or not, and of diffusers; what a file should not have. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/unet.h"
#include "gradus/vae.h"
#include "gradus/vqmodel.h"
#include "nn_check.h"

#define RES_BLOCKS 2

static const char *path(void)
{
	static char text[64];
	snprintf(text, sizeof text, "/tmp/gradus_sd_%d.safetensors", (int)getpid());
	return text;
}

/* The first of the pairs that `rest` starts with, exchanged. */
static const char *renamed(const char *rest, const char *const pairs[][2])
{
	static char text[128];
	for (; (*pairs)[0] != NULL; pairs++) {
		const size_t length = strlen((*pairs)[0]);
		if (strncmp(rest, (*pairs)[0], length) == 0) {
			snprintf(text, sizeof text, "%s%s", (*pairs)[1], rest + length);
			return text;
		}
	}
	return rest;
}

/* huggingface/diffusers' name of a U-Net parameter. */
static void unet_key(const char *name, char *key, size_t size)
{
	static const char *const res[][2] = {{"in_layers.0.", "norm1."}, {"in_layers.2.", "conv1."},
		{"emb_layers.1.", "time_emb_proj."}, {"out_layers.0.", "norm2."},
		{"out_layers.3.", "conv2."}, {"skip_connection.", "conv_shortcut."}, {NULL, NULL}};
	static const char *const outside[][2] = {{"time_embed.0.", "time_embedding.linear_1."},
		{"time_embed.2.", "time_embedding.linear_2."}, {"input_blocks.0.0.", "conv_in."},
		{"out.0.", "conv_norm_out."}, {"out.2.", "conv_out."},
		{"middle_block.1.", "mid_block.attentions.0."}, {NULL, NULL}};
	int stage, child, used = 0;
	char side[32];
	const int n = RES_BLOCKS + 1;
	if (sscanf(name, "middle_block.%d.%n", &child, &used) == 1 && child != 1) {
		snprintf(key, size, "mid_block.resnets.%d.%s", child / 2, renamed(name + used, res));
	} else if (sscanf(name, "%31[a-z]_blocks.%d.%d.%n", side, &stage, &child, &used) == 3 &&
		stage + (side[0] == 'o') > 0) {
		const bool up = side[0] == 'o';
		const int level = up ? stage / n : (stage - 1) / n, i = up ? stage % n : (stage - 1) % n;
		const char *rest = name + used;
		const int head = snprintf(key, size, "%s_blocks.%d.", up ? "up" : "down", level);
		key += head;
		size -= (size_t)head;
		if (strncmp(rest, "op.", 3) == 0)
			snprintf(key, size, "downsamplers.0.conv.%s", rest + 3);
		else if (strncmp(rest, "conv.", 5) == 0)
			snprintf(key, size, "upsamplers.0.conv.%s", rest + 5);
		else if (child == 0)
			snprintf(key, size, "resnets.%d.%s", i, renamed(rest, res));
		else
			snprintf(key, size, "attentions.%d.%s", i, rest);
	} else {
		snprintf(key, size, "%s", renamed(name, outside));
	}
}

static void vae_key(const char *name, char *key, size_t size)
{
	static const char *const pairs[][2] = {{"nin_shortcut.", "conv_shortcut."}, {NULL, NULL}};
	static const char *const attention[][2] = {{"norm.", "group_norm."}, {"q.", "to_q."},
		{"k.", "to_k."}, {"v.", "to_v."}, {"proj_out.", "to_out.0."}, {NULL, NULL}};
	int level, i, used = 0;
	char coder[32];
	if (sscanf(name, "%31[a-z].mid.block_%d.%n", coder, &i, &used) == 2)
		snprintf(key, size, "%s.mid_block.resnets.%d.%s", coder, i - 1,
			renamed(name + used, pairs));
	else if (sscanf(name, "%31[a-z].mid.attn_1.%n", coder, &used) == 1 && used > 0)
		snprintf(key, size, "%s.mid_block.attentions.0.%s", coder, renamed(name + used, attention));
	else if (sscanf(name, "encoder.down.%d.block.%d.%n", &level, &i, &used) == 2)
		snprintf(key, size, "encoder.down_blocks.%d.resnets.%d.%s", level, i,
			renamed(name + used, pairs));
	else if (sscanf(name, "decoder.up.%d.block.%d.%n", &level, &i, &used) == 2)
		snprintf(key, size, "decoder.up_blocks.%d.resnets.%d.%s", 1 - level, i,
			renamed(name + used, pairs));
	else if (sscanf(name, "encoder.down.%d.attn.%d.%n", &level, &i, &used) == 2)
		snprintf(key, size, "encoder.down_blocks.%d.attentions.%d.%s", level, i,
			renamed(name + used, attention));
	else if (sscanf(name, "decoder.up.%d.attn.%d.%n", &level, &i, &used) == 2)
		snprintf(key, size, "decoder.up_blocks.%d.attentions.%d.%s", 1 - level, i,
			renamed(name + used, attention));
	else if (sscanf(name, "encoder.down.%d.downsample.%n", &level, &used) == 1 && used > 0)
		snprintf(key, size, "encoder.down_blocks.%d.downsamplers.0.%s", level, name + used);
	else if (sscanf(name, "decoder.up.%d.upsample.%n", &level, &used) == 1 && used > 0)
		snprintf(key, size, "decoder.up_blocks.%d.upsamplers.0.%s", 1 - level, name + used);
	else if (sscanf(name, "%31[a-z].norm_out.%n", coder, &used) == 1 && used > 0)
		snprintf(key, size, "%s.conv_norm_out.%s", coder, name + used);
	else
		snprintf(key, size, "%s", name);
}

/* "<prefix><name without dots>" */
static void ema_key(const char *name, char *key, size_t size)
{
	size_t used = (size_t)snprintf(key, size, "model_ema.diffusion_model");
	for (; *name != '\0' && used + 1 < size; name++)
		if (*name != '.')
			key[used++] = *name;
	key[used] = '\0';
}

typedef void key_of(const char *name, char *key, size_t size);

/* Weights of q, k and v as matrices, as diffusers has them; the shapes of others stay. */
static gr_tensor *stored(gr_tensor *t, const char *key)
{
	const bool square = gr_tensor_ndim(t) == 4 && gr_tensor_dim(t, 2) == 1 &&
		(strstr(key, ".to_") != NULL || strstr(key, "proj_") != NULL);
	return square ? gr_reshape(t, GR_DIMS(gr_tensor_dim(t, 0), gr_tensor_dim(t, 1))) : t;
}

static gr_archive *archive_of(const gr_module *m, const char *prefix, key_of *rename)
{
	gr_archive *a = gr_archive_new();
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		char key[200], full[260];
		snprintf(key, sizeof key, "%s", gr_module_param_name(m, i));
		if (rename != NULL)
			rename(gr_module_param_name(m, i), key, sizeof key);
		snprintf(full, sizeof full, "%s%s", prefix, key);
		gr_tensor *t = stored(gr_stop_gradient(gr_module_param(m, i)), key);
		cr_assert_eq(gr_archive_add(a, full, t), GR_OK, "%s: %s", full, gr_error_message());
	}
	return a;
}

static gr_tensorfile *open_archive(gr_archive *a)
{
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_safetensors_write(path(), a), GR_OK);
	cr_assert_eq(gr_checkpoint_open(&f, path(), NULL), GR_OK);
	gr_archive_free(a);
	return f;
}

static void expect_equal(const gr_module *m, const gr_module *n)
{
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(n, i)), "%s",
			gr_module_param_name(m, i));
}

static gr_unet *new_unet(bool linear, uint64_t seed)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .in_channels = 4, .model_channels = 8,
		.num_res_blocks = RES_BLOCKS, .num_levels = 3, .channel_mult = {1, 2, 2},
		.num_attention = 2, .attention_ds = {2, 1}, .num_heads = 2, .norm_groups = 4,
		.use_spatial_transformer = true, .context_dim = 6, .use_linear_in_transformer = linear));
	cr_assert_not_null(u, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_unet_module(u), gr_key_seed(seed)), GR_OK);
	return u;
}

Test(stable_diffusion, unet)
{
	static const struct {
		const char *prefix;
		key_of *rename;
	} layouts[] = {{"", NULL}, {"model.diffusion_model.", NULL}, {"", ema_key}, {"", unet_key}};
	for (size_t i = 0; i < 2 * sizeof layouts / sizeof *layouts; i++) {
		gr_unet *from = new_unet(i % 2 == 0, 1), *to = new_unet(i % 2 == 1, 2);
		gr_module *m = gr_unet_module(from);
		gr_archive *a = archive_of(m, layouts[i / 2].prefix, layouts[i / 2].rename);
		if (layouts[i / 2].rename == ema_key) { /* beside other values, which are not wanted */
			gr_archive *raw = archive_of(gr_unet_module(to), "model.diffusion_model.", NULL);
			for (int64_t k = 0; k < gr_archive_count(raw); k++)
				cr_assert_eq(gr_archive_add(a, gr_archive_name(raw, k), gr_archive_tensor(raw, k)),
					GR_OK);
			cr_assert_eq(gr_archive_add(a, "model_ema.decay", gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
			gr_archive_free(raw);
		}
		gr_tensorfile *f = open_archive(a);
		cr_assert_eq(gr_unet_load(to, f), GR_OK, "layout %zu: %s", i / 2, gr_error_message());
		gr_tensorfile_close(f);
		for (int64_t k = 0; k < gr_module_param_count(m); k++) {
			gr_tensor *x = gr_module_param(m, k), *y = gr_module_param(gr_unet_module(to), k);
			cr_assert(nn_same_bits(gr_reshape(x, GR_DIMS(gr_tensor_size(x))),
						  gr_reshape(y, GR_DIMS(gr_tensor_size(y)))),
				"%s", gr_module_param_name(m, k));
		}
		gr_unet_free(from);
		gr_unet_free(to);
	}
	remove(path());
}

static gr_vae *new_vae(uint64_t seed)
{
	gr_vae *v = gr_vae_new(GR_OPTS(gr_vae_config,
		.coder = {.ch = 8,
			.num_levels = 2,
			.ch_mult = {1, 2},
			.num_res_blocks = RES_BLOCKS,
			.num_attention = 1,
			.attn_resolutions = {128},
			.norm_groups = 4}));
	cr_assert_not_null(v, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_vae_module(v), gr_key_seed(seed)), GR_OK);
	return v;
}

Test(stable_diffusion, autoencoders)
{
	for (int way = 0; way < 3; way++) {
		gr_vae *from = new_vae(1), *to = new_vae(2);
		gr_archive *a = archive_of(gr_vae_module(from), way == 1 ? "first_stage_model." : "",
			way == 2 ? vae_key : NULL);
		if (way < 2)
			cr_assert_eq(gr_archive_add(a,
							 way == 1 ? "first_stage_model.loss.logvar" : "loss.logvar",
							 gr_zeros(GR_F32, GR_DIMS(1))),
				GR_OK);
		gr_tensorfile *f = open_archive(a);
		cr_assert_eq(gr_vae_load(to, f), GR_OK, "%s", gr_error_message());
		gr_tensorfile_close(f);
		expect_equal(gr_vae_module(from), gr_vae_module(to));
		gr_vae_free(from);
		gr_vae_free(to);
	}
	const gr_vqmodel_config c =
		{.coder = {.ch = 8, .num_levels = 2, .ch_mult = {1, 2}, .single_z = true, .norm_groups = 4},
			.n_embed = 5};
	gr_vqmodel *from = gr_vqmodel_new(&c), *to = gr_vqmodel_new(&c);
	cr_assert_eq(gr_module_init(gr_vqmodel_module(from), gr_key_seed(3)), GR_OK);
	gr_tensorfile *f = open_archive(archive_of(gr_vqmodel_module(from), "", vae_key));
	cr_assert_eq(gr_vqmodel_load(to, f), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
	expect_equal(gr_vqmodel_module(from), gr_vqmodel_module(to));
	gr_vqmodel_free(from);
	gr_vqmodel_free(to);
	remove(path());
}

static gr_unet *new_adm(bool new_order, uint64_t seed)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 8,
		.num_res_blocks = RES_BLOCKS, .num_levels = 1, .channel_mult = {1}, .num_heads = 2,
		.norm_groups = 4, .use_new_attention_order = new_order));
	cr_assert_eq(gr_module_init(gr_unet_module(u), gr_key_seed(seed)), GR_OK);
	return u;
}

/* diffusers keeps queries, keys and values apart, which the new order alone can put together. */
Test(stable_diffusion, attention_apart)
{
	static const char *const parts[] = {"to_q", "to_k", "to_v"};
	static const char *const attention[][2] = {{"mid_block.attentions.0.norm.",
												   "mid_block.attentions.0.group_norm."},
		{"mid_block.attentions.0.proj_out.", "mid_block.attentions.0.to_out.0."}, {NULL, NULL}};
	for (int order = 0; order < 2; order++) {
		gr_unet *from = new_adm(order == 1, 4), *to = new_adm(order == 1, 5);
		gr_module *m = gr_unet_module(from);
		gr_archive *a = gr_archive_new();
		for (int64_t i = 0; i < gr_module_param_count(m); i++) {
			const char *name = gr_module_param_name(m, i), *qkv = strstr(name, ".qkv.");
			gr_tensor *t = gr_stop_gradient(gr_module_param(m, i));
			char key[200];
			unet_key(name, key, sizeof key);
			if (qkv == NULL)
				cr_assert_eq(gr_archive_add(a, renamed(key, attention), t), GR_OK);
			for (int k = 0; qkv != NULL && k < 3; k++) {
				snprintf(key, sizeof key, "mid_block.attentions.0.%s.%s", parts[k], qkv + 5);
				gr_tensor *part = gr_contiguous(gr_slice(t, 0, 8 * k, 8 * (k + 1), 1));
				if (gr_tensor_ndim(part) == 3)
					part = gr_reshape(part, GR_DIMS(8, 8));
				cr_assert_eq(gr_archive_add(a, key, part), GR_OK);
			}
		}
		gr_tensorfile *f = open_archive(a);
		const gr_status status = gr_unet_load(to, f);
		if (order == 1) {
			cr_assert_eq(status, GR_OK, "%s", gr_error_message());
			expect_equal(m, gr_unet_module(to));
		} else {
			cr_assert_eq(status, GR_EFORMAT);
			cr_assert_not_null(strstr(gr_error_message(), "attentions.0.to_q.weight"));
			gr_error_clear();
		}
		gr_tensorfile_close(f);
		gr_unet_free(from);
		gr_unet_free(to);
	}
	remove(path());
}

/* Keys that the network has no place for are named as the file has them. */
Test(stable_diffusion, reports)
{
	static const char *const keys[] = {"down_blocks.0.resnets.7.conv1.weight",
		"down_blocks.x.resnets.0.conv1.weight", "up_blocks.0.other.weight", "stranger"};
	gr_unet *u = new_unet(false, 1);
	gr_archive *a = archive_of(gr_unet_module(u), "", unet_key);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(gr_archive_add(a, keys[i], gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
	gr_tensorfile *f = open_archive(a);
	cr_assert_eq(gr_unet_load(u, f), GR_EFORMAT);
	for (int i = 0; i < 4; i++)
		cr_assert_not_null(strstr(gr_error_message(), keys[i]), "%s", gr_error_message());
	cr_assert_null(strstr(gr_error_message(), "missing"));
	gr_error_clear();
	gr_tensorfile_close(f);
	gr_unet_free(u);
	remove(path());
}
