/*
 * What the generated suite cannot express of resampling and pooling: PyTorch's numbers for its
 * conventions, the position tables of vision transformers, NaN, messages.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"

static void expect_near(gr_tensor *t, int n, const double *want, double bound)
{
	double got[64];

	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_eq(gr_tensor_size(t), n);
	cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
	for (int i = 0; i < n; i++)
		cr_expect(fabs(got[i] - want[i]) <= bound || (isnan(got[i]) && isnan(want[i])),
			"element %d is %.17g, expected %.17g", i, got[i], want[i]);
}
#define EXPECT(t, bound, ...) \
	expect_near(t, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)), \
		(const double[]){__VA_ARGS__}, bound)

static void expect_error(gr_tensor *t, gr_status code, const char *text)
{
	cr_expect_null(t);
	cr_expect_eq(gr_error_code(), code, "%s: code %d", text, gr_error_code());
	cr_expect(strstr(gr_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text,
		gr_error_message());
	gr_error_clear();
}

static gr_tensor *line(void)
{
	static const double x[] = {0.3, -1.2, 2.5, 0.7, -0.4, 1.9, 0.05};
	return gr_from_f64(GR_F64, x, GR_DIMS(7));
}

/* torch.nn.functional.interpolate of PyTorch 1.13 on that line, in double. */
Test(ops_image, resize_is_pytorch)
{
	gr_resize_opts linear = {.size = sizeof linear}, cubic = {.size = sizeof cubic};
	cubic.mode = GR_RESIZE_CUBIC;
	EXPECT(gr_resize(line(), 0, 10, &linear), 1e-14, 0.3, -0.525, -0.275, 2.315, 1.33, 0.315,
		-0.285, 1.325, 1.0675, 0.05);
	EXPECT(gr_resize(line(), 0, 10, &cubic), 1e-14, 0.4219218749999994, -0.9120281250000016,
		-0.4566406250000001, 2.4127906249999995, 1.6422437499999998, -0.0032156249999993423,
		-0.3435140625000002, 1.5353515624999998, 1.3137625000000015, -0.10037031249999992);
	EXPECT(gr_resize(line(), 0, 3, &cubic), 1e-14, -1.138888888888889, 0.7, 1.5731481481481466);
	linear.antialias = cubic.antialias = true;
	EXPECT(gr_resize(line(), 0, 3, &linear), 1e-14, 0.12857142857142864, 0.823529411764706,
		0.7464285714285713);
	EXPECT(gr_resize(line(), 0, 3, &cubic), 1e-14, 0.1270161290322585, 0.8935897435897436,
		0.6929435483870965);
	linear.antialias = false;
	linear.align_corners = true;
	EXPECT(gr_resize(line(), 0, 4, &linear), 1e-14, 0.3, 2.5, -0.4, 0.05);
	cubic.antialias = false;
	cubic.scale_h = 7.0 / 3.1;
	EXPECT(gr_resize(line(), 0, 3, &cubic), 1e-14, -1.0734593711187945, 0.9730119834849457,
		1.855162947702326);
}

static double distance(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_max(gr_abs(gr_sub(a, b)), GR_ALL_AXES, false));
}

/* A 37 x 37 table to 16 x 16: antialiased, plain, and plain with the scale of (16 + 0.1) / 37 are
 * three different tables; at its own size nothing changes. */
Test(ops_image, position_tables)
{
	gr_tensor *table = gr_random_normal(gr_key_seed(3), GR_F64, GR_DIMS(5, 37, 37));
	gr_resize_opts opts = {.size = sizeof opts, .mode = GR_RESIZE_CUBIC};
	gr_tensor *plain = gr_resize2d(table, 16, 16, &opts);
	cr_expect_lt(distance(gr_resize2d(table, 37, 37, &opts), table), 1e-15);
	opts.scale_h = opts.scale_w = 37.0 / 16.1;
	gr_tensor *offset = gr_resize2d(table, 16, 16, &opts);
	opts.scale_h = opts.scale_w = 0.0;
	opts.antialias = true;
	gr_tensor *smooth = gr_resize2d(table, 16, 16, &opts);
	cr_expect_lt(distance(gr_resize2d(table, 37, 37, &opts), table), 1e-15);
	cr_assert(plain != NULL && offset != NULL && smooth != NULL, "%s", gr_error_message());
	cr_expect_gt(distance(plain, offset), 0.1);
	cr_expect_gt(distance(plain, smooth), 0.1);
	/* The matrix of one axis says the same. */
	gr_tensor *R = gr_resize_matrix(37, 16, &opts);
	gr_tensor *product = gr_matmul(gr_matmul(R, table), gr_transpose(R, 0, 1));
	cr_expect_lt(distance(product, smooth), 1e-14);
}

Test(ops_image, a_maximum_is_nan_where_one_is)
{
	double x[] = {1.0, NAN, 3.0, 2.0, 5.0, 4.0, 0.0, -1.0};
	gr_tensor *y = gr_max_pool2d(gr_from_f64(GR_F64, x, GR_DIMS(2, 4)), NULL);
	EXPECT(y, 0.0, NAN, 3.0);
}

/* The 3 x 3 windows of PyTorch with ceil_mode and one row: the last begins inside. */
Test(ops_image, windows_may_hang_over)
{
	gr_tensor *row = gr_reshape(line(), GR_DIMS(1, 7));
	gr_tensor *y = gr_max_pool2d(gr_concat(3, (gr_tensor *[]){row, row, row}, 0),
		GR_OPTS(gr_pool_opts, .kernel = 3, .stride = 2, .pad = 1, .ceil = true));
	cr_assert_not_null(y, "%s", gr_error_message());
	cr_expect_eq(gr_tensor_dim(y, 0), 2);
	EXPECT(gr_slice(y, 0, 0, 1, 1), 0.0, 0.3, 2.5, 1.9, 1.9);
}

Test(ops_image, bias_may_be_left_out)
{
	gr_tensor *x = gr_random_normal(gr_key_seed(1), GR_F64, GR_DIMS(1, 2, 5));
	gr_tensor *w = gr_random_normal(gr_key_seed(2), GR_F64, GR_DIMS(3, 2, 3));
	gr_tensor *zero = gr_zeros(GR_F64, GR_DIMS(3));
	cr_expect_eq(distance(gr_conv1d(x, w, NULL, NULL), gr_conv1d(x, w, zero, NULL)), 0.0);
	expect_error(gr_conv1d(x, w, gr_zeros(GR_F64, GR_DIMS(2)), NULL), GR_ESHAPE, "b is not [3]");
	/* NULL for want of memory is not a bias left out. */
	gr_tensor *bad = gr_add(x, w);
	cr_expect_null(gr_conv1d(x, w, bad, NULL));
	expect_error(NULL, GR_ESHAPE, "add");
}

Test(ops_image, messages)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(2, 3, 4)), *n = gr_zeros(GR_I64, GR_DIMS(2, 2));
	gr_resize_opts bad = {.size = sizeof bad, .mode = (gr_resize_mode)7};
	expect_error(gr_resize(x, 3, 2, NULL), GR_EARG, "axis 3");
	expect_error(gr_resize(x, 0, 0, NULL), GR_EARG, "1 at least");
	expect_error(gr_resize(x, 0, 2, GR_OPTS(gr_resize_opts, .scale_h = -1.0)), GR_EARG, "scale -1");
	expect_error(gr_resize(x, 0, 2, &bad), GR_EARG, "7 is not a mode");
	expect_error(gr_resize2d(x, 2, 2, &(gr_resize_opts){0}), GR_EARG, "GR_OPTS");
	expect_error(gr_resize2d(x, 2, 2,
					 GR_OPTS(gr_resize_opts, .align_corners = true, .antialias = true)),
		GR_EARG, "leave one out");
	expect_error(gr_resize2d(n, 2, 2, NULL), GR_EDTYPE, "resize");
	expect_error(gr_resize_matrix(0, 2, NULL), GR_EARG, "0 pixels to 2");
	expect_error(gr_max_pool2d(x, GR_OPTS(gr_pool_opts, .kernel = 5)), GR_ESHAPE, "does not fit");
	expect_error(gr_mean_pool2d(x, GR_OPTS(gr_pool_opts, .pad = 2)), GR_EARG, "kernel / 2");
	expect_error(gr_mean_pool2d(x, GR_OPTS(gr_pool_opts, .ceil = true, .count_pad = true)), GR_EARG,
		"do not go together");
	expect_error(gr_conv2d(gr_zeros(GR_F64, GR_DIMS(1, 1, 2, 2)),
					 gr_zeros(GR_F64, GR_DIMS(1, 1, 1, 1)), GR_OPTS(gr_conv_opts, .pad_w = -2)),
		GR_EARG, "-1 is none");
	expect_error(gr_resize2d(NULL, 2, 2, NULL), GR_EARG, "operand 0 is NULL");
}
