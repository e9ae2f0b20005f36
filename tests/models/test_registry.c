/* Networks by name: every reference case as its files stand, names of other programs, errors. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "golden.h"
#include "gradus/model.h"
#include "nn_check.h"

static void check_golden(const char *folder, const char *weights)
{
	gr_json_doc *doc = golden_config(folder);
	if (doc == NULL)
		return;
	gr_model *m = NULL;
	gr_tensorfile *f = NULL;
	gr_archive *in = NULL, *out = gr_archive_new();
	cr_assert_eq(gr_model_new(&m, NULL, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	cr_assert_eq(gr_checkpoint_open(&f, golden_path(folder, weights), NULL), GR_OK);
	cr_assert_eq(gr_model_load(m, f, NULL), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
	cr_assert_eq(gr_npz_read(&in, golden_path(folder, "io.npz")), GR_OK);
	cr_assert_eq(gr_model_run(m, in, true, out), GR_OK, "%s", gr_error_message());
	int compared = 0;
	for (int64_t i = 0; i < gr_archive_count(out); i++) {
		const char *name = gr_archive_name(out, i);
		const double error = nn_distance(gr_archive_tensor(out, i), gr_archive_find(in, name));
		cr_assert_lt(error, 1e-5, "%s: %s differs by %g", folder, name, error);
		compared++;
	}
	cr_assert_geq(compared, 2);
	gr_archive_free(in);
	gr_archive_free(out);
	gr_model_free(m);
}

Test(registry, goldens)
{
	check_golden("adm_unet", "weights.pt");
	check_golden("dinov2_vit", "weights.pt");
	check_golden("ldm_autoencoder_kl", "weights.safetensors");
	check_golden("ldm_unet", "weights.safetensors");
	check_golden("sit_repa", "weights.pt");
}

static gr_model *build(const char *arch, const char *config)
{
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(config, strlen(config), NULL, &error);
	gr_model *m = NULL;
	(void)!gr_model_new(&m, arch, gr_json_root(doc));
	gr_json_free(doc);
	return m;
}

static const char *const small[][2] = {
	{"adm", "{\"model_channels\": 32, \"channel_mult\": [1], \"num_res_blocks\": 1}"},
	{"ldm_unet",
		"{\"model_channels\": 32, \"channel_mult\": [1], \"num_res_blocks\": 1, "
		"\"use_spatial_transformer\": true, \"context_dim\": 8}"},
	{"autoencoder_kl", "{\"ch\": 32, \"ch_mult\": [1, 1], \"num_res_blocks\": 1}"},
	{"vqmodel",
		"{\"ddconfig\": {\"ch\": 32, \"ch_mult\": [1, 1], \"num_res_blocks\": 1, "
		"\"double_z\": false}, \"n_embed\": 5}"},
	{"taesd", "{\"width\": 4}"},
	{"dinov2",
		"{\"img_size\": 8, \"patch_size\": 4, \"embed_dim\": 8, \"num_heads\": 2, "
		"\"depth\": 1, \"num_register_tokens\": 2, \"ffn_layer\": \"swiglufused\"}"},
	{"dino",
		"{\"img_size\": [8], \"patch_size\": 4, \"embed_dim\": 8, \"num_heads\": 2, "
		"\"depth\": 1}"},
	{"sit",
		"{\"input_size\": 8, \"hidden_size\": 8, \"num_heads\": 2, \"depth\": 2, "
		"\"encoder_depth\": 1, \"z_dims\": [3, 4], \"projector_dim\": 5, \"qk_norm\": true}"},
	{"dit", "{\"input_size\": 8, \"hidden_size\": 8, \"num_heads\": 2, \"depth\": 1}"},
	{"ddpm", "{\"ch\": 8, \"ch_mult\": [1, 1], \"num_res_blocks\": 1, \"norm_groups\": 4}"},
	{"song_unet",
		"{\"img_resolution\": 8, \"model_channels\": 8, \"channel_mult\": [1, 1], \"num_blocks\": "
		"1}"},
	{"dhariwal_unet",
		"{\"img_resolution\": 8, \"model_channels\": 8, \"channel_mult\": [1, 1], \"num_blocks\": "
		"1, \"label_dim\": 3}"},
	{"uno",
		"{\"img_resolution\": 8, \"model_channels\": 8, \"channel_mult\": [1, 1], \"num_blocks\": "
		"1}"},
	{"edm",
		"{\"img_resolution\": 8, \"model_channels\": 8, \"channel_mult\": [1, 1], \"num_blocks\": "
		"1}"},
	{"fno", "{\"hidden_channels\": 4, \"n_modes\": 4}"},
	{"clip_text",
		"{\"vocab_size\": 9, \"hidden_size\": 8, \"num_attention_heads\": 2, "
		"\"num_hidden_layers\": 1, \"max_position_embeddings\": 5}"},
	{"lpips", "{\"net\": \"vgg\", \"shrink\": 64}"},
	{"inception", "{\"shrink\": 64}"},
	{"resnet", "{\"width\": 4, \"layers\": [1, 1, 1, 1]}"},
	{"mpe_cnn", "{\"width\": 4, \"num_blocks\": 2, \"num_classes\": 4}"},
};

/* Each one built, drawn, given the example that it asks for, and run. */
Test(registry, every_architecture)
{
	int count = 0;
	for (; gr_model_arch(count) != NULL; count++) {
		gr_model *m = build(small[count][0], small[count][1]);
		cr_assert_str_eq(gr_model_arch(count), small[count][0]);
		cr_assert_not_null(m, "%s: %s", small[count][0], gr_error_message());
		cr_assert_eq(gr_module_init(gr_model_module(m), gr_key_seed(1)), GR_OK);
		gr_archive *in = gr_archive_new(), *out = gr_archive_new();
		const int64_t side = strcmp(small[count][0], "lpips") == 0 ? 32 : 8; /* four halvings */
		cr_assert_eq(gr_model_example(m, side, side, gr_key_seed(2), in), GR_OK);
		cr_assert_eq(gr_model_run(m, in, false, out), GR_OK, "%s: %s", small[count][0],
			gr_error_message());
		cr_assert_not_null(gr_archive_find(out, "y"));
		gr_archive_free(in);
		gr_archive_free(out);
		gr_model_free(m);
	}
	cr_assert_eq(count, sizeof small / sizeof *small);
	gr_model *dit = build("dit", small[8][1]), *dino = build("dino", small[6][1]);
	const gr_param *bias = gr_module_find_handle(gr_model_module(dit), "final_layer.linear.bias");
	cr_assert_eq(gr_param_dims(bias)[0], 2 * 2 * 8);
	cr_assert_null(gr_module_find_handle(gr_model_module(dino), "mask_token"));
	gr_model_free(dit);
	gr_model_free(dino);
}

static void temporary(char *path, size_t size)
{
	snprintf(path, size, "/tmp/gradus_registry_%d.safetensors", (int)getpid());
}

/* Every parameter of m under another name; qkv in three parts. */
static const char *huggingface(const char *name, char *out, size_t size)
{
	static const char *const pairs[][2] = {{"pos_embed", "embeddings.position_embeddings"},
		{"patch_embed.proj.", "embeddings.patch_embeddings.projection."},
		{"cls_token", "embeddings.cls_token"}, {"mask_token", "embeddings.mask_token"},
		{"register_tokens", "embeddings.register_tokens"},
		{"blocks.0.ls1.gamma", "encoder.layer.0.layer_scale1.lambda1"},
		{"blocks.0.ls2.gamma", "encoder.layer.0.layer_scale2.lambda1"},
		{"blocks.0.attn.proj.", "encoder.layer.0.attention.output.dense."},
		{"blocks.0.mlp.w12.", "encoder.layer.0.mlp.weights_in."},
		{"blocks.0.mlp.w3.", "encoder.layer.0.mlp.weights_out."}, {"blocks.0.", "encoder.layer.0."},
		{"norm.", "layernorm."}};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		const size_t length = strlen(pairs[i][0]);
		if (strncmp(name, pairs[i][0], length) == 0) {
			snprintf(out, size, "dinov2.%s%s", pairs[i][1], name + length);
			return out;
		}
	}
	return NULL;
}

Test(registry, huggingface_names_of_dinov2)
{
	static const char *const parts[] = {"query", "key", "value"};
	static const char config[] = "{\"img_size\": 8, \"patch_size\": 4, \"embed_dim\": 8, "
								 "\"num_heads\": 2, \"depth\": 1, \"num_register_tokens\": 2, "
								 "\"init_values\": 1.0, \"ffn_layer\": \"swiglu\"}";
	gr_model *from = build("dinov2", config), *to = build("dinov2", config);
	gr_module *m = gr_model_module(from);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	gr_archive *a = gr_archive_new();
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		const char *name = gr_module_param_name(m, i);
		gr_tensor *t = gr_stop_gradient(gr_module_param(m, i));
		char key[128];
		if (strncmp(name, "blocks.0.attn.qkv.", 18) != 0) {
			cr_assert_eq(gr_archive_add(a, huggingface(name, key, sizeof key), t), GR_OK, "%s",
				name);
			continue;
		}
		for (int k = 0; k < 3; k++) {
			snprintf(key, sizeof key, "dinov2.encoder.layer.0.attention.attention.%s.%s", parts[k],
				name + 18);
			gr_tensor *part = gr_contiguous(gr_slice(t, 0, 8 * k, 8 * (k + 1), 1));
			cr_assert_eq(gr_archive_add(a, key, part), GR_OK);
		}
	}
	char path[64];
	temporary(path, sizeof path);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK);
	cr_assert_eq(gr_model_load(to, f, NULL), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
	remove(path);
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(gr_model_module(to), i)),
			"%s", gr_module_param_name(m, i));
	gr_archive_free(a);
	gr_model_free(from);
	gr_model_free(to);
}

/* The weights of a network inside a checkpoint of the whole. */
Test(registry, inside_a_checkpoint)
{
	gr_model *from = build("autoencoder_kl", small[2][1]),
			 *to = build(NULL,
				 "{\"arch\": \"autoencoder_kl\", \"ch\": 32, \"ch_mult\": [1, 1], "
				 "\"num_res_blocks\": 1}");
	gr_module *m = gr_model_module(from);
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	gr_archive *a = gr_archive_new();
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		char key[128];
		snprintf(key, sizeof key, "first_stage_model.%s", gr_module_param_name(m, i));
		cr_assert_eq(gr_archive_add(a, key, gr_stop_gradient(gr_module_param(m, i))), GR_OK);
	}
	cr_assert_eq(gr_archive_add(a, "first_stage_model.loss.logvar", gr_zeros(GR_F32, GR_DIMS(1))),
		GR_OK);
	cr_assert_eq(gr_archive_add(a, "model.other", gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
	char path[64];
	temporary(path, sizeof path);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK);
	cr_assert_eq(gr_model_load(to, f, NULL), GR_OK, "%s", gr_error_message());
	gr_tensorfile_close(f);
	remove(path);
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(gr_model_module(to), i)));
	gr_archive_free(a);
	gr_model_free(from);
	gr_model_free(to);
}

static void expect_no_model(const char *arch, const char *config, gr_status code)
{
	cr_assert_null(build(arch, config), "%s", config);
	cr_assert_eq(gr_error_code(), code, "%s: %s", config, gr_error_message());
	gr_error_clear();
}

Test(registry, refuses)
{
	expect_no_model("unknown", "{}", GR_EARG);
	expect_no_model(NULL, "{}", GR_EFORMAT);
	expect_no_model(NULL, "{\"arch\": 1}", GR_EFORMAT);
	expect_no_model(NULL, "{\"arch\": \"unknown\"}", GR_EARG);
	expect_no_model("adm", "{\"arch\": \"sit\"}", GR_EARG);
	expect_no_model("adm", "[]", GR_EFORMAT);
	expect_no_model("sit", "{\"hiden_size\": 8}", GR_EFORMAT);
	gr_model *m = build("sit", small[7][1]);
	gr_archive *in = gr_archive_new(), *out = gr_archive_new();
	cr_assert_eq(gr_module_init(gr_model_module(m), gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_model_run(m, in, false, out), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_archive_add(in, "x", gr_zeros(GR_F32, GR_DIMS(1, 4, 8, 8))), GR_OK);
	cr_assert_eq(gr_model_run(m, in, false, out), GR_EARG);
	cr_assert_not_null(strstr(gr_error_message(), "'t'"));
	gr_error_clear();
	gr_archive_free(in);
	gr_archive_free(out);
	gr_model_free(m);
}
