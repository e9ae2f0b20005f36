/*
 * What the generated suite cannot express of the ops in binary, unary, reduce, norm and attention:
 * rounding, saturation, types, messages, tiles and batches. Kinks are in test_kinks.c.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "attr.h"
#include "gradus/op.h"
#include "gradus/ops.h"

static gr_tensor *vec(int n, const double *x)
{
	return gr_watch(gr_from_f64(GR_F64, x, 1, (const int64_t[]){n}));
}
#define VEC(...) \
	vec((int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)), \
		(const double[]){__VA_ARGS__})

static gr_tensor *total(gr_tensor *y)
{
	return gr_sum(y, GR_ALL_AXES, false);
}

static gr_tensor *gradient(gr_tensor *y, gr_tensor *x, const gr_grad_opts *opts)
{
	gr_tensor *g = NULL;
	cr_assert_eq(gr_grad(&g, total(y), 1, &x, opts), GR_OK, "%s", gr_error_message());
	return g;
}

static void expect(gr_tensor *t, const double *want)
{
	double got[16];
	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_leq(gr_tensor_size(t), 16);
	cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
	for (int64_t i = 0; i < gr_tensor_size(t); i++) {
		bool same = got[i] == want[i] || (isnan(got[i]) && isnan(want[i])) ||
			fabs(got[i] - want[i]) < 1e-14;
		cr_expect(same, "element %d is %g, expected %g", (int)i, got[i], want[i]);
	}
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

Test(ops_math, comparisons_are_masks_and_untracked)
{
	gr_tensor *a = VEC(1.0, 2.0, 3.0), *b = VEC(1.0, 3.0, 2.0);
	EXPECT(gr_eq(a, b), 1.0, 0.0, 0.0);
	EXPECT(gr_lt(a, b), 0.0, 1.0, 0.0);
	EXPECT(gr_le(a, b), 1.0, 1.0, 0.0);
	EXPECT(gr_gt_s(a, 2.0), 0.0, 0.0, 1.0);
	cr_expect_not(gr_is_tracked(gr_eq(a, b)));
	cr_expect_not(gr_is_tracked(gr_gt_s(a, 2.0)));
	cr_expect_not(gr_is_tracked(gr_argmax(a, 0)));
	cr_expect_not(gr_is_tracked(gr_round(a)));
}

Test(ops_math, rounding)
{
	gr_tensor *x = VEC(-1.5, -0.5, 0.5, 1.5, 2.5, 2.4, -0.1);
	EXPECT(gr_round(x), -2.0, 0.0, 0.0, 2.0, 2.0, 2.0, 0.0);
	EXPECT(gr_floor(x), -2.0, -1.0, 0.0, 1.0, 2.0, 2.0, -1.0);
	EXPECT(gr_sign(VEC(-2.0, 0.0, 5.0)), -1.0, 0.0, 1.0);
}

Test(ops_math, saturated_activations_are_finite)
{
	gr_tensor *x = VEC(-1e4, -800.0, 800.0, 1e4);
	EXPECT(gr_sigmoid(x), 0.0, 0.0, 1.0, 1.0);
	EXPECT(gr_tanh(x), -1.0, -1.0, 1.0, 1.0);
	EXPECT(gr_silu(x), 0.0, 0.0, 800.0, 1e4);
	EXPECT(gr_softplus(x), 0.0, 0.0, 800.0, 1e4);
	EXPECT(gr_gelu(x), 0.0, 0.0, 800.0, 1e4);
	EXPECT(gradient(gr_silu(x), x, NULL), 0.0, 0.0, 1.0, 1.0);
	EXPECT(gradient(gr_softplus(x), x, NULL), 0.0, 0.0, 1.0, 1.0);
	EXPECT(gradient(gr_gelu(x), x, NULL), 0.0, 0.0, 1.0, 1.0);
	EXPECT(gr_softmax(VEC(1e4, 1e4, -1e4)), 0.5, 0.5, 0.0);
	EXPECT(gr_log_softmax(VEC(1e4, 0.0)), 0.0, -1e4);
}

Test(ops_math, reductions_of_nothing)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(0, 2));
	EXPECT(gr_sum(x, GR_AXES(0), false), 0.0, 0.0);
	EXPECT(gr_norm(x, GR_AXES(0), false), 0.0, 0.0);
	EXPECT(gr_mean(x, GR_AXES(0), false), NAN, NAN);
	cr_expect_eq(gr_tensor_size(gr_max(x, GR_AXES(1), false)), 0);
	expect_error(gr_max(x, GR_AXES(0), false), GR_ESHAPE, "empty set");
	expect_error(gr_argmax(x, 0), GR_ESHAPE, "axis 0 is empty");
}

Test(ops_math, casts_carry_gradients_between_floats_only)
{
	gr_tensor *x = VEC(1.5, -2.0);
	gr_tensor *y = gr_square(gr_cast(x, GR_F32));
	cr_expect_eq(gr_tensor_dtype(y), GR_F32);
	gr_tensor *g = gradient(y, x, NULL);
	cr_expect_eq(gr_tensor_dtype(g), GR_F64);
	EXPECT(g, 3.0, -4.0);
	cr_expect_eq(gr_cast(x, GR_F64), x);
	cr_expect_not(gr_is_tracked(gr_cast(x, GR_I64)));
	cr_expect_not(gr_is_tracked(gr_cast(x, GR_F16)));
	EXPECT(gr_cast(gr_cast(x, GR_F16), GR_F64), 1.5, -2.0);
}

Test(ops_math, messages)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(2, 3)), *y = gr_zeros(GR_F64, GR_DIMS(4));
	gr_tensor *f = gr_zeros(GR_F32, GR_DIMS(2, 3)), *n = gr_zeros(GR_I64, GR_DIMS(2));
	expect_error(gr_add(x, y), GR_ESHAPE, "[2,3]");
	expect_error(gr_mul(x, f), GR_EDTYPE, "gr_cast");
	expect_error(gr_exp(n), GR_EDTYPE, "exp");
	expect_error(gr_sum(n, GR_ALL_AXES, false), GR_EDTYPE, "sum");
	expect_error(gr_sum(x, GR_AXES(2), false), GR_EARG, "axis 2 is out of range");
	expect_error(gr_sum(x, GR_AXES(1, -1), false), GR_EARG, "given twice");
	expect_error(gr_argmax(x, 2), GR_EARG, "no axis 2");
	expect_error(gr_sum_to(x, GR_DIMS(2)), GR_ESHAPE, "no broadcast");
	expect_error(gr_sum_to(x, GR_DIMS(1, 2, 3)), GR_ESHAPE, "no broadcast");
	expect_error(gr_clamp(x, 1.0, 0.0), GR_EARG, "swap");
	expect_error(gr_clamp(x, NAN, 0.0), GR_EARG, "nan");
	expect_error(gr_softmax(gr_scalar(GR_F64, 1.0)), GR_ESHAPE, "last axis");
	expect_error(gr_layer_norm(x, y, y, 0.0), GR_ESHAPE, "[3]");
	expect_error(gr_layer_norm(x, NULL, NULL, 0.0), GR_EARG, "operand 1 is NULL");
	expect_error(gr_group_norm(x, y, y, NULL), GR_EARG, "32 groups");
	expect_error(gr_group_norm(x, y, y, GR_OPTS(gr_group_norm_opts, .groups = 3)), GR_ESHAPE,
		"[N,C] with C = 3");
	expect_error(gr_attention(x, x, y, 0.0), GR_ESHAPE, "number of dims");
	expect_error(gr_attention(x, gr_zeros(GR_F64, GR_DIMS(4, 2)), x, 0.0), GR_ESHAPE, "width");
	expect_error(gr_attention(x, x, gr_zeros(GR_F64, GR_DIMS(4, 2)), 0.0), GR_ESHAPE, "tokens");
}

static gr_tensor *noise(uint64_t seed, int ndim, const int64_t *dims)
{
	return gr_random_normal(gr_key_seed(seed), GR_F64, ndim, dims);
}

static double max_difference(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_max(gr_abs(gr_sub(a, b)), GR_ALL_AXES, false));
}

Test(ops_math, group_norm_with_silu_is_the_two_ops)
{
	gr_tensor *x = gr_watch(noise(1, GR_DIMS(2, 64, 3, 3)));
	gr_tensor *w = gr_watch(noise(2, GR_DIMS(64))), *b = gr_watch(noise(3, GR_DIMS(64)));
	gr_tensor *in[] = {x, w, b}, *one[3], *two[3];
	gr_tensor *c = noise(4, GR_DIMS(2, 64, 3, 3));
	gr_grad_opts opts = {.size = sizeof opts, .cotangent = c};
	gr_tensor *fused = gr_group_norm(x, w, b, GR_OPTS(gr_group_norm_opts, .silu = true));
	gr_tensor *plain = gr_silu(gr_group_norm(x, w, b, NULL));
	cr_expect_lt(max_difference(fused, plain), 1e-13);
	cr_assert_eq(gr_grad(one, fused, 3, in, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_grad(two, plain, 3, in, &opts), GR_OK, "%s", gr_error_message());
	for (int i = 0; i < 3; i++)
		cr_expect_lt(max_difference(one[i], two[i]), 1e-12);
}

/* The fused rule is for statistics that nobody read: a cotangent whose first numbers in memory are
 * zeros, and those of the tensor not, is none of that. */
Test(ops_math, group_norm_looks_at_strides_of_a_cotangent)
{
	const double numbers[] = {0.0, 0.0, 0.0, 0.0, 5.0, 6.0, 7.0, 8.0};
	gr_tensor *base = gr_from_f64(GR_F64, numbers, GR_DIMS(1, 2, 4));
	gr_tensor *view = gr_slice(base, 2, 0, 2, 1), *g[2];
	gr_tensor *cotangents[] = {view, gr_contiguous(view)};
	for (int i = 0; i < 2; i++) {
		gr_tensor *x = gr_watch(noise(1, GR_DIMS(1, 4, 3))), *one = noise(2, GR_DIMS(4));
		gr_tensor *out[2];
		gr_status status = gr_apply(gr_op_find("group_norm"), 3, (gr_tensor *[]){x, one, one},
			&(gr_norm_attr){2, 1e-5, 0}, out);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		const gr_grad_opts opts = {.size = sizeof opts, .cotangent = cotangents[i]};
		status = gr_grad(&g[i], out[1], 1, &x, &opts);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	}
	cr_expect_gt(gr_item(gr_norm(g[1], GR_ALL_AXES, false)), 1.0);
	cr_expect_eq(max_difference(g[0], g[1]), 0.0);
}

/* More scores than a tile holds: rows of one problem, then problems of a batch. */
Test(ops_math, attention_does_not_depend_on_tiles_or_batch)
{
	int64_t L = 1100, M = 1003, D = 5, E = 3;
	gr_tensor *q = noise(1, GR_DIMS(L, D)), *k = noise(2, GR_DIMS(M, D));
	gr_tensor *v = noise(3, GR_DIMS(M, E));
	gr_tensor *y = gr_attention(q, k, v, 0.0);
	gr_tensor *last = gr_attention(gr_slice(q, 0, L - 7, L, 1), k, v, 0.0);
	cr_expect_eq(max_difference(gr_slice(y, 0, L - 7, L, 1), last), 0.0);
	gr_tensor *S = gr_mul_s(gr_matmul(q, gr_transpose(k, 0, 1)), 1.0 / sqrt((double)D));
	cr_expect_lt(max_difference(y, gr_matmul(gr_softmax(S), v)), 1e-13);

	gr_tensor *Q = gr_watch(noise(4, GR_DIMS(40, 200, D)));
	gr_tensor *K = gr_watch(noise(5, GR_DIMS(40, 190, D)));
	gr_tensor *V = gr_watch(noise(6, GR_DIMS(40, 190, E)));
	gr_tensor *in[] = {Q, K, V}, *alone_in[3], *g[3], *alone_g[3];
	cr_assert_eq(gr_grad(g, total(gr_square(gr_attention(Q, K, V, 0.0))), 3, in, NULL), GR_OK, "%s",
		gr_error_message());
	for (int i = 0; i < 3; i++)
		alone_in[i] = gr_watch(gr_slice(in[i], 0, 39, 40, 1));
	gr_tensor *alone = gr_attention(alone_in[0], alone_in[1], alone_in[2], 0.0);
	cr_assert_eq(gr_grad(alone_g, total(gr_square(alone)), 3, alone_in, NULL), GR_OK);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(max_difference(gr_slice(g[i], 0, 39, 40, 1), alone_g[i]), 0.0);
}
