/* The U-Net of latent diffusion: published sizes, the reference's numbers, options. */
#include <criterion/criterion.h>

#include <string.h>

#include "golden.h"
#include "gradus/unet.h"
#include "nn_check.h"

#define SD \
	.in_channels = 4, .model_channels = 320, .num_levels = 4, .channel_mult = {1, 2, 4, 4}, \
	.num_attention = 3, .attention_ds = {4, 2, 1}, .use_spatial_transformer = true

Test(unet_transformer, published_sizes)
{
	static const struct {
		const char *name;
		gr_unet_config config;
		int64_t numbers, tensors;
	} published[] = {
		{"ldm, ffhq 256",
			{.model_channels = 224,
				.num_levels = 4,
				.channel_mult = {1, 2, 3, 4},
				.num_attention = 3,
				.attention_ds = {8, 4, 2},
				.num_head_channels = 32},
			274056163, 368},
		{"ldm, cin256-v2",
			{.model_channels = 192,
				.num_levels = 4,
				.channel_mult = {1, 2, 3, 5},
				.num_attention = 3,
				.attention_ds = {8, 4, 2},
				.num_heads = 1,
				.use_spatial_transformer = true,
				.context_dim = 512},
			400920579, 688},
		{"ldm, lsun churches",
			{.in_channels = 4,
				.model_channels = 192,
				.num_levels = 5,
				.channel_mult = {1, 2, 2, 4, 4},
				.num_attention = 4,
				.attention_ds = {1, 2, 4, 8},
				.num_heads = 8,
				.use_scale_shift_norm = true,
				.resblock_updown = true},
			294966916, 520},
		{"ldm, txt2img-1p4B", {SD, .num_heads = 8, .context_dim = 1280}, 872300484, 686},
		{"stable diffusion 1", {SD, .num_heads = 8, .context_dim = 768}, 859520964, 686},
		{"stable diffusion 2",
			{SD, .num_head_channels = 64, .context_dim = 1024, .use_linear_in_transformer = true},
			865910724, 686},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_unet *u = gr_unet_new(&published[i].config);
		cr_assert_not_null(u, "%s: %s", published[i].name, gr_error_message());
		cr_assert_eq(gr_module_size(gr_unet_module(u)), published[i].numbers, "%s has %lld",
			published[i].name, (long long)gr_module_size(gr_unet_module(u)));
		cr_assert_eq(gr_module_param_count(gr_unet_module(u)), published[i].tensors);
		gr_unet_free(u);
	}
}

static gr_tensor *golden_unet(void *model, const gr_archive *io, gr_tensor *x)
{
	return gr_unet_forward_with(model, x, gr_archive_find(io, "t"), NULL,
		GR_OPTS(gr_unet_forward_opts, .context = gr_archive_find(io, "context")));
}

Test(unet_transformer, golden)
{
	gr_json_doc *doc = golden_config("ldm_unet");
	if (doc == NULL)
		return;
	gr_unet_config c;
	cr_assert_eq(gr_unet_config_from_json(&c, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	gr_unet *u = gr_unet_new(&c);
	gr_archive *weights = NULL, *io = NULL;
	cr_assert_eq(gr_safetensors_read(&weights, golden_path("ldm_unet", "weights.safetensors")),
		GR_OK);
	cr_assert_eq(gr_module_load(gr_unet_module(u), weights, NULL), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_npz_read(&io, golden_path("ldm_unet", "io.npz")), GR_OK);
	const golden_keys keys = {"x", "y", "r", "grad_x"};
	double y_error, grad_error;
	cr_assert_eq(golden_compare(io, golden_unet, u, &keys, &y_error, &grad_error), GR_OK, "%s",
		gr_error_message());
	printf("ldm unet golden: output %.2e, gradient %.2e\n", y_error, grad_error);
	cr_assert_lt(y_error, 1e-4);
	cr_assert_lt(grad_error, 1e-3);
	gr_archive_free(weights);
	gr_archive_free(io);
	gr_unet_free(u);
}

/* Small networks; `variant` bits: 1 linear projections, 2 two blocks deep, 4 head width, 8 head width
 * that does not divide. Zero-initialised weights are drawn, too. */
static gr_unet *small_unet(unsigned variant, gr_dtype dtype)
{
	gr_unet *u = gr_unet_new(
		GR_OPTS(gr_unet_config, .model_channels = 8, .num_levels = 2, .channel_mult = {1, 2},
			.num_res_blocks = 1, .num_attention = 1, .attention_ds = {2}, .num_heads = 2,
			.num_head_channels = (variant & 4) != 0 ? 4
				: (variant & 8) != 0                ? 6
													: 0,
			.norm_groups = 4, .use_spatial_transformer = true, .context_dim = 5,
			.transformer_depth = (variant & 2) != 0 ? 2 : 0,
			.use_linear_in_transformer = (variant & 1) != 0, .not_legacy = true, .dtype = dtype));
	cr_assert_not_null(u, "%s", gr_error_message());
	gr_module *m = gr_unet_module(u);
	cr_assert_eq(gr_module_init(m, gr_key_seed(variant)), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		bool recording = gr_set_recording(false);
		gr_tensor *noise = nn_normal((uint64_t)i, dtype, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, gr_axpby(p, 1.0, noise, 0.05)), GR_OK);
		gr_set_recording(recording);
	}
	return u;
}

static gr_tensor *small_forward(const void *u, gr_tensor *x)
{
	const int64_t n = gr_tensor_dim(x, 0);
	const gr_dtype dtype = gr_tensor_dtype(x);
	return gr_unet_forward_with(u, x, gr_arange(dtype, n, 3.0, 250.5), NULL,
		GR_OPTS(gr_unet_forward_opts, .context = nn_normal(6, dtype, GR_DIMS(n, 3, 5))));
}

Test(unet_transformer, gradient_of_every_option)
{
	static const unsigned variants[] = {0, 1, 2, 4, 8};
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		gr_unet *u = small_unet(variants[i], GR_F64);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 4));
		double error = nn_gradient_error(NULL, small_forward, u, x);
		cr_assert_lt(error, 1e-6, "variant %u: %g", variants[i], error);
		gr_unet_free(u);
	}
}

/* Linear projections hold the numbers of the 1x1 convolutions. */
Test(unet_transformer, both_projections_are_one)
{
	gr_unet *conv = small_unet(0, GR_F32), *linear = small_unet(1, GR_F32);
	gr_module *from = gr_unet_module(conv), *to = gr_unet_module(linear);
	cr_assert_eq(gr_module_set_trainable(to, false), GR_OK);
	for (int64_t i = 0; i < gr_module_param_count(to); i++) {
		gr_tensor *p = gr_module_param(to, i);
		gr_tensor *q = gr_module_find(from, gr_module_param_name(to, i));
		bool recording = gr_set_recording(false);
		q = gr_reshape(q, gr_tensor_ndim(p), gr_tensor_dims(p));
		cr_assert_eq(gr_param_update(p, q), GR_OK);
		gr_set_recording(recording);
	}
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(2, 3, 8, 4));
	cr_assert_lt(nn_distance(small_forward(linear, x), small_forward(conv, x)), 1e-5);
	gr_unet_free(conv);
	gr_unet_free(linear);
}

Test(unet_transformer, refuses_what_does_not_fit)
{
	cr_assert_null(gr_unet_new(
		GR_OPTS(gr_unet_config, .model_channels = 32, .use_spatial_transformer = true)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .context_dim = 8)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_null(gr_unet_new(GR_OPTS(gr_unet_config, .model_channels = 32, .context_dim = 8,
		.use_spatial_transformer = true, .transformer_depth = 17)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	cr_assert_not_null(strstr(gr_error_message(), "transformer_depth (17)"));
	gr_error_clear();
	gr_unet *u = small_unet(0, GR_F32);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(1, 3, 8, 8)), *t = gr_zeros(GR_F32, GR_DIMS(1));
	cr_assert_null(gr_unet_forward_with(u, x, t, NULL,
		GR_OPTS(gr_unet_forward_opts, .context = nn_normal(6, GR_F32, GR_DIMS(1, 3, 4)))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_unet_free(u);
}
