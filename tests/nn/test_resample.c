/* Halving and doubling. */
#include <criterion/criterion.h>

#include "nn_check.h"

static gr_tensor *up(const void *layer, gr_tensor *x)
{
	return gr_upsample_forward(layer, x);
}

static gr_tensor *down(const void *layer, gr_tensor *x)
{
	return gr_downsample_forward(layer, x);
}

Test(resample, shapes_names_gradients)
{
	for (int pass = 0; pass < 3; pass++) {
		const gr_resample_opts opts = {.size = sizeof opts,
			.channels = 3,
			.no_conv = pass == 0,
			.out = pass == 0 ? 0 : 4,
			.pad_end_only = pass == 2};
		gr_module *root = gr_module_new();
		gr_module_set_dtype(root, GR_F64);
		gr_upsample *u = gr_upsample_new(root, "u", &opts);
		gr_downsample *d = gr_downsample_new(root, "d", &opts);
		cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
		cr_assert_eq(gr_module_param_count(root), pass == 0 ? 0 : 4);
		if (pass > 0) {
			cr_assert_str_eq(gr_module_param_name(root, 0), "u.conv.weight");
			cr_assert_str_eq(gr_module_param_name(root, 2), "d.op.weight");
		}
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, 4, 6));
		const int64_t k = pass == 0 ? 3 : 4;
		cr_assert(gr_is_same_shape(up(u, x), gr_zeros(GR_F64, GR_DIMS(2, k, 8, 12))));
		cr_assert(gr_is_same_shape(down(d, x), gr_zeros(GR_F64, GR_DIMS(2, k, 2, 3))));
		cr_assert_lt(nn_gradient_error(NULL, up, u, x), 1e-7);
		cr_assert_lt(nn_gradient_error(NULL, down, d, x), 1e-7);
		gr_module_free(root);
	}
}

/* Padding only at the end sees the pixel at the bottom right, not the zeros at the top left. */
Test(resample, asymmetric_padding)
{
	gr_module *root = gr_module_new();
	gr_downsample *d = gr_downsample_new(root, "d",
		GR_OPTS(gr_resample_opts, .channels = 1, .pad_end_only = true, .conv_name = "conv"));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	gr_tensor *w = gr_module_find(root, "d.conv.weight"), *b = gr_module_find(root, "d.conv.bias");
	cr_assert_eq(gr_param_update(w, gr_full(GR_F32, GR_DIMS(1, 1, 3, 3), 1.0)), GR_OK);
	cr_assert_eq(gr_param_update(b, gr_zeros(GR_F32, GR_DIMS(1))), GR_OK);
	gr_tensor *y = gr_downsample_forward(d, gr_full(GR_F32, GR_DIMS(1, 1, 4, 4), 1.0));
	cr_assert_eq(gr_tensor_at(y, (const int64_t[]){0, 0, 0, 0}), 9.0);
	cr_assert_eq(gr_tensor_at(y, (const int64_t[]){0, 0, 1, 1}), 4.0);
	gr_module_free(root);
}

Test(resample, refuses_new_width_without_conv)
{
	gr_module *root = gr_module_new();
	const gr_resample_opts opts = {.size = sizeof opts, .channels = 3, .out = 4, .no_conv = true};
	cr_assert_null(gr_upsample_new(root, "u", &opts));
	cr_assert_eq(gr_module_status(root), GR_EARG);
	gr_error_clear();
	gr_module_free(root);
}
