/* AutoencoderKL: published sizes, the reference's numbers, posterior, options, batches. */
#include <criterion/criterion.h>

#include <math.h>

#include "golden.h"
#include "gradus/vae.h"
#include "nn_check.h"

Test(vae, published_sizes)
{
	static const struct {
		const char *name;
		gr_vae_config config;
		int64_t numbers, tensors;
	} published[] = {
		{"kl f4", {.coder = {.ch = 128, .num_levels = 3, .ch_mult = {1, 2, 4}, .z_channels = 3}},
			55312063, 204},
		{"kl f8, stable diffusion",
			{.coder = {.ch = 128, .num_levels = 4, .ch_mult = {1, 2, 4, 4}, .z_channels = 4}},
			83653863, 248},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_vae *v = gr_vae_new(&published[i].config);
		cr_assert_not_null(v, "%s: %s", published[i].name, gr_error_message());
		cr_assert_eq(gr_module_size(gr_vae_module(v)), published[i].numbers, "%s has %lld",
			published[i].name, (long long)gr_module_size(gr_vae_module(v)));
		cr_assert_eq(gr_module_param_count(gr_vae_module(v)), published[i].tensors);
		gr_vae_free(v);
	}
}

static gr_tensor *golden_encode(void *model, const gr_archive *io, gr_tensor *x)
{
	(void)io;
	return gr_vae_moments(model, x);
}

static gr_tensor *golden_decode(void *model, const gr_archive *io, gr_tensor *z)
{
	(void)io;
	return gr_vae_decode(model, z);
}

Test(vae, golden)
{
	gr_json_doc *doc = golden_config("ldm_autoencoder_kl");
	if (doc == NULL)
		return;
	gr_vae_config c;
	cr_assert_eq(gr_vae_config_from_json(&c, gr_json_root(doc)), GR_OK, "%s", gr_error_message());
	gr_json_free(doc);
	gr_vae *v = gr_vae_new(&c);
	gr_archive *weights = NULL, *io = NULL;
	cr_assert_eq(gr_safetensors_read(&weights,
					 golden_path("ldm_autoencoder_kl", "weights.safetensors")),
		GR_OK);
	cr_assert_eq(gr_module_load(gr_vae_module(v), weights, NULL), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_npz_read(&io, golden_path("ldm_autoencoder_kl", "io.npz")), GR_OK);
	const golden_keys encoder = {"x", "moments", "r_moments", "grad_x"};
	const golden_keys decoder = {"z", "y", "r", "grad_z"};
	double error[4];
	cr_assert_eq(golden_compare(io, golden_encode, v, &encoder, &error[0], &error[1]), GR_OK, "%s",
		gr_error_message());
	cr_assert_eq(golden_compare(io, golden_decode, v, &decoder, &error[2], &error[3]), GR_OK, "%s",
		gr_error_message());
	printf("vae golden: moments %.2e, gradient %.2e; decoder %.2e, gradient %.2e\n", error[0],
		error[1], error[2], error[3]);
	for (int i = 0; i < 4; i++)
		cr_assert_lt(error[i], 1e-4);
	gr_archive_free(weights);
	gr_archive_free(io);
	gr_vae_free(v);
}

/* Small networks; `variant` bits: 1 attention inside, 2 linear attention, 4 none at all, 8 without
 * convolutions in resampling, 16 tanh. */
static gr_vae *small_vae(unsigned variant, gr_dtype dtype)
{
	gr_vae *v = gr_vae_new(GR_OPTS(gr_vae_config,
		.coder = {.ch = 4,
			.num_levels = 2,
			.ch_mult = {1, 2},
			.num_res_blocks = 1,
			.num_attention = (variant & 1) != 0 ? 2 : 0,
			.attn_resolutions = {8, 16},
			.resolution = 16,
			.z_channels = 2,
			.no_conv_resample = (variant & 8) != 0,
			.attn_type = (variant & 2) != 0 ? GR_VAE_ATTENTION_LINEAR
				: (variant & 4) != 0        ? GR_VAE_ATTENTION_NONE
											: GR_VAE_ATTENTION_VANILLA,
			.tanh_out = (variant & 16) != 0,
			.norm_groups = 2},
		.embed_dim = 3, .scale_factor = 0.5, .dtype = dtype));
	cr_assert_not_null(v, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_vae_module(v), gr_key_seed(variant)), GR_OK);
	return v;
}

static gr_tensor *round_trip(const void *v, gr_tensor *x)
{
	return gr_vae_decode(v, gr_vae_encode(v, x, NULL));
}

Test(vae, gradient_of_every_option)
{
	static const unsigned variants[] = {0, 1, 3, 4, 8, 16};
	for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
		gr_vae *v = small_vae(variants[i], GR_F64);
		gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 4));
		cr_assert(gr_is_same_shape(round_trip(v, x), x));
		double error = nn_gradient_error(NULL, round_trip, v, x);
		cr_assert_lt(error, 1e-6, "variant %u: %g", variants[i], error);
		gr_vae_free(v);
	}
}

/* The names that options add and take away. */
Test(vae, names_follow_the_options)
{
	static const struct {
		unsigned variant;
		const char *name;
		bool there;
	} expected[] = {
		{0, "encoder.mid.attn_1.q.weight", true},
		{0, "encoder.down.0.attn.0.q.weight", false},
		{0, "encoder.down.0.downsample.conv.weight", true},
		{1, "encoder.down.0.attn.0.proj_out.bias", true},
		{1, "decoder.up.1.attn.1.norm.weight", true},
		{3, "decoder.up.0.attn.1.to_qkv.weight", true},
		{3, "decoder.up.0.attn.1.to_qkv.bias", false},
		{4, "decoder.mid.attn_1.q.weight", false},
		{8, "decoder.up.1.upsample.conv.weight", false},
	};
	for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
		gr_vae *v = small_vae(expected[i].variant, GR_F32);
		const gr_param *p = gr_module_find_handle(gr_vae_module(v), expected[i].name);
		cr_assert_eq(p != NULL, expected[i].there, "%u: %s", expected[i].variant, expected[i].name);
		gr_vae_free(v);
	}
}

Test(vae, sample_by_key)
{
	gr_vae *v = small_vae(0, GR_F32);
	gr_tensor *moments = nn_normal(3, GR_F32, GR_DIMS(2, 6, 4, 5));
	const gr_key keys[] = {gr_key_seed(5), gr_key_seed(6)};
	gr_tensor *z = gr_vae_sample(v, moments, keys);
	gr_tensor *n = nn_normal(6, GR_F32, GR_DIMS(1, 3, 4, 5));
	gr_tensor *second = gr_slice(moments, 0, 1, 2, 1);
	gr_tensor *std = gr_exp(gr_mul_s(gr_slice(second, 1, 3, 6, 1), 0.5));
	gr_tensor *y = gr_mul_s(gr_muladd(std, n, gr_slice(second, 1, 0, 3, 1)), 0.5);
	cr_assert_lt(nn_distance(gr_slice(z, 0, 1, 2, 1), y), 1e-6);
	cr_assert(nn_same_bits(gr_vae_sample(v, second, &keys[1]), gr_slice(z, 0, 1, 2, 1)));
	gr_tensor *mode = gr_vae_sample(v, moments, NULL);
	cr_assert_lt(nn_distance(mode, gr_mul_s(gr_slice(moments, 1, 0, 3, 1), 0.5)), 1e-7);
	/* A log-variance beyond the clamp changes nothing more. */
	gr_tensor *wide = gr_full(GR_F32, GR_DIMS(1, 6, 4, 5), 25.0);
	gr_tensor *widest = gr_full(GR_F32, GR_DIMS(1, 6, 4, 5), 20.0);
	gr_tensor *a = gr_sub(gr_vae_sample(v, wide, keys), gr_vae_sample(v, wide, NULL));
	gr_tensor *b = gr_sub(gr_vae_sample(v, widest, keys), gr_vae_sample(v, widest, NULL));
	cr_assert_lt(nn_distance(a, b), 1e-5);
	gr_vae_free(v);
}

Test(vae, sample_does_not_depend_on_its_batch_or_on_threads)
{
	gr_vae *v = small_vae(1, GR_F32);
	gr_tensor *x = nn_normal(3, GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_tensor *y = round_trip(v, x);
	for (int64_t i = 0; i < 3; i++)
		cr_assert(
			nn_same_bits(round_trip(v, gr_slice(x, 0, i, i + 1, 1)), gr_slice(y, 0, i, i + 1, 1)));
	cr_assert_eq(gr_set_threads(2), GR_OK);
	cr_assert(nn_same_bits(round_trip(v, x), y));
	gr_vae_free(v);
}

Test(vae, both_spellings_of_linear_attention)
{
	static const char text[] = "{\"ch\": 32, \"ch_mult\": [1], \"use_linear_attn\": true}";
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, sizeof text - 1, NULL, &error);
	gr_vae_config c;
	cr_assert_eq(gr_vae_config_from_json(&c, gr_json_root(doc)), GR_OK);
	gr_json_free(doc);
	gr_vae *v = gr_vae_new(&c);
	cr_assert_not_null(gr_module_find_handle(gr_vae_module(v), "encoder.mid.attn_1.to_qkv.weight"));
	gr_vae_free(v);
}

static void expect_no_vae(const gr_vae_config *c)
{
	cr_assert_null(gr_vae_new(c));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

Test(vae, refuses_what_does_not_fit)
{
	expect_no_vae(NULL);
	expect_no_vae(GR_OPTS(gr_vae_config, .coder = {.ch = 0}));
	expect_no_vae(GR_OPTS(gr_vae_config, .coder = {.ch = 24}));
	expect_no_vae(GR_OPTS(gr_vae_config, .coder = {.ch = 32, .single_z = true}));
	expect_no_vae(GR_OPTS(gr_vae_config, .coder = {.ch = 32, .num_res_blocks = 13}));
	expect_no_vae(GR_OPTS(gr_vae_config, .coder = {.ch = 32, .num_levels = 9}));
	gr_vae *v = small_vae(0, GR_F32);
	cr_assert_null(gr_vae_moments(v, nn_normal(1, GR_F32, GR_DIMS(1, 4, 8, 8))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_vae_decode(v, nn_normal(1, GR_F32, GR_DIMS(1, 2, 8, 8))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_vae_free(v);
}
