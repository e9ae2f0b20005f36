/* Noise: its law, whose key decides it, where it is not; the likelihood. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/noise.h"
#include "inverse_check.h"

Test(noise, law)
{
	int64_t n = 400;
	gr_tensor *y = gr_full(GR_F64, GR_DIMS(n, 3, 8, 8), 0.25);
	gr_tensor *e = gr_add_s(gr_noise_add(y, 0.05, n, some_keys(1, n)), -0.25);
	double count = (double)gr_tensor_size(e);
	double mean = gr_item(gr_mean(e, GR_ALL_AXES, false));
	double square = gr_item(gr_mean(gr_square(e), GR_ALL_AXES, false));
	/* five standard deviations of either estimate */
	cr_expect(fabs(mean) < 5.0 * 0.05 / sqrt(count), "mean %g", mean);
	cr_expect(fabs(square / 0.0025 - 1.0) < 5.0 * sqrt(2.0 / count), "variance %g", square);
}

Test(noise, does_not_depend_on_the_batch)
{
	static const char *const specs[] = {"inpaint_box", "inpaint_random", "sr_bicubic",
		"blur_gauss"};
	gr_tensor *x = gr_clamp(nn_normal(3, GR_F32, GR_DIMS(4, 3, 32, 32)), -1.0, 1.0);
	gr_key keys[4];
	for (int64_t i = 0; i < 4; i++)
		keys[i] = gr_measurement_key(5, gr_squeeze(batch_of(x, i, i + 1), 0));
	for (int s = 0; s < 4; s++) {
		gr_operator *A = gr_operator_new(specs[s], GR_OPTS(gr_operator_opts, .n = 4, .keys = keys));
		gr_tensor *y = gr_measure(A, x, 0.05);
		for (int64_t i = 0; i < 4; i++) {
			gr_operator *one =
				gr_operator_new(specs[s], GR_OPTS(gr_operator_opts, .n = 1, .keys = keys + i));
			cr_expect(nn_same_bits(gr_measure(one, batch_of(x, i, i + 1), 0.05),
						  batch_of(y, i, i + 1)),
				"%s %d", specs[s], (int)i);
			gr_operator_free(one);
		}
		gr_operator_free(A);
	}
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}

static bool same_key(gr_key a, gr_key b)
{
	return a.hi == b.hi && a.lo == b.lo;
}

Test(noise, keys_follow_seed_and_content)
{
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(3, 4, 6));
	gr_key key = gr_measurement_key(1, x);
	cr_expect(same_key(key, gr_measurement_key(1, gr_cast(x, GR_F64))));
	cr_expect(same_key(key,
		gr_measurement_key(1, gr_transpose(gr_contiguous(gr_transpose(x, 0, 1)), 0, 1))));
	cr_expect(!same_key(key, gr_measurement_key(2, x)));
	cr_expect(!same_key(key, gr_measurement_key(1, gr_flip(x, 2))));
	cr_expect(!same_key(key, gr_measurement_key(1, gr_reshape(x, GR_DIMS(3, 6, 4)))));
	cr_expect(!same_key(gr_sample_key(key, 0), gr_sample_key(key, 1)));
	cr_expect(!same_key(gr_sample_key(key, 0), key));
}

/* One e for every sigma; different ones for different operators; none on what is missing. */
Test(noise, of_a_measurement)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(2, 3, 32, 32));
	gr_operator *box =
		gr_operator_new("inpaint_box", GR_OPTS(gr_operator_opts, .n = 2, .keys = some_keys(1, 2)));
	gr_operator *blur =
		gr_operator_new("blur_gauss", GR_OPTS(gr_operator_opts, .n = 2, .keys = some_keys(1, 2)));
	gr_operator *plain = gr_operator_new("blur_gauss", NULL);
	gr_tensor *small = gr_measure(box, x, 0.01);
	gr_tensor *large = gr_measure(box, x, 0.1);
	gr_tensor *other = gr_measure(blur, x, 0.01);
	cr_expect(nn_distance(gr_mul_s(small, 10.0), large) < 1e-14);
	gr_tensor *support = gr_operator_support(box, GR_F64);
	cr_expect(nn_distance(gr_mul(small, support), small) == 0.0);
	/* Independent noise: the correlation of 4608 products, five standard deviations. */
	double r = dot(small, other) / sqrt(dot(small, small) * dot(other, other));
	cr_expect(fabs(r) < 5.0 / sqrt(4608.0), "%g", r);
	cr_expect_null(gr_measure(plain, x, 0.1));
	cr_expect_eq(gr_error_code(), GR_ESTATE);
	gr_error_clear();
	gr_operator_free(box);
	gr_operator_free(blur);
	gr_operator_free(plain);
}

Test(noise, log_likelihood)
{
	gr_tensor *y = nn_normal(1, GR_F64, GR_DIMS(2, 1, 3, 4));
	gr_tensor *mean = gr_watch(nn_normal(2, GR_F64, GR_DIMS(2, 1, 3, 4)));
	gr_tensor *mask = gr_gt_s(nn_normal(3, GR_F64, GR_DIMS(2, 1, 3, 4)), 0.0);
	gr_tensor *value = gr_noise_log_likelihood(y, mean, 0.3, mask);
	for (int64_t n = 0; n < 2; n++) {
		double sum = 0.0;
		for (int64_t i = 0; i < 12; i++) {
			const int64_t at[] = {n, 0, i / 4, i % 4};
			double r = (gr_tensor_at(y, at) - gr_tensor_at(mean, at)) / 0.3;
			double density = exp(-0.5 * r * r) / (0.3 * sqrt(2.0 * 3.141592653589793));
			sum += gr_tensor_at(mask, at) != 0.0 ? log(density) : 0.0;
		}
		cr_expect(fabs(gr_tensor_at(value, &n) - sum) < 1e-11);
	}
	/* d/dmean = (y - mean) / sigma^2 on the support */
	gr_tensor *grad;
	cr_assert_eq(gr_grad(&grad, gr_sum(value, GR_ALL_AXES, false), 1, &mean, NULL), GR_OK);
	gr_tensor *expected = gr_mul(mask, gr_mul_s(gr_sub(y, mean), 1.0 / 0.09));
	cr_expect(nn_distance(grad, expected) < 1e-13);
	cr_expect_null(gr_noise_log_likelihood(y, mean, 0.0, NULL));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
