/*
 * Gaussian blur: every channel is correlated with the separable kernel
 *     g_k ~ exp(-(k - (taps-1)/2)^2 / (2 sigma^2)), sum g = 1, all taps kept,
 * the image continued by reflection about the centres of its edge pixels (edge not repeated), as in
 * DPS. Its defaults there, 61 taps with sigma 3 (13 or more of the taps are zero on each side) at
 * 256 x 256, correspond to sigma 3/8 at 32 x 32, which hardly blurs; ours are 9 taps and sigma 1.5.
 */
#include "operator_priv.h"
#include "separable_priv.h"

#include <math.h>
#include <stddef.h>

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	gr_dtype dtype = gr_tensor_dtype(x);
	return gr__separable_apply(gr__constant_get(&A->part[0], dtype),
		gr__constant_get(&A->part[1], dtype), x);
}

static gr_tensor *adjoint(const gr_operator *A, gr_tensor *y)
{
	gr_dtype dtype = gr_tensor_dtype(y);
	return gr__separable_adjoint(gr__constant_get(&A->part[0], dtype),
		gr__constant_get(&A->part[1], dtype), y);
}

static gr_tensor *gauss_kernel(int64_t taps, double sigma)
{
	gr_tensor *kernel = gr_zeros(GR_F64, GR_DIMS(taps));
	double *g = gr_tensor_data(kernel);
	double sum = 0.0;
	int64_t centre = taps / 2;
	for (int64_t k = 0; g && k < taps; k++) {
		double r = (double)(k - centre) / sigma;
		g[k] = exp(-0.5 * r * r);
		sum += g[k];
	}
	for (int64_t k = 0; g && k < taps; k++)
		g[k] /= sum;
	return kernel;
}

static gr_tensor *blur_matrix(int64_t n, const gr_tensor *kernel)
{
	int64_t taps = gr_tensor_dim(kernel, 0);
	const double *g = gr_tensor_data_const(kernel);
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(n, n));
	double *r = gr_tensor_data(matrix);
	for (int64_t i = 0; r && g && i < n; i++)
		for (int64_t k = 0; k < taps; k++)
			r[i * n + gr__separable_reflect(i + k - taps / 2, n)] += g[k];
	return matrix;
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t taps = opts->taps ? opts->taps : 9;
	double sigma = opts->blur_sigma != 0.0 ? opts->blur_sigma : 1.5;
	if (taps < 1 || taps % 2 == 0 || taps > 4095)
		return gr_error_set(GR_EARG,
			"operator: blur_gauss: %lld taps, expected an odd number up "
			"to 4095",
			(long long)taps);
	if (!(sigma > 0.0 && isfinite(sigma)))
		return gr_error_set(GR_EARG, "operator: blur_gauss: sigma is %g pixels", sigma);
	gr_tensor *kernel = gauss_kernel(taps, sigma);
	gr_status status = gr__operator_add_part(A, "rows", blur_matrix(A->in[1], kernel));
	if (!status)
		status = gr__operator_add_part(A, "columns", blur_matrix(A->in[2], kernel));
	return status ? status : gr__operator_add_part(A, "kernel", kernel);
}

static const gr_operator_option options[] = {
	{"taps", offsetof(gr_operator_opts, taps), GR_OPTION_COUNT, NULL},
	{"sigma", offsetof(gr_operator_opts, blur_sigma), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"blur_gauss", "blur_gauss:taps=21,sigma=3", NULL};

const gr_operator_row gr__operator_blur_gauss = {
	.name = "blur_gauss",
	.help = "Gaussian blur, reflecting edges; taps=<9>, sigma=<1.5 pixels>",
	.examples = examples,
	.options = options,
	.build = build,
	.apply = apply,
	.adjoint = adjoint,
};
