/* Reduction: constants, block means, the size at sides that are no multiple of the factor. */
#include <criterion/criterion.h>

#include <math.h>

#include "inverse_check.h"
#include "gradus/operator.h"

Test(sr, constants_stay)
{
	static const char *const specs[] = {"sr_bicubic", "sr_bicubic:factor=3", "sr_mean",
		"sr_mean:factor=5"};
	for (int k = 0; k < 4; k++) {
		gr_operator *A =
			gr_operator_new(specs[k], GR_OPTS(gr_operator_opts, .height = 31, .width = 12));
		gr_tensor *y = gr_operator_apply(A, gr_full(GR_F64, GR_DIMS(1, 3, 31, 12), 0.37));
		gr_tensor *error = gr_max(gr_abs(gr_add_s(y, -0.37)), GR_ALL_AXES, false);
		cr_expect(gr_item(error) < 1e-14, "%s", specs[k]);
		gr_operator_free(A);
	}
}

Test(sr, sizes)
{
	gr_operator *A = gr_operator_new("sr_bicubic",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 33, .width = 20));
	const int64_t *out = gr_operator_out_dims(A);
	cr_expect_eq(out[0], 1);
	cr_expect_eq(out[1], 9);
	cr_expect_eq(out[2], 5);
	gr_operator_free(A);
}

Test(sr, mean_is_the_block_mean)
{
	gr_operator *A =
		gr_operator_new("sr_mean", GR_OPTS(gr_operator_opts, .height = 10, .width = 8));
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 3, 10, 8));
	gr_tensor *y = gr_operator_apply(A, x);
	for (int64_t i = 0; i < 3; i++)
		for (int64_t j = 0; j < 2; j++) {
			double sum = 0.0;
			int64_t count = 0;
			for (int64_t p = 4 * i; p < 4 * i + 4 && p < 10; p++)
				for (int64_t q = 4 * j; q < 4 * j + 4; q++, count++)
					sum += gr_tensor_at(x, (const int64_t[]){1, 2, p, q});
			double value = gr_tensor_at(y, (const int64_t[]){1, 2, i, j});
			cr_expect(fabs(value - sum / (double)count) < 1e-14);
		}
	gr_operator_free(A);
}
