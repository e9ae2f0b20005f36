/* Initial laws: bounds and moments, and independence of what else is in the tree. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>

#include "nn_check.h"

#define K 40
#define C 50
#define R 3

static const int64_t shape[] = {K, C, R, R};
static const double fan_in = C * R * R, fan_out = K * R * R;

typedef struct moments {
	double mean, std, largest;
} moments;

static moments draw(gr_init_rule rule, double scale)
{
	gr_module *root = gr_module_new();
	const gr_param_opts opts = {.size = sizeof opts, .init = rule, .scale = scale};
	gr_param *p = gr_module_add_param(root, "w", &opts, 4, shape);
	cr_assert_eq(gr_module_init(root, gr_key_seed(5)), GR_OK);
	gr_tensor *t = gr_param_tensor(p);
	const int64_t n = gr_tensor_size(t);
	double *x = malloc((size_t)n * sizeof *x);
	cr_assert_eq(gr_tensor_to_f64(t, x), GR_OK);
	moments m = {0};
	for (int64_t i = 0; i < n; i++) {
		m.mean += x[i] / (double)n;
		m.largest = fmax(m.largest, fabs(x[i]));
	}
	for (int64_t i = 0; i < n; i++)
		m.std += (x[i] - m.mean) * (x[i] - m.mean) / (double)n;
	m.std = sqrt(m.std);
	free(x);
	gr_module_free(root);
	return m;
}

/* 18000 draws: the mean is within 5 / sqrt(18000) = 4% of a standard deviation, the standard
 * deviation within 3%. */
static void expect(gr_init_rule rule, double scale, double std, double bound)
{
	moments m = draw(rule, scale);
	cr_assert(fabs(m.mean) <= 0.04 * std, "rule %d: mean %g", rule, m.mean);
	cr_assert(fabs(m.std - std) <= 0.03 * std, "rule %d: std %g for %g", rule, m.std, std);
	cr_assert(m.largest <= bound, "rule %d: largest %g", rule, m.largest);
}

Test(init, moments_and_bounds)
{
	const double root3 = sqrt(3.0);
	double b = 1.0 / sqrt(fan_in);
	expect(GR_INIT_NORMAL, 0.3, 0.3, 0.3 * 6.0);
	expect(GR_INIT_UNIFORM, 0.3, 0.3 / root3, 0.3);
	expect(GR_INIT_FAN_IN_UNIFORM, 0.0, b / root3, b * (1 + 1e-6));
	b = 2.0 * sqrt(6.0 / (fan_in + fan_out));
	expect(GR_INIT_XAVIER_UNIFORM, 2.0, b / root3, b * (1 + 1e-6));
	/* N(0,1) cut at 2 has variance 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.773741. */
	expect(GR_INIT_TRUNC_NORMAL, 0.02, 0.02 * sqrt(0.773741), 0.04 * (1 + 1e-6));
	moments m = draw(GR_INIT_ONES, 0.0);
	cr_assert(m.mean == 1.0 || fabs(m.mean - 1.0) < 1e-9);
	m = draw(GR_INIT_CONSTANT, 0.25);
	cr_assert(fabs(m.mean - 0.25) < 1e-9 && m.largest == 0.25);
	cr_assert_eq(draw(GR_INIT_DEFAULT, 0.0).largest, 0.0);
	cr_assert_eq(draw(GR_INIT_ZEROS, 0.0).largest, 0.0);
}

Test(init, independent_of_the_rest)
{
	const gr_linear_opts opts = {.size = sizeof opts, .in = 5, .out = 4};
	gr_module *one = gr_module_new(), *two = gr_module_new();
	gr_linear_new(one, "b", &opts);
	gr_linear_new(two, "a", &opts);
	gr_linear_new(two, "b", &opts);
	cr_assert_eq(gr_module_init(one, gr_key_seed(3)), GR_OK);
	cr_assert_eq(gr_module_init(two, gr_key_seed(3)), GR_OK);
	cr_assert(nn_same_bits(gr_module_find(one, "b.weight"), gr_module_find(two, "b.weight")));
	cr_assert_not(nn_same_bits(gr_module_find(two, "a.weight"), gr_module_find(two, "b.weight")));

	/* Drawn again, the same; with another key, not. */
	gr_tensor *before = gr_affine(gr_module_find(one, "b.weight"), 1.0, 0.0);
	cr_assert_eq(gr_module_init(one, gr_key_seed(4)), GR_OK);
	cr_assert_not(nn_same_bits(before, gr_module_find(one, "b.weight")));
	cr_assert_eq(gr_module_init(one, gr_key_seed(3)), GR_OK);
	cr_assert(nn_same_bits(before, gr_module_find(one, "b.weight")));
	gr_module_free(one);
	gr_module_free(two);
}

/* Column first, then row, each as sines and cosines: models that rely on it mean this order. */
Test(init, positions_of_a_grid)
{
	enum { SIDE = 3, D = 8 };
	gr_module *root = gr_module_new();
	gr_module_set_dtype(root, GR_F64);
	gr_module_add_param(root, "pos",
		GR_OPTS(gr_param_opts, .init = GR_INIT_SINCOS_2D, .frozen = true),
		GR_DIMS(1, SIDE * SIDE, D));
	gr_module_add_param(root, "bad", GR_OPTS(gr_param_opts, .init = GR_INIT_SINCOS_2D),
		GR_DIMS(1, 5, D));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_ESHAPE);
	gr_error_clear();
	gr_tensor *t = gr_module_find(root, "pos");
	cr_assert_not(gr_is_tracked(t));
	cr_assert_eq(gr_module_set_trainable(root, true), GR_OK);
	cr_assert_not(gr_is_tracked(gr_module_find(root, "pos")));
	for (int64_t i = 0; i < SIDE * SIDE; i++) {
		const double x = (double)(i % SIDE), y = (double)(i / SIDE);
		const double expected[D] = {sin(x), sin(0.01 * x), cos(x), cos(0.01 * x), sin(y),
			sin(0.01 * y), cos(y), cos(0.01 * y)};
		for (int64_t j = 0; j < D; j++)
			cr_assert_float_eq(gr_tensor_at(t, (const int64_t[]){0, i, j}), expected[j], 1e-12);
	}
	gr_module_free(root);
}
