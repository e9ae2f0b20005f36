/* The first NaN: which op, which rule, what may pass. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus/estimate.h"
#include "gradus/ops.h"
#include "gradus/trace.h"
#include "engine/stats_priv.h"

static void setup(void)
{
	gr_set_check_finite(true);
}

static void teardown(void)
{
	gr_set_check_finite(false);
}

TestSuite(finite, .init = setup, .fini = teardown);

static gr_tensor *row(double a, double b, double c)
{
	return gr_from_f64(GR_F64, (double[]){a, b, c}, GR_DIMS(3));
}

static void assert_message(const char *const *wanted)
{
	const char *m = gr_error_message();
	for (; *wanted != NULL; wanted++)
		cr_assert_not_null(strstr(m, *wanted), "'%s' is not in: %s", *wanted, m);
}

Test(finite, the_op_that_makes_an_infinity)
{
	char site[64];
	gr_tensor *x = row(1.0, 0.0, 2.0);
	gr_tensor *y = gr_mul_s(x, 2.0);
	gr_tensor *z = gr_log(y);
	snprintf(site, sizeof site, "test_finite.c:%d", __LINE__ - 1);
	cr_assert_null(z);
	cr_assert_eq(gr_error_code(), GR_ENUMERIC);
	assert_message((const char *[]){"log: it made infinity at [1], 1 of 3 values", "x from 0 to 4",
		"x f64 [3]", site, NULL});
	cr_assert_null(gr_add(z, y), "the rest of the expression stays NULL");
	assert_message((const char *[]){"log: ", NULL});
}

Test(finite, a_nan_in_the_data_is_named_as_such)
{
	gr_tensor *x = row(1.0, NAN, 2.0);
	cr_assert_null(gr_mul(x, row(1.0, 1.0, 1.0)));
	assert_message((const char *[]){"mul: a holds a NaN that no op made", "[1]", NULL});
}

Test(finite, infinities_of_the_program_pass_until_they_make_a_nan)
{
	gr_tensor *mask = row(0.0, -INFINITY, -INFINITY);
	gr_tensor *p = gr_softmax(gr_add(row(1.0, 2.0, 3.0), mask));
	cr_assert_not_null(p, "%s", gr_error_message());
	cr_assert_null(gr_sub(mask, mask));
	assert_message((const char *[]){"sub: it made NaN at [1], 2 of 3 values", NULL});
}

Test(finite, a_rule_that_makes_an_infinity)
{
	char site[64];
	gr_status status;
	gr_tensor *x = gr_watch(row(4.0, 0.0, 1.0)), *g;
	gr_tensor *y = gr_pow_s(x, 0.5);
	snprintf(site, sizeof site, "test_finite.c:%d", __LINE__ - 1);
	y = gr_sum(y, GR_ALL_AXES, false);
	cr_assert_not_null(y);
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_ENUMERIC);
	assert_message((const char *[]){"pow_s: its rule dx = g s x^(s - 1) made (by pow_s), in the "
									"gradient of x, f64 [3], infinity at [1], 1 of 3 values",
		"g from 1 to 1", "x from 0 to 4", site, NULL});
}

Test(finite, a_masked_infinity_inside_a_rule_is_harmless)
{
	gr_status status;
	gr_tensor *x = gr_watch(row(0.0, 0.0, 0.0)), *g;
	gr_tensor *y = gr_norm(x, GR_ALL_AXES, false);
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_tensor_at(g, (int64_t[]){0}), 0.0);
}

/* Functions that mask or shift infinities away inside, where they do. */
Test(finite, the_library_raises_no_false_alarm)
{
	gr_tensor *a = gr_watch(gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(3, 4)));
	gr_tensor *b = gr_watch(gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(3, 4)));
	gr_tensor *zero = gr_watch(gr_zeros(GR_F32, GR_DIMS(3, 4))), *x[] = {a, b, zero}, *g[3];
	gr_tensor *label = gr_from_f64(GR_I64, (double[]){0, 3, 1}, GR_DIMS(3));
	gr_tensor *y[] = {gr_nt_xent(a, b, 0.1), gr_cross_entropy(gr_mul_s(a, 1e4), label),
		gr_norm(zero, GR_ALL_AXES, false), gr_sum(gr_sqrt(zero), GR_ALL_AXES, false),
		gr_sum(gr_pairwise_distance(a, a), GR_ALL_AXES, false),
		gr_sum(gr_cosine_similarity(a, zero, 1, 0.0), GR_ALL_AXES, false),
		gr_sum(gr_logsumexp(gr_mul_s(a, 1e4), GR_AXES(1), false), GR_ALL_AXES, false),
		gr_sum(gr_softplus(gr_mul_s(b, 1e4)), GR_ALL_AXES, false),
		gr_sum(gr_where(gr_gt_s(zero, 0.0), gr_scalar(GR_F32, INFINITY), a), GR_ALL_AXES, false)};
	for (size_t i = 0; i < sizeof y / sizeof *y; i++) {
		cr_assert_not_null(y[i], "%d: %s", (int)i, gr_error_message());
		gr_status status = gr_grad(g, y[i], 3, x, GR_OPTS(gr_grad_opts, .allow_unused = true));
		cr_assert_eq(status, GR_OK, "%d: %s", (int)i, gr_error_message());
	}
}

Test(finite, a_composition_is_named_with_the_op_inside)
{
	gr_tensor *a = gr_full(GR_F32, GR_DIMS(2), 3e38), *b = gr_full(GR_F32, GR_DIMS(2), -3e38);
	const gr_op *mse = gr_op_find("mse");
	gr_tensor *in[] = {a, b}, *y = gr_apply1(mse, 2, in, NULL);
	cr_assert_null(y);
	assert_message(
		(const char *[]){"mse: it made (by sub) infinity", "a f32 [2], b f32 [2]", NULL});
}

Test(finite, gradients_that_overflow_when_they_meet)
{
	gr_status status;
	gr_tensor *x = gr_watch(gr_scalar(GR_F32, 1.0)), *g;
	gr_tensor *h = gr_mul_s(x, 1.0);
	gr_tensor *y = gr_add(gr_mul_s(h, 3e38), gr_mul_s(h, 2e38));
	y = gr_mul_s(y, 0.5);
	cr_assert_null(y);
	gr_error_clear();
	h = gr_mul_s(x, 1.0);
	y = gr_sub(gr_mul_s(h, 3e38), gr_mul_s(gr_neg(h), 3e38));
	cr_assert_null(y, "3e38 + 3e38 is too much for f32 forward already");
	gr_error_clear();
	x = gr_watch(gr_scalar(GR_F32, 0.0));
	h = gr_neg(x);
	y = gr_add(gr_mul_s(h, 3e38), gr_mul_s(h, 3e38));
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_ENUMERIC);
	assert_message((const char *[]){"neg: the gradient that reaches its result, f32 [], holds "
									"infinity, 1 of 1 values",
		NULL});
}

static gr_status step_without_values(void *ctx)
{
	gr_tensor *x = gr_watch(gr_zeros(GR_F32, GR_DIMS(512, 512))), *g;
	gr_tensor *y = gr_sum(gr_log(gr_transpose(gr_square(x), 0, 1)), GR_ALL_AXES, false);
	(void)ctx;
	return gr_grad(&g, y, 1, &x, NULL);
}

Test(finite, a_dry_run_has_no_values_to_check)
{
	gr_cost cost;
	gr_status status = gr_estimate(&cost, step_without_values, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	status = step_without_values(NULL);
	cr_assert_eq(status, GR_ENUMERIC);
}

Test(finite, off_means_off)
{
	cr_assert(gr_set_check_finite(false));
	cr_assert_not_null(gr_log(row(0.0, 1.0, 2.0)));
	cr_assert_not(gr_set_check_finite(true));
}

Test(finite, bits_are_the_same_with_and_without)
{
	gr_tensor *x[2], *g[2];
	for (int i = 0; i < 2; i++) {
		gr_set_check_finite(i == 1);
		x[i] = gr_watch(gr_random_normal(gr_key_seed(3), GR_F32, GR_DIMS(4, 8)));
		gr_tensor *y =
			gr_sumsq(gr_silu(gr_matmul(x[i], gr_transpose(x[i], 0, 1))), GR_ALL_AXES, false);
		gr_status status = gr_grad(&g[i], y, 1, &x[i], NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	}
	cr_assert_eq(memcmp(gr_tensor_data(g[0]), gr_tensor_data(g[1]), 4 * 8 * sizeof(float)), 0);
}

Test(stats, of_strided_values)
{
	gr_tensor *x = gr_from_f64(GR_F32, (double[]){1, 2, 3, 4, NAN, 6}, GR_DIMS(2, 3));
	gr_tensor *t = gr_transpose(x, 0, 1); /* 1 4, 2 NaN, 3 6 */
	gr_stats s = gr__stats(t);
	cr_assert_eq(s.nan, 1);
	cr_assert_eq(s.bad, 3);
	cr_assert_eq(s.min, 1.0);
	cr_assert_eq(s.max, 6.0);
	cr_assert_float_eq(s.mean, 3.2, 1e-12);
	cr_assert_float_eq(s.std, sqrt(((1 + 16 + 4 + 9 + 36) - 5 * 3.2 * 3.2) / 5), 1e-12);
	cr_assert_not(gr__is_finite(t));
	cr_assert_not(gr__is_finite(x));
	cr_assert(gr__is_finite(gr_slice(t, 0, 0, 1, 1)));
	char place[32];
	gr__stats_place(place, sizeof place, t, s.bad);
	cr_assert_str_eq(place, "[1,1]");
}
