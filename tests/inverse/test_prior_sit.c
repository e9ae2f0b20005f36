/* SiTs as priors: what the network is told, features, classes and guidance, folders. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/io.h"
#include "tiny_latent.h"

static const double times[] = {0.0, 399.5, 999.0};

static gr_tensor *state_of(gr_dtype dtype)
{
	return nn_normal(1, dtype, GR_DIMS(3, 4, 4, 4));
}

/* z = x_t / (a + b) and t = b / (a + b): at base step T u - 1 the time is u, 1 being noise. */
Test(prior_sit, is_told_the_flow)
{
	gr_sit *net = tiny_sit(1);
	gr_tensor *x = state_of(GR_F32), *projected = NULL;
	double u[3], scale[3];
	for (int i = 0; i < 3; i++) {
		u[i] = (times[i] + 1.0) / 1000.0;
		scale[i] = sqrt((1.0 - u[i]) * (1.0 - u[i]) + u[i] * u[i]); /* 1 / (a + b) */
	}
	gr_tensor *z = gr_mul(x, gr_from_f64(GR_F32, scale, GR_DIMS(3, 1, 1, 1)));
	gr_tensor *expected =
		gr_stop_gradient(gr_sit_forward_with(net, z, gr_from_f64(GR_F32, u, GR_DIMS(3)),
			gr_zeros(GR_I64, GR_DIMS(3)), GR_OPTS(gr_sit_forward_opts, .projected = &projected)));
	projected = gr_stop_gradient(projected);
	gr_prior *p = gr_prior_sit_new(net, NULL);
	cr_assert_not_null(p, "%s", gr_error_message());
	cr_expect_eq(gr_prior_prediction(p), GR_PREDICT_FLOW);
	cr_expect_eq(gr_prior_alpha_bar(p, 999.0), 0.0);
	cr_expect_eq(gr_prior_classes(p), 0);
	cr_expect(!gr_is_latent_prior(p));
	gr_prior_call call = {.x_t = x, .t = times};
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK, "%s", gr_error_message());
	cr_expect(nn_distance(call.prediction, expected) < 1e-6);
	cr_expect(dot(expected, expected) > 0.1);
	cr_expect_null(call.features);
	cr_expect_eq(call.evaluations, 1);
	cr_expect(!gr_is_tracked(call.prediction), "parameters are constants");
	/* features, on the graph; a wide state is narrowed for the network and widened again */
	gr_prior_call wide = {.x_t = gr_watch(gr_cast(x, GR_F64)), .t = times, .want_features = true};
	cr_assert_eq(gr_prior_predict(p, &wide), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_tensor_dtype(wide.prediction), GR_F64);
	cr_expect(nn_distance(wide.prediction, call.prediction) < 1e-6);
	cr_expect(nn_distance(wide.features, projected) < 1e-6);
	cr_expect_eq(gr_tensor_dim(wide.features, 1), 4);
	cr_expect_eq(gr_tensor_dim(wide.features, 2), 12);
	cr_expect(gr_is_tracked(wide.features) && gr_is_tracked(wide.prediction));
	gr_prior_free(p);
}

/* e_u + s (e_c - e_u), two evaluations; the class alone outside the interval. */
Test(prior_sit, classifier_free_guidance)
{
	gr_prior *p = gr_prior_sit_new(tiny_sit(3), NULL);
	cr_assert_eq(gr_prior_classes(p), 3);
	gr_tensor *x = state_of(GR_F32);
	gr_prior_call none = {.x_t = x, .t = times};
	gr_prior_call class = {.x_t = x, .t = times, .labels = gr_full(GR_I64, GR_DIMS(3), 2.0)};
	cr_assert_eq(gr_prior_predict(p, &none), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_prior_predict(p, &class), GR_OK, "%s", gr_error_message());
	cr_expect(nn_distance(none.prediction, class.prediction) > 1e-3);
	gr_prior_call call = {.x_t = x, .t = times, .want_features = true};
	cr_assert_eq(gr_prior_set_class(p, GR_OPTS(gr_class_opts, .label = 2)), GR_OK);
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	cr_expect(nn_same_bits(call.prediction, class.prediction));
	cr_expect_eq(call.evaluations, 1);
	cr_assert_eq(gr_prior_set_class(p, GR_OPTS(gr_class_opts, .label = 2, .scale = 2.5)), GR_OK);
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	gr_tensor *expected =
		gr_add(none.prediction, gr_mul_s(gr_sub(class.prediction, none.prediction), 2.5));
	cr_expect(nn_distance(call.prediction, expected) < 1e-6);
	cr_expect_not_null(call.features);
	cr_expect_eq(call.evaluations, 2);
	/* the second sample alone has a time, 0.4005, in the interval */
	const gr_class_opts some = {.size = sizeof(some),
		.label = 2,
		.scale = 2.5,
		.low = 0.3,
		.high = 0.9};
	cr_assert_eq(gr_prior_set_class(p, &some), GR_OK);
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	for (int64_t i = 0; i < 3; i++) {
		gr_tensor *is = batch_of(call.prediction, i, i + 1);
		cr_expect(i == 1 ? nn_distance(is, batch_of(expected, 1, 2)) < 1e-6
						 : nn_same_bits(is, batch_of(class.prediction, i, i + 1)));
	}
	/* labels of a call come first; none again */
	call.labels = gr_full(GR_I64, GR_DIMS(3), 2.0);
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	cr_expect(nn_same_bits(call.prediction, class.prediction));
	cr_assert_eq(gr_prior_set_class(p, NULL), GR_OK);
	call.labels = NULL;
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK);
	cr_expect(nn_same_bits(call.prediction, none.prediction));
	gr_prior_free(p);
}

Test(prior_sit, guidance_counts)
{
	gr_prior *p = gr_prior_sit_new(tiny_sit(3), NULL);
	/* times 0.1, 0.2, ..., 1.0: four of them in the interval */
	cr_assert_eq(gr_prior_set_class(p,
					 GR_OPTS(gr_class_opts, .scale = 2.0, .low = 0.35, .high = 0.75)),
		GR_OK);
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 2, .keys = some_keys(1, 2),
						 .method = "euler", .respacing = "10")),
		GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_evaluations(s), 14);
	gr_solver_free(s);
	gr_prior_free(p);
}

Test(prior_sit, wrong_classes)
{
	const gr_class_opts wrong[] = {{.label = 3}, {.label = -1}, {.scale = NAN},
		{.low = 0.6, .high = 0.5}, {.high = 1.5}};
	gr_prior *p = gr_prior_sit_new(tiny_sit(3), NULL);
	for (int i = 0; i < 5; i++) {
		gr_status status = gr_prior_set_class(p, &wrong[i]);
		cr_expect_eq(status, GR_EARG, "%d", i);
		gr_error_clear();
	}
	gr_prior_free(p);
	p = gr_prior_sit_new(tiny_sit(1), NULL);
	gr_status status = gr_prior_set_class(p, GR_OPTS(gr_class_opts, .label = 0));
	cr_expect_eq(status, GR_EUNSUPPORTED);
	gr_error_clear();
	gr_prior_free(p);
	p = gr_prior_sit_new(tiny_sit(1), GR_OPTS(gr_prior_opts, .channels = 3));
	cr_expect_null(p);
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

/* --- folders --- */

static const char *temporary(void)
{
	static char path[64];
	snprintf(path, sizeof(path), "/tmp/gradus-sit-XXXXXX");
	cr_assert_not_null(mkdtemp(path));
	return path;
}

static const char *in(const char *dir, const char *name)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

Test(prior_sit, folder)
{
	const char *dir = temporary();
	char members[512], hex[65];
	tiny_latent_write(dir, 3, "");
	cr_assert_eq(gr_sha256_file(in(dir, "vae/weights.safetensors"), hex), GR_OK);
	snprintf(members, sizeof(members),
		", \"autoencoder\": \"vae\", \"autoencoder_sha256\": \"%s\", \"latent_scale\": 2, "
		"\"latent_shift\": 0.1",
		hex);
	tiny_latent_write(dir, 3, members);
	gr_prior *read = NULL, *made = tiny_latent_prior(3);
	cr_assert_eq(gr_prior_open(&read, in(dir, "sit")), GR_OK, "%s", gr_error_message());
	cr_expect_str_eq(gr_prior_name(read), "sit");
	cr_expect(gr_is_latent_prior(read));
	cr_expect_eq(gr_prior_dims(read)[0], 4);
	cr_expect_eq(gr_prior_dims(read)[1], 4);
	cr_expect_eq(gr_prior_image_dims(read)[0], 1);
	cr_expect_eq(gr_prior_image_dims(read)[2], 8);
	cr_expect_eq(gr_prior_classes(read), 3);
	gr_tensor *x = state_of(GR_F32), *image = nn_normal(5, GR_F32, GR_DIMS(2, 1, 8, 8));
	gr_prior_call a = {.x_t = x, .t = times, .want_features = true}, b = a;
	cr_assert_eq(gr_prior_predict(read, &a), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_prior_predict(made, &b), GR_OK, "%s", gr_error_message());
	cr_expect(nn_same_bits(a.prediction, b.prediction));
	cr_expect(nn_same_bits(a.features, b.features));
	cr_expect(nn_same_bits(gr_prior_decode(read, x), gr_prior_decode(made, x)));
	cr_expect(nn_same_bits(gr_prior_encode(read, image), gr_prior_encode(made, image)));
	gr_prior_free(read);
	gr_prior_free(made);
	tiny_latent_remove(dir);
}

static char found[256];

static gr_status find_vae(char *path, size_t size, const char *name)
{
	if (strcmp(name, "somewhere") != 0)
		return gr_error_set(GR_EIO, "prior %s: not found", name);
	snprintf(path, size, "%s", found);
	return GR_OK;
}

Test(prior_sit, wrong_folders)
{
	static const struct {
		const char *members, *says;
		gr_status code;
	} wrong[] = {
		{"", "\"autoencoder\"", GR_EFORMAT},
		{", \"autoencoder\": 3", "\"autoencoder\"", GR_EFORMAT},
		{", \"autoencoder\": \"nothing\"", "not found", GR_EIO},
		{", \"autoencoder\": \"/nothing\"", "hint", GR_EIO},
		{", \"autoencoder\": \"sit\"", "\"autoencoder_kl\"", GR_EFORMAT},
		{", \"autoencoder\": \"vae\", \"autoencoder_sha256\": \"00\"", "SHA-256", GR_EFORMAT},
		{", \"autoencoder\": \"vae\", \"latent_scale\": 0", "above 0", GR_EFORMAT},
		{", \"autoencoder\": \"vae\", \"latent_shift\": \"1\"", "a number", GR_EFORMAT},
	};
	const char *dir = temporary();
	gr_prior *p = NULL;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tiny_latent_write(dir, 1, wrong[i].members);
		gr_status status = gr_prior_open_with(&p, in(dir, "sit"), find_vae);
		cr_expect_eq(status, wrong[i].code, "%s: %s", wrong[i].members, gr_error_message());
		cr_expect_null(p);
		cr_expect_not_null(strstr(gr_error_message(), wrong[i].says), "%s: %s", wrong[i].members,
			gr_error_message());
		gr_error_clear();
	}
	/* by its whole path, and by what `find` says */
	snprintf(found, sizeof(found), "%s/vae", dir);
	char members[512];
	snprintf(members, sizeof(members), ", \"autoencoder\": \"%s\"", found);
	tiny_latent_write(dir, 1, members);
	cr_expect_eq(gr_prior_open(&p, in(dir, "sit")), GR_OK, "%s", gr_error_message());
	gr_prior_free(p);
	tiny_latent_write(dir, 1, ", \"autoencoder\": \"somewhere\"");
	cr_expect_eq(gr_prior_open_with(&p, in(dir, "sit"), find_vae), GR_OK, "%s", gr_error_message());
	gr_prior_free(p);
	tiny_latent_remove(dir);
}
