/*
 * What the generated suite cannot express of the ops in shape, slice, join, index, matmul, conv
 * and resample: messages, aliasing, compositions, Python's bounds, batches and larger sizes.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "tensor_int.h"

static gr_tensor *normal(gr_dtype dtype, int ndim, const int64_t *dims)
{
	static uint64_t seed;
	return gr_random_normal(gr_key_seed(seed++), dtype, ndim, dims);
}

static void expect_same(gr_tensor *a, gr_tensor *b)
{
	cr_assert(a != NULL && b != NULL, "%s", gr_error_message());
	cr_assert(gr_is_same_shape(a, b));
	size_t n = (size_t)gr_tensor_size(a) + 1;
	double *va = calloc(n, sizeof *va), *vb = calloc(n, sizeof *vb);
	cr_assert_eq(gr_tensor_to_f64(a, va), GR_OK);
	cr_assert_eq(gr_tensor_to_f64(b, vb), GR_OK);
	cr_expect_eq(memcmp(va, vb, n * sizeof *va), 0, "not the same bits");
	free(va);
	free(vb);
}

static void expect_values(gr_tensor *t, int n, const double *want)
{
	double got[64];

	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_eq(gr_tensor_size(t), n);
	cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
	for (int i = 0; i < n; i++)
		cr_expect_eq(got[i], want[i], "element %d is %g, expected %g", i, got[i], want[i]);
}
#define EXPECT(t, ...) \
	expect_values(t, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)), \
		(const double[]){__VA_ARGS__})

static gr_tensor *grid(int64_t rows, int64_t cols)
{
	return gr_reshape(gr_arange(GR_F64, rows * cols, 0.0, 1.0), GR_DIMS(rows, cols));
}

/* --- messages ------------------------------------------------------------------------------ */

static void expect_error(gr_tensor *t, gr_status code, const char *text)
{
	cr_expect_null(t);
	cr_expect_eq(gr_error_code(), code, "%s: code %d", text, gr_error_code());
	cr_expect(strstr(gr_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text,
		gr_error_message());
	cr_expect(strstr(gr_error_message(), "test_ops_move.c:") != NULL, "no call site in \"%s\"",
		gr_error_message());
	gr_error_clear();
}

Test(ops_move, messages_of_shape_ops)
{
	gr_tensor *x = grid(3, 4), *y = grid(2, 3);

	expect_error(gr_reshape(x, GR_DIMS(5, 2)), GR_ESHAPE, "12 elements do not fit a shape of 10");
	expect_error(gr_reshape(x, GR_DIMS(5, -1)), GR_ESHAPE, "do not divide into rows of 5");
	expect_error(gr_reshape(x, GR_DIMS(-1, -1)), GR_ESHAPE, "only one may be -1");
	expect_error(gr_reshape(x, GR_DIMS(INT64_MAX, INT64_MAX)), GR_ESHAPE, "too large");
	expect_error(gr_reshape(x, 9, (const int64_t[9]){0}), GR_ESHAPE, "9 dims");
	expect_error(gr_permute(x, (const int[]){0, 0}), GR_EARG, "not a permutation");
	expect_error(gr_transpose(x, 0, 2), GR_EARG, "axes 0 and 2");
	expect_error(gr_slice(x, 2, 0, 1, 1), GR_EARG, "axis 2 is out of range for 2 dims");
	expect_error(gr_slice(x, 0, 0, 1, 0), GR_EARG, "hint: gr_flip");
	expect_error(gr_flip(x, -3), GR_EARG, "axis -3");
	expect_error(gr_expand(x, GR_DIMS(3, 5)), GR_ESHAPE, "is 4, not 1, and cannot become 5");
	expect_error(gr_expand(x, GR_DIMS(4)), GR_ESHAPE, "x has 2 dims");
	expect_error(gr_squeeze(x, 0), GR_ESHAPE, "not a dim of length 1");
	expect_error(gr_unsqueeze(x, 3), GR_ESHAPE, "no new dim at 3");
	expect_error(gr_pad(x, 0, -1, 0), GR_EARG, "hint: gr_slice");
	expect_error(gr_pad(x, 0, INT64_MAX, 1), GR_EARG, "too large");
	expect_error(gr_concat(2, (gr_tensor *[]){x, y}, 1), GR_ESHAPE, "only axis 1 may differ");
	expect_error(gr_concat(2, (gr_tensor *[]){x, gr_cast(x, GR_F32)}, 1), GR_EDTYPE, "f32");
	expect_error(gr_concat(17, (gr_tensor *[17]){x}, 0), GR_EARG, "17");
	expect_error(gr_stack(0, NULL, 0), GR_EARG, "0 tensors");
	expect_error(gr_stack(2, (gr_tensor *[]){x, y}, 0), GR_ESHAPE, "concat");
}

Test(ops_move, messages_of_products)
{
	gr_tensor *x = normal(GR_F32, GR_DIMS(1, 3, 8, 8)), *w = normal(GR_F32, GR_DIMS(8, 4, 3, 3));
	gr_tensor *w3 = normal(GR_F32, GR_DIMS(8, 3, 3, 3)), *b = normal(GR_F32, GR_DIMS(7));
	gr_conv_opts forgotten = {.stride = 2};

	expect_error(gr_matmul(grid(2, 3), grid(2, 3)), GR_ESHAPE, "a has 3 columns, b has 2 rows");
	expect_error(gr_matmul(grid(2, 3), gr_arange(GR_F64, 3, 0, 1)), GR_ESHAPE,
		"hint: gr_unsqueeze");
	expect_error(gr_matmul(grid(2, 3), gr_cast(grid(3, 2), GR_F32)), GR_EDTYPE, "hint");
	expect_error(gr_matmul(normal(GR_F32, GR_DIMS(2, 3, 4)), normal(GR_F32, GR_DIMS(3, 4, 5))),
		GR_ESHAPE, "leading dims 2 of a and 3 of b");

	expect_error(gr_conv2d(x, w, NULL), GR_ESHAPE, "x has 3 channels, w expects 4");
	expect_error(gr_conv2d(x, w, NULL), GR_ESHAPE, "x f32 [1,3,8,8], w f32 [8,4,3,3]");
	expect_error(gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .groups = 2)), GR_ESHAPE, "8 in 2 groups");
	expect_error(gr_conv2d(x, w3, GR_OPTS(gr_conv_opts, .stride = -1)), GR_EARG, "stride -1");
	expect_error(gr_conv2d(x, w3, GR_OPTS(gr_conv_opts, .dilation = 4)), GR_ESHAPE, "raise pad");
	expect_error(gr_conv2d(x, w3, GR_OPTS(gr_conv_opts, .pad = INT64_MAX)), GR_EARG, "beyond 2^31");
	expect_error(gr_conv2d(x, w3, &forgotten), GR_EARG, "GR_OPTS");
	expect_error(gr_conv2d(gr_squeeze(x, 0), w3, NULL), GR_ESHAPE, "hint: an image is [N,C,H,W]");
	expect_error(gr_conv2d_bias(x, w3, b, NULL), GR_ESHAPE, "b is not [8]");
	expect_error(gr_conv2d_input_adjoint(x, w3, NULL), GR_ESHAPE, "g has 3 channels, w gives 8");
	gr_tensor *g = gr_conv2d(x, w3, GR_OPTS(gr_conv_opts, .stride = 2));
	expect_error(gr_conv2d_input_adjoint(g, w3, GR_OPTS(gr_conv_opts, .stride = 2, .out_h = 9)),
		GR_ESHAPE, "hint: out_h");
	expect_error(gr_conv2d_weight_adjoint(g, x, GR_OPTS(gr_conv_opts, .stride = 2, .out_h = 5)),
		GR_ESHAPE, "no kernel of 5 x 4");
	expect_error(gr_avg_pool2d(x, 3), GR_ESHAPE, "8, not a multiple of 3");
	expect_error(gr_upsample_nearest2d(x, 0), GR_EARG, "factor is 0");
}

Test(ops_move, messages_of_index_ops)
{
	gr_tensor *x = grid(3, 4), *float_index = gr_arange(GR_F64, 2, 0.0, 1.0);
	gr_tensor *high = gr_arange(GR_I64, 2, 2.0, 1.0), *low = gr_arange(GR_I64, 2, -1.0, 1.0);

	expect_error(gr_gather(x, 0, high), GR_EARG, "index[1] is 3, not in 0..2");
	expect_error(gr_gather(x, 0, low), GR_EARG, "index[0] is -1");
	expect_error(gr_gather(x, 0, float_index), GR_EDTYPE, "index is f64, not i64");
	expect_error(gr_gather(x, 2, low), GR_EARG, "axis 2");
	expect_error(gr_gather(x, 0, gr_unsqueeze(high, 0)), GR_ESHAPE, "index has 2 dims");
	expect_error(gr_scatter_add(x, 0, high, 5), GR_ESHAPE, "3 entries along axis 0, index 2");
	expect_error(gr_scatter_add(grid(2, 4), 0, high, 3), GR_EARG, "index[1] is 3");
	expect_error(gr_scatter_add(grid(2, 4), 0, high, -1), GR_EARG, "length is -1");
}

/* NULL in, NULL out, and the first error stays. */
Test(ops_move, null_passes_through)
{
	gr_tensor *x = grid(2, 2), *bad = gr_matmul(x, grid(3, 3));
	char first[256];

	snprintf(first, sizeof first, "%s", gr_error_message());
	cr_expect_null(gr_transpose(bad, 0, 1));
	cr_expect_null(gr_squeeze(bad, 0));
	cr_expect_null(gr_unsqueeze(bad, 0));
	cr_expect_null(gr_rot90(bad, 1));
	cr_expect_null(gr_contiguous(bad));
	cr_expect_null(gr_permute(bad, NULL));
	cr_expect_null(gr_stack(2, (gr_tensor *[]){bad, x}, 0));
	cr_expect_null(gr_concat(2, (gr_tensor *[]){x, bad}, 0));
	cr_expect_null(gr_matmul(gr_reshape(bad, GR_DIMS(4)), x));
	cr_expect_str_eq(gr_error_message(), first);
	gr_error_clear();
	cr_expect_null(gr_squeeze(NULL, 0));
	cr_expect(strstr(gr_error_message(), "NULL") != NULL);
}

/* --- views --------------------------------------------------------------------------------- */

static bool is_view(const gr_tensor *v, const gr_tensor *x)
{
	return v != NULL && v->storage == x->storage;
}

Test(ops_move, views_share_storage)
{
	gr_tensor *x = gr_reshape(grid(6, 4), GR_DIMS(2, 3, 4));

	cr_expect(is_view(gr_reshape(x, GR_DIMS(6, 4)), x));
	cr_expect(is_view(gr_reshape(x, GR_DIMS(2, -1, 2, 2)), x));
	cr_expect(is_view(gr_permute(x, (const int[]){2, 0, 1}), x));
	cr_expect(is_view(gr_transpose(x, 0, -1), x));
	cr_expect(is_view(gr_slice(x, 1, 0, 3, 2), x));
	cr_expect(is_view(gr_flip(x, 1), x));
	cr_expect(is_view(gr_rot90(x, 1), x));
	cr_expect(is_view(gr_expand(x, GR_DIMS(5, 2, 3, 4)), x));
	cr_expect(is_view(gr_unsqueeze(x, -1), x));
	cr_expect(is_view(gr_squeeze(gr_unsqueeze(gr_transpose(x, 0, 2), 1), 1), x));
	cr_expect_eq(gr_contiguous(x), x);
	cr_expect_not(is_view(gr_contiguous(gr_flip(x, 0)), x));
	/* rows of a transposed matrix do not join: this one copies */
	gr_tensor *copied = gr_reshape(gr_transpose(x, 1, 2), GR_DIMS(2, 12));
	cr_expect_not(is_view(copied, x));
	expect_same(copied, gr_reshape(gr_contiguous(gr_transpose(x, 1, 2)), GR_DIMS(2, 12)));
	/* but splitting one of its dims does not mix any */
	cr_expect(is_view(gr_reshape(gr_transpose(x, 1, 2), GR_DIMS(2, 2, 2, 3)), x));
}

Test(ops_move, slice_has_the_bounds_of_python)
{
	const int64_t n = 5;

	for (int64_t start = -7; start <= 7; start++) {
		for (int64_t stop = -7; stop <= 7; stop++) {
			for (int64_t step = 1; step <= 3; step++) {
				gr_tensor *y = gr_slice(gr_arange(GR_F64, n, 0.0, 1.0), 0, start, stop, step);
				double got[8] = {0};
				int64_t count = 0;
				cr_assert_eq(gr_tensor_to_f64(y, got), GR_OK);
				for (int64_t i = 0; i < n; i++) {
					int64_t lo = start < -n ? 0 : start < 0 ? start + n : start;
					int64_t hi = stop < 0 ? stop + n : stop;
					if (i >= lo && i < hi && (i - lo) % step == 0)
						cr_expect_eq(got[count++], (double)i);
				}
				cr_expect_eq(gr_tensor_size(y), count, "[%d:%d:%d]", (int)start, (int)stop,
					(int)step);
			}
		}
	}
}

Test(ops_move, compositions)
{
	gr_tensor *x = grid(2, 3), *y = gr_mul_s(x, 10.0);

	EXPECT(gr_rot90(x, 1), 2, 5, 1, 4, 0, 3);
	EXPECT(gr_rot90(x, 2), 5, 4, 3, 2, 1, 0);
	EXPECT(gr_rot90(x, -1), 3, 0, 4, 1, 5, 2);
	expect_same(gr_rot90(gr_rot90(gr_rot90(x, 3), 5), 0), x);
	EXPECT(gr_stack(2, (gr_tensor *[]){x, y}, 0), 0, 1, 2, 3, 4, 5, 0, 10, 20, 30, 40, 50);
	EXPECT(gr_stack(2, (gr_tensor *[]){x, y}, -1), 0, 0, 1, 10, 2, 20, 3, 30, 4, 40, 5, 50);
	cr_expect_eq(gr_tensor_dim(gr_unsqueeze(x, -1), 2), 1);
	cr_expect_eq(gr_tensor_dim(gr_unsqueeze(x, 1), 1), 1);
	EXPECT(gr_gather(x, 1, gr_from_f64(GR_I64, (const double[]){2, 2, 0}, GR_DIMS(3))), 2, 2, 0, 5,
		5, 3);
	cr_expect_eq(gr_tensor_size(gr_gather(x, 0, gr_zeros(GR_I64, GR_DIMS(0)))), 0);
	EXPECT(gr_scatter_add(x, 0, gr_zeros(GR_I64, GR_DIMS(2)), 2), 3, 5, 7, 0, 0, 0);
	cr_expect_not(gr_failed(), "%s", gr_error_message());
}

/* Integers and bytes move too. */
Test(ops_move, shape_ops_take_any_type)
{
	gr_tensor *x = gr_reshape(gr_arange(GR_I64, 6, 0.0, 1.0), GR_DIMS(2, 3));

	EXPECT(gr_pad(gr_transpose(x, 0, 1), 1, 1, 0), 0, 0, 3, 0, 1, 4, 0, 2, 5);
	EXPECT(gr_concat(2, (gr_tensor *[]){x, gr_flip(x, 0)}, 0), 0, 1, 2, 3, 4, 5, 3, 4, 5, 0, 1, 2);
	cr_expect_eq(gr_tensor_dtype(gr_contiguous(gr_flip(x, 0))), GR_I64);
}

/* --- products ------------------------------------------------------------------------------ */

Test(ops_move, matmul_of_nothing_is_zero)
{
	gr_tensor *y = gr_matmul(gr_zeros(GR_F32, GR_DIMS(2, 3, 0)), gr_zeros(GR_F32, GR_DIMS(0, 2)));

	EXPECT(y, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}

/* The same rows alone, as a batch, as one matrix, transposed in memory: the same bits. */
Test(ops_move, matmul_rows_do_not_depend_on_their_batch)
{
	gr_tensor *a = normal(GR_F32, GR_DIMS(5, 7, 300)), *b = normal(GR_F32, GR_DIMS(300, 33));
	gr_tensor *y = gr_matmul(a, b);
	gr_tensor *columns = gr_transpose(gr_contiguous(gr_transpose(a, 1, 2)), 1, 2);

	for (int64_t n = 0; n < 5; n++) {
		gr_tensor *alone = gr_matmul(gr_slice(a, 0, n, n + 1, 1), b);
		expect_same(alone, gr_slice(y, 0, n, n + 1, 1));
		gr_tensor *row = gr_matmul(gr_slice(gr_slice(a, 0, n, n + 1, 1), 1, 3, 4, 1), b);
		expect_same(row, gr_slice(gr_slice(y, 0, n, n + 1, 1), 1, 3, 4, 1));
	}
	expect_same(gr_matmul(columns, b), y);
	expect_same(gr_matmul(gr_slice(a, 0, 0, 5, 2), b), gr_slice(y, 0, 0, 5, 2));
	expect_same(gr_matmul(a, gr_expand(b, GR_DIMS(5, 300, 33))), y);
	expect_same(gr_matmul(a, gr_contiguous(gr_expand(b, GR_DIMS(5, 300, 33)))), y);
}

static void gradients(gr_tensor **g, gr_tensor *(*f)(gr_tensor *, gr_tensor *), gr_tensor *a,
	gr_tensor *b)
{
	gr_tensor *x[] = {gr_watch(a), gr_watch(b)};
	gr_tensor *y = f(x[0], x[1]);
	gr_key key = gr_key_seed(99);
	gr_tensor *c = gr_random_normal(key, gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y));

	cr_assert_eq(gr_grad(g, y, 2, x, GR_OPTS(gr_grad_opts, .cotangent = c)), GR_OK, "%s",
		gr_error_message());
}

static gr_tensor *matmul(gr_tensor *a, gr_tensor *b)
{
	return gr_matmul(a, b);
}

static gr_tensor *conv(gr_tensor *x, gr_tensor *w)
{
	return gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .pad = 1));
}

static gr_tensor *conv_strided(gr_tensor *x, gr_tensor *w)
{
	return gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .stride = 2, .pad_end = 1));
}

/* Sizes of many tiles, unlike the cases: values and gradients on one thread and on four. */
static void expect_no_threads_seen(gr_tensor *(*f)(gr_tensor *, gr_tensor *), gr_tensor *a,
	gr_tensor *b)
{
	gr_tensor *y[2], *g[2][2];

	for (int k = 0; k < 2; k++) {
		cr_assert_eq(gr_set_threads(k == 0 ? 1 : 4), GR_OK);
		y[k] = f(a, b);
		gradients(g[k], f, a, b);
	}
	expect_same(y[0], y[1]);
	expect_same(g[0][0], g[1][0]);
	expect_same(g[0][1], g[1][1]);
}

Test(ops_move, large_products_do_not_see_threads)
{
	for (int k = 0; k < 2; k++) {
		gr_dtype type = k == 0 ? GR_F32 : GR_F64;
		gr_tensor *x = normal(type, GR_DIMS(3, 32, 41, 37));
		expect_no_threads_seen(matmul, normal(type, GR_DIMS(3, 250, 400)),
			normal(type, GR_DIMS(400, 210)));
		expect_no_threads_seen(matmul, normal(type, GR_DIMS(4, 1, 65, 200)),
			normal(type, GR_DIMS(3, 200, 70)));
		expect_no_threads_seen(conv, x, normal(type, GR_DIMS(48, 32, 3, 3)));
		expect_no_threads_seen(conv_strided, x, normal(type, GR_DIMS(48, 32, 3, 3)));
		expect_no_threads_seen(conv, x, normal(type, GR_DIMS(48, 32, 1, 1)));
	}
}

/* Large f32 products against the same in f64: sums of n terms of size 1, error about 6e-8 sqrt(n)
 * times a small constant. */
static void expect_close(gr_tensor *single, gr_tensor *exact, double bound)
{
	gr_tensor *d = gr_abs(gr_sub(gr_cast(single, GR_F64), exact));

	cr_assert_not_null(d, "%s", gr_error_message());
	cr_expect_leq(gr_item(gr_max(d, GR_ALL_AXES, false)), bound);
}

Test(ops_move, large_products_in_f32_and_f64_agree)
{
	gr_tensor *a = normal(GR_F32, GR_DIMS(130, 700)), *b = normal(GR_F32, GR_DIMS(700, 90));
	gr_tensor *x = normal(GR_F32, GR_DIMS(2, 32, 40, 40)),
			  *w = normal(GR_F32, GR_DIMS(16, 32, 3, 3));
	gr_tensor *g[2], *exact[2];

	expect_close(gr_matmul(a, b), gr_matmul(gr_cast(a, GR_F64), gr_cast(b, GR_F64)), 2e-4);
	gradients(g, conv, x, w);
	gr_tensor *y = conv(gr_cast(x, GR_F64), gr_cast(w, GR_F64));
	expect_close(conv(x, w), y, 2e-4);
	/* the same cotangents, exactly */
	gr_tensor *c = gr_random_normal(gr_key_seed(99), GR_F32, 4, gr_tensor_dims(y));
	gr_tensor *in[] = {gr_watch(gr_cast(x, GR_F64)), gr_watch(gr_cast(w, GR_F64))};
	cr_assert_eq(gr_grad(exact, conv(in[0], in[1]), 2, in,
					 GR_OPTS(gr_grad_opts, .cotangent = gr_cast(c, GR_F64))),
		GR_OK);
	expect_close(g[0], exact[0], 2e-4);
	expect_close(g[1], exact[1], 1e-3);
}

/* Output and input gradient of a sample are the same bits alone and in a batch. */
Test(ops_move, conv_samples_do_not_depend_on_their_batch)
{
	gr_tensor *(*const forms[])(gr_tensor *, gr_tensor *) = {conv, conv_strided};
	gr_tensor *x = normal(GR_F32, GR_DIMS(4, 16, 19, 21)),
			  *w = normal(GR_F32, GR_DIMS(24, 16, 3, 3));

	for (int k = 0; k < 2; k++) {
		gr_tensor *y = forms[k](x, w);
		gr_conv_opts opts = {.size = sizeof opts,
			.pad = k == 0,
			.stride = k == 0 ? 1 : 2,
			.pad_end = k,
			.out_h = 19,
			.out_w = 21};
		gr_tensor *gx = gr_conv2d_input_adjoint(y, w, &opts);
		for (int64_t n = 0; n < 4; n++) {
			gr_tensor *one = gr_slice(x, 0, n, n + 1, 1), *y1 = gr_slice(y, 0, n, n + 1, 1);
			expect_same(forms[k](one, w), y1);
			expect_same(gr_conv2d_input_adjoint(y1, w, &opts), gr_slice(gx, 0, n, n + 1, 1));
		}
	}
}

/* A transposed convolution with stride 2 and a 2 x 2 kernel of ones is nearest upsampling. */
Test(ops_move, known_convolutions)
{
	gr_tensor *x = gr_reshape(grid(4, 4), GR_DIMS(1, 1, 4, 4));
	gr_tensor *ones = gr_full(GR_F64, GR_DIMS(1, 1, 2, 2), 1.0);
	gr_conv_opts two = {.size = sizeof two, .stride = 2};

	expect_same(gr_conv2d_input_adjoint(x, ones, &two), gr_upsample_nearest2d(x, 2));
	expect_same(gr_mul_s(gr_conv2d(x, ones, &two), 0.25), gr_avg_pool2d(x, 2));
	expect_same(gr_avg_pool2d(gr_upsample_nearest2d(x, 3), 3), x);
	cr_expect_eq(gr_tensor_dim(gr_conv2d_weight_adjoint(x, x, NULL), 2), 1);
}
