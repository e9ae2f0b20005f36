/* VQModel: published sizes, the quantiser against its definition, straight-through gradients. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/vqmodel.h"
#include "nn_check.h"

#define F4 .ch = 128, .num_levels = 3, .ch_mult = {1, 2, 4}, .z_channels = 3, .single_z = true

Test(vqmodel, published_sizes)
{
	static const struct {
		const char *name;
		gr_vqmodel_config config;
		int64_t numbers, tensors;
	} published[] = {
		{"f4", {.coder = {F4}, .n_embed = 8192}, 55322782, 205},
		{"f4, no attention", {.coder = {F4, .attn_type = GR_VAE_ATTENTION_NONE}, .n_embed = 8192},
			53219486, 185},
		{"f8",
			{.coder = {.ch = 128,
				 .num_levels = 4,
				 .ch_mult = {1, 2, 2, 4},
				 .num_attention = 1,
				 .attn_resolutions = {32},
				 .z_channels = 4,
				 .single_z = true},
				.n_embed = 16384},
			67717295, 299},
	};
	for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
		gr_vqmodel *v = gr_vqmodel_new(&published[i].config);
		cr_assert_not_null(v, "%s: %s", published[i].name, gr_error_message());
		cr_assert_eq(gr_module_size(gr_vqmodel_module(v)), published[i].numbers, "%s has %lld",
			published[i].name, (long long)gr_module_size(gr_vqmodel_module(v)));
		cr_assert_eq(gr_module_param_count(gr_vqmodel_module(v)), published[i].tensors);
		gr_vqmodel_free(v);
	}
}

enum { CODES = 7, E = 3 };

static gr_vqmodel *small_vqmodel(gr_dtype dtype)
{
	gr_vqmodel *v = gr_vqmodel_new(GR_OPTS(gr_vqmodel_config,
		.coder = {.ch = 4,
			.num_levels = 2,
			.ch_mult = {1, 2},
			.num_res_blocks = 1,
			.z_channels = 2,
			.single_z = true,
			.norm_groups = 2},
		.n_embed = CODES, .embed_dim = E, .dtype = dtype));
	cr_assert_not_null(v, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_vqmodel_module(v), gr_key_seed(2)), GR_OK);
	gr_tensor *codes = gr_module_find(gr_vqmodel_module(v), "quantize.embedding.weight");
	cr_assert_eq(gr_param_update(codes, nn_normal(8, dtype, GR_DIMS(CODES, E))), GR_OK);
	return v;
}

Test(vqmodel, takes_the_nearest_code)
{
	gr_vqmodel *v = small_vqmodel(GR_F64);
	gr_tensor *codes = gr_module_find(gr_vqmodel_module(v), "quantize.embedding.weight");
	gr_tensor *h = nn_normal(4, GR_F64, GR_DIMS(2, E, 3, 4)), *index = NULL;
	gr_tensor *q = gr_vqmodel_quantize(v, h, &index);
	for (int64_t i = 0; i < 2 * 3 * 4; i++) {
		const int64_t n = i / 12, y = i / 4 % 3, x = i % 4;
		int64_t best = 0;
		double least = INFINITY;
		for (int64_t k = 0; k < CODES; k++) {
			double d = 0.0;
			for (int64_t c = 0; c < E; c++)
				d += pow(gr_tensor_at(h, (const int64_t[]){n, c, y, x}) -
						gr_tensor_at(codes, (const int64_t[]){k, c}),
					2.0);
			if (d < least)
				best = k;
			least = fmin(d, least);
		}
		cr_assert_eq((int64_t)gr_tensor_at(index, &i), best);
		for (int64_t c = 0; c < E; c++)
			cr_assert_float_eq(gr_tensor_at(q, (const int64_t[]){n, c, y, x}),
				gr_tensor_at(codes, (const int64_t[]){best, c}), 1e-12);
	}
	gr_vqmodel_free(v);
}

Test(vqmodel, first_of_equal_codes)
{
	gr_vqmodel *v = small_vqmodel(GR_F32);
	gr_tensor *codes = gr_module_find(gr_vqmodel_module(v), "quantize.embedding.weight");
	cr_assert_eq(gr_param_update(codes, gr_full(GR_F32, GR_DIMS(CODES, E), 0.5)), GR_OK);
	gr_tensor *index = NULL;
	gr_vqmodel_quantize(v, nn_normal(4, GR_F32, GR_DIMS(1, E, 3, 4)), &index);
	for (int64_t i = 0; i < 12; i++)
		cr_assert_eq(gr_tensor_at(index, &i), 0.0);
	gr_vqmodel_free(v);
}

/* The gradient with quantisation at h is the one without it at the codes. */
Test(vqmodel, gradient_passes_straight_through)
{
	gr_vqmodel *v = small_vqmodel(GR_F64);
	gr_tensor *h = gr_watch(nn_normal(4, GR_F64, GR_DIMS(2, E, 3, 4)));
	gr_tensor *q = gr_watch(gr_stop_gradient(gr_vqmodel_quantize(v, h, NULL))), *grad[2];
	gr_tensor *y[] = {gr_vqmodel_decode(v, h, false), gr_vqmodel_decode(v, q, true)};
	cr_assert(gr_is_same_shape(y[0], gr_zeros(GR_F64, GR_DIMS(2, 3, 6, 8))));
	cr_assert_eq(gr_grad(&grad[0], gr_sumsq(y[0], GR_ALL_AXES, false), 1, &h, NULL), GR_OK);
	cr_assert_eq(gr_grad(&grad[1], gr_sumsq(y[1], GR_ALL_AXES, false), 1, &q, NULL), GR_OK);
	cr_assert_lt(nn_distance(y[0], y[1]), 1e-12);
	cr_assert_lt(nn_distance(grad[0], grad[1]), 1e-12);
	gr_vqmodel_free(v);
}

static gr_tensor *encode(const void *v, gr_tensor *x)
{
	return gr_vqmodel_encode(v, x);
}

Test(vqmodel, encodes_without_quantising)
{
	gr_vqmodel *v = small_vqmodel(GR_F64);
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 8, 4));
	cr_assert(gr_is_same_shape(encode(v, x), gr_zeros(GR_F64, GR_DIMS(2, E, 4, 2))));
	cr_assert_lt(nn_gradient_error(NULL, encode, v, x), 1e-6);
	gr_vqmodel_free(v);
}

Test(vqmodel, refuses_what_does_not_fit)
{
	static const gr_vqmodel_config bad[] = {
		{.coder = {.ch = 32}, .n_embed = 8},
		{.coder = {.ch = 32, .single_z = true}},
		{.coder = {.ch = 24, .single_z = true}, .n_embed = 8},
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_null(gr_vqmodel_new(&bad[i]));
		cr_assert_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	gr_vqmodel *v = small_vqmodel(GR_F32);
	cr_assert_null(gr_vqmodel_decode(v, nn_normal(1, GR_F32, GR_DIMS(1, 2, 8, 8)), false));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_vqmodel_free(v);
}
