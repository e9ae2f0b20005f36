/*
 * Separable maps and the one-dimensional matrices that several files share (separable_priv.h).
 *
 * Bicubic: the weights are gr_resize_matrix's (tensor/kern/resize.c), antialiased as MATLAB's
 * imresize and the DPS resizer are, with what falls outside mirrored.
 */
#include "separable_priv.h"

gr_tensor *gr__separable_apply(gr_tensor *rows, gr_tensor *columns, gr_tensor *x)
{
	return gr_matmul(gr_matmul(rows, x), gr_transpose(columns, 0, 1));
}

gr_tensor *gr__separable_adjoint(gr_tensor *rows, gr_tensor *columns, gr_tensor *y)
{
	return gr_matmul(gr_matmul(gr_transpose(rows, 0, 1), y), columns);
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

/* Keys' cubic with a = -1/2, mirrored at the outer edges. */
static gr_tensor *bicubic(int64_t n, int64_t m, double scale)
{
	return gr_resize_matrix(n, m,
		GR_OPTS(gr_resize_opts, .mode = GR_RESIZE_CUBIC, .antialias = true, .mirror = true,
			.scale_h = scale, .cubic_a = -0.5));
}

gr_tensor *gr__separable_bicubic_down(int64_t n, int64_t f)
{
	return bicubic(n, (n + f - 1) / f, (double)f);
}

gr_tensor *gr__separable_bicubic_up(int64_t n, int64_t f)
{
	return bicubic((n + f - 1) / f, n, 1.0 / (double)f);
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
