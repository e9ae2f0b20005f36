/* Fourier measurements: energy, the count of frequencies, the ambiguities of phase retrieval. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/operator.h"
#include "inverse_check.h"

Test(fourier, energy_and_ratio)
{
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 3, 16, 16));
	gr_operator *all =
		gr_operator_new("fourier:ratio=1", GR_OPTS(gr_operator_opts, .height = 16, .width = 16));
	gr_tensor *y = gr_operator_apply(all, x);
	cr_expect(fabs(dot(y, y) / dot(x, x) - 1.0) < 1e-13);
	cr_expect(nn_distance(gr_operator_adjoint(all, y), x) < 1e-13);
	/* frequency 0 of channel 1 is its sum over 16 */
	double sum =
		gr_item(gr_sum(batch_of(gr_transpose(batch_of(x, 0, 1), 0, 1), 1, 2), GR_ALL_AXES, false));
	double first = gr_tensor_at(y, (const int64_t[]){0, 1, 0, 0});
	cr_expect(fabs(first - sum / 16.0) < 1e-12);
	gr_operator_free(all);
	static const char *const specs[] = {"fourier:ratio=0.5", "fourier:ratio=0.5,pattern=points"};
	for (int s = 0; s < 2; s++) {
		gr_operator *A =
			gr_operator_new(specs[s], GR_OPTS(gr_operator_opts, .height = 16, .width = 16));
		gr_tensor *mask = gr_operator_support(A, GR_F64);
		cr_expect_eq(dot(mask, mask), 128.0, "%s", specs[s]);
		cr_expect_eq(gr_tensor_at(mask, (const int64_t[]){0, 0, 0, 0}), 1.0);
		gr_operator_free(A);
	}
}

/* |F pad u| does not see a half turn; frequency 0, in the centre, is the sum. 16 becomes 24. */
Test(phase, ambiguity_and_centre)
{
	gr_operator *A = gr_operator_new("phase",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 16, .width = 16));
	cr_assert_eq(gr_operator_out_dims(A)[1], 24);
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(1, 1, 16, 16));
	gr_tensor *y = gr_operator_apply(A, x);
	cr_expect(nn_distance(gr_operator_apply(A, gr_rot90(x, 2)), y) < 1e-13);
	double sum = gr_item(gr_sum(gr_affine(x, 0.5, 0.5), GR_ALL_AXES, false));
	cr_expect(fabs(gr_tensor_at(y, (const int64_t[]){0, 0, 12, 12}) - fabs(sum) / 24.0) < 1e-12);
	/* black: every magnitude is 0, and so is the gradient */
	gr_tensor *black = gr_watch(gr_full(GR_F64, GR_DIMS(1, 1, 16, 16), -1.0));
	gr_tensor *grad;
	cr_assert_eq(gr_grad(&grad, gr_sum(gr_operator_apply(A, black), GR_ALL_AXES, false), 1, &black,
					 NULL),
		GR_OK);
	cr_expect_eq(dot(grad, grad), 0.0);
	cr_expect_null(gr_operator_adjoint(A, y));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
	gr_operator_free(A);
}

Test(fourier, hadamard_is_an_isometry)
{
	gr_operator *A =
		gr_operator_new("cs_hadamard:ratio=1", GR_OPTS(gr_operator_opts, .height = 8, .width = 16));
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 3, 8, 16));
	gr_tensor *y = gr_operator_apply(A, x);
	cr_expect(fabs(dot(y, y) / dot(x, x) - 1.0) < 1e-13);
	cr_expect(nn_distance(gr_operator_adjoint(A, y), x) < 1e-13);
	gr_operator_free(A);
	/* of one bright pixel every entry is +-1/sqrt(P) */
	gr_operator *B = gr_operator_new("cs_hadamard:ratio=0.5",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 5, .width = 7));
	gr_tensor *one =
		gr_reshape(gr_one_hot(gr_full(GR_I64, GR_DIMS(1), 11.0), 35, GR_F64), GR_DIMS(1, 1, 5, 7));
	gr_tensor *flat = gr_abs(gr_operator_apply(B, one));
	cr_expect_eq(gr_tensor_size(flat), 17);
	cr_expect(nn_distance(flat, gr_full(GR_F64, GR_DIMS(1, 1, 1, 17), 0.125)) < 1e-14);
	gr_operator_free(B);
}
