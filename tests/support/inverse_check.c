/* See inverse_check.h. */
#include "inverse_check.h"

#include <math.h>
#include <stdlib.h>

const gr_key *some_keys(uint64_t first, int64_t n)
{
	static gr_key keys[MAX_KEYS];
	for (int64_t i = 0; i < n && i < MAX_KEYS; i++)
		keys[i] = gr_key_seed(first + (uint64_t)i);
	return keys;
}

double dot(const gr_tensor *a, const gr_tensor *b)
{
	int64_t n = gr_tensor_size(a);
	double *va = malloc((size_t)n * sizeof(double));
	double *vb = malloc((size_t)n * sizeof(double));
	double sum = gr_tensor_size(b) == n ? 0.0 : NAN;
	gr_tensor_to_f64(a, va);
	gr_tensor_to_f64(b, vb);
	for (int64_t i = 0; i < n; i++)
		sum += va[i] * vb[i];
	free(va);
	free(vb);
	return sum;
}

gr_tensor *batch_of(gr_tensor *x, int64_t begin, int64_t end)
{
	return gr_contiguous(gr_slice(x, 0, begin, end, 1));
}

void gaussian_moments(double *mean, double *covariance, int64_t D, double variance, bool full)
{
	for (int64_t i = 0; i < D; i++) {
		mean[i] = 0.3 * sin((double)i);
		for (int64_t j = 0; j < D; j++) {
			double off = full ? variance * pow(0.6, fabs((double)(i - j))) : 0.0;
			covariance[i * D + j] = i == j ? variance : off;
		}
	}
}

gr_prior *gaussian_prior(int64_t C, int64_t H, int64_t W, double variance, bool full)
{
	int64_t D = C * H * W;
	gr_tensor *mean = gr_empty(GR_F64, GR_DIMS(C, H, W));
	gr_tensor *covariance = gr_empty(GR_F64, GR_DIMS(D, D));
	gaussian_moments(gr_tensor_data(mean), gr_tensor_data(covariance), D, variance, full);
	return gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts, .mean = mean, .variance = variance,
									 .covariance = full ? covariance : NULL),
		GR_OPTS(gr_prior_opts, .channels = C, .height = H, .width = W));
}

gr_unet *tiny_unet(int64_t out_channels)
{
	gr_unet *net = gr_unet_new(GR_OPTS(gr_unet_config, .image_size = 16, .model_channels = 8,
		.out_channels = out_channels, .num_res_blocks = 1, .num_levels = 2, .channel_mult = {1, 2},
		.num_attention = 1, .attention_ds = {2}, .num_head_channels = 8,
		.use_scale_shift_norm = true, .norm_groups = 4));
	gr_module *m = gr_unet_module(net);
	if (gr_module_init(m, gr_key_seed(1)))
		return NULL;
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *drawn =
			nn_normal(100 + (uint64_t)i, GR_F32, gr_tensor_ndim(p), gr_tensor_dims(p));
		gr_param_update(p, gr_axpby(gr_stop_gradient(p), 1.0, drawn, 0.05));
	}
	return net;
}

gr_prior *tiny_prior(void)
{
	return gr_prior_unet_new(tiny_unet(3),
		GR_OPTS(gr_prior_opts, .channels = 3, .height = 16, .width = 16));
}

void solve_dense(double *m, double *b, int64_t n, int64_t k)
{
	for (int64_t p = 0; p < n; p++) {
		int64_t best = p;
		for (int64_t i = p; i < n; i++)
			if (fabs(m[i * n + p]) > fabs(m[best * n + p]))
				best = i;
		for (int64_t j = 0; j < n; j++) {
			double t = m[p * n + j];
			m[p * n + j] = m[best * n + j];
			m[best * n + j] = t;
		}
		for (int64_t j = 0; j < k; j++) {
			double t = b[p * k + j];
			b[p * k + j] = b[best * k + j];
			b[best * k + j] = t;
		}
		for (int64_t i = 0; i < n; i++) {
			double f = m[i * n + p] / m[p * n + p];
			for (int64_t j = 0; i != p && j < n; j++)
				m[i * n + j] -= f * m[p * n + j];
			for (int64_t j = 0; i != p && j < k; j++)
				b[i * k + j] -= f * b[p * k + j];
		}
	}
	for (int64_t i = 0; i < n; i++)
		for (int64_t j = 0; j < k; j++)
			b[i * k + j] /= m[i * n + i];
}
