/* The Fourier neural operator: size, resolutions, gradients, errors. Values: test_variants.c. */
#include <criterion/criterion.h>

#include "gradus/fno.h"
#include "nn_check.h"

Test(fno, size)
{
	gr_fno *f = gr_fno_new(NULL);
	const int64_t spectral = 32 * 32 * 16 * 9 * 2 + 32, skip = 32 * 32 + 32;
	cr_assert_eq(gr_module_size(gr_fno_module(f)),
		3 * 32 + 32 + 4 * (spectral + skip) + 32 * 128 + 128 + 128 + 1);
	gr_fno_free(f);
}

static gr_fno *build(gr_dtype dtype)
{
	gr_fno *f =
		gr_fno_new(GR_OPTS(gr_fno_config, .in_channels = 2, .out_channels = 1, .hidden_channels = 4,
			.projection_channels = 6, .n_layers = 2, .n_modes = 4, .n_modes_w = 6, .dtype = dtype));
	cr_assert_not_null(f, "%s", gr_error_message());
	cr_assert_eq(gr_module_init(gr_fno_module(f), gr_key_seed(1)), GR_OK);
	return f;
}

static gr_tensor *forward(const void *f, gr_tensor *x)
{
	return gr_fno_forward(f, x);
}

Test(fno, gradients)
{
	gr_fno *f = build(GR_F64);
	gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(2, 2, 8, 7));
	cr_assert_lt(nn_gradient_error(gr_fno_module(f), forward, f, x), 1e-6);
	gr_fno_free(f);
}

/* Without coordinates a shift of a periodic function shifts the result, on any grid. */
Test(fno, shifts)
{
	gr_fno *f = gr_fno_new(GR_OPTS(gr_fno_config, .hidden_channels = 4, .n_modes = 4,
		.no_coordinates = true, .dtype = GR_F64));
	cr_assert_eq(gr_module_init(gr_fno_module(f), gr_key_seed(3)), GR_OK);
	gr_tensor *x = nn_normal(4, GR_F64, GR_DIMS(1, 1, 12, 9)), *part[2], *moved[2];
	gr_tensor *y = gr_fno_forward(f, x);
	for (int i = 0; i < 2; i++) {
		part[i] = gr_slice(x, 2, i == 0 ? 5 : 0, i == 0 ? 12 : 5, 1);
		moved[i] = gr_slice(y, 2, i == 0 ? 5 : 0, i == 0 ? 12 : 5, 1);
	}
	gr_tensor *z = gr_fno_forward(f, gr_concat(2, part, 2));
	cr_assert_lt(nn_distance(z, gr_concat(2, moved, 2)), 1e-12);
	gr_fno_free(f);
}

Test(fno, refuses_what_does_not_fit)
{
	cr_assert_null(gr_fno_new(GR_OPTS(gr_fno_config, .n_layers = 99)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_fno *f = build(GR_F32);
	cr_assert_null(gr_fno_forward(f, gr_zeros(GR_F32, GR_DIMS(1, 1, 8, 8))));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_assert_null(gr_fno_forward(f, gr_zeros(GR_F32, GR_DIMS(1, 2, 3, 8)))); /* less than modes */
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_fno_free(f);
}
