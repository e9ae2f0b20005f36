/* One recorded graph, many cotangents: rows of a Jacobian. */
#include <criterion/criterion.h>

#include "gradus/ops.h"

Test(pullback, rows_of_a_jacobian)
{
	const double a[] = {1, 2, 3, 4, 5, 6}, v[] = {0.5, -1.0};
	gr_tensor *A = gr_from_f64(GR_F64, a, GR_DIMS(3, 2));
	gr_tensor *x = gr_watch(gr_from_f64(GR_F64, v, GR_DIMS(2, 1)));
	gr_tensor *y = gr_matmul(A, x);
	gr_pullback *p = gr_pullback_new(y, 1, &x);
	for (int row = 0; row < 3; row++) {
		double e[3] = {0};
		e[row] = 1.0;
		gr_tensor *g;
		gr_tensor *c = gr_from_f64(GR_F64, e, GR_DIMS(3, 1));
		cr_assert_eq(gr_pullback_apply(p, c, &g), GR_OK);
		cr_assert_eq(gr_tensor_at(g, (int64_t[]){0, 0}), a[2 * row]);
		cr_assert_eq(gr_tensor_at(g, (int64_t[]){1, 0}), a[2 * row + 1]);
	}
	gr_pullback_free(p);
	gr_pullback_free(NULL);
}

Test(pullback, cotangent_shape_is_checked)
{
	gr_tensor *x = gr_watch(gr_zeros(GR_F64, GR_DIMS(2)));
	gr_pullback *p = gr_pullback_new(gr_mul_s(x, 2.0), 1, &x);
	gr_tensor *g;
	cr_assert_eq(gr_pullback_apply(p, gr_zeros(GR_F64, GR_DIMS(3)), &g), GR_ESHAPE);
	gr_pullback_free(p);
}
