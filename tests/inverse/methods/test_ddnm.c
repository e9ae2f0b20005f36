/* DDNM: y met exactly without noise, and with noise the formulas written out per pixel. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

Test(ddnm, meets_a_measurement_without_noise)
{
	static const char *const operators[] = {"sr_mean:factor=2", "sr_bicubic:factor=2",
		"inpaint_box:box=2", "identity"};
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[i], 4, 4, 0.25, true, 0.0);
		gr_solver_opts opts = linear_gaussian_opts(&p, 3, "ddnm", "10");
		opts.no_clip = i % 2 == 0;
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s: %s", operators[i], gr_error_message());
		double off = nn_distance(gr_operator_apply(p.A, x), opts.y);
		cr_expect(off < 1e-11, "%s: %g", operators[i], off);
		cr_expect(linear_gaussian_same_alone(&p, "ddnm"), "%s", operators[i]);
		linear_gaussian_free(&p);
	}
}

/* One pixel of a diagonal prior behind a mask (d = 1), or not measured (d = 0). */
static double naive_pixel(const linear_gaussian *p, const gr_schedule *s, gr_key key, int64_t i)
{
	bool measured = p->matrix[i * p->D + i] != 0.0;
	double l = p->covariance[i * p->D + i];
	double m = p->mean[i];
	double x = gr_key_normal(gr_key_fold_name(key, "start"), (uint64_t)i);
	for (int64_t j = gr_schedule_count(s) - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(s, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(s, j - 1) : 1.0;
		double beta = 1.0 - A / Ap;
		double v = beta * (1.0 - Ap) / (1.0 - A);
		double a = beta * sqrt(Ap) / (1.0 - A);
		double x0 = m + sqrt(A) * l / (A * l + 1.0 - A) * (x - sqrt(A) * m);
		double phi = v;
		if (measured) {
			bool quiet = sqrt(v) >= a * p->sigma;
			double lambda = quiet ? 1.0 : sqrt(v) / (a * p->sigma);
			x0 += lambda * (p->y[i] - x0);
			phi = quiet ? v - a * a * p->sigma * p->sigma : 0.0;
		}
		uint64_t t = (uint64_t)gr_schedule_timestep(s, j);
		double z = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "step"), t), (uint64_t)i);
		x = a * x0 + (1.0 - Ap) * sqrt(1.0 - beta) / (1.0 - A) * x + (j > 0 ? sqrt(phi) * z : 0.0);
	}
	return x;
}

/* A little noise and much: both branches of lambda are taken. */
Test(ddnm, with_noise_follows_the_formulas)
{
	for (int k = 0; k < 2; k++) {
		linear_gaussian p;
		linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, k == 0 ? 0.05 : 0.7);
		gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddnm", "25");
		gr_schedule *s = gr_prior_respace(p.prior, opts.respacing);
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s", gr_error_message());
		for (int64_t i = 0; i < 32; i++) {
			double expected = naive_pixel(&p, s, gr_key_seed((uint64_t)(1 + i / 16)), i % 16);
			double value = gr_tensor_at(x, (const int64_t[]){i / 16, 0, i / 4 % 4, i % 4});
			cr_expect(fabs(value - expected) < 1e-10, "%g, expected %g", value, expected);
		}
		gr_schedule_free(s);
		cr_expect(linear_gaussian_same_alone(&p, "ddnm"));
		linear_gaussian_free(&p);
	}
}

Test(ddnm, noise_with_many_singular_values_is_refused)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddnm", "4");
	cr_expect_null(gr_solver_solve(&opts));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "blur_gauss"), "%s", gr_error_message());
	gr_error_clear();
	linear_gaussian_free(&p);
}
