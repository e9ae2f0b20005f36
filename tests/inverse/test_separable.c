/* One-dimensional matrices against the formulas they stand for, written out another way. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "inverse_check.h"
#include "separable_priv.h"

static double keys(double r)
{
	r = fabs(r);
	return r <= 1.0 ? 1.5 * r * r * r - 2.5 * r * r + 1.0
		: r <= 2.0  ? -0.5 * r * r * r + 2.5 * r * r - 4.0 * r + 2.0
					: 0.0;
}

Test(separable, mirrors)
{
	static const int64_t reflect[] = {1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1};
	for (int64_t i = 0; i < 11; i++)
		cr_expect_eq(gr__separable_reflect(i - 5, 3), reflect[i], "reflect %d", (int)i - 5);
	cr_expect_eq(gr__separable_reflect(-3, 1), 0);
}

/* MATLAB's formula, pixels counted from 1: output o at input coordinate f o + (1 - f) / 2. */
Test(separable, bicubic_down_is_imresize)
{
	static const int64_t cases[][2] = {{256, 4}, {32, 4}, {33, 4}, {17, 2}, {9, 3}, {5, 1}, {8, 8}};
	for (int k = 0; k < 7; k++) {
		int64_t n = cases[k][0];
		int64_t f = cases[k][1];
		gr_scope_begin();
		gr_tensor *matrix = gr__separable_bicubic_down(n, f);
		const double *r = gr_tensor_data_const(matrix);
		cr_assert_eq(gr_tensor_dim(matrix, 0), (n + f - 1) / f);
		for (int64_t o = 1; o <= gr_tensor_dim(matrix, 0); o++) {
			double row[256] = {0};
			double sum = 0.0;
			double centre = (double)(f * o) + 0.5 * (1.0 - (double)f);
			for (int64_t i = -600; i < 900; i++)
				sum += keys((centre - (double)i) / (double)f);
			for (int64_t i = -600; i < 900; i++) {
				int64_t at = i; /* ... 2 1 1 2 ... n n ... */
				while (at < 1 || at > n)
					at = at < 1 ? 1 - at : 2 * n + 1 - at;
				row[at - 1] += keys((centre - (double)i) / (double)f) / sum;
			}
			for (int64_t i = 0; i < n; i++)
				cr_expect(fabs(row[i] - r[(o - 1) * n + i]) < 1e-15, "n %d f %d row %d", (int)n,
					(int)f, (int)o);
		}
		cr_assert_eq(gr_scope_end(), GR_OK);
	}
}

/* Upsampling reproduces quadratics inside the line, at half-pixel centres. */
Test(separable, bicubic_up_of_polynomials)
{
	gr_tensor *small = gr_empty(GR_F64, GR_DIMS(12, 1));
	for (int64_t i = 0; i < 12; i++) {
		double at = 4.0 * ((double)i + 0.5);
		((double *)gr_tensor_data(small))[i] = 0.3 + 0.5 * at - 0.02 * at * at;
	}
	gr_tensor *large = gr_matmul(gr__separable_bicubic_up(47, 4), small);
	for (int64_t i = 10; i < 38; i++) {
		double at = (double)i + 0.5;
		double value = gr_tensor_at(large, (const int64_t[]){i, 0});
		cr_expect(fabs(value - (0.3 + 0.5 * at - 0.02 * at * at)) < 1e-12, "pixel %d", (int)i);
	}
}

/* <x, L x> is the sum of squared differences of neighbours. */
Test(separable, laplacian)
{
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(9, 1));
	gr_tensor *d = gr_sub(gr_slice(x, 0, 1, 9, 1), gr_slice(x, 0, 0, 8, 1));
	double left = dot(x, gr_matmul(gr__separable_laplacian(9), x));
	cr_expect(fabs(left - dot(d, d)) < 1e-13);
}

Test(separable, apply_and_adjoint)
{
	gr_tensor *rows = nn_normal(1, GR_F64, GR_DIMS(3, 5));
	gr_tensor *columns = nn_normal(2, GR_F64, GR_DIMS(4, 7));
	gr_tensor *x = nn_normal(3, GR_F64, GR_DIMS(2, 3, 5, 7));
	gr_tensor *y = nn_normal(4, GR_F64, GR_DIMS(2, 3, 3, 4));
	double left = dot(gr__separable_apply(rows, columns, x), y);
	double right = dot(x, gr__separable_adjoint(rows, columns, y));
	cr_expect(fabs(left - right) < 1e-12);
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}
