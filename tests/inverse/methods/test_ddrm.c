/*
 * DDRM: its trajectory against the three cases written out in a basis of singular vectors, and what
 * it says of a posterior that is known.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

#define ETA 0.85

/* The three cases, coordinate by coordinate. `z` all zero: the mean over the noise, for a prior whose
 * eps is affine. */
static void run(const linear_gaussian *p, const gr_schedule *schedule, gr_key key, bool noise,
	double *x)
{
	int64_t D = p->D;
	double s[LG_MAX], v[LG_MAX * LG_MAX], y[LG_MAX] = {0}, aty[LG_MAX] = {0};
	double state[LG_MAX], eps[LG_MAX], x0[LG_MAX], z[LG_MAX] = {0}, pixels[LG_MAX];
	int64_t top = gr_schedule_count(schedule) - 1;
	linear_gaussian_basis(p, s, v);
	for (int64_t k = 0; k < p->M; k++)
		for (int64_t i = 0; i < D; i++)
			aty[i] += p->matrix[k * D + i] * p->y[k];
	linear_gaussian_turn(p, v, aty, true, y); /* s U^T y */
	double A = gr_schedule_alpha_bar(schedule, top);
	double level = sqrt((1.0 - A) / A);
	if (noise)
		linear_gaussian_draw(p, gr_key_fold(gr_key_fold_name(key, "start"), 0), v, z);
	for (int64_t i = 0; i < D; i++) {
		bool told = s[i] * level > p->sigma;
		state[i] = told ? y[i] / (s[i] * s[i]) +
				sqrt(level * level - p->sigma * p->sigma / (s[i] * s[i])) * z[i]
						: level * z[i];
	}
	for (int64_t j = top; j >= 0; j--) {
		A = gr_schedule_alpha_bar(schedule, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double next = sqrt((1.0 - Ap) / Ap);
		linear_gaussian_turn(p, v, state, false, pixels);
		for (int64_t i = 0; i < D; i++)
			pixels[i] *= sqrt(A);
		linear_gaussian_eps(p, pixels, A, eps);
		for (int64_t i = 0; i < D; i++)
			pixels[i] = (pixels[i] - sqrt(1.0 - A) * eps[i]) / sqrt(A);
		linear_gaussian_turn(p, v, pixels, true, x0);
		linear_gaussian_turn(p, v, eps, true, pixels);
		if (noise)
			linear_gaussian_draw(p,
				gr_key_fold(gr_key_fold_name(key, "step"),
					(uint64_t)gr_schedule_timestep(schedule, j)),
				v, z);
		for (int64_t i = 0; i < D; i++) {
			if (s[i] == 0.0)
				state[i] = x0[i] + sqrt(1.0 - ETA * ETA) * next * pixels[i] + ETA * next * z[i];
			else if (s[i] * next < p->sigma)
				state[i] = x0[i] +
					sqrt(1.0 - ETA * ETA) * next * (y[i] / s[i] - s[i] * x0[i]) / p->sigma +
					ETA * next * z[i];
			else
				state[i] = y[i] / (s[i] * s[i]) +
					sqrt(fmax(next * next - p->sigma * p->sigma / (s[i] * s[i]), 0.0)) * z[i];
		}
	}
	linear_gaussian_turn(p, v, state, false, x);
}

static const char *const operators[] = {"inpaint_box:box=2", "sr_mean:factor=2",
	"blur_gauss:taps=3,sigma=1", "sr_bicubic:factor=2"};

/* Little and much noise: all cases occur. */
Test(ddrm, follows_the_three_cases)
{
	for (int k = 0; k < 8; k++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[k / 2], 4, 4, 0.25, true, k % 2 ? 0.5 : 0.03);
		gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddrm:smallest=1e-5", "12");
		gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s: %s", operators[k / 2], gr_error_message());
		for (int64_t i = 0; i < 2; i++) {
			double expected[LG_MAX];
			run(&p, schedule, opts.keys[i], true, expected);
			gr_tensor *one = batch_of(x, i, i + 1);
			gr_tensor *other = gr_from_f64(GR_F64, expected, GR_DIMS(1, 1, 4, 4));
			double off = nn_distance(one, other);
			cr_expect(off < 1e-8, "%s, sigma %g: %g", operators[k / 2], p.sigma, off);
		}
		cr_expect(linear_gaussian_same_alone(&p, "ddrm"), "%s", gr_error_message());
		gr_schedule_free(schedule);
		linear_gaussian_free(&p);
	}
}

/*
 * A mask and an independent prior: without noise the measured pixels are y, the others the prior. The
 * mean over 4000 samples is within five standard deviations of the posterior's; with noise within as
 * many of the recursion's own mean (the prior's eps is affine), which is biased towards y.
 */
Test(ddrm, posterior_mean_of_a_diagonal_problem)
{
	for (int k = 0; k < 2; k++) {
		linear_gaussian p;
		double mean[LG_MAX];
		double c[LG_MAX * LG_MAX];
		double own[LG_MAX];
		linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, k ? 0.05 : 0.0);
		gr_solver_opts opts = linear_gaussian_opts(&p, 4000, "ddrm", "40");
		gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s", gr_error_message());
		run(&p, schedule, gr_key_seed(0), false, own);
		p.sigma = fmax(p.sigma, 1e-9);
		linear_gaussian_posterior(&p, NULL, 0.0, mean, c);
		const double *v = gr_tensor_data_const(x);
		for (int64_t i = 0; i < p.D; i++) {
			double is = 0.0;
			for (int64_t n = 0; n < 4000; n++)
				is += v[n * p.D + i] / 4000.0;
			double allowed = 5.0 * sqrt(c[i * p.D + i] / 4000.0) + 1e-6;
			cr_expect(fabs(is - own[i]) < allowed, "%g, expected %g", is, own[i]);
			/* where sigma' < sigma_y each look at the prior shrinks y - m by 1 - K at most,
			 * K = l / (l + sigma_y^2) */
			int64_t looks = 0;
			for (int64_t j = 0; k && p.matrix[i * p.D + i] != 0.0 && j < 40; j++)
				looks += gr_schedule_sigma(schedule, j) < 0.05;
			double bias = (double)(looks + 1) * 0.0025 / 0.2525 * fabs(p.y[i] - p.mean[i]);
			if (p.matrix[i * p.D + i] == 0.0 || k == 0)
				bias = 0.0;
			cr_expect(fabs(is - mean[i]) < allowed + bias, "%g, posterior %g", is, mean[i]);
		}
		gr_schedule_free(schedule);
		linear_gaussian_free(&p);
	}
}

Test(ddrm, meets_a_measurement_without_noise)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_bicubic:factor=2", 4, 4, 0.25, true, 0.0);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddrm:smallest=1e-5", "8");
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	cr_expect(nn_distance(gr_operator_apply(p.A, x), opts.y) < 1e-9);
	linear_gaussian_free(&p);
}

Test(ddrm, needs_known_singular_vectors)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_motion:taps=3", 4, 4, 0.25, false, 0.1);
	gr_solver *s;
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "ddrm", "4");
	cr_expect_eq(gr_solver_new(&s, &opts), GR_EUNSUPPORTED);
	cr_expect_not_null(strstr(gr_error_message(), "blur_motion"), "%s", gr_error_message());
	gr_error_clear();
	linear_gaussian_free(&p);
}
