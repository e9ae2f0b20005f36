/* Embeddings of indices and of timesteps. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

Test(embed, rows_of_a_table)
{
	gr_module *root = gr_module_new();
	gr_embedding *l = gr_embedding_new(root, "e", GR_OPTS(gr_embedding_opts, .count = 5, .dim = 3));
	cr_assert_eq(gr_module_init(root, gr_key_seed(1)), GR_OK);
	gr_tensor *w = gr_module_find(root, "e.weight");
	const int64_t index[] = {4, 0, 4, 2};
	gr_tensor *flat = gr_embedding_forward(l, gr_from(GR_I64, index, GR_DIMS(4)));
	gr_tensor *square = gr_embedding_forward(l, gr_from(GR_I64, index, GR_DIMS(2, 2)));
	cr_assert(gr_is_same_shape(square, gr_zeros(GR_F32, GR_DIMS(2, 2, 3))));
	for (int64_t i = 0; i < 4; i++) {
		for (int64_t d = 0; d < 3; d++) {
			double want = gr_tensor_at(w, (const int64_t[]){index[i], d});
			cr_assert_eq(gr_tensor_at(flat, (const int64_t[]){i, d}), want);
			cr_assert_eq(gr_tensor_at(square, (const int64_t[]){i / 2, i % 2, d}), want);
		}
	}
	/* Row 4 is read twice: its gradient is 2. */
	gr_tensor *grad;
	cr_assert_eq(gr_grad(&grad, gr_sum(flat, GR_ALL_AXES, false), 1, &w, NULL), GR_OK);
	cr_assert_eq(gr_tensor_at(grad, (const int64_t[]){4, 1}), 2.0);
	cr_assert_eq(gr_tensor_at(grad, (const int64_t[]){1, 1}), 0.0);

	cr_assert_null(gr_embedding_forward(l, gr_from(GR_I64, (const int64_t[]){5}, GR_DIMS(1))));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_module_free(root);
}

Test(embed, timestep_conventions)
{
	const double times[] = {0.0, 17.5, 999.0};
	gr_tensor *t = gr_from_f64(GR_F64, times, GR_DIMS(3));
	gr_tensor *adm = gr_timestep_embedding(t, 8, GR_F64, NULL);
	gr_tensor *ddpm = gr_timestep_embedding(t, 8, GR_F64,
		GR_OPTS(gr_timestep_opts, .sin_first = true, .divide_by_h1 = true));
	for (int64_t n = 0; n < 3; n++) {
		for (int64_t i = 0; i < 4; i++) {
			double w = pow(10000.0, -(double)i / 4.0), w1 = pow(10000.0, -(double)i / 3.0);
			const int64_t first[] = {n, i}, second[] = {n, 4 + i};
			cr_assert_float_eq(gr_tensor_at(adm, first), cos(times[n] * w), 1e-12);
			cr_assert_float_eq(gr_tensor_at(adm, second), sin(times[n] * w), 1e-12);
			cr_assert_float_eq(gr_tensor_at(ddpm, first), sin(times[n] * w1), 1e-12);
			cr_assert_float_eq(gr_tensor_at(ddpm, second), cos(times[n] * w1), 1e-12);
		}
	}
	gr_tensor *odd = gr_timestep_embedding(t, 9, GR_F64, NULL);
	cr_assert_eq(gr_tensor_dim(odd, 1), 9);
	cr_assert_eq(gr_tensor_at(odd, (const int64_t[]){2, 8}), 0.0);
}

/* In f32 the angle t w is rounded: 999 with 24 bits is off by up to 3e-5. Whole steps may come as
 * integers. */
Test(embed, timestep_types)
{
	const int64_t steps[] = {0, 500, 999};
	gr_tensor *t = gr_from(GR_I64, steps, GR_DIMS(3));
	gr_tensor *single = gr_timestep_embedding(t, 32, GR_F32, NULL);
	gr_tensor *exact = gr_timestep_embedding(t, 32, GR_F64, NULL);
	cr_assert_eq(gr_tensor_dtype(single), GR_F32);
	cr_assert_lt(nn_distance(single, exact), 3e-5);
	cr_assert_null(gr_timestep_embedding(t, 1, GR_F32, NULL));
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
}
