/*
 * References of what is done to images: resampling by the formulas of PyTorch's and MATLAB's
 * documentation, pooling, and the convolutions that are compositions.
 */
#include "reference.h"

#include <math.h>

#include "attr.h"

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t size = 1;

	for (int i = 0; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

static int64_t inner_of(const gr_ref_tensor *t, int axis)
{
	int64_t size = 1;

	for (int i = axis + 1; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

/* --- resize -------------------------------------------------------------------------------- */

static double cubic(double x, double a)
{
	x = fabs(x);
	if (x < 1.0)
		return (a + 2.0) * x * x * x - (a + 3.0) * x * x + 1.0;
	return x < 2.0 ? a * (x * x * x - 5.0 * x * x + 8.0 * x - 4.0) : 0.0;
}

static double kernel(const gr_resize_attr *r, double x)
{
	double a = r->a != 0.0 ? r->a : r->antialias ? -0.5 : -0.75;
	return r->cubic ? cubic(x, a) : fmax(0.0, 1.0 - fabs(x));
}

static int64_t clamped(int64_t j, int64_t n)
{
	return j < 0 ? 0 : j >= n ? n - 1 : j;
}

/* The weight of pixel j of `in` in output i of `out`: all taps tried, each sent to where it
 * belongs. */
static double weight(const gr_resize_attr *r, int64_t in, int64_t out, int64_t i, int64_t j)
{
	double scale = r->scale != 0.0 ? r->scale : (double)in / (double)out;
	double stretch = r->antialias ? fmax(scale, 1.0) : 1.0;
	double source = scale * ((double)i + 0.5) - 0.5, mine = 0.0, all = 0.0;

	if (r->align_corners)
		source = out > 1 ? (double)i * (double)(in - 1) / (double)(out - 1) : 0.0;
	for (int64_t tap = -4 * in - 8; tap < 5 * in + 8; tap++) {
		double w = kernel(r, ((double)tap - source) / stretch);
		int64_t at = clamped(tap, in);
		if (r->mirror)
			for (at = tap; at < 0 || at >= in;)
				at = at < 0 ? -1 - at : 2 * in - 1 - at;
		else if (r->antialias && at != tap)
			continue;
		all += w;
		mine += at == j ? w : 0.0;
	}
	return mine / all;
}

/* out[i] = sum_j R[i, j] in[j], or with R's transpose. */
static void resize_axis(const gr_resize_attr *r, int axis, bool adjoint, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t n = in->dims[axis], m = out->dims[axis], inner = inner_of(in, axis);

	for (int64_t k = 0; k < size_of(out); k++) {
		int64_t q = k % inner, i = k / inner % m, o = k / inner / m;
		double sum = 0.0;
		for (int64_t j = 0; j < n; j++)
			sum += (adjoint ? weight(r, m, n, j, i) : weight(r, n, m, i, j)) *
				in->data[(o * n + j) * inner + q];
		out->data[k] = sum;
	}
}

static int axis_of(const gr_resize_attr *r, const gr_ref_tensor *t)
{
	return (int)(r->axis < 0 ? r->axis + t->ndim : r->axis);
}

static void ref_resize(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	resize_axis(attr, axis_of(attr, in), false, in, out);
}

static void ref_resize_adjoint(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin;
	resize_axis(attr, axis_of(attr, in), true, in, out);
}

static void ref_resize2d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	gr_resize_attr rows = *(const gr_resize_attr *)attr, columns = rows;
	int64_t H = in->dims[in->ndim - 2], W = in->dims[in->ndim - 1];
	int64_t h = out->dims[in->ndim - 2], w = out->dims[in->ndim - 1];

	(void)nin;
	columns.scale = columns.scale_w;
	for (int64_t k = 0; k < size_of(out); k++) {
		const double *x = in->data + k / (h * w) * H * W;
		double sum = 0.0;
		for (int64_t p = 0; p < H * W; p++)
			sum +=
				weight(&rows, H, h, k / w % h, p / W) * weight(&columns, W, w, k % w, p % W) * x[p];
		out->data[k] = sum;
	}
}

/* --- convolutions -------------------------------------------------------------------------- */

static double bias_at(int nin, const gr_ref_tensor *in, int64_t channel)
{
	return nin > 2 ? in[2].data[channel] : 0.0;
}

/* y[n,c,i,j] gets x[n,k,h,w] w[k,c',r,s] where i = h stride + r dil - pad, and so for j. */
static void ref_conv_transpose2d(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	const gr_conv_attr *a = attr;
	const int64_t *x = in[0].dims, *w = in[1].dims, *y = out->dims;
	int64_t inputs = w[0] / a->groups;

	for (int64_t o = 0; o < size_of(out); o++)
		out->data[o] = bias_at(nin, in, o / y[3] / y[2] % y[1]);
	for (int64_t p = 0; p < size_of(&in[0]); p++) {
		int64_t k = p / x[3] / x[2] % x[1], n = p / x[3] / x[2] / x[1];
		for (int64_t t = 0; t < w[1] * w[2] * w[3]; t++) {
			int64_t c = k / inputs * w[1] + t / w[3] / w[2];
			int64_t i = p / x[3] % x[2] * a->stride + t / w[3] % w[2] * a->dilation - a->pad;
			int64_t j = p % x[3] * a->stride + t % w[3] * a->dilation - a->pad;
			if (i >= 0 && i < y[2] && j >= 0 && j < y[3])
				out->data[((n * y[1] + c) * y[2] + i) * y[3] + j] +=
					in[0].data[p] * in[1].data[k * w[1] * w[2] * w[3] + t];
		}
	}
}

static void ref_conv1d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_conv_attr *a = attr;
	const int64_t *x = in[0].dims, *w = in[1].dims, *y = out->dims;
	int64_t outputs = w[0] / a->groups;

	for (int64_t o = 0; o < size_of(out); o++) {
		int64_t k = o / y[2] % y[1], n = o / y[2] / y[1];
		double sum = bias_at(nin, in, k);
		for (int64_t t = 0; t < w[1] * w[2]; t++) {
			int64_t c = k / outputs * w[1] + t / w[2];
			int64_t at = o % y[2] * a->stride + t % w[2] * a->dilation - a->pad;
			if (at >= 0 && at < x[2])
				sum += in[0].data[(n * x[1] + c) * x[2] + at] * in[1].data[k * w[1] * w[2] + t];
		}
		out->data[o] = sum;
	}
}

/* --- pooling ------------------------------------------------------------------------------- */

typedef struct window {
	double sum, largest;
	int64_t cells, at;
} window;

/* The cells of x in the window of output o. */
static window look(const gr_pool_attr *a, const gr_ref_tensor *in, const gr_ref_tensor *out,
	int64_t o)
{
	int64_t H = in->dims[in->ndim - 2], W = in->dims[in->ndim - 1];
	int64_t h = out->dims[in->ndim - 2], w = out->dims[in->ndim - 1];
	const double *x = in->data + o / (h * w) * H * W;
	window r = {.largest = -INFINITY, .at = -1};

	for (int64_t p = 0; p < H * W; p++) {
		int64_t i = p / W - (o / w % h * a->stride - a->pad);
		int64_t j = p % W - (o % w * a->stride - a->pad);
		if (i < 0 || i >= a->kernel || j < 0 || j >= a->kernel)
			continue;
		r.sum += x[p];
		r.cells++;
		r.at = x[p] > r.largest ? p : r.at;
		r.largest = fmax(r.largest, x[p]);
	}
	return r;
}

static void ref_max_pool2d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	for (int64_t o = 0; o < size_of(out); o++)
		out->data[o] = look(attr, in, out, o).largest;
}

static void ref_max_pool2d_index(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin;
	for (int64_t o = 0; o < size_of(out); o++)
		out->data[o] = (double)look(attr, in, out, o).at;
}

static void ref_mean_pool2d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_pool_attr *a = attr;

	(void)nin;
	for (int64_t o = 0; o < size_of(out); o++) {
		window r = look(a, in, out, o);
		out->data[o] = r.sum / (double)(a->count_pad ? a->kernel * a->kernel : r.cells);
	}
}

const gr_ref gr_refs_image[] = {
	{"conv_transpose2d", ref_conv_transpose2d},
	{"conv1d", ref_conv1d},
	{"max_pool2d", ref_max_pool2d},
	{"max_pool2d_index", ref_max_pool2d_index},
	{"mean_pool2d", ref_mean_pool2d},
	{"resize", ref_resize},
	{"resize_adjoint", ref_resize_adjoint},
	{"resize2d", ref_resize2d},
	{NULL, NULL},
};
