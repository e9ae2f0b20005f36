/*
 * Preconditioners (Karras et al. 2022, table 1), s the noise level:
 *
 *	        EDM                          VP                  VE           iDDPM
 *	c_skip  d^2 / (s^2 + d^2)            1                   1            1
 *	c_out   s d / sqrt(s^2 + d^2)        -s                  s            -s
 *	c_in    1 / sqrt(d^2 + s^2)          1 / sqrt(s^2 + 1)   1            1 / sqrt(s^2 + 1)
 *	c_noise ln(s) / 4                    (M - 1) t(s)        ln(s / 2)    M - 1 - argmin |u - s|
 *
 * d = sigma_data. VP: s(t) = sqrt(exp(beta_d t^2 / 2 + beta_min t) - 1) and its inverse t(s). iDDPM:
 * u_M = 0, u_{j-1} = sqrt((u_j^2 + 1) / max(A_{j-1} / A_j, C_1) - 1),
 * A_j = sin^2(pi/2 j / M / (C_2 + 1)).
 */
#include <math.h>

#include "block.h"
#include "edm_priv.h"
#include "gradus/ops.h"

#define PI 3.14159265358979323846

typedef struct coefficients {
	double skip, out, in, noise;
} coefficients;

void gr__edm_grid(const gr_edm_config *config, double *u)
{
	const double m = (double)config->M;
	u[config->M] = 0.0;
	for (int64_t j = config->M; j > 0; j--) {
		const double here = sin(0.5 * PI * (double)j / m / (config->C_2 + 1.0));
		const double before = sin(0.5 * PI * (double)(j - 1) / m / (config->C_2 + 1.0));
		const double ratio = before * before / (here * here);
		u[j - 1] = sqrt((u[j] * u[j] + 1.0) / fmax(ratio, config->C_1) - 1.0);
	}
}

static int64_t nearest(const gr_edm_config *config, const double *u, double sigma)
{
	int64_t best = 0;
	for (int64_t j = 1; j <= config->M; j++)
		if (fabs(u[j] - sigma) < fabs(u[best] - sigma))
			best = j;
	return best;
}

static double vp_time(const gr_edm_config *c, double sigma)
{
	const double b = c->beta_min;
	return (sqrt(b * b + 2.0 * c->beta_d * log1p(sigma * sigma)) - b) / c->beta_d;
}

static coefficients at_level(const gr_edm_config *config, const double *u, double sigma)
{
	const double s2 = sigma * sigma, d = config->sigma_data, d2 = d * d;
	switch (config->precond) {
	case GR_EDM_BARE: break;
	case GR_EDM_VP:
		return (coefficients){1.0, -sigma, 1.0 / sqrt(s2 + 1.0),
			(double)(config->M - 1) * vp_time(config, sigma)};
	case GR_EDM_VE: return (coefficients){1.0, sigma, 1.0, log(0.5 * sigma)};
	case GR_EDM_IDDPM:
		return (coefficients){1.0, -sigma, 1.0 / sqrt(s2 + 1.0),
			(double)(config->M - 1 - nearest(config, u, sigma))};
	case GR_EDM_EDM:
		return (coefficients){d2 / (s2 + d2), sigma * d / sqrt(s2 + d2), 1.0 / sqrt(d2 + s2),
			0.25 * log(sigma)};
	}
	return (coefficients){0.0, 1.0, 1.0, sigma};
}

static gr_status check_inputs(const gr_edm *e, const gr_tensor *x, const gr_tensor *sigma,
	const gr_edm_forward_opts *opts)
{
	const gr_edm_config *c = gr_edm_get_config(e);
	const int64_t multiple = (int64_t)1 << (c->num_levels - 1);
	char text[128];
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != c->in_channels ||
		gr_tensor_dim(x, 2) % multiple != 0 || gr_tensor_dim(x, 3) % multiple != 0)
		return gr_error_set(GR_ESHAPE,
			"edm: x is %s, expected [N,%lld,H,W] with H and W multiples of %lld",
			gr_tensor_describe(x, text, sizeof text), (long long)c->in_channels,
			(long long)multiple);
	const int64_t n = gr_tensor_dim(x, 0);
	if (gr_tensor_ndim(sigma) != 1 ||
		(gr_tensor_dim(sigma, 0) != n && gr_tensor_dim(sigma, 0) != 1))
		return gr_error_set(GR_ESHAPE, "edm: sigma is %s, expected one for each of %lld samples",
			gr_tensor_describe(sigma, text, sizeof text), (long long)n);
	const gr_tensor *labels = opts == NULL ? NULL : opts->labels;
	if (labels == NULL)
		return GR_OK;
	if (c->label_dim == 0)
		return gr_error_set(GR_EARG, "edm: labels given to an unconditional network");
	const bool index = gr_tensor_dtype(labels) == GR_I64;
	if (gr_tensor_dim(labels, 0) == n && gr_tensor_ndim(labels) == (index ? 1 : 2) &&
		(index || gr_tensor_dim(labels, 1) == c->label_dim))
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "edm: labels are %s, expected i64 [%lld] or rows [%lld,%lld]",
		gr_tensor_describe(labels, text, sizeof text), (long long)n, (long long)n,
		(long long)c->label_dim);
}

/* The coefficients of every sample, to multiply images by; noise as [N]. */
typedef struct tensors {
	gr_tensor *skip, *out, *in, *noise;
} tensors;

static tensors make_tensors(const gr_edm *e, const gr_tensor *sigma, int64_t n)
{
	tensors t = {gr_empty(GR_F64, GR_DIMS(n, 1, 1, 1)), gr_empty(GR_F64, GR_DIMS(n, 1, 1, 1)),
		gr_empty(GR_F64, GR_DIMS(n, 1, 1, 1)), gr_empty(GR_F64, GR_DIMS(n))};
	double *skip = gr_tensor_data(t.skip), *out = gr_tensor_data(t.out);
	double *in = gr_tensor_data(t.in), *noise = gr_tensor_data(t.noise);
	const gr_edm_config *config = gr_edm_get_config(e);
	const bool one = gr_tensor_dim(sigma, 0) == 1;
	if (skip == NULL || out == NULL || in == NULL || noise == NULL ||
		gr_tensor_to_f64(sigma, noise) != GR_OK)
		return (tensors){NULL, NULL, NULL, NULL};
	for (int64_t i = n - 1; i >= 0; i--) {
		const coefficients k = at_level(config, gr__edm_levels(e), noise[one ? 0 : i]);
		skip[i] = k.skip;
		out[i] = k.out;
		in[i] = k.in;
		noise[i] = k.noise;
	}
	const gr_dtype dtype = config->dtype;
	return (tensors){gr_cast(t.skip, dtype), gr_cast(t.out, dtype), gr_cast(t.in, dtype),
		gr_cast(t.noise, dtype)};
}

gr_tensor *gr_edm_forward(const gr_edm *e, gr_tensor *x, gr_tensor *sigma,
	const gr_edm_forward_opts *opts)
{
	if (e == NULL || x == NULL || sigma == NULL || check_inputs(e, x, sigma, opts) != GR_OK)
		return NULL;
	const gr_edm_config *config = gr_edm_get_config(e);
	gr_scope_begin();
	const tensors c = make_tensors(e, sigma, gr_tensor_dim(x, 0));
	if (config->precond == GR_EDM_BARE)
		return gr__block_leave(gr__edm_apply(e, x, c.noise, opts));
	gr_tensor *f = gr__edm_apply(e, gr_mul(x, c.in), c.noise, opts);
	if (config->precond == GR_EDM_IDDPM)
		f = gr_slice(f, 1, 0, config->in_channels, 1);
	f = gr_mul(f, c.out);
	return gr__block_leave(config->precond == GR_EDM_EDM ? gr_muladd(x, c.skip, f) : gr_add(x, f));
}

void gr_edm_sigma_range(const gr_edm *e, double *sigma_min, double *sigma_max)
{
	const gr_edm_config *c = gr_edm_get_config(e);
	*sigma_min = c->sigma_min;
	*sigma_max = c->sigma_max;
	if (c->precond == GR_EDM_VP) {
		const double t = c->epsilon_t;
		*sigma_min = sqrt(expm1(0.5 * c->beta_d * t * t + c->beta_min * t));
		*sigma_max = sqrt(expm1(0.5 * c->beta_d + c->beta_min));
	} else if (c->precond == GR_EDM_IDDPM) {
		*sigma_min = gr__edm_levels(e)[c->M - 1];
		*sigma_max = gr__edm_levels(e)[0];
	}
}

double gr_edm_round_sigma(const gr_edm *e, double sigma)
{
	const double *u = gr__edm_levels(e);
	return u == NULL ? sigma : u[nearest(gr_edm_get_config(e), u, sigma)];
}
