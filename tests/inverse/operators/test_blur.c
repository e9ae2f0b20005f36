/* Blur: the kernel's constants, and the matrices against a plain two-dimensional correlation. */
#include <criterion/criterion.h>

#include <math.h>

#include "inverse_check.h"
#include "gradus/operator.h"

Test(blur, kernel)
{
	gr_operator *A = gr_operator_new("blur_gauss:taps=61,sigma=3", NULL);
	gr_tensor *g = gr_operator_part(A, 2);
	double sum = 0.0;
	cr_assert_eq(gr_tensor_dim(g, 0), 61);
	for (int64_t k = 0; k < 61; k++) {
		double ratio = gr_tensor_at(g, &k) / gr_tensor_at(g, (const int64_t[]){30});
		sum += gr_tensor_at(g, &k);
		cr_expect(fabs(ratio - exp(-(double)((k - 30) * (k - 30)) / 18.0)) < 1e-14);
	}
	cr_expect(fabs(sum - 1.0) < 1e-14);
	gr_operator_free(A);
}

static int64_t mirrored(int64_t i, int64_t n)
{
	while (i < 0 || i >= n)
		i = i < 0 ? -i : 2 * (n - 1) - i;
	return i;
}

Test(blur, is_a_correlation_with_reflection)
{
	gr_operator *A = gr_operator_new("blur_gauss:taps=7,sigma=1.1",
		GR_OPTS(gr_operator_opts, .channels = 2, .height = 6, .width = 9));
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(1, 2, 6, 9));
	gr_tensor *y = gr_operator_apply(A, x);
	double kernel[7][7];
	double total = 0.0;
	for (int p = 0; p < 7; p++)
		for (int q = 0; q < 7; q++) {
			kernel[p][q] = exp(-((p - 3) * (p - 3) + (q - 3) * (q - 3)) / (2.0 * 1.1 * 1.1));
			total += kernel[p][q];
		}
	for (int64_t i = 0; i < 6; i++)
		for (int64_t j = 0; j < 9; j++) {
			double sum = 0.0;
			for (int64_t p = 0; p < 7; p++)
				for (int64_t q = 0; q < 7; q++)
					sum += kernel[p][q] / total *
						gr_tensor_at(x,
							(const int64_t[]){0, 1, mirrored(i + p - 3, 6),
								mirrored(j + q - 3, 9)});
			double value = gr_tensor_at(y, (const int64_t[]){0, 1, i, j});
			cr_expect(fabs(value - sum) < 1e-13, "%d %d", (int)i, (int)j);
		}
	gr_operator_free(A);
}
