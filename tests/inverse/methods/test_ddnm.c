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

/* eq. 17 to 19 in the basis of A's singular vectors, which differ. */
static void naive_in_basis(const linear_gaussian *p, const gr_schedule *schedule, gr_key key,
	double *x)
{
	int64_t D = p->D;
	double s[LG_MAX], v[LG_MAX * LG_MAX], y[LG_MAX] = {0}, aty[LG_MAX] = {0}, eps[LG_MAX];
	double state[LG_MAX], x0[LG_MAX], z[LG_MAX], pixels[LG_MAX];
	linear_gaussian_basis(p, s, v);
	for (int64_t k = 0; k < p->M; k++)
		for (int64_t i = 0; i < D; i++)
			aty[i] += p->matrix[k * D + i] * p->y[k];
	linear_gaussian_turn(p, v, aty, true, y); /* s U^T y */
	linear_gaussian_draw(p, gr_key_fold_name(key, "start"), v, state);
	for (int64_t j = gr_schedule_count(schedule) - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(schedule, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double beta = 1.0 - A / Ap;
		double variance = beta * (1.0 - Ap) / (1.0 - A);
		double a = beta * sqrt(Ap) / (1.0 - A);
		uint64_t t = (uint64_t)gr_schedule_timestep(schedule, j);
		linear_gaussian_turn(p, v, state, false, pixels);
		linear_gaussian_eps(p, pixels, A, eps);
		for (int64_t i = 0; i < D; i++)
			pixels[i] = (pixels[i] - sqrt(1.0 - A) * eps[i]) / sqrt(A);
		linear_gaussian_turn(p, v, pixels, true, x0);
		linear_gaussian_draw(p, gr_key_fold(gr_key_fold_name(key, "step"), t), v, z);
		for (int64_t i = 0; i < D; i++) {
			double phi = variance;
			if (s[i] > 0.0) {
				bool quiet = sqrt(variance) >= a * p->sigma / s[i];
				double lambda = quiet ? 1.0 : sqrt(variance) * s[i] / (a * p->sigma);
				x0[i] += lambda * (y[i] / (s[i] * s[i]) - x0[i]);
				phi = quiet ? variance - a * a * p->sigma * p->sigma / (s[i] * s[i]) : 0.0;
			}
			state[i] = a * x0[i] + (1.0 - Ap) * sqrt(1.0 - beta) / (1.0 - A) * state[i] +
				(j > 0 ? sqrt(phi) * z[i] : 0.0);
		}
	}
	linear_gaussian_turn(p, v, state, false, x);
}

Test(ddnm, noise_with_many_singular_values)
{
	static const char *const operators[] = {"blur_gauss:taps=3,sigma=1", "sr_bicubic:factor=2"};
	for (int k = 0; k < 4; k++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[k / 2], 4, 4, 0.25, true, k % 2 ? 0.5 : 0.03);
		gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddnm:smallest=1e-5", "12");
		gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s: %s", operators[k / 2], gr_error_message());
		for (int64_t i = 0; i < 2; i++) {
			double expected[LG_MAX];
			naive_in_basis(&p, schedule, opts.keys[i], expected);
			gr_tensor *other = gr_from_f64(GR_F64, expected, GR_DIMS(1, 1, 4, 4));
			double off = nn_distance(batch_of(x, i, i + 1), other);
			cr_expect(off < 1e-8, "%s, sigma %g: %g", operators[k / 2], p.sigma, off);
		}
		cr_expect(linear_gaussian_same_alone(&p, "ddnm"));
		gr_schedule_free(schedule);
		linear_gaussian_free(&p);
	}
}

Test(ddnm, noise_needs_known_singular_vectors)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_motion:taps=3", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddnm", "4");
	cr_expect_null(gr_solver_solve(&opts));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "blur_motion"), "%s", gr_error_message());
	gr_error_clear();
	linear_gaussian_free(&p);
}
