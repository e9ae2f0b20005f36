/*
 * Laws of measurement noise (see gr_noise_law in gradus/noise.h), mu = A x:
 *     gauss    y = mu + level e,                     log p = -r^2 / (2 level^2) - log(level sqrt(2 pi))
 *     laplace  y = mu - level sign(u) log(1 - 2|u|), log p = -|r| / level - log(2 level)
 *     poisson  y = 2 k / level - 1, k ~ Poisson(m),  log p = k log m - m - log k!
 *     none     y = mu
 * with r = y - mu, u uniform in (-1/2, 1/2), and m = level (mu + 1) / 2 counts, level those of a
 * white pixel; m below 1e-3 counts as 1e-3, where the gradient in mu is 0. The density of Poisson
 * noise is that of k. It is sampled exactly, by counting the arrivals of exponential waits.
 */
#include "gradus/noise.h"

#include <math.h>

#include "gradus/ops.h"

#define LEAST_COUNT 1e-3

static bool is_level(gr_noise_law law, double level)
{
	bool known = law >= GR_NOISE_GAUSS && law <= GR_NOISE_NONE;
	if (known && (law == GR_NOISE_NONE || (level > 0.0 && level <= 1e6)))
		return true;
	gr_error_set(GR_EARG, "noise: law %d of level %g, expected above 0, at most 1e6", (int)law,
		level);
	return false;
}

static double draw(gr_noise_law law, double mu, double level, gr_key key, uint64_t i)
{
	if (law == GR_NOISE_GAUSS)
		return mu + level * gr_key_normal(key, i);
	if (law == GR_NOISE_LAPLACE) {
		double u = gr_key_uniform(key, i) - 0.5;
		double size = -log(fmax(1.0 - 2.0 * fabs(u), 1e-300));
		return mu + (u < 0.0 ? -level : level) * size;
	}
	gr_key waits = gr_key_fold(key, i);
	double m = fmax(0.5 * level * (mu + 1.0), LEAST_COUNT);
	double time = 0.0;
	uint64_t k = 0;
	for (;; k++) {
		time -= log(1.0 - gr_key_uniform(waits, k));
		if (!(time < m))
			break;
	}
	return 2.0 * (double)k / level - 1.0;
}

gr_tensor *gr_noise_draw(gr_noise_law law, gr_tensor *mean, double level, int64_t n,
	const gr_key *keys)
{
	if (!mean || !is_level(law, level))
		return NULL;
	if (gr_tensor_ndim(mean) < 1 || gr_tensor_dim(mean, 0) != n || !keys) {
		char is[96];
		gr_error_set(GR_ESHAPE, "noise: %lld keys for %s", keys ? (long long)n : 0LL,
			gr_tensor_describe(mean, is, sizeof(is)));
		return NULL;
	}
	int64_t size = gr_tensor_size(mean);
	double *v = gr_alloc((size_t)(size > 0 ? size : 1) * sizeof(*v));
	if (!v || gr_tensor_to_f64(mean, v)) {
		gr_free(v);
		return NULL;
	}
	int64_t each = n > 0 ? size / n : 0;
	for (int64_t i = 0; i < size && law != GR_NOISE_NONE; i++)
		if (isfinite(v[i]))
			v[i] = draw(law, v[i], level, keys[i / each], (uint64_t)(i % each));
	gr_tensor *y =
		gr_from_f64(gr_tensor_dtype(mean), v, gr_tensor_ndim(mean), gr_tensor_dims(mean));
	gr_free(v);
	return y;
}

/* log k! of the counts of y, a constant of the likelihood. */
static gr_tensor *log_factorials(gr_tensor *y, double level)
{
	int64_t size = gr_tensor_size(y);
	double *v = gr_alloc((size_t)(size > 0 ? size : 1) * sizeof(*v));
	gr_tensor *out = NULL;
	if (v && !gr_tensor_to_f64(y, v)) {
		for (int64_t i = 0; i < size; i++)
			v[i] = lgamma(fmax(0.5 * level * (v[i] + 1.0), 0.0) + 1.0);
		out = gr_from_f64(gr_tensor_dtype(y), v, gr_tensor_ndim(y), gr_tensor_dims(y));
	}
	gr_free(v);
	return out;
}

static gr_tensor *entries(gr_noise_law law, gr_tensor *y, gr_tensor *mean, double level)
{
	if (law == GR_NOISE_LAPLACE)
		return gr_affine(gr_abs(gr_sub(y, mean)), -1.0 / level, -log(2.0 * level));
	gr_tensor *counts = gr_affine(y, 0.5 * level, 0.5 * level);
	gr_tensor *m = gr_clamp(gr_affine(mean, 0.5 * level, 0.5 * level), LEAST_COUNT, INFINITY);
	return gr_sub(gr_sub(gr_mul(counts, gr_log(m)), m), log_factorials(y, level));
}

gr_tensor *gr_noise_log_density(gr_noise_law law, gr_tensor *y, gr_tensor *mean, double level,
	gr_tensor *support)
{
	if (!y || !mean || !is_level(law, level))
		return NULL;
	if (law == GR_NOISE_GAUSS)
		return gr_noise_log_likelihood(y, mean, level, support);
	if (law == GR_NOISE_NONE) {
		gr_error_set(GR_EUNSUPPORTED,
			"log density: no noise has none; hint: a small Gaussian level");
		return NULL;
	}
	if (!gr_is_same_shape(y, mean) || gr_tensor_ndim(y) < 1) {
		char a[96];
		char b[96];
		gr_error_set(GR_ESHAPE, "log density: y is %s, mean %s",
			gr_tensor_describe(y, a, sizeof(a)), gr_tensor_describe(mean, b, sizeof(b)));
		return NULL;
	}
	gr_tensor *each = entries(law, y, mean, level);
	if (support)
		each = gr_mul(each, support);
	return gr_sum(gr_reshape(each, GR_DIMS(gr_tensor_dim(y, 0), -1)), GR_AXES(1), false);
}
