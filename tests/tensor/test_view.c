/* Views against index arithmetic done by hand. */
#include <criterion/criterion.h>

#include "tensor_int.h"

static gr_tensor *counted(int64_t a, int64_t b, int64_t c)
{
	gr_tensor *flat = gr_arange(GR_F64, a * b * c, 0.0, 1.0);
	return gr__scope_own(gr__view_reshape(flat, 3, (int64_t[]){a, b, c}));
}

static double at3(const gr_tensor *t, int64_t i, int64_t j, int64_t k)
{
	return gr_tensor_at(t, (int64_t[]){i, j, k});
}

Test(view, slice_permute_flip)
{
	gr_tensor *t = counted(4, 5, 6);
	gr_tensor *s = gr__scope_own(gr__view_slice(t, 1, 1, -1, 2));
	cr_assert_eq(gr_tensor_dim(s, 1), 2);
	cr_assert_eq(at3(s, 3, 1, 5), 3 * 30 + 3 * 6 + 5);
	gr_tensor *p = gr__scope_own(gr__view_permute(s, (int[]){2, 0, 1}));
	cr_assert_eq(at3(p, 5, 3, 1), at3(s, 3, 1, 5));
	gr_tensor *f = gr__scope_own(gr__view_flip(p, -3));
	cr_assert_eq(at3(f, 0, 3, 1), at3(p, 5, 3, 1));
	cr_assert_eq(f->storage, t->storage);
	cr_assert(!gr_is_contiguous(f));
}

Test(view, slices_out_of_range_are_empty)
{
	gr_tensor *t = counted(2, 3, 4);
	cr_assert_eq(gr_tensor_size(gr__scope_own(gr__view_slice(t, 0, 5, 9, 1))), 0);
	cr_assert_eq(gr_tensor_size(gr__scope_own(gr__view_slice(t, 0, 1, 1, 1))), 0);
	cr_assert_null(gr__view_slice(t, 3, 0, 1, 1));
	gr_error_clear();
	cr_assert_null(gr__view_slice(t, 0, 0, 1, 0));
}

Test(view, expand_has_stride_zero)
{
	gr_tensor *row = counted(1, 1, 4);
	gr_tensor *e = gr__scope_own(gr__view_expand(row, 4, (int64_t[]){2, 3, 5, 4}));
	cr_assert_eq(gr_tensor_at(e, (int64_t[]){1, 2, 4, 3}), 3.0);
	cr_assert_eq(gr_tensor_strides(e)[0], 0);
	cr_assert_null(gr__view_expand(row, 3, (int64_t[]){1, 1, 5}));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
}

Test(view, reshape_shares_where_strides_allow)
{
	gr_tensor *t = counted(4, 6, 2);
	gr_tensor *r = gr__scope_own(gr__view_reshape(t, 2, (int64_t[]){8, 6}));
	cr_assert_eq(gr_tensor_at(r, (int64_t[]){7, 5}), 47.0);
	gr_tensor *rows = gr__scope_own(gr__view_slice(t, 0, 0, 4, 2));
	gr_tensor *joined = gr__scope_own(gr__view_reshape(rows, 2, (int64_t[]){2, 12}));
	cr_assert_eq(gr_tensor_at(joined, (int64_t[]){1, 0}), 24.0);
	gr_tensor *turned = gr__scope_own(gr__view_permute(t, (int[]){2, 1, 0}));
	cr_assert_null(gr__view_reshape(turned, 1, (int64_t[]){48}));
	cr_assert(!gr_failed(), "a reshape that needs a copy is no error");
	gr_tensor *one = gr__scope_own(gr__view_reshape(turned, 5, (int64_t[]){2, 1, 6, 4, 1}));
	cr_assert_eq(gr_tensor_at(one, (int64_t[]){1, 0, 5, 3, 0}), 47.0);
}

Test(view, permutations_are_checked)
{
	cr_assert_null(gr__view_permute(counted(2, 3, 4), (int[]){0, 0, 1}));
	cr_assert_eq(gr_error_code(), GR_EARG);
}

Test(view, dims_resolve)
{
	int64_t dims[] = {2, -1, 3};
	cr_assert_eq(gr__resolve_dims(3, dims, 24), GR_OK);
	cr_assert_eq(dims[1], 4);
	cr_assert_eq(gr__resolve_dims(2, (int64_t[]){-1, 5}, 24), GR_ESHAPE);
	cr_assert_eq(gr__resolve_dims(2, (int64_t[]){-1, -1}, 24), GR_ESHAPE);
}

Test(view, broadcasting_follows_numpy)
{
	gr_tensor *a = counted(1, 3, 1);
	gr_tensor *b = gr_zeros(GR_F64, GR_DIMS(5, 4, 1, 7));
	int ndim;
	int64_t dims[GR_MAX_DIMS];
	cr_assert(gr__broadcast_dims(&ndim, dims, a, b));
	const int64_t expect[] = {5, 4, 3, 7};
	cr_assert_eq(ndim, 4);
	cr_assert_arr_eq(dims, expect, sizeof expect);
	cr_assert(!gr__broadcast_dims(&ndim, dims, counted(2, 1, 1), counted(3, 1, 1)));
}
