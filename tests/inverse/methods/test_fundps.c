/* FunDPS: without terms Heun's method along sigma; with them the gradient through both evaluations. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

Test(fundps, is_heuns_method_without_terms)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "identity", 4, 4, 0.25, true, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "fundps", "9");
	gr_tensor *x = gr_solver_solve(&opts);
	opts.method = "heun:ve=1";
	cr_expect(nn_distance(gr_solver_solve(&opts), x) < 1e-11, "%s", gr_error_message());
	cr_expect(linear_gaussian_same_alone(&p, "fundps"), "%s", gr_error_message());
	linear_gaussian_free(&p);
}

/* (x - 1)^2 */
static gr_tensor *pull(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return gr_sumsq(gr_add_s(gr_term_image(ctx), -1.0), GR_AXES(1, 2, 3), false);
}

/* The estimate of an independent prior is affine: D = m + c (v - m), c = l / (l + sigma^2). */
Test(fundps, guides_through_both_evaluations)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "identity", 2, 2, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "fundps", "2,4");
	gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
	gr_term *term = gr_term_new("pull", pull, NULL, GR_OPTS(gr_term_opts, .weight = 0.3));
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	for (int64_t j = gr_schedule_count(schedule) - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(schedule, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double sigma = sqrt((1.0 - A) / A);
		double next = sqrt((1.0 - Ap) / Ap);
		double x[8], got[8];
		gr_tensor_to_f64(gr_solver_state(s, 0), x);
		cr_assert_eq(gr_solver_step(s), GR_OK, "%s", gr_error_message());
		gr_tensor_to_f64(gr_solver_state(s, 0), got);
		for (int64_t i = 0; i < 8; i++) {
			double l = 0.25;
			double m = p.mean[i % 4];
			double v = x[i] / sqrt(A);
			double c = l / (l + sigma * sigma);
			double c_next = l / (l + next * next);
			double d1 = (1.0 - c) * (v - m) / sigma;
			double to = v + (next - sigma) * d1;
			if (j > 0) {
				double estimate = m + c_next * (to - m);
				double slope = c_next * (1.0 + (next - sigma) * (1.0 - c) / sigma);
				double d2 = (to - estimate) / next;
				to = v + (next - sigma) * 0.5 * (d1 + d2);
				to -= fmin(sigma, 1.0) * 0.3 * 2.0 * (estimate - 1.0) * slope;
			}
			double expected = sqrt(Ap) * to;
			cr_expect(fabs(got[i] - expected) < 1e-10 * (1.0 + fabs(expected)),
				"step %d: %g, expected %g", (int)j, got[i], expected);
		}
	}
	cr_expect_eq(gr_solver_evaluations(s), 11);
	cr_expect_eq(gr_solver_gradients(s), 10);
	gr_solver_free(s);
	gr_term_free(term);
	gr_schedule_free(schedule);
	linear_gaussian_free(&p);
}
