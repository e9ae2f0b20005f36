/* Hessian products, Jacobians and Hessians against formulas and against each other. */
#include <criterion/criterion.h>
#include <math.h>

#include "gradus/derivative.h"
#include "gradus/ops.h"
#include "gradus/recompute.h"

static gr_tensor *vector(const double *v, int64_t n)
{
	return gr_watch(gr_from_f64(GR_F64, v, GR_DIMS(n)));
}

static double at2(const gr_tensor *t, int64_t i, int64_t j)
{
	return gr_tensor_at(t, (int64_t[]){i, j});
}

/* Rosenbrock's function, a - valley: (1 - u)^2 + 100 (v - u^2)^2. */
static gr_tensor *rosenbrock(gr_tensor *x)
{
	gr_tensor *u = gr_slice(x, 0, 0, 1, 1), *v = gr_slice(x, 0, 1, 2, 1);
	gr_tensor *valley = gr_square(gr_sub(v, gr_square(u)));
	return gr_sum(gr_add(gr_square(gr_rsub_s(u, 1.0)), gr_mul_s(valley, 100.0)), GR_ALL_AXES,
		false);
}

Test(derivative, hessian_of_rosenbrock)
{
	const double p[] = {-1.2, 1.0};
	gr_tensor *x = vector(p, 2), *H = gr_hessian(rosenbrock(x), x);
	cr_assert_not_null(H, "%s", gr_error_message());
	cr_expect_float_eq(at2(H, 0, 0), 1200.0 * p[0] * p[0] - 400.0 * p[1] + 2.0, 1e-11);
	cr_expect_float_eq(at2(H, 0, 1), -400.0 * p[0], 1e-12);
	cr_expect_float_eq(at2(H, 1, 0), -400.0 * p[0], 1e-12);
	cr_expect_float_eq(at2(H, 1, 1), 200.0, 1e-12);
	cr_expect_not(gr_is_tracked(H));
}

/* By rows where y is smaller, by columns where x is. */
Test(derivative, jacobians_by_rows_and_by_columns)
{
	const double a[] = {1, 2, 3, 4, 5, 6}, v[] = {0.5, -1.0, 0.25};
	for (int k = 0; k < 2; k++) {
		int64_t rows = k == 0 ? 2 : 3, cols = k == 0 ? 3 : 2;
		gr_tensor *A = gr_from_f64(GR_F64, a, GR_DIMS(rows, cols));
		gr_tensor *x = gr_watch(gr_from_f64(GR_F64, v, GR_DIMS(cols, 1)));
		gr_tensor *y = gr_reshape(gr_exp(gr_matmul(A, x)), GR_DIMS(rows));
		gr_tensor *J = gr_jacobian(y, x);
		cr_assert_not_null(J, "%s", gr_error_message());
		cr_assert_eq(gr_tensor_ndim(J), 3);
		for (int64_t i = 0; i < rows; i++)
			for (int64_t j = 0; j < cols; j++)
				cr_expect_float_eq(gr_tensor_at(J, (int64_t[]){i, j, 0}),
					gr_tensor_at(y, &i) * a[i * cols + j], 1e-13);
	}
}

Test(derivative, a_jacobian_of_f32_and_of_a_constant)
{
	gr_tensor *x = gr_watch(gr_full(GR_F32, GR_DIMS(2), 3.0));
	gr_tensor *J = gr_jacobian(gr_square(x), x),
			  *zero = gr_jacobian(gr_zeros(GR_F32, GR_DIMS(3)), x);
	cr_assert(J != NULL && zero != NULL, "%s", gr_error_message());
	cr_expect_eq(at2(J, 0, 0), 6.0);
	cr_expect_eq(at2(J, 0, 1), 0.0);
	cr_expect_eq(at2(zero, 2, 1), 0.0);
	gr_tensor *H = gr_hessian(gr_sum(gr_mul_s(x, 2.0), GR_ALL_AXES, false), x);
	cr_assert_not_null(H, "%s", gr_error_message());
	cr_expect_eq(at2(H, 1, 1), 0.0);
}

static gr_status energy(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	gr_tensor *w = payload;
	gr_tensor *h = gr_softmax(gr_tanh(gr_matmul(x[0], w)));
	y[0] = gr_sum(gr_mul(gr_square(h), gr_exp(x[0])), GR_ALL_AXES, false);
	return y[0] != NULL ? GR_OK : gr_error_code();
}

/* Over two inputs, against gr_hessian's blocks and forward over reverse; through a checkpoint. */
Test(derivative, hessian_products)
{
	gr_tensor *x[2] = {gr_watch(gr_random_normal(gr_key_seed(1), GR_F64, GR_DIMS(2, 3))),
		gr_watch(gr_random_normal(gr_key_seed(2), GR_F64, GR_DIMS(3, 3)))};
	gr_tensor *v[2] = {gr_random_normal(gr_key_seed(3), GR_F64, GR_DIMS(2, 3)),
		gr_random_normal(gr_key_seed(4), GR_F64, GR_DIMS(3, 3))};
	gr_tensor *y, *hv[2], *g[2], *dg[2];
	for (int k = 0; k < 2; k++) {
		gr_status status = k == 0
			? energy(&y, x, x[1])
			: gr_checkpoint(&y, energy, 1, x, GR_OPTS(gr_recompute_opts, .payload = x[1]));
		cr_assert_eq(status, GR_OK);
		status = gr_hvp(hv, y, 2, x, v, GR_OPTS(gr_grad_opts, .keep_graph = true));
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		status = gr_grad(g, y, 2, x, GR_OPTS(gr_grad_opts, .create_graph = true));
		cr_assert_eq(status, GR_OK);
		status = gr_jvp(dg, 2, g, 2, x, v, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		for (int i = 0; i < 2; i++) {
			double far = gr_item(gr_norm(gr_sub(hv[i], dg[i]), GR_ALL_AXES, false));
			cr_expect(far < 1e-13, "%g", far);
		}
		/* With v[1] = 0, the first block: H[0,0] v[0]. */
		gr_tensor *half[2], *only[2] = {v[0], NULL}, *H = gr_hessian(y, x[0]);
		status = gr_hvp(half, y, 2, x, only, NULL);
		cr_assert(status == GR_OK && H != NULL, "%s", gr_error_message());
		gr_tensor *expected =
			gr_matmul(gr_reshape(H, GR_DIMS(6, 6)), gr_reshape(v[0], GR_DIMS(6, 1)));
		double far = gr_item(
			gr_norm(gr_sub(gr_reshape(half[0], GR_DIMS(6, 1)), expected), GR_ALL_AXES, false));
		cr_expect(far < 1e-13, "%g", far);
	}
}

Test(derivative, errors)
{
	gr_tensor *x = gr_watch(gr_zeros(GR_F64, GR_DIMS(2))), *wide = gr_zeros(GR_F64, GR_DIMS(3)), *h;
	gr_status status = gr_hvp(&h, gr_sumsq(x, GR_ALL_AXES, false), 1, &x, &wide, NULL);
	cr_expect_eq(status, GR_ESHAPE);
	cr_expect_null(h);
	gr_error_clear();
	cr_expect_null(gr_jacobian(x, wide));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect_null(gr_hessian(x, x)); /* not one element */
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_tensor *deep = gr_watch(gr_zeros(GR_F64, GR_DIMS(1, 1, 1, 1, 1)));
	cr_expect_null(gr_jacobian(deep, deep));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
}
