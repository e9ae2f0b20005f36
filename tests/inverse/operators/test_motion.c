/* Motion blur: its kernel's law, and the blur against a plain correlation. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/operator.h"
#include "inverse_check.h"

Test(motion, kernel)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		gr_tensor *a = gr_motion_kernel(gr_key_seed(seed), 61, 0.5);
		cr_assert_not_null(a, "%s", gr_error_message());
		cr_expect(fabs(gr_item(gr_sum(a, GR_ALL_AXES, false)) - 1.0) < 1e-13);
		cr_expect(gr_item(gr_min(a, GR_ALL_AXES, false)) >= 0.0);
		cr_expect(nn_same_bits(a, gr_motion_kernel(gr_key_seed(seed), 61, 0.5)));
		cr_expect(!nn_same_bits(a, gr_motion_kernel(gr_key_seed(seed + 1), 61, 0.5)));
	}
	cr_expect_null(gr_motion_kernel(gr_key_seed(0), 4, 0.5));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect_null(gr_motion_kernel(gr_key_seed(0), 9, 0.0));
	gr_error_clear();
}

static int64_t place(int64_t i, int64_t n, int boundary)
{
	if (boundary == 1)
		return i >= 0 && i < n ? i : -1;
	if (boundary == 2)
		return ((i % n) + n) % n;
	while (i < 0 || i >= n)
		i = i < 0 ? -i : 2 * (n - 1) - i;
	return i;
}

Test(motion, is_a_correlation)
{
	static const char *const specs[] = {"blur_motion:taps=7,seed=2",
		"blur_motion:taps=7,seed=2,boundary=zero", "blur_motion:taps=7,seed=2,boundary=circular"};
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(2, 2, 6, 9));
	for (int b = 0; b < 3; b++) {
		gr_operator *A = gr_operator_new(specs[b],
			GR_OPTS(gr_operator_opts, .channels = 2, .height = 6, .width = 9));
		gr_tensor *y = gr_operator_apply(A, x);
		gr_tensor *kernel = gr_operator_part(A, 0);
		for (int64_t i = 0; i < 6; i++)
			for (int64_t j = 0; j < 9; j++) {
				double sum = 0.0;
				for (int64_t p = 0; p < 7; p++)
					for (int64_t q = 0; q < 7; q++) {
						int64_t at_i = place(i + p - 3, 6, b);
						int64_t at_j = place(j + q - 3, 9, b);
						if (at_i >= 0 && at_j >= 0)
							sum += gr_tensor_at(kernel, (const int64_t[]){p, q}) *
								gr_tensor_at(x, (const int64_t[]){1, 1, at_i, at_j});
					}
				double value = gr_tensor_at(y, (const int64_t[]){1, 1, i, j});
				cr_expect(fabs(value - sum) < 1e-13, "%s %d %d", specs[b], (int)i, (int)j);
			}
		gr_operator_free(A);
	}
}
