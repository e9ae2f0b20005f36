/* Configurations as diffusers writes them: the published sizes, what they become, what is refused. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/model.h"
#include "gradus/unet.h"
#include "gradus/vae.h"

#define SD1 \
	"{\"_class_name\": \"UNet2DConditionModel\", \"_diffusers_version\": \"0.6.0\", " \
	"\"act_fn\": \"silu\", \"attention_head_dim\": 8, " \
	"\"block_out_channels\": [320, 640, 1280, 1280], \"center_input_sample\": false, " \
	"\"cross_attention_dim\": 768, \"down_block_types\": [\"CrossAttnDownBlock2D\", " \
	"\"CrossAttnDownBlock2D\", \"CrossAttnDownBlock2D\", \"DownBlock2D\"], " \
	"\"downsample_padding\": 1, \"flip_sin_to_cos\": true, \"freq_shift\": 0, " \
	"\"in_channels\": 4, \"layers_per_block\": 2, \"mid_block_scale_factor\": 1, " \
	"\"norm_eps\": 1e-05, \"norm_num_groups\": 32, \"out_channels\": 4, \"sample_size\": 64, " \
	"\"up_block_types\": [\"UpBlock2D\", \"CrossAttnUpBlock2D\", \"CrossAttnUpBlock2D\", " \
	"\"CrossAttnUpBlock2D\"]}"
#define SD2 \
	"{\"_class_name\": \"UNet2DConditionModel\", \"attention_head_dim\": [5, 10, 20, 20], " \
	"\"block_out_channels\": [320, 640, 1280, 1280], \"cross_attention_dim\": 1024, " \
	"\"dual_cross_attention\": false, \"num_class_embeds\": null, " \
	"\"only_cross_attention\": false, \"sample_size\": 96, \"upcast_attention\": true, " \
	"\"use_linear_projection\": true}"
#define VAE \
	"{\"_class_name\": \"AutoencoderKL\", \"act_fn\": \"silu\", " \
	"\"block_out_channels\": [128, 256, 512, 512], \"down_block_types\": " \
	"[\"DownEncoderBlock2D\", \"DownEncoderBlock2D\", \"DownEncoderBlock2D\", " \
	"\"DownEncoderBlock2D\"], \"in_channels\": 3, \"latent_channels\": 4, " \
	"\"layers_per_block\": 2, \"norm_num_groups\": 32, \"out_channels\": 3, " \
	"\"sample_size\": 512, \"up_block_types\": [\"UpDecoderBlock2D\", \"UpDecoderBlock2D\", " \
	"\"UpDecoderBlock2D\", \"UpDecoderBlock2D\"]}"

static gr_model *build(const char *arch, const char *config)
{
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(config, strlen(config), NULL, &error);
	gr_model *m = NULL;
	cr_assert_not_null(doc, "%s", error.reason);
	(void)!gr_model_new(&m, arch, gr_json_root(doc));
	gr_json_free(doc);
	return m;
}

Test(diffusers_config, published_sizes)
{
	static const struct {
		const char *config, *arch;
		int64_t size;
	} published[] = {{SD1, "ldm_unet", 859520964}, {SD2, "ldm_unet", 865910724},
		{VAE, "autoencoder_kl", 83653863}};
	for (int i = 0; i < 3; i++) {
		gr_model *m = build(NULL, published[i].config);
		cr_assert_not_null(m, "%s", gr_error_message());
		cr_assert_str_eq(gr_model_name(m), published[i].arch);
		cr_assert_eq(gr_module_size(gr_model_module(m)), published[i].size);
		gr_model_free(m);
	}
}

static void parse_unet(gr_unet_config *c, const char *config)
{
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(config, strlen(config), NULL, &error);
	cr_assert_eq(gr_unet_config_from_json(c, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
}

Test(diffusers_config, heads_and_levels)
{
	gr_unet_config c;
	parse_unet(&c, SD1);
	cr_assert_eq(c.num_heads, 8);
	cr_assert_eq(c.num_head_channels, 0);
	cr_assert_eq(c.context_dim, 768);
	cr_assert_eq(c.num_attention, 3);
	cr_assert_eq(c.attention_ds[2], 4);
	parse_unet(&c, SD2);
	cr_assert_eq(c.num_head_channels, 64);
	cr_assert(c.use_linear_in_transformer);
	parse_unet(&c,
		"{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": "
		"[98, 100], \"norm_num_groups\": 2, \"num_attention_heads\": [2, 2], "
		"\"attention_head_dim\": 49, \"resnet_time_scale_shift\": \"scale_shift\", "
		"\"down_block_types\": [\"DownBlock2D\", \"CrossAttnDownBlock2D\"], "
		"\"up_block_types\": [\"CrossAttnUpBlock2D\", \"UpBlock2D\"]}");
	cr_assert_eq((int64_t)(c.channel_mult[1] * (double)c.model_channels), 100);
	cr_assert_eq(c.num_heads, 2);
	cr_assert(c.use_scale_shift_norm);
	cr_assert_eq(c.num_attention, 1);
	cr_assert_eq(c.attention_ds[0], 2);
}

Test(diffusers_config, scale_of_the_latents)
{
	static const char small[] = "{\"_class_name\": \"AutoencoderKL\", \"scaling_factor\": 0.5}";
	gr_json_error error;
	gr_json_doc *docs[] = {gr_json_parse(VAE, strlen(VAE), NULL, &error),
		gr_json_parse(small, strlen(small), NULL, &error)};
	gr_vae_config c;
	cr_assert_eq(gr_vae_config_from_json(&c, gr_json_root(docs[0])), GR_OK);
	cr_assert_float_eq(c.scale_factor, 0.18215, 0.0);
	cr_assert_eq(gr_vae_config_from_json(&c, gr_json_root(docs[1])), GR_OK);
	cr_assert_float_eq(c.scale_factor, 0.5, 0.0);
	cr_assert_eq(c.coder.num_levels, 1);
	gr_json_free(docs[0]);
	gr_json_free(docs[1]);
}

Test(diffusers_config, refuses)
{
	static const char *const bad[][3] = {
		{"ldm_unet", "{\"_class_name\": \"UNet2DModel\"}", "UNet2DConditionModel"},
		{"ldm_unet", "{\"_class_name\": 3}", "_class_name"},
		{"ldm_unet", "{\"_class_name\": \"UNet2DConditionModel\", \"norm_eps\": 1e-6}", "norm_eps"},
		{"ldm_unet", "{\"_class_name\": \"UNet2DConditionModel\", \"flip_sin_to_cos\": \"no\"}",
			"flip_sin_to_cos"},
		{"ldm_unet", "{\"_class_name\": \"UNet2DConditionModel\", \"act_fn\": \"gelu\"}", "act_fn"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"addition_embed_type\": \"text_time\"}",
			"addition_embed_type"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"attention_head_dim\": [5, 7, "
			"20, 20]}",
			"heads of another width"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"transformer_layers_per_block\""
			": [1, 2, 10]}",
			"transformer_layers_per_block"},
		{"ldm_unet", "{\"_class_name\": \"UNet2DConditionModel\", \"block_out_channels\": []}",
			"block_out_channels"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"down_block_types\": "
			"[\"DownBlock2D\"]}",
			"down_block_types"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"down_block_types\": "
			"[\"DownBlock2D\", \"DownBlock2D\", 3, \"DownBlock2D\"]}",
			"entry 2"},
		{"ldm_unet",
			"{\"_class_name\": \"UNet2DConditionModel\", \"up_block_types\": "
			"[\"UpBlock2D\", \"UpBlock2D\", \"UpBlock2D\", \"UpBlock2D\"]}",
			"mirror"},
		{"autoencoder_kl",
			"{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": "
			"[64, 96]}",
			"multiple"},
		{"autoencoder_kl", "{\"_class_name\": \"AutoencoderKL\", \"use_quant_conv\": false}",
			"use_quant_conv"},
		{"autoencoder_kl", "{\"_class_name\": \"AutoencoderKL\", \"shift_factor\": 0.06}",
			"shift_factor"},
		{"autoencoder_kl", "{\"_class_name\": \"AutoencoderKL\", \"surprise\": 1}", "surprise"},
		{"autoencoder_kl", "{\"_class_name\": \"AutoencoderKL\", \"block_out_channels\": []}",
			"empty"},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_null(build(bad[i][0], bad[i][1]), "%s", bad[i][1]);
		cr_assert_not_null(strstr(gr_error_message(), bad[i][2]), "%s", gr_error_message());
		gr_error_clear();
	}
}
