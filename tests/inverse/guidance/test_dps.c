/*
 * DPS: the term's value and gradient, where the gradient is zero, and the linear-Gaussian problem
 * whose posterior is known (gradus/term.h has the equation).
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../inverse_check.h"
#include "gradus/noise.h"

/* The value for x0_hat = clamp(2 x_t - 0.1), and its gradient if wanted. */
static gr_tensor *value_at(const gr_term *term, gr_tensor *x, gr_tensor **grad)
{
	gr_tensor *leaf = gr_watch(x);
	gr_term_ctx ctx = {.x_t = leaf,
		.x0_hat = gr_clamp(gr_affine(leaf, 2.0, -0.1), -1.0, 1.0),
		.particles = 1};
	gr_tensor *value = gr_term_eval(term, &ctx);
	if (grad && gr_grad(grad, gr_sum(value, GR_ALL_AXES, false), 1, &leaf, NULL))
		return NULL;
	return value;
}

Test(dps, value_and_gradient)
{
	gr_operator *A = gr_operator_new("sr_bicubic:factor=2",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 6, .width = 8));
	gr_tensor *x = gr_mul_s(nn_normal(1, GR_F64, GR_DIMS(3, 1, 6, 8)), 0.5);
	gr_tensor *y = nn_normal(2, GR_F64, GR_DIMS(3, 1, 3, 4));
	gr_term *term = gr_dps_term(A, y, 0.5);
	gr_tensor *grad;
	gr_tensor *value = value_at(term, x, &grad);
	cr_assert_not_null(value, "%s", gr_error_message());
	for (int64_t i = 0; i < 3; i++) {
		gr_tensor *x0 = gr_clamp(gr_affine(batch_of(x, i, i + 1), 2.0, -0.1), -1.0, 1.0);
		gr_tensor *r = gr_sub(batch_of(y, i, i + 1), gr_operator_apply(A, x0));
		cr_expect(fabs(gr_tensor_at(value, &i) - sqrt(dot(r, r))) < 1e-13);
		gr_tensor *d = nn_normal(3, GR_F64, GR_DIMS(1, 1, 6, 8));
		/* away from the clamp's kinks for a step of 1e-6, with these numbers */
		gr_term *one = gr_dps_term(A, batch_of(y, i, i + 1), 1.0);
		double up = gr_item(value_at(one, gr_axpby(batch_of(x, i, i + 1), 1.0, d, 1e-6), NULL));
		double down = gr_item(value_at(one, gr_axpby(batch_of(x, i, i + 1), 1.0, d, -1e-6), NULL));
		double slope = dot(batch_of(grad, i, i + 1), d);
		cr_expect(fabs((up - down) / 2e-6 - slope) < 1e-8, "%g %g", (up - down) / 2e-6, slope);
		gr_term_free(one);
	}
	/* Pixels that are clipped have no gradient. */
	for (int64_t k = 0; k < 144; k++) {
		const int64_t at[] = {k / 48, 0, k / 8 % 6, k % 8};
		bool clipped = fabs(2.0 * gr_tensor_at(x, at) - 0.1) > 1.0;
		cr_expect_eq(gr_tensor_at(grad, at) == 0.0, clipped);
	}
	gr_term_free(term);
	gr_operator_free(A);
}

Test(dps, gradient_is_zero_where_the_norm_is)
{
	gr_operator *A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(1, 1, 4, 4), 0.25);
	gr_term *term = gr_dps_term(A, gr_operator_apply(A, gr_affine(x, 2.0, -0.1)), 1.0);
	gr_tensor *grad;
	cr_expect_eq(gr_item(value_at(term, x, &grad)), 0.0);
	cr_expect_eq(dot(grad, grad), 0.0);
	gr_term_free(term);
	gr_operator_free(A);
}

Test(dps, wrong_arguments)
{
	gr_operator *A = gr_operator_new("identity", NULL);
	gr_tensor *y = gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 31));
	cr_expect_null(gr_dps_term(A, NULL, 1.0));
	gr_error_clear();
	cr_expect_null(gr_dps_term(NULL, y, 1.0));
	gr_error_clear();
	cr_expect_null(gr_dps_term(A, y, INFINITY));
	gr_error_clear();
	gr_term *term = gr_dps_term(A, y, 1.0);
	gr_term_ctx ctx = {.x_t = gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 32)), .particles = 1};
	ctx.x0_hat = ctx.x_t;
	cr_expect_null(gr_term_eval(term, &ctx));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_term_free(term);
	gr_operator_free(A);
}
