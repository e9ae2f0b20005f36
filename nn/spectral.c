/*
 * Spectral convolution: a product in Fourier space that keeps low frequencies only, and so means
 * the same at any resolution.
 *
 *	X = rfft2(x) / (H W);  Y[o,k] = sum_i W[o,i,k] X[i,k] for kept k, else 0;  y = H' W' irfft2(Y) + b
 *
 * Kept are the rows -modes/2 ... modes/2 - 1 and the columns 0 ... modes_w/2. With another size of
 * the result than of x it resamples: zeros are put in, or frequencies cut off.
 */
#include <math.h>

#include "block.h"
#include "gradus/layers.h"
#include "gradus/ops.h"
#include "module_priv.h"

struct gr_spectral {
	gr_param *weight; /* [out,in,rows,columns,2] */
	gr_param *bias;   /* [out] or NULL */
	int64_t in, out, rows, columns;
};

gr_spectral *gr_spectral_new(gr_module *parent, const char *name, const gr_spectral_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_spectral *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	const int64_t modes_w = opts->modes_w == 0 ? opts->modes : opts->modes_w;
	if (opts->in < 1 || opts->out < 1 || opts->modes < 1 || modes_w < 1) {
		gr__module_fail(m, GR_EARG, "spectral: %lld to %lld channels with %lld x %lld modes",
			(long long)opts->in, (long long)opts->out, (long long)opts->modes, (long long)modes_w);
		return NULL;
	}
	*l = (gr_spectral){.in = opts->in,
		.out = opts->out,
		.rows = opts->modes,
		.columns = modes_w / 2 + 1};
	const double scale = opts->init_scale == 0.0 ? 1.0 : opts->init_scale;
	l->weight = gr_module_add_param(m, "weight",
		GR_OPTS(gr_param_opts, .init = GR_INIT_NORMAL,
			.scale = scale / sqrt(2.0 * (double)opts->in)),
		GR_DIMS(l->out, l->in, l->rows, l->columns, 2));
	if (!opts->no_bias)
		l->bias = gr_module_add_param(m, "bias", NULL, GR_DIMS(l->out));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

/* The kept frequencies of x: [M,2,N,C], M = rows columns */
static gr_tensor *keep_modes(const gr_spectral *l, gr_tensor *x, int64_t n, int64_t h)
{
	const int64_t low = (l->rows + 1) / 2, high = l->rows / 2;
	gr_tensor *f = gr_slice(gr_rfft2(x), 3, 0, l->columns, 1); /* [N,C,H,columns,2] */
	gr_tensor *part[] = {gr_slice(f, 2, 0, low, 1), gr_slice(f, 2, h - high, h, 1)};
	f = high == 0 ? part[0] : gr_concat(2, part, 2);
	f = gr_permute(f, (const int[]){2, 3, 4, 0, 1});
	return gr_reshape(f, GR_DIMS(l->rows * l->columns, 2, n, l->in));
}

/* x [M,2,N,C] -> [N,out,rows,columns,2] */
static gr_tensor *multiply(const gr_spectral *l, gr_tensor *x, int64_t n)
{
	gr_tensor *w = gr_permute(gr_param_tensor(l->weight), (const int[]){2, 3, 4, 1, 0});
	w = gr_reshape(w, GR_DIMS(l->rows * l->columns, 2, l->in, l->out));
	gr_tensor *a[2], *b[2], *y[2];
	for (int i = 0; i < 2; i++) {
		a[i] = gr_squeeze(gr_slice(x, 1, i, i + 1, 1), 1); /* [M,N,C] */
		b[i] = gr_squeeze(gr_slice(w, 1, i, i + 1, 1), 1); /* [M,C,out] */
	}
	y[0] = gr_sub(gr_matmul(a[0], b[0]), gr_matmul(a[1], b[1]));
	y[1] = gr_add(gr_matmul(a[0], b[1]), gr_matmul(a[1], b[0]));
	gr_tensor *f = gr_stack(2, y, 3); /* [M,N,out,2] */
	f = gr_reshape(f, GR_DIMS(l->rows, l->columns, n, l->out, 2));
	return gr_permute(f, (const int[]){2, 3, 0, 1, 4});
}

/* The kept frequencies among zeros, transformed back: [N,out,h,w] */
static gr_tensor *back(const gr_spectral *l, gr_tensor *f, int64_t h, int64_t w)
{
	const int64_t low = (l->rows + 1) / 2, high = l->rows / 2;
	f = gr_pad(f, 3, 0, w / 2 + 1 - l->columns);
	gr_tensor *part[] = {gr_pad(gr_slice(f, 2, 0, low, 1), 2, 0, h - l->rows),
		gr_slice(f, 2, low, l->rows, 1)};
	return gr_irfft2(high == 0 ? part[0] : gr_concat(2, part, 2), w);
}

gr_tensor *gr_spectral_forward(const gr_spectral *l, gr_tensor *x, int64_t out_h, int64_t out_w)
{
	if (l == NULL || x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	if (out_h == 0)
		out_h = h;
	if (out_w == 0)
		out_w = w;
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != l->in || h < l->rows || out_h < l->rows ||
		w / 2 + 1 < l->columns || out_w / 2 + 1 < l->columns) {
		char text[128];
		gr_error_set(GR_ESHAPE,
			"spectral: x is %s for a result of %lld x %lld, expected [N,%lld,H,W], and no less "
			"than "
			"%lld rows and %lld columns in both",
			gr_tensor_describe(x, text, sizeof text), (long long)out_h, (long long)out_w,
			(long long)l->in, (long long)l->rows, (long long)(2 * (l->columns - 1)));
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *y = back(l, multiply(l, keep_modes(l, x, n, h), n), out_h, out_w);
	if (out_h * out_w != h * w)
		y = gr_mul_s(y, (double)(out_h * out_w) / (double)(h * w));
	if (l->bias != NULL)
		y = gr_add(y, gr_reshape(gr_param_tensor(l->bias), GR_DIMS(l->out, 1, 1)));
	return gr__block_leave(y);
}
