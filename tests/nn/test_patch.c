/* Patches: one token each, row by row. */
#include <criterion/criterion.h>

#include "nn_check.h"

static gr_tensor *forward(const void *layer, gr_tensor *x)
{
	return gr_patch_forward(layer, x);
}

Test(patch, by_definition)
{
	enum { P = 2, C = 3, D = 5 };
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_patch *l = gr_patch_new(root, "p", GR_OPTS(gr_patch_opts, .in = C, .dim = D, .patch = P));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, C, 4, 6));
	gr_tensor *y = gr_patch_forward(l, x);
	cr_assert(gr_is_same_shape(y, gr_zeros(GR_F64, GR_DIMS(2, 6, D))));
	/* Token 4 is row 1, column 1 of the 2 x 3 patches. */
	gr_tensor *patch = gr_slice(gr_slice(x, 2, 2, 4, 1), 3, 2, 4, 1);
	gr_tensor *w = gr_reshape(gr_module_find(root, "p.proj.weight"), GR_DIMS(D, C * P * P));
	gr_tensor *token = gr_matmul(gr_reshape(patch, GR_DIMS(2, C * P * P)), gr_transpose(w, 0, 1));
	token = gr_add(token, gr_module_find(root, "p.proj.bias"));
	cr_assert_lt(nn_distance(gr_squeeze(gr_slice(y, 1, 4, 5, 1), 1), token), 1e-12);
	cr_assert_lt(nn_gradient_error(root, forward, l, x), 1e-7);
	cr_assert_null(gr_patch_forward(l, nn_normal(2, GR_F64, GR_DIMS(1, C, 4, 5))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_module_free(root);
}
