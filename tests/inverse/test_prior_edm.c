/* Denoisers of EDM as priors: what the network is told, its levels, folders. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gradus/io.h"
#include "gradus/prior_networks.h"
#include "inverse_check.h"

static gr_edm *tiny_edm(gr_edm_precond precond)
{
	gr_edm *net = gr_edm_new(GR_OPTS(gr_edm_config, .precond = precond, .img_resolution = 8,
		.in_channels = 1, .model_channels = 8, .channel_mult_emb = 2, .num_levels = 2,
		.channel_mult = {1, 2}, .num_blocks = 1, .num_attention = 1, .attn_resolutions = {4}));
	cr_assert_not_null(net, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_edm_module(net), gr_key_seed(1)), GR_OK);
	return net;
}

Test(prior_edm, is_told_sigma)
{
	const double t[] = {0.0, 500.25, 999.0};
	gr_edm *net = tiny_edm(GR_EDM_EDM);
	gr_edm *same = tiny_edm(GR_EDM_EDM);
	gr_prior *p = gr_prior_edm_new(net, NULL);
	cr_assert_not_null(p, "%s", gr_error_message());
	cr_expect_eq(gr_prior_prediction(p), GR_PREDICT_X0);
	double a[3], sigma[3];
	for (int i = 0; i < 3; i++) {
		double A = gr_prior_alpha_bar(p, t[i]);
		a[i] = 1.0 / sqrt(A);
		sigma[i] = sqrt((1.0 - A) / A);
	}
	cr_expect(fabs(sigma[0] - 0.002) < 1e-9 && fabs(sigma[2] - 80.0) < 1e-9);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(3, 1, 8, 8));
	gr_prior_call call = {.x_t = x, .t = t};
	cr_assert_eq(gr_prior_predict(p, &call), GR_OK, "%s", gr_error_message());
	gr_tensor *expected =
		gr_edm_forward(same, gr_mul(x, gr_from_f64(GR_F32, a, GR_DIMS(3, 1, 1, 1))),
			gr_from_f64(GR_F32, sigma, GR_DIMS(3)), NULL);
	cr_expect(nn_distance(call.prediction, expected) < 1e-5);
	cr_expect(!gr_is_tracked(call.prediction), "parameters are constants");
	gr_edm_free(same);
	gr_prior_free(p);
}

Test(prior_edm, range_and_refusals)
{
	gr_prior *p = gr_prior_edm_new(tiny_edm(GR_EDM_VE), NULL); /* 0.02 to 100 */
	const gr_schedule *s = gr_prior_schedule(p);
	cr_expect(fabs(gr_schedule_sigma(s, 0) - 0.02) < 1e-9);
	cr_expect(fabs(gr_schedule_sigma(s, 999) - 80.0) < 1e-9);
	gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = p, .n = 2,
		.keys = some_keys(1, 2), .method = "heun:ve=1", .respacing = "edm:6"));
	cr_expect_not_null(x, "%s", gr_error_message());
	gr_prior_free(p);
	cr_expect_null(gr_prior_edm_new(tiny_edm(GR_EDM_BARE), NULL));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
	cr_expect_null(gr_prior_edm_new(tiny_edm(GR_EDM_EDM), GR_OPTS(gr_prior_opts, .channels = 3)));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

Test(prior_edm, folder)
{
	char dir[] = "/tmp/gradus-edm-XXXXXX", path[128];
	cr_assert_not_null(mkdtemp(dir));
	gr_edm *net = tiny_edm(GR_EDM_EDM);
	gr_archive *a = gr_archive_new();
	cr_assert_eq(gr_module_save(gr_edm_module(net), a, GR_F32), GR_OK);
	snprintf(path, sizeof(path), "%s/weights.safetensors", dir);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_archive_free(a);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	FILE *f = fopen(path, "w");
	cr_assert_not_null(f);
	fputs("{\"format\": \"gradus-prior-1\", \"model\": \"edm\", \"channels\": 1, \"height\": 8, "
		  "\"width\": 8, \"edm\": {\"precond\": \"edm\", \"img_resolution\": 8, \"img_channels\": "
		  "1, "
		  "\"model_channels\": 8, \"channel_mult_emb\": 2, \"channel_mult\": [1, 2], "
		  "\"num_blocks\": 1, \"attn_resolutions\": [4]}}",
		f);
	fclose(f);
	gr_prior *read = NULL, *made = gr_prior_edm_new(net, NULL);
	cr_assert_eq(gr_prior_open(&read, dir), GR_OK, "%s", gr_error_message());
	gr_prior_call c = {.x_t = nn_normal(1, GR_F32, GR_DIMS(1, 1, 8, 8)), .t = (double[]){700.0}};
	gr_prior_call d = c;
	cr_assert_eq(gr_prior_predict(read, &c), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_prior_predict(made, &d), GR_OK);
	cr_expect(nn_same_bits(c.prediction, d.prediction));
	gr_prior_free(read);
	gr_prior_free(made);
	remove(path);
	snprintf(path, sizeof(path), "%s/weights.safetensors", dir);
	remove(path);
	rmdir(dir);
}
