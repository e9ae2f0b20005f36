/* Convolution layer: options reach the op, Conv1d's clothes, gradients. */
#include <criterion/criterion.h>

#include "nn_check.h"

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_conv_forward(layer, x);
}

static gr_conv *conv_f64(gr_module **root, const gr_conv_layer_opts *opts)
{
	*root = gr_module_new();
	gr_module_set_dtype(*root, GR_F64);
	gr_conv *l = gr_conv_new(*root, "c", opts);
	cr_assert_eq(gr_module_init(*root, gr_key_seed(1)), GR_OK);
	return l;
}

static const struct {
	gr_conv_layer_opts opts;
	int64_t out[4];
} cases[] = {
	{{.in = 4, .out = 6}, {2, 6, 5, 7}},
	{{.in = 4, .out = 6, .kernel = 1}, {2, 6, 5, 7}},
	{{.in = 4, .out = 6, .no_bias = true, .pad = -1}, {2, 6, 3, 5}},
	{{.in = 4, .out = 6, .stride = 2}, {2, 6, 3, 4}},
	{{.in = 4, .out = 6, .stride = 2, .pad = -1, .pad_end = 1}, {2, 6, 2, 3}},
	{{.in = 4, .out = 6, .groups = 2}, {2, 6, 5, 7}},
	{{.in = 4, .out = 6, .dilation = 2, .pad = 2}, {2, 6, 5, 7}},
	{{.in = 4, .out = 6, .is_1d = true}, {2, 6, 5, 7}},
};

Test(conv, shapes_and_gradients)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_module *root;
		gr_conv *l = conv_f64(&root, &cases[i].opts);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 4, 5, 7));
		cr_assert(gr_is_same_shape(gr_conv_forward(l, x), gr_zeros(GR_F64, 4, cases[i].out)),
			"case %d", (int)i);
		double error = nn_gradient_error(root, forward, l, x);
		cr_assert_lt(error, 1e-7, "case %d: %g", (int)i, error);
		gr_module_free(root);
	}
}

Test(conv, one_dimensional_is_pointwise)
{
	gr_module *root;
	gr_conv *l = conv_f64(&root, GR_OPTS(gr_conv_layer_opts, .in = 3, .out = 2, .is_1d = true));
	gr_param *w = gr_module_param_handle(root, 0);
	cr_assert_eq(gr_param_ndim(w), 3);
	cr_assert_eq(gr_param_dims(w)[2], 1);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 3, 4, 5));
	gr_tensor *y = gr_conv_forward(l, x);
	gr_tensor *m = gr_squeeze(gr_param_tensor(w), 2);              /* [2,3] */
	gr_tensor *z = gr_matmul(m, gr_reshape(x, GR_DIMS(2, 3, 20))); /* [2,2,20] */
	z = gr_add(gr_reshape(z, GR_DIMS(2, 2, 4, 5)),
		gr_reshape(gr_module_param(root, 1), GR_DIMS(1, 2, 1, 1)));
	cr_assert_lt(nn_distance(y, z), 1e-13);
	gr_module_free(root);
}

Test(conv, refuses_bad_groups)
{
	gr_module *root = gr_module_new();
	cr_assert_null(
		gr_conv_new(root, "c", GR_OPTS(gr_conv_layer_opts, .in = 4, .out = 4, .groups = -1)));
	cr_assert_neq(gr_module_status(root), GR_OK);
	gr_error_clear();
	gr_module_free(root);
}

/* Kernels that are not square keep the size, each side padded for itself. */
Test(conv, rectangles)
{
	gr_module *m = gr_module_new();
	gr_conv *row = gr_conv_new(m, "row",
		GR_OPTS(gr_conv_layer_opts, .in = 2, .out = 3, .kernel = 1, .kernel_w = 7));
	gr_conv *column = gr_conv_new(m, "column",
		GR_OPTS(gr_conv_layer_opts, .in = 3, .out = 2, .kernel = 7, .kernel_w = 1));
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	cr_assert_eq(gr_param_dims(gr_module_find_handle(m, "row.weight"))[3], 7);
	cr_assert_eq(gr_param_dims(gr_module_find_handle(m, "column.weight"))[2], 7);
	gr_tensor *x = nn_normal(2, GR_F32, GR_DIMS(1, 2, 9, 8));
	cr_assert(gr_is_same_shape(gr_conv_forward(column, gr_conv_forward(row, x)), x));
	gr_module_free(m);
}
