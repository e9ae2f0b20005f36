/*
 * Gaussian measurement noise and the keys of a measurement (see gradus/noise.h).
 *
 * y = A x + sigma e;  log p(y|x) = -|y - A x|^2 / (2 sigma^2) - (m/2) log(2 pi sigma^2), m the
 * number of measured entries.
 */
#include "gradus/noise.h"

#include <math.h>

#include "gradus/ops.h"
#include "gradus/random.h"
#include "noise_priv.h"

/* --- keys --- */

gr_key gr_measurement_key(uint64_t seed, const gr_tensor *image)
{
	gr_key key = gr_key_fold_name(gr_key_seed(seed), "measurement");
	int64_t count = gr_tensor_size(image);
	float *values = gr_alloc((size_t)(count > 0 ? count : 1) * sizeof(*values));
	if (!image || !values || gr_tensor_to_f32(image, values)) {
		gr_free(values);
		if (!gr_failed())
			gr_error_set(GR_EARG, "measurement key: the image is NULL");
		return key;
	}
	for (int64_t i = 0; i < count; i++)
		values[i] += 0.0f; /* -0 and 0 are one image */
	key = gr_key_fold_bytes(key, gr_tensor_dims(image),
		(size_t)gr_tensor_ndim(image) * sizeof(int64_t));
	key = gr_key_fold_bytes(key, values, (size_t)count * sizeof(*values));
	gr_free(values);
	return key;
}

gr_key gr_sample_key(gr_key measurement, int64_t particle)
{
	return gr_key_fold(gr_key_fold_name(measurement, "sample"), (uint64_t)particle);
}

/* --- draws --- */

gr_tensor *gr__noise_normal(int64_t n, const gr_key *keys, gr_dtype dtype, int ndim,
	const int64_t *dims)
{
	return gr_random_normal_each(n, keys, dtype, ndim, dims);
}

static gr_tensor *normal_like(const gr_tensor *y, int64_t n, const gr_key *keys)
{
	if (!y)
		return NULL;
	if (gr_tensor_ndim(y) < 1 || gr_tensor_dim(y, 0) != n || !keys) {
		char is[96];
		gr_error_set(GR_ESHAPE, "noise: %lld keys for %s", keys ? (long long)n : 0LL,
			gr_tensor_describe(y, is, sizeof(is)));
		return NULL;
	}
	return gr__noise_normal(n, keys, gr_tensor_dtype(y), gr_tensor_ndim(y) - 1,
		gr_tensor_dims(y) + 1);
}

static bool is_sigma(double sigma)
{
	if (sigma >= 0.0 && isfinite(sigma))
		return true;
	gr_error_set(GR_EARG, "noise: sigma is %g", sigma);
	return false;
}

gr_tensor *gr_noise_add(gr_tensor *y, double sigma, int64_t n, const gr_key *keys)
{
	if (!is_sigma(sigma))
		return NULL;
	return gr_axpby(y, 1.0, normal_like(y, n, keys), sigma);
}

gr_tensor *gr_measure(const gr_operator *A, gr_tensor *x, double sigma)
{
	gr_tensor *y = gr_operator_apply(A, x);
	if (!y || !is_sigma(sigma))
		return NULL;
	int64_t n = gr_operator_batch(A);
	if (n == 0) {
		gr_error_set(GR_ESTATE,
			"measure: no keys are bound to %s; hint: gr_measurement_key() of each image in "
			"opts.keys",
			gr_operator_name(A));
		return NULL;
	}
	gr_key *keys = gr_alloc((size_t)n * sizeof(*keys));
	if (!keys)
		return NULL;
	for (int64_t i = 0; i < n; i++)
		keys[i] =
			gr_key_fold_name(gr_key_fold_name(gr_operator_key(A, i), "noise"), gr_operator_name(A));
	gr_tensor *e = normal_like(y, n, keys);
	gr_free(keys);
	gr_tensor *support = gr_operator_support(A, gr_tensor_dtype(y));
	if (support)
		e = gr_mul(e, support);
	return gr_axpby(y, 1.0, e, sigma);
}

/* --- likelihood --- */

gr_tensor *gr_noise_log_likelihood(gr_tensor *y, gr_tensor *mean, double sigma, gr_tensor *support)
{
	if (!y || !mean)
		return NULL;
	if (!(sigma > 0.0 && isfinite(sigma))) {
		gr_error_set(GR_EARG, "log likelihood: sigma is %g, expected above 0", sigma);
		return NULL;
	}
	if (!gr_is_same_shape(y, mean) || gr_tensor_ndim(y) < 1) {
		char a[96];
		char b[96];
		gr_error_set(GR_ESHAPE, "log likelihood: y is %s, mean %s",
			gr_tensor_describe(y, a, sizeof(a)), gr_tensor_describe(mean, b, sizeof(b)));
		return NULL;
	}
	double constant = 0.5 * log(2.0 * 3.14159265358979323846 * sigma * sigma);
	gr_tensor *r = gr_sub(y, mean);
	/* -(r^2 / (2 sigma^2) + constant), weighted by the support, summed over all but the batch. */
	gr_tensor *each = gr_affine(gr_square(r), -0.5 / (sigma * sigma), -constant);
	if (support)
		each = gr_mul(each, support);
	return gr_sum(gr_reshape(each, GR_DIMS(gr_tensor_dim(y, 0), -1)), GR_AXES(1), false);
}
