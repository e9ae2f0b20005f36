/*
 * References of the families shape, index, matmul, conv and resample: for every element of the
 * output, its coordinates and one formula. No strides, no tiles.
 */
#include <string.h>

#include "attr.h"
#include "reference.h"

/* --- coordinates --------------------------------------------------------------------------- */

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t size = 1;

	for (int i = 0; i < t->ndim; i++)
		size *= t->dims[i];
	return size;
}

static void unravel(const gr_ref_tensor *t, int64_t flat, int64_t *at)
{
	for (int i = t->ndim - 1; i >= 0; i--) {
		at[i] = flat % t->dims[i];
		flat /= t->dims[i];
	}
}

static double *element(const gr_ref_tensor *t, const int64_t *at)
{
	int64_t flat = 0;

	for (int i = 0; i < t->ndim; i++)
		flat = flat * t->dims[i] + at[i];
	return &t->data[flat];
}

static void zero(gr_ref_tensor *t)
{
	for (int64_t i = 0; i < size_of(t); i++)
		t->data[i] = 0.0;
}

static int from_front(int64_t axis, const gr_ref_tensor *t)
{
	return (int)(axis < 0 ? axis + t->ndim : axis);
}

/* --- shape --------------------------------------------------------------------------------- */

static void ref_copy(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr;
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = in->data[i];
}

static void ref_permute(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_permute_attr *a = attr;
	int64_t at[GR_MAX_DIMS] = {0}, from[GR_MAX_DIMS] = {0};

	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		for (int d = 0; d < out->ndim; d++)
			from[a->perm[d]] = at[d];
		out->data[i] = *element(in, from);
	}
}

static void ref_flip(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_axis_attr *a = attr;
	int axis = from_front(a->axis, in);
	int64_t at[GR_MAX_DIMS] = {0};

	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		at[axis] = in->dims[axis] - 1 - at[axis];
		out->data[i] = *element(in, at);
	}
}

static void ref_expand(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t at[GR_MAX_DIMS] = {0}, from[GR_MAX_DIMS] = {0};
	int lead = out->ndim - in->ndim;

	(void)attr;
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		for (int d = 0; d < in->ndim; d++)
			from[d] = in->dims[d] == 1 ? 0 : at[lead + d];
		out->data[i] = *element(in, from);
	}
}

/* Python's slice(start, stop, step) as a walk over the axis. */
static void ref_slice(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_slice_attr *a = attr;
	int axis = from_front(a->axis, in);
	int64_t n = in->dims[axis], at[GR_MAX_DIMS] = {0};
	int64_t start = a->start < 0 ? a->start + n : a->start;

	(void)nin;
	if (start < 0)
		start = 0;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		at[axis] = at[axis] == 0 ? start : start + at[axis] * a->step;
		out->data[i] = *element(in, at);
	}
}

static void put_back(gr_ref_tensor *out, const gr_ref_tensor *in, int axis, int64_t start,
	int64_t step)
{
	int64_t at[GR_MAX_DIMS] = {0};

	for (int64_t i = 0; i < size_of(in); i++) {
		unravel(in, i, at);
		at[axis] = at[axis] == 0 ? start : start + at[axis] * step;
		*element(out, at) = in->data[i];
	}
}

static void ref_slice_adjoint(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	const gr_slice_adjoint_attr *a = attr;

	(void)nin;
	zero(out);
	put_back(out, in, from_front(a->axis, in), a->start, a->step);
}

static void ref_pad(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_pad_attr *a = attr;

	(void)nin;
	zero(out);
	put_back(out, in, from_front(a->axis, in), a->before, 1);
}

static void ref_concat(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_axis_attr *a = attr;
	int axis = from_front(a->axis, in);
	int64_t start = 0;

	for (int i = 0; i < nin; i++) {
		put_back(out, &in[i], axis, start, 1);
		start += in[i].dims[axis];
	}
}

/* --- index --------------------------------------------------------------------------------- */

static void ref_gather(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_axis_attr *a = attr;
	int axis = from_front(a->axis, in);
	int64_t at[GR_MAX_DIMS] = {0};

	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		at[axis] = (int64_t)in[1].data[at[axis]];
		out->data[i] = *element(in, at);
	}
}

static void ref_scatter_add(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_scatter_attr *a = attr;
	int axis = from_front(a->axis, in);
	int64_t at[GR_MAX_DIMS] = {0};

	(void)nin;
	zero(out);
	for (int64_t i = 0; i < size_of(in); i++) {
		unravel(in, i, at);
		at[axis] = (int64_t)in[1].data[at[axis]];
		*element(out, at) += in->data[i];
	}
}

/* --- matmul -------------------------------------------------------------------------------- */

/* Element (row, col) of the matrix of t that serves batch coordinates `at` of the output. */
static double matrix_at(const gr_ref_tensor *t, const gr_ref_tensor *out, const int64_t *at,
	int64_t row, int64_t col)
{
	int64_t from[GR_MAX_DIMS] = {0};
	int lead = out->ndim - t->ndim;

	for (int d = 0; d < t->ndim - 2; d++)
		from[d] = t->dims[d] == 1 ? 0 : at[lead + d];
	from[t->ndim - 2] = row;
	from[t->ndim - 1] = col;
	return *element(t, from);
}

static void ref_matmul(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t at[GR_MAX_DIMS] = {0};

	(void)attr;
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		int64_t row = at[out->ndim - 2], col = at[out->ndim - 1];
		double sum = 0.0;
		for (int64_t k = 0; k < in[0].dims[in[0].ndim - 1]; k++)
			sum += matrix_at(&in[0], out, at, row, k) * matrix_at(&in[1], out, at, k, col);
		out->data[i] = sum;
	}
}

static void ref_matmul_bias(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	ref_matmul(attr, nin, in, out);
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] += in[2].data[i % in[2].dims[0]];
}

/* --- conv ---------------------------------------------------------------------------------- */

/*
 * Every product of the trilinear form <g, X(x, w)>, once: for output g[n,k,i,j], pixel x[n,c,h,wd]
 * and tap w[k,c',r,s], do(y element, x element, w element).
 */
typedef void (*product_fn)(double *y, double *x, double *w);

static void each_tap(const gr_conv_attr *a, const gr_ref_tensor *x, const gr_ref_tensor *w,
	const gr_ref_tensor *y, const int64_t *yi, product_fn product)
{
	int64_t per_group = w->dims[1], group = yi[1] / (w->dims[0] / a->groups);

	for (int64_t c = 0; c < per_group; c++) {
		for (int64_t r = 0; r < w->dims[2]; r++) {
			for (int64_t s = 0; s < w->dims[3]; s++) {
				int64_t left = a->pad_w == -1 ? 0 : a->pad_w == 0 ? a->pad : a->pad_w;
				int64_t xi[] = {yi[0], group * per_group + c,
					yi[2] * a->stride + r * a->dilation - a->pad,
					yi[3] * a->stride + s * a->dilation - left};
				int64_t wi[] = {yi[1], c, r, s};
				if (xi[2] >= 0 && xi[2] < x->dims[2] && xi[3] >= 0 && xi[3] < x->dims[3])
					product(element(y, yi), element(x, xi), element(w, wi));
			}
		}
	}
}

static void each_product(const gr_conv_attr *a, const gr_ref_tensor *x, const gr_ref_tensor *w,
	const gr_ref_tensor *y, product_fn product)
{
	int64_t at[4] = {0};

	for (int64_t i = 0; i < size_of(y); i++) {
		unravel(y, i, at);
		each_tap(a, x, w, y, at, product);
	}
}

static void to_y(double *y, double *x, double *w)
{
	*y += *x * *w;
}

static void to_x(double *y, double *x, double *w)
{
	*x += *y * *w;
}

static void to_w(double *y, double *x, double *w)
{
	*w += *y * *x;
}

static void ref_conv2d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t at[4] = {0};

	zero(out);
	each_product(attr, &in[0], &in[1], out, to_y);
	for (int64_t i = 0; i < size_of(out) && nin == 3; i++) {
		unravel(out, i, at);
		out->data[i] += in[2].data[at[1]];
	}
}

static void ref_conv2d_input_adjoint(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin;
	zero(out);
	each_product(attr, out, &in[1], &in[0], to_x);
}

static void ref_conv2d_weight_adjoint(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	(void)nin;
	zero(out);
	each_product(attr, &in[1], out, &in[0], to_w);
}

/* --- resample ------------------------------------------------------------------------------ */

static void ref_avg_pool2d(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_resample_attr *a = attr;
	int64_t at[GR_MAX_DIMS] = {0};

	(void)nin;
	zero(out);
	for (int64_t i = 0; i < size_of(in); i++) {
		unravel(in, i, at);
		at[in->ndim - 2] /= a->f;
		at[in->ndim - 1] /= a->f;
		*element(out, at) += a->scale * in->data[i] / (double)(a->f * a->f);
	}
}

static void ref_upsample_nearest2d(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	const gr_resample_attr *a = attr;
	int64_t at[GR_MAX_DIMS] = {0};

	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		unravel(out, i, at);
		at[in->ndim - 2] /= a->f;
		at[in->ndim - 1] /= a->f;
		out->data[i] = a->scale * *element(in, at);
	}
}

const gr_ref gr_refs_move[] = {
	{"reshape", ref_copy},
	{"permute", ref_permute},
	{"flip", ref_flip},
	{"expand", ref_expand},
	{"slice", ref_slice},
	{"slice_adjoint", ref_slice_adjoint},
	{"pad", ref_pad},
	{"contiguous", ref_copy},
	{"concat", ref_concat},
	{"gather", ref_gather},
	{"scatter_add", ref_scatter_add},
	{"matmul", ref_matmul},
	{"matmul_bias", ref_matmul_bias},
	{"conv2d", ref_conv2d},
	{"conv2d_bias", ref_conv2d},
	{"conv2d_input_adjoint", ref_conv2d_input_adjoint},
	{"conv2d_weight_adjoint", ref_conv2d_weight_adjoint},
	{"avg_pool2d", ref_avg_pool2d},
	{"upsample_nearest2d", ref_upsample_nearest2d},
	{NULL, NULL},
};
