/* CLIP's text encoder: published sizes, causality, the null prompt, names, errors. Values:
 * test_variants.c. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/clip_text.h"
#include "nn_check.h"

Test(clip_text, published_sizes)
{
	static const struct {
		gr_clip_text_config config;
		int64_t size;
	} published[] = {
		{{.hidden_size = 768}, 123060480},
		{{.hidden_size = 1024, .num_hidden_layers = 23, .hidden_act = GR_CLIP_GELU}, 340387840},
		{{.hidden_size = 1024, .num_hidden_layers = 24, .skip_layers = 1}, 352984064},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_clip_text *c = gr_clip_text_new(&published[i].config);
		cr_assert_not_null(c, "%s", gr_error_message());
		cr_assert_eq(gr_module_size(gr_clip_text_module(c)), published[i].size);
		gr_clip_text_free(c);
	}
}

static gr_clip_text *build(gr_dtype dtype, gr_clip_act act)
{
	gr_clip_text *c = gr_clip_text_new(GR_OPTS(gr_clip_text_config, .vocab_size = 20,
		.hidden_size = 8, .num_attention_heads = 2, .num_hidden_layers = 2,
		.max_position_embeddings = 6, .hidden_act = act, .dtype = dtype));
	cr_assert_not_null(c, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_clip_text_module(c), gr_key_seed(1)), GR_OK);
	return c;
}

static gr_tensor *forward(const void *c, gr_tensor *x)
{
	return gr_clip_text_embedded(c, x);
}

Test(clip_text, gradients)
{
	for (int act = 0; act < 2; act++) {
		gr_clip_text *c = build(GR_F64, (gr_clip_act)act);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 5, 8));
		cr_assert_lt(nn_gradient_error(NULL, forward, c, x), 1e-6);
		gr_clip_text_free(c);
	}
}

/* What comes later changes nothing before it. */
Test(clip_text, causal)
{
	gr_clip_text *c = build(GR_F32, GR_CLIP_QUICK_GELU);
	gr_tensor *whole = gr_clip_text_null(c, 1);
	gr_tensor *start = gr_contiguous(gr_slice(whole, 1, 0, 3, 1));
	gr_tensor *y = gr_clip_text_forward(c, whole), *z = gr_clip_text_forward(c, start);
	cr_assert_lt(nn_distance(z, gr_contiguous(gr_slice(y, 1, 0, 3, 1))), 1e-6);
	gr_clip_text_free(c);
}

Test(clip_text, null_prompt)
{
	static const int64_t expected[][6] = {{18, 19, 19, 19, 19, 19}, {18, 19, 0, 0, 0, 0}};
	for (int act = 0; act < 2; act++) {
		gr_clip_text *c = build(GR_F32, (gr_clip_act)act);
		gr_tensor *ids = gr_clip_text_null(c, 2);
		for (int i = 0; i < 12; i++)
			cr_assert_eq(((const int64_t *)gr_tensor_data_const(ids))[i], expected[act][i % 6]);
		gr_clip_text_free(c);
	}
	gr_clip_text *c = gr_clip_text_new(NULL);
	const int64_t *ids = gr_tensor_data_const(gr_clip_text_null(c, 1));
	cr_assert(ids[0] == 49406 && ids[1] == 49407 && ids[76] == 49407);
	gr_clip_text_free(c);
}

/* A parameter's key in a file, part k of its parts; false when there are no more. */
static bool huggingface(const char *name, int k, char *key, size_t size)
{
	static const char *const pairs[][2] = {{"ln_1.", "layer_norm1."}, {"ln_2.", "layer_norm2."},
		{"attn.out_proj.", "self_attn.out_proj."}, {"mlp.c_fc.", "mlp.fc1."},
		{"mlp.c_proj.", "mlp.fc2."}};
	static const char *const parts[] = {"q_proj", "k_proj", "v_proj"};
	static const char stem[] = "transformer.resblocks.";
	if (strncmp(name, stem, sizeof stem - 1) != 0) {
		snprintf(key, size, "%s",
			strcmp(name, "token_embedding.weight") == 0
				? "text_model.embeddings.token_embedding.weight"
				: strcmp(name, "positional_embedding") == 0
				? "text_model.embeddings.position_embedding.weight"
				: strcmp(name, "ln_final.weight") == 0 ? "text_model.final_layer_norm.weight"
													   : "text_model.final_layer_norm.bias");
		return k == 0;
	}
	const char layer = name[sizeof stem - 1], *rest = name + sizeof stem + 1;
	if (strncmp(rest, "attn.in_proj_", 13) == 0) {
		snprintf(key, size, "text_model.encoder.layers.%c.self_attn.%s.%s", layer, parts[k % 3],
			rest + 13);
		return k < 3;
	}
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
		if (strncmp(rest, pairs[i][0], strlen(pairs[i][0])) == 0)
			snprintf(key, size, "text_model.encoder.layers.%c.%s%s", layer, pairs[i][1],
				rest + strlen(pairs[i][0]));
	return k == 0;
}

/* Hugging Face's names, alone, in Stable Diffusion 1, and OpenCLIP's in Stable Diffusion 2. */
Test(clip_text, names_of_the_files)
{
	static const char *const prefixes[] = {"", "cond_stage_model.transformer.",
		"cond_stage_model.model."};
	char path[64], key[200], full[260];
	snprintf(path, sizeof path, "/tmp/gradus_clip_%d.safetensors", (int)getpid());
	for (int way = 0; way < 3; way++) {
		gr_clip_text *from = build(GR_F32, GR_CLIP_GELU), *to = build(GR_F32, GR_CLIP_GELU);
		gr_module *m = gr_clip_text_module(from), *n = gr_clip_text_module(to);
		cr_assert_eq(gr_module_init(n, gr_key_seed(7)), GR_OK);
		gr_archive *a = gr_archive_new();
		for (int64_t i = 0; i < gr_module_param_count(m); i++) {
			const char *name = gr_module_param_name(m, i);
			gr_tensor *t = gr_stop_gradient(gr_module_param(m, i));
			const bool split = way < 2 && strstr(name, "in_proj") != NULL;
			for (int k = 0; way < 2 ? huggingface(name, k, key, sizeof key) : k == 0; k++) {
				snprintf(full, sizeof full, "%s%s", prefixes[way], way < 2 ? key : name);
				gr_tensor *part = split ? gr_contiguous(gr_slice(t, 0, 8 * k, 8 * (k + 1), 1)) : t;
				cr_assert_eq(gr_archive_add(a, full, part), GR_OK, "%s", full);
			}
		}
		const char *other =
			way == 0 ? "text_projection.weight" : "model.diffusion_model.out.2.bias";
		cr_assert_eq(gr_archive_add(a, other, gr_zeros(GR_F32, GR_DIMS(8))), GR_OK);
		cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
		gr_tensorfile *f = NULL;
		cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK);
		cr_assert_eq(gr_clip_text_load(to, f), GR_OK, "%s", gr_error_message());
		gr_tensorfile_close(f);
		for (int64_t i = 0; i < gr_module_param_count(m); i++)
			cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(n, i)), "%s",
				gr_module_param_name(m, i));
		gr_archive_free(a);
		gr_clip_text_free(from);
		gr_clip_text_free(to);
	}
	remove(path);
}

Test(clip_text, refuses_what_does_not_fit)
{
	cr_assert_null(gr_clip_text_new(
		GR_OPTS(gr_clip_text_config, .hidden_size = 10, .num_attention_heads = 3)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_clip_text_new(GR_OPTS(gr_clip_text_config, .skip_layers = 12)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_clip_text *c = build(GR_F32, GR_CLIP_GELU);
	cr_assert_null(gr_clip_text_forward(c, gr_zeros(GR_I64, GR_DIMS(1, 7))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_clip_text_forward(c, gr_zeros(GR_F32, GR_DIMS(1, 5))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_tensor *wrong = gr_reshape(gr_arange(GR_I64, 5, 18.0, 1.0), GR_DIMS(1, 5));
	cr_assert_null(gr_clip_text_forward(c, wrong)); /* ids 20 to 22 are none */
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_clip_text_free(c);
}
