/* A user's operator: its sizes, its adjoint by the derivative, and what the self-test catches. */
#include <criterion/criterion.h>

#include <string.h>

#include "gradus/noise.h"
#include "inverse_check.h"

static gr_tensor *every_second_row(void *self, gr_tensor *x)
{
	(void)self;
	return gr_mul_s(gr_slice(x, 2, 0, gr_tensor_dim(x, 2), 2), 0.5);
}

static gr_tensor *rows_back(void *self, gr_tensor *y)
{
	(void)self;
	gr_tensor *x = gr_reshape(gr_stack(2, (gr_tensor *[]){y, gr_mul_s(y, 0.0)}, 3),
		GR_DIMS(gr_tensor_dim(y, 0), 3, 8, 6));
	return gr_mul_s(x, 0.5);
}

static gr_tensor *too_much(void *self, gr_tensor *y)
{
	return gr_mul_s(rows_back(self, y), 1.001);
}

static gr_tensor *cut_off(void *self, gr_tensor *y)
{
	return gr_stop_gradient(rows_back(self, y));
}

static gr_tensor *shifted(void *self, gr_tensor *x)
{
	(void)self;
	return gr_add_s(x, 1e-6);
}

static gr_tensor *over_the_batch(void *self, gr_tensor *x)
{
	(void)self;
	return gr_sub(x, gr_mean(x, GR_AXES(0), true));
}

static gr_tensor *magnitude(void *self, gr_tensor *x)
{
	(void)self;
	return gr_norm(x, GR_AXES(1), true);
}

static gr_tensor *half_a_gradient(void *self, gr_tensor *x)
{
	(void)self;
	return gr_mul(x, gr_stop_gradient(x));
}

static gr_tensor *flat(void *self, gr_tensor *x)
{
	(void)self;
	return gr_sum(x, GR_AXES(1, 2, 3), false);
}

static gr_operator *make(gr_operator_fn fn, gr_operator_fn adjoint, bool nonlinear)
{
	return gr_operator_user("mine", fn, NULL,
		GR_OPTS(gr_operator_user_opts, .channels = 3, .height = 8, .width = 6, .adjoint = adjoint,
			.nonlinear = nonlinear));
}

Test(user, adjoint_by_derivative)
{
	gr_operator *A = make(every_second_row, NULL, false);
	cr_assert_not_null(A, "%s", gr_error_message());
	cr_expect_eq(gr_operator_out_dims(A)[1], 4);
	cr_expect_str_eq(gr_operator_name(A), "mine");
	gr_tensor *y = nn_normal(1, GR_F64, GR_DIMS(2, 3, 4, 6));
	cr_expect(nn_same_bits(gr_operator_adjoint(A, y), rows_back(NULL, y)));
	bool recording = gr_set_recording(false);
	gr_tensor *x = gr_operator_adjoint(A, y);
	cr_expect(!gr_is_tracked(x));
	cr_expect(nn_same_bits(x, rows_back(NULL, y)));
	gr_set_recording(recording);
	gr_operator_free(A);
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}

Test(user, self_test)
{
	static const struct {
		gr_operator_fn fn, adjoint;
		bool nonlinear;
		const char *says;
	} cases[] = {
		{every_second_row, NULL, false, NULL},
		{every_second_row, rows_back, false, NULL},
		{magnitude, NULL, true, NULL},
		{every_second_row, too_much, false, "<Ax, y>"},
		{every_second_row, cut_off, false, ""},
		{shifted, NULL, false, "linearity"},
		{magnitude, NULL, false, "linearity"},
		{over_the_batch, NULL, false, "images beside it"},
		{over_the_batch, NULL, true, "images beside it"},
		{half_a_gradient, NULL, true, "gradient"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		gr_operator *A = make(cases[i].fn, cases[i].adjoint, cases[i].nonlinear);
		cr_assert_not_null(A, "%s", gr_error_message());
		gr_status status = gr_operator_check(A, gr_key_seed(3));
		if (!cases[i].says) {
			cr_expect_eq(status, GR_OK, "case %d: %s", (int)i, gr_error_message());
		} else {
			cr_expect_neq(status, GR_OK, "case %d", (int)i);
			cr_expect_not_null(strstr(gr_error_message(), cases[i].says), "case %d: %s", (int)i,
				gr_error_message());
		}
		gr_error_clear();
		gr_operator_free(A);
	}
}

static int freed;

static void count_free(void *self)
{
	(void)self;
	freed++;
}

Test(user, owns_self_and_measures)
{
	gr_operator *A = gr_operator_user("mine", every_second_row, NULL,
		GR_OPTS(gr_operator_user_opts, .height = 8, .width = 6, .free = count_free, .n = 2,
			.keys = some_keys(1, 2)));
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 3, 8, 6));
	cr_expect(nn_same_bits(gr_measure(A, x, 0.0), every_second_row(NULL, x)));
	cr_expect_eq(freed, 0);
	gr_operator_free(A);
	cr_expect_eq(freed, 1);
	cr_expect_null(
		gr_operator_user("flat", flat, NULL, GR_OPTS(gr_operator_user_opts, .free = count_free)));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	cr_expect_eq(freed, 2);
	gr_error_clear();
	cr_expect_null(gr_operator_user(NULL, flat, NULL, NULL));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
