/* Distributions: moments, element i a function of key and i alone, permutations. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/random.h"

#define N 100000

Test(dist, normal_has_its_moments)
{
	gr_tensor *t = gr_random_normal(gr_key_seed(3), GR_F64, GR_DIMS(N));
	const double *x = gr_tensor_data_const(t);
	double m[5] = {0};
	for (int i = 0; i < N; i++) {
		for (int p = 1; p <= 4; p++)
			m[p] += pow(x[i], p) / N;
	}
	/* Standard errors: 1, sqrt 2, sqrt 15, sqrt 96 over sqrt N; five of them allowed. */
	double unit = 5 / sqrt((double)N);
	cr_assert_float_eq(m[1], 0, unit);
	cr_assert_float_eq(m[2], 1, unit * sqrt(2));
	cr_assert_float_eq(m[3], 0, unit * sqrt(15));
	cr_assert_float_eq(m[4], 3, unit * sqrt(96));
}

Test(dist, elements_depend_on_key_and_index_alone)
{
	gr_key key = gr_key_seed(9);
	gr_tensor *small = gr_random_normal(key, GR_F64, GR_DIMS(7));
	gr_tensor *large = gr_random_normal(key, GR_F64, GR_DIMS(100, 173));
	for (int i = 0; i < 7; i++) {
		double a = ((const double *)gr_tensor_data_const(small))[i];
		cr_assert_eq(a, ((const double *)gr_tensor_data_const(large))[i]);
		cr_assert_eq(a, gr_key_normal(key, (uint64_t)i));
	}
}

/* Each sample as it would be drawn alone; odd sizes, both types, many samples and none. */
Test(dist, samples_with_keys_of_their_own)
{
	static const int64_t sizes[][2] = {{1, 1}, {3, 5}, {2, 4}, {70, 90}};
	gr_key keys[300];
	for (uint64_t i = 0; i < 300; i++)
		keys[i] = gr_key_seed(i + 1);
	for (int s = 0; s < 4; s++)
		for (gr_dtype dtype = GR_F32; dtype <= GR_F64; dtype++) {
			int64_t n = s == 3 ? 3 : 300;
			int64_t size = sizes[s][0] * sizes[s][1];
			gr_tensor *all = gr_random_normal_each(n, keys, dtype, 2, sizes[s]);
			cr_assert_eq(gr_tensor_ndim(all), 3);
			for (int64_t i = 0; i < n; i++) {
				gr_tensor *one = gr_random_normal(keys[i], dtype, 2, sizes[s]);
				size_t bytes = (size_t)size * gr_dtype_bytes(dtype);
				const char *at = gr_tensor_data_const(all);
				cr_assert_eq(memcmp(at + (size_t)i * bytes, gr_tensor_data_const(one), bytes), 0);
			}
		}
	cr_expect_eq(gr_tensor_size(gr_random_normal_each(0, keys, GR_F32, 2, sizes[1])), 0);
	cr_expect_null(gr_random_normal_each(2, keys, GR_I64, 2, sizes[1]));
	cr_expect_eq(gr_error_code(), GR_EDTYPE);
	gr_error_clear();
	cr_expect_null(gr_random_normal_each(2, keys, GR_F32, GR_MAX_DIMS, sizes[0]));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
}

Test(dist, uniform_stays_in_range)
{
	gr_tensor *t = gr_random_uniform(gr_key_seed(4), GR_F32, GR_DIMS(N), -2.0, 3.0);
	const float *x = gr_tensor_data_const(t);
	double mean = 0.0;
	for (int i = 0; i < N; i++) {
		cr_assert(x[i] >= -2.0f && x[i] <= 3.0f);
		mean += (double)x[i] / N;
	}
	cr_assert_float_eq(mean, 0.5, 5 * 5 / sqrt(12.0 * N));
}

Test(dist, permutation_is_one)
{
	gr_tensor *t = gr_random_permutation(gr_key_seed(1), 1000);
	const int64_t *p = gr_tensor_data_const(t);
	static bool seen[1000];
	int64_t fixed = 0;
	for (int i = 0; i < 1000; i++) {
		cr_assert(p[i] >= 0 && p[i] < 1000 && !seen[p[i]]);
		seen[p[i]] = true;
		fixed += p[i] == i;
	}
	cr_assert_lt(fixed, 10);
}

Test(dist, threads_do_not_matter)
{
	gr_set_threads(1);
	gr_tensor *a = gr_random_normal(gr_key_seed(7), GR_F32, GR_DIMS(50001));
	gr_set_threads(4);
	gr_tensor *b = gr_random_normal(gr_key_seed(7), GR_F32, GR_DIMS(50001));
	cr_assert_arr_eq(gr_tensor_data_const(a), gr_tensor_data_const(b), 50001 * sizeof(float));
}

Test(dist, integers_are_refused)
{
	cr_assert_null(gr_random_normal(gr_key_seed(7), GR_I64, GR_DIMS(3)));
	cr_assert_eq(gr_error_code(), GR_EDTYPE);
}
