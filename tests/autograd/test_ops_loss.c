/*
 * What the generated suite cannot express of losses, straight-through estimators and random
 * numbers: rules that are not the derivative, frequencies, messages.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"

static void expect_error(gr_tensor *t, gr_status code, const char *text)
{
	cr_expect_null(t);
	cr_expect_eq(gr_error_code(), code, "%s: code %d", text, gr_error_code());
	cr_expect(strstr(gr_error_message(), text) != NULL, "\"%s\" is not in \"%s\"", text,
		gr_error_message());
	gr_error_clear();
}

static gr_tensor *gradient(gr_tensor *y, gr_tensor *x)
{
	gr_tensor *g = NULL, *sum = gr_sum(y, GR_ALL_AXES, false);

	cr_assert_eq(gr_grad(&g, sum, 1, &x, GR_OPTS(gr_grad_opts, .allow_unused = true)), GR_OK, "%s",
		gr_error_message());
	return g;
}

static void expect(gr_tensor *t, const double *want)
{
	double got[16];

	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_leq(gr_tensor_size(t), 16);
	cr_assert_eq(gr_tensor_to_f64(t, got), GR_OK);
	for (int64_t i = 0; i < gr_tensor_size(t); i++)
		cr_expect(fabs(got[i] - want[i]) < 1e-14, "element %d is %g, expected %g", (int)i, got[i],
			want[i]);
}
#define EXPECT(t, ...) expect(t, (const double[]){__VA_ARGS__})

static gr_tensor *vec(double a, double b, double c)
{
	return gr_watch(gr_from_f64(GR_F64, (const double[]){a, b, c}, GR_DIMS(3)));
}

Test(ops_loss, straight_through_passes_the_gradient_to_soft)
{
	gr_tensor *hard = vec(1.0, 2.0, 3.0), *soft = vec(1.2, 1.9, 2.7), *x = vec(0.6, -1.5, 2.5);
	gr_tensor *y = gr_straight_through(hard, soft);
	EXPECT(y, 1.0, 2.0, 3.0);
	EXPECT(gradient(gr_square(gr_straight_through(hard, soft)), soft), 2.0, 4.0, 6.0);
	EXPECT(gradient(gr_square(gr_straight_through(hard, soft)), hard), 0.0, 0.0, 0.0);
	EXPECT(gr_round_ste(x), 1.0, -2.0, 2.0);
	EXPECT(gradient(gr_mul(gr_round_ste(x), hard), x), 1.0, 2.0, 3.0);
}

Test(ops_loss, huber_is_smooth_where_its_pieces_meet)
{
	gr_tensor *zero = gr_scalar(GR_F64, 0.0), *x = vec(-0.5, 0.5, 0.75);
	EXPECT(gr_huber(x, zero, 0.5), (0.125 + 0.125 + 0.5 * 0.5) / 3.0);
	EXPECT(gr_mul_s(gradient(gr_huber(x, zero, 0.5), x), 3.0), -0.5, 0.5, 0.5);
}

Test(ops_loss, vectors_of_length_zero_and_points_that_agree)
{
	gr_tensor *zero = vec(0.0, 0.0, 0.0), *x = vec(1.0, 2.0, 2.0);
	EXPECT(gr_cosine_similarity(zero, x, 0, 0.0), 0.0);
	EXPECT(gr_cosine_similarity(x, x, -1, 0.0), 1.0);
	gr_tensor *points = gr_reshape(x, GR_DIMS(3, 1));
	gr_tensor *d = gr_pairwise_distance(points, points);
	EXPECT(d, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
	EXPECT(gradient(gr_slice(d, 0, 2, 3, 1), x), -1.0, 0.0, 1.0);
}

Test(ops_loss, dropout_rate_and_scale)
{
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(100, 100), 1.0);
	gr_tensor *y = gr_dropout(x, 0.2, gr_key_seed(1));
	double kept = gr_item(gr_sum(gr_gt_s(y, 0.0), GR_ALL_AXES, false));
	cr_assert_lt(fabs(kept - 8000.0), 200.0); /* five standard deviations of 40 */
	cr_assert_float_eq(gr_item(gr_max(y, GR_ALL_AXES, false)), 1.25, 1e-6);
	gr_tensor *same = gr_eq(y, gr_dropout(x, 0.2, gr_key_seed(1)));
	cr_expect_eq(gr_item(gr_min(same, GR_ALL_AXES, false)), 1.0);
	gr_tensor *other = gr_eq(y, gr_dropout(x, 0.2, gr_key_seed(2)));
	cr_expect_eq(gr_item(gr_min(other, GR_ALL_AXES, false)), 0.0);
	cr_expect_eq(gr_dropout(x, 0.0, gr_key_seed(1)), x);
	gr_tensor *coins = gr_random_bernoulli(gr_key_seed(3), GR_F32, GR_DIMS(10000), 0.3);
	double heads = gr_item(gr_sum(coins, GR_ALL_AXES, false));
	cr_expect_lt(fabs(heads - 3000.0), 230.0); /* five standard deviations of 46 */
}

Test(ops_loss, messages)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(2, 3)), *label = gr_full(GR_I64, GR_DIMS(2), 3.0);
	expect_error(gr_mse(x, NULL), GR_EARG, "mse: operand 1 is NULL");
	expect_error(gr_huber(x, x, 0.0), GR_EARG, "must be positive");
	expect_error(gr_cross_entropy(x, label), GR_EARG, "not in 0..2");
	expect_error(gr_cross_entropy(x, x), GR_ESHAPE, "x has 2 dims, labels 2");
	expect_error(gr_nt_xent(x, gr_zeros(GR_F64, GR_DIMS(3, 3)), 0.5), GR_ESHAPE, "[N,D] alike");
	expect_error(gr_straight_through(x, gr_zeros(GR_F64, GR_DIMS(3))), GR_ESHAPE, "in shape");
	expect_error(gr_pairwise_distance(x, gr_zeros(GR_F64, GR_DIMS(2, 4))), GR_ESHAPE, "[...,M,D]");
	expect_error(gr_dropout(x, 1.0, gr_key_seed(1)), GR_EARG, "the rate is 1");
	expect_error(gr_random_bernoulli(gr_key_seed(1), GR_F32, GR_DIMS(2), 1.5), GR_EARG, "is 1.5");
	expect_error(gr_rms_norm(x, gr_zeros(GR_F64, GR_DIMS(2)), 0.0), GR_ESHAPE, "w must be [3]");
	gr_tensor *w = gr_zeros(GR_F64, GR_DIMS(3)), *v = gr_zeros(GR_F64, GR_DIMS(2));
	expect_error(gr_batch_norm(x, v, w, w, w, 0.0), GR_ESHAPE, "mean must be [3]");
	expect_error(gr_batch_norm_train(x, w, v, 0.0, NULL, NULL), GR_ESHAPE, "b must be [3]");
}
