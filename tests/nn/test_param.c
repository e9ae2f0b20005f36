/* Values of parameters: when they exist, when they are tracked. */
#include <criterion/criterion.h>

#include "nn_check.h"

Test(param, has_no_values_before_init)
{
	gr_module *root = gr_module_new();
	gr_param *p = gr_module_add_param(root, "w", NULL, GR_DIMS(2));
	cr_assert_null(gr_param_tensor(p));
	cr_assert_eq(gr_error_code(), GR_ESTATE);
	gr_error_clear();
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	cr_assert_not_null(gr_param_tensor(p));
	gr_module_free(root);
}

Test(param, update_reaches_the_layer)
{
	gr_module *root = gr_module_new();
	gr_linear *l = gr_linear_new(root, "l", GR_OPTS(gr_linear_opts, .in = 1, .out = 1));
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	gr_tensor *w = gr_module_find(root, "l.weight"), *b = gr_module_find(root, "l.bias");
	cr_assert_eq(gr_param_update(w, gr_full(GR_F32, GR_DIMS(1, 1), 3.0)), GR_OK);
	cr_assert_eq(gr_param_update(b, gr_full(GR_F32, GR_DIMS(1), 0.5)), GR_OK);
	gr_tensor *y = gr_linear_forward(l, gr_full(GR_F32, GR_DIMS(1, 1), 2.0));
	cr_assert_eq(gr_item(y), 6.5);
	gr_module_free(root);
}

Test(param, frozen_records_nothing)
{
	gr_module *root = gr_module_new();
	gr_linear *l = gr_linear_new(root, "l", GR_OPTS(gr_linear_opts, .in = 3, .out = 2));
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(4, 3));
	cr_assert(gr_is_tracked(gr_linear_forward(l, x)));

	cr_assert_eq(gr_module_set_trainable(root, false), GR_OK);
	cr_assert_not(gr_is_tracked(gr_module_param(root, 0)));
	cr_assert_not(gr_is_tracked(gr_linear_forward(l, x)));
	cr_assert(gr_is_tracked(gr_linear_forward(l, gr_watch(x))));

	cr_assert_eq(gr_module_set_trainable(root, true), GR_OK);
	cr_assert(gr_is_tracked(gr_linear_forward(l, x)));
	cr_assert_not(gr_failed());
	gr_module_free(root);
}

Test(param, frozen_before_init)
{
	gr_module *root = gr_module_new();
	gr_module_add_param(root, "w", NULL, GR_DIMS(2));
	cr_assert_eq(gr_module_set_trainable(root, false), GR_OK);
	cr_assert_eq(gr_module_init(root, gr_key_seed(0)), GR_OK);
	cr_assert_not(gr_is_tracked(gr_module_param(root, 0)));
	gr_module_free(root);
}
