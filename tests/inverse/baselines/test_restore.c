/* Baselines: what each must reproduce exactly, that it improves, that batches do not matter. */
#include <criterion/criterion.h>

#include <math.h>

#include "inverse_check.h"
#include "gradus/baseline.h"
#include "gradus/metric.h"
#include "gradus/noise.h"

/* A smooth image: value at pixel i, j of channel c. */
static double smooth(int64_t c, int64_t i, int64_t j)
{
	return 0.5 * sin(0.15 * (double)i + (double)c) + 0.3 * cos(0.2 * (double)j) - 0.1;
}

static gr_tensor *image(int64_t n, bool linear)
{
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(n, 3, 32, 32));
	float *v = gr_tensor_data(x);
	for (int64_t k = 0; k < n * 3 * 1024; k++) {
		int64_t i = k / 32 % 32;
		int64_t j = k % 32;
		double plane = 0.02 * (double)i - 0.015 * (double)j;
		v[k] = (float)(linear ? plane : smooth(k / 1024, i, j));
	}
	return x;
}

/* A linear ramp is harmonic, so a hole in it is filled exactly; measured pixels are kept. */
Test(baseline, harmonic)
{
	gr_operator *A = gr_operator_new("inpaint_box", NULL);
	gr_tensor *x = image(2, true);
	gr_tensor *y = gr_operator_apply(A, x);
	gr_tensor *restored = gr_baseline_restore(A, y, 0.0);
	cr_assert_not_null(restored, "%s", gr_error_message());
	cr_expect_str_eq(gr_baseline_name(A), "harmonic");
	cr_expect(nn_distance(restored, x) < 1e-6, "%g", nn_distance(restored, x));
	gr_tensor *mask = gr_operator_support(A, GR_F32);
	cr_expect(nn_same_bits(gr_mul(mask, restored), gr_mul(mask, y)));
	gr_operator_free(A);
}

Test(baseline, improves_on_noise_and_blur)
{
	static const struct {
		const char *spec, *name;
		double at_least; /* dB */
	} cases[] = {
		{"inpaint_box", "harmonic", 25.0},
		{"inpaint_random", "harmonic", 28.0},
		{"sr_bicubic", "bicubic", 28.0},
		{"sr_mean", "bicubic", 28.0},
		{"blur_gauss", "wiener", 30.0},
		{"identity", "wiener", 34.0},
	};
	gr_tensor *x = image(2, false);
	for (int k = 0; k < 6; k++) {
		double psnr[2];
		gr_operator *A = gr_operator_new(cases[k].spec,
			GR_OPTS(gr_operator_opts, .n = 2, .keys = some_keys(1, 2)));
		gr_tensor *y = gr_measure(A, x, 0.05);
		gr_tensor *restored = gr_baseline_restore(A, y, 0.05);
		cr_assert_not_null(restored, "%s: %s", cases[k].spec, gr_error_message());
		cr_expect_str_eq(gr_baseline_name(A), cases[k].name);
		cr_expect_eq(gr_tensor_dtype(restored), GR_F32);
		cr_assert_eq(gr_psnr(psnr, restored, x, NULL), GR_OK);
		cr_expect(psnr[0] > cases[k].at_least, "%s: %g dB", cases[k].spec, psnr[0]);

		gr_operator *one = gr_operator_new(cases[k].spec,
			GR_OPTS(gr_operator_opts, .n = 1, .keys = some_keys(2, 1)));
		gr_tensor *alone = gr_baseline_restore(one, batch_of(y, 1, 2), 0.05);
		cr_expect(nn_same_bits(alone, batch_of(restored, 1, 2)), "%s", cases[k].spec);
		gr_operator_free(A);
		gr_operator_free(one);
	}
}

/* Where the objective is smallest its gradient is zero: A^T (A x - y) + lambda L x = 0. */
Test(baseline, wiener_is_the_minimum)
{
	gr_operator *A = gr_operator_new("blur_gauss", NULL);
	gr_tensor *y = nn_normal(1, GR_F64, GR_DIMS(1, 3, 32, 32));
	gr_tensor *x = gr_watch(gr_baseline_restore(A, y, 0.1));
	gr_tensor *dh = gr_sub(gr_slice(x, 2, 1, 32, 1), gr_slice(x, 2, 0, 31, 1));
	gr_tensor *dw = gr_sub(gr_slice(x, 3, 1, 32, 1), gr_slice(x, 3, 0, 31, 1));
	gr_tensor *r = gr_sub(gr_operator_apply(A, x), y);
	gr_tensor *rough = gr_add(gr_sumsq(dh, GR_ALL_AXES, false), gr_sumsq(dw, GR_ALL_AXES, false));
	gr_tensor *objective =
		gr_axpby(gr_sumsq(r, GR_ALL_AXES, false), 1.0 / 0.01, rough, 1.0 / (0.15 * 0.15));
	gr_tensor *grad;
	cr_assert_eq(gr_grad(&grad, objective, 1, &x, NULL), GR_OK);
	double scale = sqrt(dot(y, y)) / 0.01;
	cr_expect(sqrt(dot(grad, grad)) < 1e-6 * scale, "%g", sqrt(dot(grad, grad)) / scale);
	gr_operator_free(A);
}
