/* Distributions: moments, element i a function of key and i alone, permutations. */
#include <criterion/criterion.h>
#include <math.h>

#include "gradus/tensor.h"

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
