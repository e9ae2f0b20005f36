/*
 * Where a function has no derivative, its record says what the gradient is: here each such point,
 * to second order, and in the cotangent too, since a rule that divides by zero there and hides the
 * result would give NaN to whatever the cotangent depends on.
 */
#include <criterion/criterion.h>
#include <math.h>

#include "gradus/ops.h"

#define OPTS_GRAPH GR_OPTS(gr_grad_opts, .create_graph = true)

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
	gr_tensor *g = NULL, *sum = total(y);
	gr_status status = gr_grad(&g, sum, 1, &x, opts);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return g;
}

static bool is_same(double got, double want)
{
	return got == want || (isnan(got) && isnan(want)) || fabs(got - want) < 1e-14;
}

static void expect(gr_tensor *t, const double *want)
{
	double got[16];
	cr_assert_not_null(t, "%s", gr_error_message());
	cr_assert_leq(gr_tensor_size(t), 16);
	gr_status status = gr_tensor_to_f64(t, got);
	cr_assert_eq(status, GR_OK);
	for (int64_t i = 0; i < gr_tensor_size(t); i++)
		cr_expect(is_same(got[i], want[i]), "element %d is %g, expected %g", (int)i, got[i],
			want[i]);
}
#define EXPECT(t, ...) expect(t, (const double[]){__VA_ARGS__})

/* --- functions of one number --------------------------------------------------------------- */

static gr_tensor *clamp(gr_tensor *x)
{
	return gr_clamp(x, -1.0, 2.0);
}

static gr_tensor *leaky(gr_tensor *x)
{
	return gr_leaky_relu(x, 0.25);
}

static gr_tensor *power_0(gr_tensor *x)
{
	return gr_pow_s(x, 0.0);
}

static gr_tensor *power_half(gr_tensor *x)
{
	return gr_pow_s(x, 0.5);
}

static gr_tensor *power_1(gr_tensor *x)
{
	return gr_pow_s(x, 1.0);
}

static gr_tensor *power_2(gr_tensor *x)
{
	return gr_pow_s(x, 2.0);
}

static gr_tensor *inverse(gr_tensor *x)
{
	return gr_rdiv_s(x, 1.0);
}

static gr_tensor *norm(gr_tensor *x)
{
	return gr_norm(x, GR_ALL_AXES, false);
}

static gr_tensor *distance(gr_tensor *x)
{
	gr_tensor *a = gr_reshape(x, GR_DIMS(1, 1));
	return gr_pairwise_distance(a, gr_stop_gradient(a));
}

static gr_tensor *cosine(gr_tensor *x)
{
	gr_tensor *a = gr_reshape(x, GR_DIMS(1));
	return gr_cosine_similarity(a, gr_full(GR_F64, GR_DIMS(1), 2.0), 0, 0.0);
}

static gr_tensor *running_product(gr_tensor *x)
{
	gr_tensor *pair[] = {gr_reshape(x, GR_DIMS(1)), gr_full(GR_F64, GR_DIMS(1), 3.0)};
	return gr_slice(gr_cumprod(gr_concat(2, pair, 0), 0), 0, 1, 2, 1);
}

/* f'(x) and f''(x); 0 where nothing is recorded. */
static const struct kink {
	const char *name;
	gr_tensor *(*f)(gr_tensor *x);
	double x, first, second;
} kinks[] = {
	{"sqrt at 0", gr_sqrt, 0.0, 0.0, 0.0},
	{"sqrt below 0", gr_sqrt, -1.0, 0.0, 0.0},
	{"log at 0", gr_log, 0.0, INFINITY, -INFINITY},
	{"1/x at 0", inverse, 0.0, -INFINITY, INFINITY},
	{"rsqrt at 0", gr_rsqrt, 0.0, -INFINITY, INFINITY},
	{"abs at 0", gr_abs, 0.0, 0.0, 0.0},
	{"relu at 0", gr_relu, 0.0, 0.0, 0.0},
	{"relu of NaN", gr_relu, NAN, 0.0, 0.0},
	{"leaky relu at 0", leaky, 0.0, 0.25, 0.0},
	{"sign at 0", gr_sign, 0.0, 0.0, 0.0},
	{"floor at 1", gr_floor, 1.0, 0.0, 0.0},
	{"round at 1/2", gr_round, 0.5, 0.0, 0.0},
	{"clamp at low", clamp, -1.0, 1.0, 0.0},
	{"clamp at high", clamp, 2.0, 1.0, 0.0},
	{"clamp below", clamp, -1.5, 0.0, 0.0},
	{"clamp above", clamp, 2.5, 0.0, 0.0},
	{"x^0 at 0", power_0, 0.0, 0.0, 0.0},
	{"x^(1/2) at 0", power_half, 0.0, INFINITY, -INFINITY},
	{"x^1 at 0", power_1, 0.0, 1.0, 0.0},
	{"x^2 at 0", power_2, 0.0, 0.0, 2.0},
	{"norm at 0", norm, 0.0, 0.0, 0.0},
	{"distance of equals", distance, 0.3, 0.0, 0.0},
	{"cosine at 0", cosine, 0.0, 0.0, 0.0},
	{"product at 0", running_product, 0.0, 3.0, 0.0},
};

/* Of <gradient, 1> in x or in the cotangent; 0 where nothing is recorded. */
static double again(gr_tensor *g, gr_tensor *in)
{
	gr_tensor *gg = NULL, *sum = total(g);
	if (!gr_is_tracked(sum))
		return 0.0;
	gr_status status =
		gr_grad(&gg, sum, 1, &in, GR_OPTS(gr_grad_opts, .keep_graph = true, .allow_unused = true));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return gr_item(gg);
}

Test(kinks, of_one_number)
{
	for (size_t i = 0; i < sizeof kinks / sizeof *kinks; i++) {
		const struct kink *k = &kinks[i];
		gr_tensor *x = gr_watch(gr_scalar(GR_F64, k->x)), *g = NULL, *y = k->f(x);
		gr_tensor *one = gr_full(GR_F64, gr_tensor_ndim(y), gr_tensor_dims(y), 1.0);
		gr_tensor *c = gr_watch(one);
		gr_grad_opts opts = {.size = sizeof opts, .cotangent = c, .allow_unused = true};
		gr_status status = gr_grad(&g, y, 1, &x, &opts);
		cr_assert_eq(status, GR_OK, "%s: %s", k->name, gr_error_message());
		cr_expect(gr_item(g) == k->first, "%s: %g", k->name, gr_item(g));
		opts.create_graph = true;
		status = gr_grad(&g, k->f(x), 1, &x, &opts);
		cr_assert_eq(status, GR_OK, "%s: %s", k->name, gr_error_message());
		cr_expect(gr_item(g) == k->first, "%s, recorded: %g", k->name, gr_item(g));
		double second = again(g, x), mixed = again(g, c);
		cr_expect(second == k->second, "%s: second derivative %g", k->name, second);
		cr_expect(mixed == k->first, "%s: derivative in the cotangent %g", k->name, mixed);
	}
}

/* --- ties ---------------------------------------------------------------------------------- */

Test(kinks, extrema_share_the_gradient_among_ties)
{
	gr_tensor *x = VEC(1.0, 3.0, 3.0, 2.0, 3.0, 1.0);
	EXPECT(gradient(gr_max(x, GR_ALL_AXES, false), x, NULL), 0, 1.0 / 3, 1.0 / 3, 0, 1.0 / 3, 0);
	EXPECT(gradient(gr_min(x, GR_ALL_AXES, false), x, NULL), 0.5, 0, 0, 0, 0, 0.5);
	cr_expect_eq(gr_item(gr_argmax(x, -1)), 1.0);
}

Test(kinks, larger_and_smaller_give_a_tie_to_b)
{
	gr_tensor *a = VEC(1.0, 2.0, 3.0), *b = VEC(1.0, 3.0, 2.0);
	EXPECT(gradient(gr_maximum(a, b), a, NULL), 0.0, 0.0, 1.0);
	EXPECT(gradient(gr_maximum(a, b), b, NULL), 1.0, 1.0, 0.0);
	EXPECT(gradient(gr_minimum(a, b), a, NULL), 0.0, 1.0, 0.0);
	EXPECT(gradient(gr_minimum(a, b), b, NULL), 1.0, 0.0, 1.0);
}

Test(kinks, sorting_moves_equals_in_their_order)
{
	gr_tensor *x = VEC(2.0, 1.0, 2.0, 1.0), *w = VEC(10.0, 20.0, 30.0, 40.0);
	EXPECT(gradient(gr_mul(gr_sort(x, 0, false, NULL), w), x, NULL), 30, 10, 40, 20);
	EXPECT(gradient(gr_mul(gr_sort(x, 0, true, NULL), w), x, NULL), 10, 30, 20, 40);
	EXPECT(gradient(gr_topk(x, 0, 1, NULL), x, NULL), 1, 0, 0, 0);
	EXPECT(gradient(gr_median(x, 0, false), x, NULL), 0, 0, 0, 1);
}

Test(kinks, the_first_of_equals_is_the_maximum_of_a_window)
{
	gr_tensor *x = VEC(1.0, 5.0, 5.0, 2.0);
	gr_tensor *y = gr_max_pool2d(gr_reshape(x, GR_DIMS(1, 1, 2, 2)), NULL);
	EXPECT(gradient(y, x, NULL), 0, 1, 0, 0);
}

/* --- masks --------------------------------------------------------------------------------- */

Test(kinks, where_hides_what_it_does_not_take)
{
	gr_tensor *mask = VEC(1.0, 0.0, 0.5, 0.0);
	gr_tensor *a = VEC(1.0, NAN, 3.0, INFINITY), *b = VEC(NAN, 6.0, NAN, 8.0);
	EXPECT(gr_where(mask, a, b), 1.0, 6.0, 3.0, 8.0);
	EXPECT(gradient(gr_where(mask, a, b), a, NULL), 1.0, 0.0, 1.0, 0.0);
	EXPECT(gradient(gr_where(mask, a, b), b, NULL), 0.0, 1.0, 0.0, 1.0);
	EXPECT(gradient(gr_where(mask, a, b), mask, NULL), 0.0, 0.0, 0.0, 0.0);
}

Test(kinks, masked_rules_stop_an_infinite_cotangent)
{
	gr_tensor *x = VEC(-1.0, 1.0), *g;
	gr_tensor *c = gr_from_f64(GR_F64, (double[]){INFINITY, 2.0}, GR_DIMS(2));
	gr_grad_opts opts = {.size = sizeof opts, .cotangent = c};
	cr_assert_eq(gr_grad(&g, gr_clamp(x, 0.0, 5.0), 1, &x, &opts), GR_OK);
	EXPECT(g, 0.0, 2.0);
	cr_assert_eq(gr_grad(&g, gr_relu(x), 1, &x, &opts), GR_OK);
	EXPECT(g, 0.0, 2.0);
}

Test(kinks, logsumexp_of_minus_infinity)
{
	gr_tensor *x = VEC(-INFINITY, 2.0);
	EXPECT(gradient(gr_logsumexp(x, GR_ALL_AXES, false), x, NULL), 0.0, 1.0);
}

/* --- degenerate matrices ------------------------------------------------------------------- */

/* Gradients through equal eigenvalues, and through singular values that are equal or 0. */
Test(kinks, degenerate_spectra_have_gradients_through_values)
{
	gr_tensor *a = gr_watch(gr_reshape(VEC(2.0, 0.0, 0.0, 2.0), GR_DIMS(2, 2)));
	EXPECT(gradient(gr_eigh(a, NULL), a, NULL), 1, 0, 0, 1);
	EXPECT(gradient(gr_square(gr_eigh(a, NULL)), a, NULL), 4, 0, 0, 4);
	EXPECT(gradient(gr_svd(a, NULL, NULL), a, NULL), 1, 0, 0, 1);
	a = gr_watch(gr_reshape(VEC(3.0, 0.0, 0.0, 0.0), GR_DIMS(2, 2)));
	EXPECT(gradient(gr_square(gr_svd(a, NULL, NULL)), a, NULL), 6, 0, 0, 0);
}
