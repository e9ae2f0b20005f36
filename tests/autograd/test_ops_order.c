/*
 * What the generated suite cannot express of sorting, scans and indices: ties, NaN, zeros among
 * factors, infinities, messages.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"

static gr_tensor *vec(int n, const double *x)
{
	return gr_watch(gr_from_f64(GR_F64, x, 1, (const int64_t[]){n}));
}
#define VEC(...) \
	vec((int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)), \
		(const double[]){__VA_ARGS__})

static void expect(gr_tensor *t, const double *want)
{
	double got[16];

	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_leq(gr_tensor_size(t), 16);
	cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
	for (int64_t i = 0; i < gr_tensor_size(t); i++)
		cr_expect(got[i] == want[i] || (isnan(got[i]) && isnan(want[i])) ||
				fabs(got[i] - want[i]) < 1e-14,
			"element %d is %g, expected %g", (int)i, got[i], want[i]);
}
#define EXPECT(t, ...) expect(t, (const double[]){__VA_ARGS__})

static void expect_error(gr_tensor *t, gr_status code, const char *text)
{
	cr_expect_null(t);
	cr_expect_eq(gr_error_code(), code, "%s: code %d", text, gr_error_code());
	cr_expect(strstr(gr_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text,
		gr_error_message());
	gr_error_clear();
}

static gr_tensor *gradient(gr_tensor *y, gr_tensor *x, const gr_grad_opts *opts)
{
	gr_tensor *g = NULL, *sum = gr_sum(y, GR_ALL_AXES, false);

	cr_assert_eq(gr_grad(&g, sum, 1, &x, opts), GR_OK, "%s", gr_error_message());
	return g;
}

Test(ops_order, equals_keep_their_order_and_nan_is_last)
{
	gr_tensor *x = VEC(2.0, NAN, 1.0, 2.0, -INFINITY, 1.0), *index = NULL;
	EXPECT(gr_argsort(x, 0, false), 4, 2, 5, 0, 3, 1);
	EXPECT(gr_argsort(x, 0, true), 1, 0, 3, 2, 5, 4);
	EXPECT(gr_sort(x, 0, false, &index), -INFINITY, 1, 1, 2, 2, NAN);
	EXPECT(index, 4, 2, 5, 0, 3, 1);
	cr_expect_not(gr_is_tracked(index));
}

Test(ops_order, gradients_go_to_the_elements_that_moved)
{
	gr_tensor *x = VEC(3.0, 1.0, 2.0, 1.0), *w = VEC(10.0, 20.0, 30.0, 40.0);
	EXPECT(gradient(gr_mul(gr_sort(x, 0, false, NULL), w), x, NULL), 40, 10, 30, 20);
	EXPECT(gr_median(x, 0, false), 1.0);
	EXPECT(gradient(gr_median(x, 0, false), x, NULL), 0, 0, 0, 1);
	EXPECT(gr_topk(x, 0, 2, NULL), 3.0, 2.0);
	EXPECT(gradient(gr_topk(x, 0, 2, NULL), x, NULL), 1, 0, 1, 0);
}

/* y_i = x_0 ... x_i, d/dx_j = sum of the products without x_j: nothing is divided by a zero. */
Test(ops_order, products_have_gradients_at_zeros)
{
	const gr_grad_opts *graph = GR_OPTS(gr_grad_opts, .create_graph = true);
	gr_tensor *x = VEC(2.0, 0.0, 3.0, 0.0);
	EXPECT(gr_cumprod(x, 0), 2, 0, 0, 0);
	EXPECT(gradient(gr_cumprod(x, 0), x, NULL), 1, 8, 0, 0);
	gr_tensor *g = gradient(gr_cumprod(x, 0), x, graph);
	EXPECT(g, 1, 8, 0, 0);
	/* of the sum of the gradient: d/dx_j of 1 + x_1 + x_1 x_2 + ..., by hand */
	EXPECT(gradient(g, x, NULL), 4, 12, 2, 6);
}

Test(ops_order, logsumexp_of_infinities)
{
	EXPECT(gr_logsumexp(VEC(-INFINITY, -INFINITY), GR_ALL_AXES, false), -INFINITY);
	EXPECT(gr_logsumexp(VEC(1.0, INFINITY), GR_ALL_AXES, false), INFINITY);
	EXPECT(gr_logsumexp(VEC(-INFINITY, 2.0), GR_ALL_AXES, false), 2.0);
	EXPECT(gr_logsumexp(gr_cast(VEC(-INFINITY, 2.0), GR_F32), GR_ALL_AXES, true), 2.0);
	gr_tensor *x = VEC(1000.0, 1000.0);
	EXPECT(gradient(gr_logsumexp(x, GR_ALL_AXES, false), x, NULL), 0.5, 0.5);
}

Test(ops_order, messages)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(2, 3)), *i = gr_full(GR_I64, GR_DIMS(2, 1), 3.0);
	expect_error(gr_take_along(x, 1, i), GR_EARG, "element 0 of index is 3, not in 0..2");
	expect_error(gr_take_along(x, 0, i), GR_ESHAPE, "other dims than the axis");
	expect_error(gr_take_along(x, 0, x), GR_EDTYPE, "not i64");
	expect_error(gr_take_along(x, 2, i), GR_EARG, "axis 2");
	expect_error(gr_scatter_along(x, 0, i, 3), GR_ESHAPE, "other dims");
	expect_error(gr_scatter_along(gr_zeros(GR_F64, GR_DIMS(2, 1)), 1, i, 3), GR_EARG, "0..2");
	expect_error(gr_one_hot(x, 3, GR_F32), GR_EDTYPE, "not i64");
	expect_error(gr_argsort(x, -3, false), GR_EARG, "axis -3");
	expect_error(gr_topk(x, 1, 4, NULL), GR_EARG, "4 of 3 elements");
	expect_error(gr_median(gr_zeros(GR_F64, GR_DIMS(2, 0)), 1, false), GR_ESHAPE, "is empty");
	expect_error(gr_cumsum(x, 2), GR_EARG, "axis 2");
	expect_error(gr_cumprod(i, 0), GR_EDTYPE, "cumprod");
	expect_error(gr_logsumexp(x, GR_AXES(5), false), GR_EARG, "axis 5");
}
