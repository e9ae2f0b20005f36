/* EDM's networks: published sizes, coefficients, files, gradients, errors. Values: test_variants.c. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gradus/checkpoint.h"
#include "gradus/edm.h"
#include "nn_check.h"

#define DDPMPP .augment_dim = 9
#define NCSNPP \
	.augment_dim = 9, .embedding_type = GR_EDM_FOURIER, .channel_mult_noise = 2, \
	.encoder_type = GR_EDM_ENCODER_RESIDUAL, .filter_length = 4, .resample_filter = {1, 3, 3, 1}

/* Numbers of the public pickles. */
Test(edm, published_sizes)
{
	static const struct {
		const char *name;
		gr_edm_config config;
		int64_t size;
	} published[] = {
		{"cifar10-32 vp",
			{.img_resolution = 32, .num_levels = 3, .channel_mult = {2, 2, 2}, DDPMPP}, 55733891},
		{"cifar10-32 ve",
			{.img_resolution = 32, .num_levels = 3, .channel_mult = {2, 2, 2}, NCSNPP}, 56397827},
		{"ffhq-64 vp", {.img_resolution = 64, DDPMPP}, 61805571},
		{"ffhq-64 ve", {.img_resolution = 64, NCSNPP}, 62761091},
		{"imagenet-64 adm",
			{.img_resolution = 64, .model_type = GR_EDM_DHARIWAL, .label_dim = 1000}, 295899267},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_edm_config c = published[i].config;
		c.precond = GR_EDM_EDM;
		gr_edm *e = gr_edm_new(&c);
		cr_assert_not_null(e, "%s: %s", published[i].name, gr_error_message());
		cr_assert_eq(gr_module_size(gr_edm_module(e)), published[i].size, "%s: %lld",
			published[i].name, (long long)gr_module_size(gr_edm_module(e)));
		gr_edm_free(e);
	}
}

/* A small one; every option of `c` that is not set here stays. */
static gr_edm *build(gr_edm_config c)
{
	c.img_resolution = 8;
	c.model_channels = 8;
	c.channel_mult_emb = 2;
	c.num_levels = 2;
	c.channel_mult[0] = 1;
	c.channel_mult[1] = 2;
	c.num_blocks = 1;
	c.num_attention = 1;
	c.attn_resolutions[0] = 4;
	gr_edm *e = gr_edm_new(&c);
	cr_assert_not_null(e, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_edm_module(e), gr_key_seed(1)), GR_OK);
	return e;
}

typedef struct evaluation {
	gr_edm *e;
	gr_tensor *sigma, *labels;
} evaluation;

static gr_tensor *forward(const void *ctx, gr_tensor *x)
{
	const evaluation *v = ctx;
	return gr_edm_forward(v->e, x, v->sigma, GR_OPTS(gr_edm_forward_opts, .labels = v->labels));
}

Test(edm, gradients)
{
	const gr_edm_config configs[] = {
		{.precond = GR_EDM_EDM, .dtype = GR_F64, .label_dim = 3},
		{.precond = GR_EDM_VE, .dtype = GR_F64, NCSNPP},
		{.precond = GR_EDM_VP,
			.dtype = GR_F64,
			.encoder_type = GR_EDM_ENCODER_SKIP,
			.decoder_type = GR_EDM_DECODER_SKIP,
			.filter_length = 4,
			.resample_filter = {1, 2, 2, 1}},
		{.precond = GR_EDM_IDDPM, .dtype = GR_F64, .model_type = GR_EDM_DHARIWAL},
		{.precond = GR_EDM_EDM, .dtype = GR_F64, .model_type = GR_EDM_UNO},
	};
	for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
		gr_edm *e = build(configs[i]);
		evaluation v = {e, gr_full(GR_F64, GR_DIMS(1), 0.7), NULL};
		if (configs[i].label_dim > 0)
			v.labels = gr_arange(GR_I64, 2, 0.0, 1.0);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 16));
		cr_assert(gr_is_same_shape(forward(&v, x), x));
		cr_assert_lt(nn_gradient_error(NULL, forward, &v, x), 1e-6, "case %zu", i);
		gr_edm_free(e);
	}
}

/* A neural operator takes functions on finer grids, and gives about the same ones. */
Test(edm, operator_over_resolutions)
{
	gr_edm *e = build((gr_edm_config){.model_type = GR_EDM_UNO, .dtype = GR_F64});
	gr_tensor *sigma = gr_full(GR_F64, GR_DIMS(1), 0.3), *y[2];
	for (int k = 0; k < 2; k++) {
		const int64_t side = 32 << k;
		gr_tensor *a = gr_sin(gr_arange(GR_F64, side, 0.0, 6.283185307 / (double)side));
		gr_tensor *x = gr_expand(gr_reshape(a, GR_DIMS(1, 1, side, 1)), GR_DIMS(1, 3, side, side));
		y[k] = gr_edm_forward(e, x, sigma, NULL);
	}
	gr_tensor *coarse = gr_slice(gr_slice(y[1], 2, 0, 64, 2), 3, 0, 64, 2);
	const double change = nn_distance(gr_contiguous(coarse), y[0]);
	printf("edm: a neural operator changes by %.3f from 32 to 64\n", change);
	cr_assert_lt(change, 0.2);
	gr_edm_free(e);
}

/* A denoiser knows the answer where there is no noise; bare networks are F alone. */
Test(edm, without_noise)
{
	for (int p = GR_EDM_VP; p <= GR_EDM_EDM; p++) {
		gr_edm *e = build((gr_edm_config){.precond = (gr_edm_precond)p});
		gr_tensor *x = nn_normal(4, GR_F32, GR_DIMS(1, 3, 8, 8));
		gr_tensor *y = gr_edm_forward(e, x, gr_full(GR_F32, GR_DIMS(1), 1e-4), NULL);
		cr_assert_lt(nn_distance(y, x), 1e-3, "preconditioner %d", p);
		gr_edm_free(e);
	}
}

Test(edm, levels)
{
	double low, high;
	gr_edm *e = build((gr_edm_config){.precond = GR_EDM_IDDPM});
	gr_edm_sigma_range(e, &low, &high);
	cr_assert_float_eq(low, 0.0064, 1e-4); /* NVlabs/edm: 0.0064 to 20291 */
	cr_assert_float_eq(high, 20291.0, 1.0, "%g", high);
	cr_assert_eq(gr_edm_round_sigma(e, 1e9), high);
	const double u = gr_edm_round_sigma(e, 1.0);
	cr_assert_float_eq(u, 1.0, 0.01);
	cr_assert_eq(gr_edm_round_sigma(e, u), u);
	gr_edm_free(e);
	e = build((gr_edm_config){.precond = GR_EDM_VP});
	gr_edm_sigma_range(e, &low, &high);
	cr_assert_float_eq(high, sqrt(exp(0.5 * 19.9 + 0.1) - 1.0), 1e-9);
	cr_assert_float_eq(low, 1e-3, 1e-4);
	cr_assert_eq(gr_edm_round_sigma(e, 1.25), 1.25);
	gr_edm_free(e);
}

/* A bare network from a file of the denoiser, with the constants that the reference saves. */
Test(edm, names_of_the_files)
{
	char path[64];
	snprintf(path, sizeof path, "/tmp/gradus_edm_%d.safetensors", (int)getpid());
	gr_edm *from = build((gr_edm_config){.precond = GR_EDM_IDDPM});
	gr_edm *to = build((gr_edm_config){.precond = GR_EDM_BARE, .out_channels = 6});
	gr_module *m = gr_edm_module(from);
	gr_archive *a = gr_archive_new();
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert_eq(gr_archive_add(a, gr_module_param_name(m, i),
						 gr_stop_gradient(gr_module_param(m, i))),
			GR_OK);
	cr_assert_eq(gr_archive_add(a, "u", gr_zeros(GR_F32, GR_DIMS(1001))), GR_OK);
	cr_assert_eq(gr_archive_add(a, "model.enc.4x4_down.conv0.resample_filter",
					 gr_full(GR_F32, GR_DIMS(1, 1, 2, 2), 0.25)),
		GR_OK);
	cr_assert_eq(gr_safetensors_write(path, a), GR_OK);
	gr_tensorfile *f = NULL;
	cr_assert_eq(gr_checkpoint_open(&f, path, NULL), GR_OK);
	cr_assert_eq(gr_module_init(gr_edm_module(to), gr_key_seed(9)), GR_OK);
	cr_assert_eq(gr_edm_load(to, f), GR_OK, "%s", gr_error_message());
	for (int64_t i = 0; i < gr_module_param_count(m); i++)
		cr_assert(nn_same_bits(gr_module_param(m, i), gr_module_param(gr_edm_module(to), i)));
	gr_edm *other = build((gr_edm_config){.precond = GR_EDM_IDDPM,
		.filter_length = 4,
		.resample_filter = {1, 3, 3, 1}});
	cr_assert_eq(gr_edm_load(other, f), GR_EFORMAT);
	cr_assert_not_null(strstr(gr_error_message(), "resample_filter"));
	gr_error_clear();
	gr_tensorfile_close(f);
	remove(path);
	gr_archive_free(a);
	gr_edm_free(from);
	gr_edm_free(to);
	gr_edm_free(other);
}

/* Dropout changes the result by its key, and the same key gives the same. */
Test(edm, dropout)
{
	gr_edm *e = build((gr_edm_config){.precond = GR_EDM_EDM, .dropout = 0.5});
	gr_tensor *x = nn_normal(5, GR_F32, GR_DIMS(1, 3, 8, 8));
	gr_tensor *sigma = gr_full(GR_F32, GR_DIMS(1), 1.0), *y[3];
	const gr_key keys[] = {gr_key_seed(1), gr_key_seed(1), gr_key_seed(2)};
	for (int i = 0; i < 3; i++)
		y[i] = gr_edm_forward(e, x, sigma, GR_OPTS(gr_edm_forward_opts, .dropout_key = &keys[i]));
	cr_assert(nn_same_bits(y[0], y[1]));
	cr_assert_not(nn_same_bits(y[0], y[2]));
	gr_edm_free(e);
}

static void expect_no_network(gr_edm_config c)
{
	cr_assert_null(gr_edm_new(&c));
	cr_assert_eq(gr_error_code(), GR_EARG, "%s", gr_error_message());
	gr_error_clear();
}

Test(edm, refuses_what_does_not_fit)
{
	expect_no_network((gr_edm_config){.img_resolution = 0});
	expect_no_network((gr_edm_config){.img_resolution = 4});
	expect_no_network((gr_edm_config){.img_resolution = 32, .model_channels = 3});
	expect_no_network((gr_edm_config){.img_resolution = 32, .model_channels = 33});
	expect_no_network((gr_edm_config){.img_resolution = 32, .dropout = 1.0});
	expect_no_network((gr_edm_config){.img_resolution = 32, .num_blocks = 99});
	expect_no_network(
		(gr_edm_config){.img_resolution = 32, .filter_length = 2, .resample_filter = {1.0, -1.0}});
	expect_no_network(
		(gr_edm_config){.img_resolution = 32, .precond = GR_EDM_EDM, .out_channels = 6});
	expect_no_network((gr_edm_config){.img_resolution = 32,
		.model_type = GR_EDM_DHARIWAL,
		.embedding_type = GR_EDM_FOURIER});
	gr_edm *e = build((gr_edm_config){.precond = GR_EDM_EDM});
	gr_tensor *x = nn_normal(5, GR_F32, GR_DIMS(2, 3, 8, 8));
	cr_assert_null(gr_edm_forward(e, x, gr_zeros(GR_F32, GR_DIMS(3)), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_edm_forward(e, nn_normal(5, GR_F32, GR_DIMS(2, 3, 8, 9)),
		gr_zeros(GR_F32, GR_DIMS(2)), NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_edm_forward(e, x, gr_zeros(GR_F32, GR_DIMS(2)),
		GR_OPTS(gr_edm_forward_opts, .labels = gr_arange(GR_I64, 2, 0.0, 1.0))));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_edm_free(e);
}
