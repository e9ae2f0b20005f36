/* Fully connected layer. */
#include <criterion/criterion.h>

#include "nn_check.h"

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_linear_forward(layer, x);
}

static gr_linear *linear_3_2(gr_module **root, bool no_bias)
{
	*root = gr_module_new();
	gr_module_set_dtype(*root, GR_F64);
	gr_linear *l =
		gr_linear_new(*root, "l", GR_OPTS(gr_linear_opts, .in = 3, .out = 2, .no_bias = no_bias));
	cr_assert_eq(gr_module_init(*root, gr_key_seed(1)), GR_OK);
	return l;
}

Test(linear, against_loops)
{
	gr_module *root;
	gr_linear *l = linear_3_2(&root, false);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(4, 5, 3));
	gr_tensor *y = gr_linear_forward(l, x);
	gr_tensor *w = gr_module_param(root, 0), *b = gr_module_param(root, 1);
	cr_assert(gr_is_same_shape(y, gr_zeros(GR_F64, GR_DIMS(4, 5, 2))));
	for (int64_t n = 0; n < 20; n++) {
		for (int64_t o = 0; o < 2; o++) {
			double sum = gr_tensor_at(b, (const int64_t[]){o});
			for (int64_t i = 0; i < 3; i++)
				sum += gr_tensor_at(w, (const int64_t[]){o, i}) *
					gr_tensor_at(x, (const int64_t[]){n / 5, n % 5, i});
			double got = gr_tensor_at(y, (const int64_t[]){n / 5, n % 5, o});
			cr_assert_float_eq(got, sum, 1e-13);
		}
	}
	gr_module_free(root);
}

Test(linear, gradient)
{
	gr_module *root;
	gr_linear *l = linear_3_2(&root, false);
	cr_assert_lt(nn_gradient_error(root, forward, l, nn_normal(2, GR_F64, GR_DIMS(4, 3))), 1e-8);
	cr_assert_lt(nn_gradient_error(root, forward, l, nn_normal(2, GR_F64, GR_DIMS(2, 5, 3))), 1e-8);
	cr_assert_lt(nn_gradient_error(root, forward, l, nn_normal(2, GR_F64, GR_DIMS(3))), 1e-8);
	gr_module_free(root);
	l = linear_3_2(&root, true);
	cr_assert_eq(gr_module_param_count(root), 1);
	cr_assert_lt(nn_gradient_error(root, forward, l, nn_normal(2, GR_F64, GR_DIMS(4, 3))), 1e-8);
	gr_module_free(root);
}

Test(linear, initial_law)
{
	gr_module *root = gr_module_new();
	gr_linear_new(root, "a", GR_OPTS(gr_linear_opts, .in = 4, .out = 50));
	gr_linear_new(root, "b", GR_OPTS(gr_linear_opts, .in = 4, .out = 50, .init = GR_INIT_ZEROS));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	double bias = gr_item(gr_max(gr_abs(gr_module_find(root, "a.bias")), GR_ALL_AXES, false));
	cr_assert(bias > 0.4 && bias <= 0.5, "%g", bias);
	cr_assert_eq(gr_item(gr_max(gr_abs(gr_module_find(root, "b.weight")), GR_ALL_AXES, false)),
		0.0);
	cr_assert_eq(gr_item(gr_max(gr_abs(gr_module_find(root, "b.bias")), GR_ALL_AXES, false)), 0.0);
	gr_module_free(root);
}

Test(linear, refuses_another_width)
{
	gr_module *root;
	gr_linear *l = linear_3_2(&root, false);
	cr_assert_null(gr_linear_forward(l, gr_zeros(GR_F64, GR_DIMS(4, 2))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_linear_forward(l, NULL));
	cr_assert_not(gr_failed());
	gr_module_free(root);
}
