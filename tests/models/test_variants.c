/* Options and networks that no reference case covers, against the scripts of tests/oracles. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/model.h"
#include "nn_check.h"

static const char *oracle(const char *name, const char *type)
{
	static char path[512];
	snprintf(path, sizeof path, "%s/tests/oracles/%s.%s", GRADUS_SOURCE_DIR, name, type);
	return path;
}

static gr_model *build(const char *name)
{
	char text[2048];
	FILE *f = fopen(oracle(name, "json"), "rb");
	cr_assert_not_null(f, "%s", name);
	const size_t bytes = fread(text, 1, sizeof text, f);
	fclose(f);
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, bytes, NULL, &error);
	gr_model *m = NULL;
	cr_assert_eq(gr_model_new(&m, NULL, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	return m;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(gr_param_name(*(gr_param *const *)a), gr_param_name(*(gr_param *const *)b));
}

/* "packed": the values of all parameters in the order of their names. */
static gr_archive *unpack(const gr_module *m, gr_tensor *packed)
{
	static gr_param *params[1000];
	const int64_t count = gr_module_param_count(m);
	int64_t at = 0;
	gr_archive *a = gr_archive_new();
	cr_assert_leq(count, 1000);
	for (int64_t i = 0; i < count; i++)
		params[i] = gr_module_param_handle(m, i);
	qsort(params, (size_t)count, sizeof *params, by_name);
	for (int64_t i = 0; i < count; i++) {
		int64_t size = 1;
		for (int k = 0; k < gr_param_ndim(params[i]); k++)
			size *= gr_param_dims(params[i])[k];
		gr_tensor *t = gr_contiguous(gr_slice(packed, 0, at, at + size, 1));
		t = gr_reshape(t, gr_param_ndim(params[i]), gr_param_dims(params[i]));
		cr_assert_eq(gr_archive_add(a, gr_param_name(params[i]), t), GR_OK, "%s",
			gr_error_message());
		at += size;
	}
	cr_assert_eq(at, gr_tensor_size(packed));
	return a;
}

static void load(gr_model *m, const gr_archive *in, const char *name)
{
	gr_tensor *packed = gr_archive_find(in, "packed");
	gr_archive *own = packed == NULL ? NULL : unpack(gr_model_module(m), packed);
	cr_assert_eq(gr_module_load(gr_model_module(m), own != NULL ? own : in,
					 GR_OPTS(gr_load_opts, .prefix = own != NULL ? NULL : "w.")),
		GR_OK, "%s: %s", name, gr_error_message());
	gr_archive_free(own);
}

static void check(const char *name)
{
	gr_model *m = build(name);
	gr_archive *in = NULL, *out = gr_archive_new();
	cr_assert_eq(gr_npz_read(&in, oracle(name, "npz")), GR_OK, "%s", gr_error_message());
	load(m, in, name);
	cr_assert_eq(gr_model_run(m, in, true, out), GR_OK, "%s: %s", name, gr_error_message());
	cr_assert_geq(gr_archive_count(out), 1);
	for (int64_t i = 0; i < gr_archive_count(out); i++) {
		const char *key = gr_archive_name(out, i);
		const double error = nn_distance(gr_archive_tensor(out, i), gr_archive_find(in, key));
		printf("%s: %s %.1e\n", name, key, error);
		cr_assert_lt(error, 1e-5, "%s: %s differs by %g", name, key, error);
	}
	gr_archive_free(in);
	gr_archive_free(out);
	gr_model_free(m);
}

Test(variants, vit)
{
	check("vit_offset");
	check("vit_registers");
	check("vit_exact");
	check("vit_identity");
}

Test(variants, sit)
{
	check("sit_qk_norm");
	check("sit_no_dropout");
}

Test(variants, vae)
{
	check("vae_inside");
	check("vae_linear");
	check("vae_none");
	check("vae_odd");
}

Test(variants, unet)
{
	check("unet_plain");
	check("unet_new_order");
	check("unet_no_conv");
	check("ldm_deep");
	check("ldm_linear");
}

Test(variants, lpips)
{
	check("lpips_alex");
	check("lpips_alex_spatial");
	check("lpips_vgg");
	check("lpips_vgg_baseline");
	check("lpips_squeeze");
}

Test(variants, edm)
{
	check("edm_ddpmpp");
	check("edm_ncsnpp");
	check("edm_skips");
	check("edm_dhariwal");
	check("song_unet");
	check("edm_operator");
}

Test(variants, ddpm)
{
	check("ddpm");
	check("ddpm_plain");
	check("ddpm_odd");
}

Test(variants, clip_text)
{
	check("clip_quick");
	check("clip_exact");
}

Test(variants, inception)
{
	check("inception");
	check("inception_bare");
}

Test(variants, resnet)
{
	check("resnet");
	check("resnet_basic");
	check("resnet_groups");
}

Test(variants, fno)
{
	check("fno");
}
