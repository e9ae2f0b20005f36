/* Total variation: the value written out, its derivative, and that it smooths. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/regularisers.h"
#include "term_check.h"

Test(tv, value_is_the_sum)
{
	gr_prior *p = toy_pixel_prior();
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 1, 8, 8));
	gr_term *term = gr_tv_term(1.0, 0.01);
	gr_term_ctx ctx = toy_ctx(p, GR_HOOK_ESTIMATE, x, 1);
	gr_tensor *value = gr_term_eval(term, &ctx);
	for (int64_t n = 0; n < 2; n++) {
		double sum = 0.0;
		for (int64_t i = 0; i < 8; i++)
			for (int64_t j = 0; j < 8; j++) {
				double here = gr_tensor_at(x, (const int64_t[]){n, 0, i, j});
				double dy = i < 7 ? gr_tensor_at(x, (const int64_t[]){n, 0, i + 1, j}) - here : 0.0;
				double dx = j < 7 ? gr_tensor_at(x, (const int64_t[]){n, 0, i, j + 1}) - here : 0.0;
				sum += sqrt(dx * dx + dy * dy + 1e-4) - 0.01;
			}
		cr_expect_float_eq(gr_tensor_at(value, &n), sum, 1e-12);
	}
	gr_term_free(term);
	gr_prior_free(p);
}

Test(tv, derivative_and_flat_images)
{
	gr_prior *p[] = {toy_pixel_prior(), toy_latent_prior()};
	gr_term *term = gr_tv_term(1.0, 0.05);
	for (int i = 0; i < 2; i++) {
		const int64_t *d = gr_prior_dims(p[i]);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, d[0], d[1], d[2]));
		cr_expect_lt(toy_gradient_error(term, p[i], GR_HOOK_PREDICT, x, 1), 1e-6);
		cr_expect_lt(toy_gradient_error(term, p[i], GR_HOOK_ESTIMATE, x, 1), 1e-6);
	}
	gr_tensor *grad = NULL;
	double flat = toy_value(term, p[0], GR_HOOK_ESTIMATE, gr_full(GR_F64, GR_DIMS(1, 1, 8, 8), 0.3),
		1, &grad);
	cr_expect_float_eq(flat, 0.0, 1e-14);
	cr_expect_eq(dot(grad, grad), 0.0);
	gr_term_free(term);
	cr_expect_null(gr_tv_term(1.0, 0.0));
	gr_error_clear();
	gr_prior_free(p[0]);
	gr_prior_free(p[1]);
}

Test(tv, runs)
{
	gr_prior *p = toy_pixel_prior();
	const gr_term_problem problem = {.size = sizeof problem, .prior = p};
	gr_term *none[] = {gr_term_open("tv:0", &problem), NULL};
	gr_term *some[] = {gr_term_open("tv:0.02,smooth=0.01", &problem), NULL};
	gr_tensor *plain = toy_solve(p, "ddim", NULL, 80, 3, 1, GR_F32);
	gr_tensor *with = toy_solve(p, "ddim", some, 80, 3, 1, GR_F32);
	cr_assert(with, "%s", gr_error_message());
	cr_expect(nn_same_bits(toy_solve(p, "ddim", none, 80, 3, 1, GR_F32), plain));
	for (int64_t i = 0; i < 3; i++)
		cr_expect(nn_same_bits(toy_solve(p, "ddim", some, 80 + (uint64_t)i, 1, 1, GR_F32),
			batch_of(with, i, i + 1)));
	double before = toy_value(some[0], p, GR_HOOK_ESTIMATE, plain, 1, NULL);
	double after = toy_value(some[0], p, GR_HOOK_ESTIMATE, with, 1, NULL);
	cr_expect_lt(after, before);
	gr_term_free(none[0]);
	gr_term_free(some[0]);
	gr_prior_free(p);
}
