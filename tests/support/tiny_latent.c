/* See tiny_latent.h. */
#include "tiny_latent.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gradus/io.h"

/* Initialised, then moved by N(0, 0.1^2): a fresh SiT would answer 0. */
static void draw(gr_module *m)
{
	if (gr_module_init(m, gr_key_seed(1)))
		abort();
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *drawn =
			nn_normal(100 + (uint64_t)i, GR_F32, gr_tensor_ndim(p), gr_tensor_dims(p));
		gr_param_update(p, gr_axpby(gr_stop_gradient(p), 1.0, drawn, 0.1));
	}
}

gr_sit *tiny_sit(int64_t classes)
{
	gr_sit *net = gr_sit_new(GR_OPTS(gr_sit_config, .input_size = 4, .patch_size = 2,
		.in_channels = 4, .hidden_size = 16, .depth = 2, .num_heads = 2, .num_classes = classes,
		.class_dropout_prob = classes > 1 ? 0.1 : -1.0, .encoder_depth = 1, .num_projectors = 1,
		.z_dims = {12}, .projector_dim = 16));
	draw(gr_sit_module(net));
	return net;
}

gr_vae *tiny_vae(void)
{
	gr_vae *net = gr_vae_new(GR_OPTS(gr_vae_config,
		.coder = {.ch = 8,
			.num_levels = 2,
			.ch_mult = {1, 1},
			.num_res_blocks = 1,
			.resolution = 8,
			.in_channels = 1,
			.z_channels = 4,
			.norm_groups = 4,
			.attn_type = GR_VAE_ATTENTION_NONE},
		.scale_factor = 0.5));
	draw(gr_vae_module(net));
	return net;
}

gr_prior *tiny_latent_prior(int64_t classes)
{
	return gr_prior_vae_new(gr_prior_sit_new(tiny_sit(classes), NULL), tiny_vae(),
		GR_OPTS(gr_latent_opts, .channels = 1, .height = 8, .width = 8, .scale = 2.0,
			.shift = 0.1));
}

/* --- folders --- */

static void write_folder(const char *dir, const char *name, const char *config, gr_module *m)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/%s/config.json", dir, name);
	FILE *f = fopen(path, "w");
	if (!f || fputs(config, f) < 0 || fclose(f))
		abort();
	gr_archive *a = gr_archive_new();
	snprintf(path, sizeof(path), "%s/%s/weights.safetensors", dir, name);
	if (gr_module_save(m, a, GR_F32) || gr_safetensors_write(path, a))
		abort();
	gr_archive_free(a);
}

void tiny_latent_write(const char *dir, int64_t classes, const char *members)
{
	char config[2048];
	gr_sit *sit = tiny_sit(classes);
	gr_vae *vae = tiny_vae();
	snprintf(config, sizeof(config),
		"{\"format\": \"gradus-prior-1\", \"model\": \"sit\", \"channels\": 1, \"height\": 8, "
		"\"width\": 8, \"range\": [-1, 1], \"prediction\": \"velocity\", \"sit\": {\"input_size\": "
		"4, \"patch_size\": 2, \"in_channels\": 4, \"hidden_size\": 16, \"depth\": 2, "
		"\"num_heads\": 2, \"num_classes\": %lld, \"class_dropout_prob\": %s, \"encoder_depth\": "
		"1, "
		"\"z_dims\": [12], \"projector_dim\": 16}%s}",
		(long long)classes, classes > 1 ? "0.1" : "0", members);
	write_folder(dir, "sit", config, gr_sit_module(sit));
	write_folder(dir, "vae",
		"{\"format\": \"gradus-prior-1\", \"model\": \"autoencoder_kl\", \"channels\": 1, "
		"\"height\": 8, \"width\": 8, \"autoencoder_kl\": {\"ch\": 8, \"ch_mult\": [1, 1], "
		"\"num_res_blocks\": 1, \"resolution\": 8, \"in_channels\": 1, \"out_ch\": 1, "
		"\"z_channels\": 4, \"embed_dim\": 4, \"norm_groups\": 4, \"attn_type\": \"none\", "
		"\"attn_resolutions\": [], \"scale_factor\": 0.5}}",
		gr_vae_module(vae));
	gr_sit_free(sit);
	gr_vae_free(vae);
}

void tiny_latent_remove(const char *dir)
{
	static const char *const names[] = {"sit/config.json", "sit/weights.safetensors", "sit",
		"vae/config.json", "vae/weights.safetensors", "vae", ""};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[512];
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		remove(path);
	}
}
