/* Creating tensors and reading them back. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/tensor.h"

Test(tensor, header_and_values)
{
	const double v[] = {1, 2, 3, 4, 5, 6};
	gr_tensor *t = gr_from_f64(GR_F32, v, GR_DIMS(2, 3));
	cr_assert_eq(gr_tensor_ndim(t), 2);
	cr_assert_eq(gr_tensor_dim(t, -1), 3);
	cr_assert_eq(gr_tensor_dim(t, 5), 0);
	cr_assert_eq(gr_tensor_size(t), 6);
	cr_assert(gr_is_contiguous(t));
	cr_assert_eq((uintptr_t)gr_tensor_data(t) % 64, 0);
	cr_assert_eq(gr_tensor_at(t, (int64_t[]){1, 2}), 6);
	double back[6];
	cr_assert_eq(gr_tensor_to_f64(t, back), GR_OK);
	cr_assert_arr_eq(back, v, sizeof v);
	char what[64];
	cr_assert_str_eq(gr_tensor_describe(t, what, sizeof what), "f32 [2,3]");
}

Test(tensor, scalars_and_empty)
{
	cr_assert_eq(gr_item(gr_scalar(GR_F64, 2.5)), 2.5);
	gr_tensor *empty = gr_zeros(GR_F32, GR_DIMS(0, 3));
	cr_assert_eq(gr_tensor_size(empty), 0);
	cr_assert(gr_is_contiguous(empty));
	gr_item(empty);
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
}

Test(tensor, every_type_holds_values)
{
	const gr_dtype types[] = {GR_F32, GR_F64, GR_I64, GR_U8, GR_F16, GR_BF16};
	for (int i = 0; i < 6; i++) {
		gr_tensor *t = gr_full(types[i], GR_DIMS(3), 5.0);
		cr_assert_eq(gr_tensor_at(t, (int64_t[]){2}), 5.0, "%s", gr_dtype_name(types[i]));
	}
}

Test(tensor, impossible_shapes_are_refused)
{
	cr_assert_null(gr_zeros(GR_F32, GR_DIMS(-1, 3)));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_zeros(GR_F32, GR_DIMS(INT64_MAX / 2, 3)));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_zeros(GR_F32, GR_DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1)));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	cr_assert_eq(gr_tensor_size(NULL), 0);
	cr_assert_null(gr_tensor_data(NULL));
}

Test(tensor, update_writes_in_place_and_checks_shape)
{
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(2));
	cr_assert_eq(gr_param_update(t, gr_full(GR_F64, GR_DIMS(2), 3.0)), GR_OK);
	cr_assert_eq(gr_tensor_at(t, (int64_t[]){1}), 3.0);
	cr_assert_eq(gr_param_update(t, gr_zeros(GR_F32, GR_DIMS(3))), GR_ESHAPE);
}

Test(tensor, arange_counts)
{
	gr_tensor *t = gr_arange(GR_I64, 4, 2.0, 3.0);
	const int64_t expect[] = {2, 5, 8, 11};
	cr_assert_arr_eq(gr_tensor_data(t), expect, sizeof expect);
}

Test(tensor, prints_values)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	gr_tensor_print(f, "x", gr_arange(GR_F32, 8, 0.0, 1.0));
	gr_tensor_print(f, "y", NULL);
	fclose(f);
	cr_assert_str_eq(text, "x: f32 [8]\n[0, 1, 2, ..., 5, 6, 7]\ny: NULL\n");
	free(text);
}
