/* Folders of a prior: what is written is what is read, and hostile ones are refused. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inverse_check.h"

#define OUTER \
	"{\"format\": \"gradus-prior-1\", \"model\": \"unet\", \"channels\": 3, \"height\": 16, " \
	"\"width\": 16, \"prediction\": \"eps\", \"schedule\": {\"kind\": \"linear\", \"steps\": " \
	"1000}, " \
	"\"data\": {\"path\": \"anything\"}, "
#define UNET \
	"\"image_size\": 16, \"in_channels\": 3, \"model_channels\": 8, \"out_channels\": 3, " \
	"\"num_res_blocks\": 1, \"channel_mult\": [1, 2], \"attention_ds\": [2], " \
	"\"num_head_channels\": 8, \"use_scale_shift_norm\": true, \"resblock_updown\": false, " \
	"\"norm_groups\": 4"

static const char *folder(void)
{
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/gradus-prior-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	return path;
}

static const char *in(const char *dir, const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_config(const char *dir, const char *text)
{
	FILE *f = fopen(in(dir, "config.json"), "w");
	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

static void write_weights(const char *dir, gr_unet *net)
{
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_unet_module(net), a, GR_F16), GR_OK);
	cr_assert_eq(gr_safetensors_write(in(dir, "weights.safetensors"), a), GR_OK);
	gr_archive_free(a);
}

static void remove_folder(const char *dir)
{
	remove(in(dir, "config.json"));
	remove(in(dir, "weights.safetensors"));
	rmdir(dir);
}

static gr_tensor *predicted(const gr_prior *p, gr_tensor *x)
{
	const double t[] = {10.0, 700.0};
	gr_prior_call call = {.x_t = x, .t = t};
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK, "%s", gr_error_message());
	return call.prediction;
}

Test(prior_unet, folder)
{
	const char *dir = folder();
	gr_unet *net = tiny_unet(3);
	write_config(dir, OUTER "\"unet\": {" UNET "}}");
	write_weights(dir, net);
	gr_prior *p;
	cr_assert_eq(gr_prior_open(&p, dir), GR_OK, "%s", gr_error_message());
	cr_expect_str_eq(gr_prior_name(p), "unet");
	cr_expect_eq(gr_prior_dims(p)[1], 16);

	/* The same network, its weights rounded through f16. */
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_unet_module(net), a, GR_F16), GR_OK);
	cr_assert_eq(gr_module_load(gr_unet_module(net), a, NULL), GR_OK);
	gr_archive_free(a);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 3, 16, 16));
	gr_tensor *t = gr_from_f64(GR_F32, (const double[]){10.0, 700.0}, GR_DIMS(2));
	gr_tensor *expected = gr_stop_gradient(gr_unet_forward(net, x, t, NULL));
	gr_tensor *eps = predicted(p, x);
	cr_expect(nn_same_bits(eps, expected));
	cr_expect(dot(eps, eps) > 0.0);
	cr_expect(!gr_is_tracked(eps), "parameters are constants");
	cr_expect(gr_is_tracked(predicted(p, gr_watch(x))));
	gr_unet_free(net);
	gr_prior_free(p);
	remove_folder(dir);
}

Test(prior_unet, recomputed_gradients_are_the_same_bits)
{
	gr_prior *p = gr_prior_unet_new(tiny_unet(3),
		GR_OPTS(gr_prior_opts, .channels = 3, .height = 16, .width = 16));
	gr_tensor *x = gr_watch(nn_normal(1, GR_F32, GR_DIMS(2, 3, 16, 16))), *g[2];
	gr_tensor *c = nn_normal(2, GR_F32, GR_DIMS(2, 3, 16, 16));
	for (int k = 0; k < 2; k++) {
		gr_status status = gr_prior_set_recompute(p, k == 1);
		cr_assert_eq(status, GR_OK);
		gr_tensor *eps = predicted(p, x);
		status = gr_grad(&g[k], eps, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = c));
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	}
	cr_expect(nn_same_bits(g[0], g[1]));
	gr_prior_free(p);
}

Test(prior_unet, learned_variance)
{
	gr_unet *net = tiny_unet(6);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(1, 3, 16, 16));
	gr_tensor *t = gr_from_f64(GR_F32, (const double[]){10.0}, GR_DIMS(1));
	gr_tensor *out = gr_stop_gradient(gr_unet_forward(net, x, t, NULL));
	gr_prior *p =
		gr_prior_unet_new(net, GR_OPTS(gr_prior_opts, .channels = 3, .height = 16, .width = 16));
	gr_prior_call call = {.x_t = gr_watch(x), .t = (const double[]){10.0}};
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	cr_expect(nn_same_bits(gr_stop_gradient(call.prediction), gr_slice(out, 1, 0, 3, 1)));
	cr_expect(nn_same_bits(call.variance, gr_slice(out, 1, 3, 6, 1)));
	cr_expect(gr_is_tracked(call.prediction));
	cr_expect(!gr_is_tracked(call.variance));
	call.x_t = gr_cast(x, GR_F64);
	cr_expect_eq(gr_prior_predict(p, &call), GR_EDTYPE);
	gr_prior_free(p);
}

Test(prior_unet, malformed_configs)
{
	static const struct {
		const char *text, *says;
		gr_status code;
	} wrong[] = {
		{"", "byte 0", GR_EFORMAT},
		{"{", "byte", GR_EFORMAT},
		{"[]", "\"format\"", GR_EFORMAT},
		{"{\"format\": \"gradus-prior-2\"}", "not \"gradus-prior-1\"", GR_EFORMAT},
		{"{\"format\": \"gradus-prior-1\", \"model\": \"vit\", \"channels\": 3, "
		 "\"height\": 16, \"width\": 16}",
			"\"model\"", GR_EFORMAT},
		{OUTER "\"unet\": 3}", "\"unet\" is missing or not an object", GR_EFORMAT},
		{OUTER "\"unet\": {}}", "\"model_channels\"", GR_EFORMAT},
		{OUTER "\"unet\": {" UNET ", \"chanel\": 3}}", "no option \"chanel\"", GR_EFORMAT},
		{OUTER "\"unet\": {\"model_channels\": -8}}", "integer from 0", GR_EFORMAT},
		{OUTER "\"unet\": {\"model_channels\": 8.5}}", "integer from 0", GR_EFORMAT},
		{OUTER "\"unet\": {\"model_channels\": 1e12}}", "integer from 0", GR_EFORMAT},
		{OUTER "\"unet\": {\"channel_mult\": [1,1,1,1,1,1,1,1,1]}}", "short list", GR_EFORMAT},
		{OUTER "\"unet\": {\"channel_mult\": [1,\"2\"]}}", "positive numbers", GR_EFORMAT},
		{OUTER "\"unet\": {\"attention_ds\": [1.5]}}", "list of integers", GR_EFORMAT},
		{OUTER "\"unet\": {\"resblock_updown\": 1}}", "true or false", GR_EFORMAT},
		{"{\"format\": \"gradus-prior-1\", \"model\": \"unet\", \"prediction\": \"eps\", "
		 "\"channels\": 3, \"height\": 16, \"width\": 16, \"schedule\": {\"kind\": \"linear\", "
		 "\"T\": 10}}",
			"no option \"T\"", GR_EFORMAT},
		{OUTER "\"unet\": {" UNET ", \"num_classes\": 10}}", "weights.safetensors", GR_EIO},
	};
	const char *dir = folder();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		gr_prior *p = NULL;
		write_config(dir, wrong[i].text);
		cr_expect_eq(gr_prior_open(&p, dir), wrong[i].code, "%s: %s", wrong[i].text,
			gr_error_message());
		cr_expect_null(p);
		cr_expect_not_null(strstr(gr_error_message(), wrong[i].says), "%s: %s", wrong[i].text,
			gr_error_message());
		gr_error_clear();
	}
	remove_folder(dir);
	gr_prior *p;
	cr_expect_eq(gr_prior_open(&p, dir), GR_EIO);
	cr_expect_not_null(strstr(gr_error_message(), "hint"));
	gr_error_clear();
}

/* Weights that do not belong to the configuration. */
Test(prior_unet, wrong_weights)
{
	const char *dir = folder();
	gr_unet *net = tiny_unet(6);
	gr_prior *p;
	write_config(dir, OUTER "\"unet\": {" UNET "}}");
	write_weights(dir, net);
	cr_expect_eq(gr_prior_open(&p, dir), GR_EFORMAT);
	cr_expect_not_null(strstr(gr_error_message(), "out.2.weight"), "%s", gr_error_message());
	gr_error_clear();
	gr_unet_free(net);
	remove_folder(dir);
}
