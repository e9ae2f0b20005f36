/* Likelihoods: each form's value, derivatives, the norm as the DPS term's bits, misuse. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/regularisers.h"
#include "term_check.h"

static const char *const forms[] = {"norm", "square", "gauss", "laplace", "poisson"};

Test(likelihood, values_and_derivatives)
{
	gr_prior *p = toy_pixel_prior();
	gr_operator *A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	/* in the range of images, so that no count is at its floor */
	gr_tensor *x = gr_mul_s(gr_tanh(nn_normal(1, GR_F64, GR_DIMS(2, 1, 8, 8))), 0.5);
	gr_tensor *y = gr_operator_apply(A, gr_mul_s(nn_normal(2, GR_F64, GR_DIMS(2, 1, 8, 8)), 0.3));
	gr_tensor *support = gr_operator_support(A, GR_F64);
	gr_tensor *r = gr_sub(y, gr_operator_apply(A, x));
	for (int i = 0; i < 5; i++) {
		double level = i == 4 ? 30.0 : 0.2;
		gr_term *term = gr_likelihood_term(1.0, (gr_likelihood)i, A, y, level);
		gr_term_ctx ctx = toy_ctx(p, GR_HOOK_ESTIMATE, x, 1);
		gr_tensor *value = gr_term_eval(term, &ctx);
		cr_assert(value, "%s", gr_error_message());
		for (int64_t n = 0; n < 2; n++) {
			gr_tensor *rn = batch_of(r, n, n + 1);
			gr_tensor *yn = batch_of(y, n, n + 1);
			gr_tensor *mean = gr_operator_apply(A, batch_of(x, n, n + 1));
			double s = dot(rn, rn);
			double expected = i == 0 ? sqrt(s)
				: i == 1
				? s
				: -gr_item(gr_noise_log_density((gr_noise_law)(i - 2), yn, mean, level, support));
			cr_expect_float_eq(gr_tensor_at(value, &n), expected, 1e-10 * fabs(expected), "%s",
				forms[i]);
		}
		for (int h = 0; h < 2; h++) {
			double error =
				toy_gradient_error(term, p, h ? GR_HOOK_ESTIMATE : GR_HOOK_PREDICT, x, 1);
			cr_expect_lt(error, 1e-5, "%s %g", forms[i], error);
		}
		gr_term_free(term);
	}
	gr_operator_free(A);
	gr_prior_free(p);
}

Test(likelihood, by_name)
{
	gr_prior *p = toy_pixel_prior();
	gr_operator *A = gr_operator_new("sr_mean:factor=2",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	gr_tensor *y = nn_normal(3, GR_F32, GR_DIMS(2, 1, 4, 4));
	gr_term_problem problem = {.size = sizeof problem, .prior = p, .A = A, .y = y, .sigma = 0.1};
	gr_term *dps[] = {gr_term_open("dps:0.3", &problem), NULL};
	gr_term *norm[] = {gr_term_open("likelihood:norm:0.3", &problem), NULL};
	cr_expect(nn_same_bits(toy_solve(p, "ddpm", dps, 5, 2, 1, GR_F32),
		toy_solve(p, "ddpm", norm, 5, 2, 1, GR_F32)));
	gr_term_free(dps[0]);
	gr_term_free(norm[0]);
	for (int i = 0; i < 5; i++) {
		char text[64];
		snprintf(text, sizeof text, "likelihood:%s:0.01", forms[i]);
		gr_term *some[] = {gr_term_open(text, &problem), NULL};
		cr_assert(some[0], "%s", gr_error_message());
		gr_tensor *x = toy_solve(p, "ddim", some, 5, 2, 1, GR_F32);
		cr_expect(x, "%s: %s", text, gr_error_message());
		gr_term_free(some[0]);
	}
	problem.sigma = 0.0;
	cr_expect_null(gr_term_open("likelihood:gauss:1", &problem));
	cr_expect_not_null(strstr(gr_error_message(), "level"), "%s", gr_error_message());
	gr_error_clear();
	cr_expect_null(gr_term_open("likelihood:cauchy:1", &problem));
	cr_expect_not_null(strstr(gr_error_message(), "laplace"), "%s", gr_error_message());
	gr_error_clear();
	gr_operator_free(A);
	gr_prior_free(p);
}
