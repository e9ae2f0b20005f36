/* Normalisation layers against their definitions. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

static gr_tensor *group_forward(const void *layer, gr_tensor *x)
{
	return gr_groupnorm_forward(layer, x);
}

static gr_tensor *layer_forward(const void *layer, gr_tensor *x)
{
	return gr_layernorm_forward(layer, x);
}

static gr_groupnorm *group_norm_6(gr_module **root, bool silu)
{
	*root = gr_module_new();
	gr_module_set_dtype(*root, GR_F64);
	gr_groupnorm *l = gr_groupnorm_new(*root, "g",
		GR_OPTS(gr_groupnorm_opts, .channels = 6, .groups = 3, .silu = silu));
	cr_assert_eq(gr_module_init(*root, gr_key_seed(1)), GR_OK);
	gr_tensor *w = gr_module_param(*root, 0), *b = gr_module_param(*root, 1);
	cr_assert_eq(gr_param_update(w, nn_normal(7, GR_F64, GR_DIMS(6))), GR_OK);
	cr_assert_eq(gr_param_update(b, nn_normal(8, GR_F64, GR_DIMS(6))), GR_OK);
	return l;
}

Test(norm, starts_as_plain_normalisation)
{
	gr_module *root = gr_module_new();
	gr_groupnorm_new(root, "g", GR_OPTS(gr_groupnorm_opts, .channels = 64));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	cr_assert(nn_same_bits(gr_module_find(root, "g.weight"), gr_full(GR_F32, GR_DIMS(64), 1.0)));
	cr_assert(nn_same_bits(gr_module_find(root, "g.bias"), gr_zeros(GR_F32, GR_DIMS(64))));
	gr_module_free(root);
}

Test(norm, group_norm_by_definition)
{
	gr_module *root;
	gr_groupnorm *l = group_norm_6(&root, true);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 6, 4, 5));
	gr_tensor *g = gr_reshape(x, GR_DIMS(2, 3, 40));
	gr_tensor *centred = gr_sub(g, gr_mean(g, GR_AXES(2), true));
	gr_tensor *variance = gr_mean(gr_square(centred), GR_AXES(2), true);
	gr_tensor *y = gr_mul(centred, gr_rsqrt(gr_add_s(variance, 1e-5)));
	y = gr_reshape(y, GR_DIMS(2, 6, 4, 5));
	y = gr_muladd(y, gr_reshape(gr_module_param(root, 0), GR_DIMS(6, 1, 1)),
		gr_reshape(gr_module_param(root, 1), GR_DIMS(6, 1, 1)));
	cr_assert_lt(nn_distance(gr_groupnorm_forward(l, x), gr_silu(y)), 1e-12);
	cr_assert_lt(nn_gradient_error(root, group_forward, l, x), 1e-7);
	gr_module_free(root);
}

Test(norm, modulation_by_definition)
{
	gr_module *root, *plain_root;
	gr_groupnorm *l = group_norm_6(&root, true), *plain = group_norm_6(&plain_root, false);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 6, 4, 5));
	gr_tensor *e = nn_normal(3, GR_F64, GR_DIMS(2, 12));
	gr_tensor *scale = gr_slice(e, 1, 0, 6, 1), *shift = gr_slice(e, 1, 6, 12, 1);
	gr_tensor *y = gr_groupnorm_forward(plain, x);
	y = gr_muladd(y, gr_add_s(gr_reshape(scale, GR_DIMS(2, 6, 1, 1)), 1.0),
		gr_reshape(shift, GR_DIMS(2, 6, 1, 1)));
	cr_assert_lt(nn_distance(gr_groupnorm_modulate(l, x, scale, shift), gr_silu(y)), 1e-12);
	gr_module_free(root);
	gr_module_free(plain_root);
}

Test(norm, layer_norm)
{
	for (int affine = 0; affine < 2; affine++) {
		gr_module *root = gr_module_new();
		gr_module_set_dtype(root, GR_F64);
		gr_layernorm *l = gr_layernorm_new(root, "n",
			GR_OPTS(gr_layernorm_opts, .dim = 5, .eps = 1e-6, .no_affine = affine == 0));
		cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
		cr_assert_eq(gr_module_param_count(root), affine == 0 ? 0 : 2);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, 5));
		gr_tensor *centred = gr_sub(x, gr_mean(x, GR_AXES(2), true));
		gr_tensor *variance = gr_mean(gr_square(centred), GR_AXES(2), true);
		gr_tensor *y = gr_mul(centred, gr_rsqrt(gr_add_s(variance, 1e-6)));
		cr_assert_lt(nn_distance(gr_layernorm_forward(l, x), y), 1e-12);
		cr_assert_lt(nn_gradient_error(root, layer_forward, l, x), 1e-7);
		gr_module_free(root);
	}
}

Test(norm, layer_norm_modulated)
{
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_layernorm *l =
		gr_layernorm_new(root, "n", GR_OPTS(gr_layernorm_opts, .dim = 5, .no_affine = true));
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, 5));
	gr_tensor *scale = nn_normal(3, GR_F64, GR_DIMS(2, 5)),
			  *shift = nn_normal(4, GR_F64, GR_DIMS(2, 5));
	gr_tensor *y =
		gr_mul(gr_layernorm_forward(l, x), gr_reshape(gr_add_s(scale, 1.0), GR_DIMS(2, 1, 5)));
	y = gr_add(y, gr_reshape(shift, GR_DIMS(2, 1, 5)));
	cr_assert_lt(nn_distance(gr_layernorm_modulate(l, x, scale, shift), y), 1e-12);
	gr_module_free(root);
}

static gr_tensor *batchnorm_forward(const void *l, gr_tensor *x)
{
	return gr_batchnorm_forward(l, x);
}

/* Training normalises by the batch and moves the statistics; evaluation uses what they became. */
Test(norm, batchnorm)
{
	gr_module *m = gr_module_new();
	gr_module_set_dtype(m, GR_F64);
	gr_batchnorm *l = gr_batchnorm_new(m, "bn", GR_OPTS(gr_batchnorm_opts, .channels = 3));
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_module_size(m), 6); /* buffers are no parameters */
	gr_tensor *x = gr_affine(nn_normal(2, GR_F64, GR_DIMS(4, 3, 5, 6)), 2.0, 3.0);
	cr_assert_lt(nn_distance(gr_batchnorm_forward(l, x), gr_mul_s(x, 1.0 / sqrt(1.0 + 1e-5))),
		1e-12);
	gr_tensor *y = gr_batchnorm_train(l, x);
	cr_assert_lt(fabs(gr_item(gr_mean(y, GR_ALL_AXES, false))), 1e-12);
	cr_assert_float_eq(gr_item(gr_mean(gr_square(y), GR_ALL_AXES, false)), 1.0, 1e-4);
	gr_tensor *mean = gr_mean(x, GR_AXES(0, 2, 3), false);
	gr_tensor *centred = gr_sub(x, gr_mean(x, GR_AXES(0, 2, 3), true));
	gr_tensor *var = gr_mul_s(gr_sumsq(centred, GR_AXES(0, 2, 3), false), 1.0 / 119.0);
	cr_assert_lt(nn_distance(gr_module_find(m, "bn.running_mean"), gr_mul_s(mean, 0.1)), 1e-12);
	cr_assert_lt(nn_distance(gr_module_find(m, "bn.running_var"), gr_affine(var, 0.1, 0.9)), 1e-12);
	cr_assert_lt(nn_gradient_error(NULL, batchnorm_forward, l, x), 1e-7);
	gr_module_free(m);
}
