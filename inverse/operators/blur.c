/*
 * Gaussian blur (blur_gauss): every channel is correlated with the separable kernel
 *     g_k ~ exp(-(k - (taps-1)/2)^2 / (2 sigma^2)), sum g = 1, all taps kept,
 * the image continued by reflection about the centres of its edge pixels (edge not repeated), as in
 * DPS, unless `boundary` says otherwise. Its defaults there, 61 taps with sigma 3 (13 or more of the taps are zero on each side) at
 * 256 x 256, correspond to sigma 3/8 at 32 x 32, which hardly blurs; ours are 9 taps and sigma 1.5.
 *
 * sr_blur: the same, then rows and columns 0, f, 2f, ... are kept (strided blur, f default 4).
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

gr_tensor *gr__blur_gauss(int64_t taps, double sigma)
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

int64_t gr__blur_index(int64_t i, int64_t n, gr_boundary boundary)
{
	if (boundary == GR_BOUNDARY_REFLECT)
		return gr__separable_reflect(i, n);
	if (boundary == GR_BOUNDARY_CIRCULAR)
		return (i % n + n) % n;
	return i >= 0 && i < n ? i : -1;
}

gr_tensor *gr__blur_matrix(int64_t n, const gr_tensor *kernel, gr_boundary boundary)
{
	int64_t taps = gr_tensor_dim(kernel, 0);
	const double *g = gr_tensor_data_const(kernel);
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(n, n));
	double *r = gr_tensor_data(matrix);
	for (int64_t i = 0; r && g && i < n; i++)
		for (int64_t k = 0; k < taps; k++) {
			int64_t j = gr__blur_index(i + k - taps / 2, n, boundary);
			if (j >= 0)
				r[i * n + j] += g[k];
		}
	return matrix;
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts, int64_t factor)
{
	int64_t taps = opts->taps ? opts->taps : 9;
	double sigma = opts->blur_sigma != 0.0 ? opts->blur_sigma : 1.5;
	if (taps < 1 || taps % 2 == 0 || taps > 4095)
		return gr_error_set(GR_EARG, "operator: %s: %lld taps, expected an odd number up to 4095",
			A->row->name, (long long)taps);
	if (!(sigma > 0.0 && isfinite(sigma)))
		return gr_error_set(GR_EARG, "operator: %s: sigma is %g pixels", A->row->name, sigma);
	gr_tensor *kernel = gr__blur_gauss(taps, sigma);
	gr_tensor *rows = gr__blur_matrix(A->in[1], kernel, opts->boundary);
	gr_tensor *columns = gr__blur_matrix(A->in[2], kernel, opts->boundary);
	if (factor > 1) {
		A->out[1] = (A->in[1] + factor - 1) / factor;
		A->out[2] = (A->in[2] + factor - 1) / factor;
		rows = gr_slice(rows, 0, 0, A->in[1], factor);
		columns = gr_slice(columns, 0, 0, A->in[2], factor);
	}
	gr_status status = gr__operator_add_part(A, "rows", rows);
	if (!status)
		status = gr__operator_add_part(A, "columns", columns);
	return status ? status : gr__operator_add_part(A, "kernel", kernel);
}

static gr_status build_blur(gr_operator *A, const gr_operator_opts *opts)
{
	return build(A, opts, 1);
}

static gr_status build_strided(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t factor = opts->factor ? opts->factor : 4;
	if (factor < 1 || factor > A->in[1] || factor > A->in[2])
		return gr_error_set(GR_EARG, "operator: sr_blur: factor %lld does not fit %lld x %lld",
			(long long)factor, (long long)A->in[1], (long long)A->in[2]);
	return build(A, opts, factor);
}

#define BOUNDARIES "reflect|zero|circular"

static const gr_operator_option options[] = {
	{"boundary", offsetof(gr_operator_opts, boundary), GR_OPTION_CHOICE, BOUNDARIES},
	{"taps", offsetof(gr_operator_opts, taps), GR_OPTION_COUNT, NULL},
	{"sigma", offsetof(gr_operator_opts, blur_sigma), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"blur_gauss", "blur_gauss:taps=21,sigma=3",
	"blur_gauss:boundary=zero", "blur_gauss:boundary=circular", NULL};

const gr_operator_row gr__operator_blur_gauss = {
	.name = "blur_gauss",
	.help = "Gaussian blur; taps=<9>, sigma=<1.5 pixels>, boundary=<reflect, zero, circular>",
	.examples = examples,
	.options = options,
	.build = build_blur,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = gr__separable_spectrum,
};

static const gr_operator_option strided_options[] = {
	{"factor", offsetof(gr_operator_opts, factor), GR_OPTION_COUNT, NULL},
	{"taps", offsetof(gr_operator_opts, taps), GR_OPTION_COUNT, NULL},
	{"sigma", offsetof(gr_operator_opts, blur_sigma), GR_OPTION_REAL, NULL},
	{"boundary", offsetof(gr_operator_opts, boundary), GR_OPTION_CHOICE, BOUNDARIES},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const strided_examples[] = {"sr_blur", "sr_blur:factor=3,taps=7,boundary=zero",
	"sr_blur:factor=2,boundary=circular", NULL};

const gr_operator_row gr__operator_sr_blur = {
	.name = "sr_blur",
	.help = "blurred, then every factor-th pixel; factor=<4>, taps=<9>, sigma=<1.5>, boundary=",
	.examples = strided_examples,
	.options = strided_options,
	.build = build_strided,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = gr__separable_spectrum,
};
