/* Spectral convolutions: against their definition by sums, over resolutions, gradients, errors. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

#define PI 3.14159265358979323846

static gr_spectral *build(gr_module *m, int64_t in, int64_t out, int64_t modes, int64_t modes_w)
{
	gr_module_set_dtype(m, GR_F64);
	gr_spectral *l = gr_spectral_new(m, "s",
		GR_OPTS(gr_spectral_opts, .in = in, .out = out, .modes = modes, .modes_w = modes_w));
	cr_assert_not_null(l, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(m, gr_key_seed(1)), GR_OK);
	return l;
}

/* One wave in, the same wave times its factor out, at any resolution: x = cos(a) with a = 2 pi (p
 * u + q v), factor (c, d): y = c cos(a) - d sin(a). */
Test(spectral, waves)
{
	gr_module *m = gr_module_new();
	gr_spectral *l = build(m, 1, 1, 4, 6);
	const double *w = gr_tensor_data_const(gr_module_find(m, "s.weight")); /* [1,1,4,4,2] */
	static const int64_t sizes[][2] = {{8, 8}, {7, 9}, {16, 12}, {4, 6}};
	for (int k = 0; k < 4; k++) {
		const int64_t h = sizes[k][0], wide = sizes[k][1];
		for (int p = -1; p <= 1; p++) {
			gr_tensor *x = gr_empty(GR_F64, GR_DIMS(1, 1, h, wide)),
					  *y = gr_empty(GR_F64, GR_DIMS(1, 1, h, wide));
			const double *factor = w + 2 * ((p < 0 ? 4 + p : p) * 4 + 2);
			for (int64_t i = 0; i < h * wide; i++) {
				const double a = 2.0 * PI *
					(p * (double)(i / wide) / (double)h + 2.0 * (double)(i % wide) / (double)wide);
				((double *)gr_tensor_data(x))[i] = cos(a);
				((double *)gr_tensor_data(y))[i] = factor[0] * cos(a) - factor[1] * sin(a);
			}
			cr_assert_lt(nn_distance(gr_spectral_forward(l, x, 0, 0), y), 1e-12, "%d at %d", p, k);
		}
	}
	gr_module_free(m);
}

/* What is smooth is the same function at another resolution. */
Test(spectral, resamples)
{
	gr_module *m = gr_module_new();
	gr_spectral *l = build(m, 2, 3, 4, 0);
	gr_tensor *coarse = gr_spectral_forward(l, nn_normal(3, GR_F64, GR_DIMS(2, 2, 8, 8)), 0, 0);
	gr_module *n = gr_module_new();
	gr_spectral *k = build(n, 3, 2, 4, 0);
	gr_tensor *y = gr_spectral_forward(k, coarse, 0, 0);
	gr_tensor *fine = gr_spectral_forward(k, coarse, 16, 16);
	gr_tensor *down = gr_slice(gr_slice(fine, 2, 0, 16, 2), 3, 0, 16, 2);
	cr_assert_lt(nn_distance(gr_contiguous(down), y), 1e-12);
	gr_module_free(m);
	gr_module_free(n);
}

static gr_tensor *forward(const void *l, gr_tensor *x)
{
	return gr_spectral_forward(l, x, 6, 10);
}

Test(spectral, gradients)
{
	gr_module *m = gr_module_new();
	gr_spectral *l = build(m, 2, 3, 5, 4);
	gr_tensor *x = nn_normal(4, GR_F64, GR_DIMS(2, 2, 7, 5));
	cr_assert_lt(nn_gradient_error(m, forward, l, x), 1e-7);
	gr_module_free(m);
}

Test(spectral, refuses_what_does_not_fit)
{
	gr_module *m = gr_module_new();
	gr_spectral *l = build(m, 2, 3, 6, 0);
	cr_assert_null(gr_spectral_forward(l, nn_normal(4, GR_F64, GR_DIMS(1, 2, 5, 8)), 0, 0));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_spectral_forward(l, nn_normal(4, GR_F64, GR_DIMS(1, 2, 8, 8)), 8, 4));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_spectral_new(m, "t", GR_OPTS(gr_spectral_opts, .in = 2, .out = 2)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_module_free(m);
}
