/*
 * Separable maps and the one-dimensional matrices that several files share (separable_priv.h).
 *
 * Bicubic: Keys 1981 with a = -1/2,
 *     k(r) = 1.5 |r|^3 - 2.5 |r|^2 + 1                  for |r| <= 1
 *          = -0.5 |r|^3 + 2.5 |r|^2 - 4 |r| + 2         for 1 < |r| <= 2,
 * on half-pixel centres: pixel i of a line lies at i + 1/2, output o of a reduction by f at
 * (o + 1/2) f. Reducing widens the kernel to k(r/f)/f (antialiasing, as MATLAB's imresize and the
 * DPS resizer); weights are normalised to sum 1 and what falls outside is mirrored with the edge
 * repeated.
 */
#include "separable_priv.h"

#include <math.h>

gr_tensor *gr__separable_apply(gr_tensor *rows, gr_tensor *columns, gr_tensor *x)
{
	return gr_matmul(gr_matmul(rows, x), gr_transpose(columns, 0, 1));
}

gr_tensor *gr__separable_adjoint(gr_tensor *rows, gr_tensor *columns, gr_tensor *y)
{
	return gr_matmul(gr_matmul(gr_transpose(rows, 0, 1), y), columns);
}

int64_t gr__separable_symmetric(int64_t i, int64_t n)
{
	int64_t at = i % (2 * n);
	if (at < 0)
		at += 2 * n;
	return at < n ? at : 2 * n - 1 - at;
}

int64_t gr__separable_reflect(int64_t i, int64_t n)
{
	if (n == 1)
		return 0;
	int64_t period = 2 * (n - 1);
	int64_t at = i % period;
	if (at < 0)
		at += period;
	return at < n ? at : period - at;
}

static double keys_cubic(double r)
{
	r = fabs(r);
	if (r <= 1.0)
		return (1.5 * r - 2.5) * r * r + 1.0;
	if (r <= 2.0)
		return ((-0.5 * r + 2.5) * r - 4.0) * r + 2.0;
	return 0.0;
}

/* Row `row` of n weights: kernel of half-width 2 `stretch` about `centre` (pixel i at i + 1/2). */
static void cubic_row(double *row, int64_t n, double centre, double stretch)
{
	int64_t first = (int64_t)floor(centre - 2.0 * stretch - 0.5);
	int64_t last = (int64_t)ceil(centre + 2.0 * stretch + 0.5);
	double sum = 0.0;
	for (int64_t i = first; i <= last; i++)
		sum += keys_cubic(((double)i + 0.5 - centre) / stretch);
	for (int64_t i = first; i <= last; i++)
		row[gr__separable_symmetric(i, n)] +=
			keys_cubic(((double)i + 0.5 - centre) / stretch) / sum;
}

gr_tensor *gr__separable_bicubic_down(int64_t n, int64_t f)
{
	int64_t m = (n + f - 1) / f;
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(m, n));
	double *r = gr_tensor_data(matrix);
	for (int64_t o = 0; r && o < m; o++)
		cubic_row(r + o * n, n, ((double)o + 0.5) * (double)f, (double)f);
	return matrix;
}

gr_tensor *gr__separable_bicubic_up(int64_t n, int64_t f)
{
	int64_t m = (n + f - 1) / f;
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(n, m));
	double *r = gr_tensor_data(matrix);
	for (int64_t o = 0; r && o < n; o++)
		cubic_row(r + o * m, m, ((double)o + 0.5) / (double)f, 1.0);
	return matrix;
}

gr_tensor *gr__separable_laplacian(int64_t n)
{
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(n, n));
	double *r = gr_tensor_data(matrix);
	for (int64_t i = 0; r && i + 1 < n; i++) {
		r[i * n + i] += 1.0;
		r[(i + 1) * n + i + 1] += 1.0;
		r[i * n + i + 1] -= 1.0;
		r[(i + 1) * n + i] -= 1.0;
	}
	return matrix;
}
