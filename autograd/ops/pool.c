/*
 * Pooling over windows of images. The maximum is found as an index, which has no gradient, and then
 * read through it: take_along carries the derivatives of every order. The mean is a convolution.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "kern.h"
#include "node.h"

extern const gr_op gr_op_mean_pool2d;

static bool attr_of(const char *op, gr_pool_attr *a, const gr_pool_opts *opts)
{
	gr_pool_opts o;

	if (!gr__compose_opts(op, &o, sizeof o, opts))
		return false;
	*a = (gr_pool_attr){.kernel = o.kernel != 0 ? o.kernel : 2,
		.pad = o.pad,
		.ceil = o.ceil,
		.count_pad = o.count_pad};
	a->stride = o.stride != 0 ? o.stride : a->kernel;
	return true;
}

/* Windows along a dim of n cells; below 1 when none fits. */
static int64_t windows(const gr_pool_attr *a, int64_t n)
{
	int64_t room = n + 2 * a->pad - a->kernel;
	if (room < 0)
		return 0;
	int64_t count = room / a->stride + 1;
	bool hangs = a->ceil != 0 && room % a->stride != 0 && count * a->stride < n + a->pad;
	return hangs ? count + 1 : count;
}

static gr_status infer(gr_op_call *c, gr_dtype dtype)
{
	const gr_pool_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	gr_status status = gr_infer_same(c);

	if (status != GR_OK)
		return status;
	if (x->ndim < 2)
		return gr_op_fail(c, GR_ESHAPE, "x has %d dims, images [...,H,W] have 2 at least", x->ndim);
	if (a->kernel < 1 || a->stride < 1 || a->kernel > INT32_MAX || a->stride > INT32_MAX ||
		a->pad < 0 || a->pad > a->kernel / 2)
		return gr_op_fail(c, GR_EARG,
			"kernel %" PRId64 ", stride %" PRId64 ", pad %" PRId64
			"; hint: pad is kernel / 2 at most",
			a->kernel, a->stride, a->pad);
	for (int i = x->ndim - 2; i < x->ndim; i++) {
		int64_t n = windows(a, x->dims[i]);
		if (n < 1 || x->dims[i] < 1 || x->dims[i] > INT32_MAX)
			return gr_op_fail(c, GR_ESHAPE,
				"a window of %" PRId64 " does not fit dim %d, %" PRId64 " cells", a->kernel, i,
				x->dims[i]);
		c->result[0].dims[i] = n;
	}
	c->result[0].dtype = dtype;
	c->contiguous = 1;
	return GR_OK;
}

/* --- max_pool2d ---------------------------------------------------------------------------- */

static gr_status max_pool2d_index_infer(gr_op_call *c)
{
	return infer(c, GR_I64);
}

/* [...,H,W] as [B,H,W], on the stack: the caller's tensor holds the storage. */
static gr_tensor planes(const gr_tensor *t)
{
	int64_t h = t->dims[t->ndim - 2], w = t->dims[t->ndim - 1];
	return (gr_tensor){
		.storage = t->storage,
		.data = t->data,
		.size = t->size,
		.dims = {t->size / (h * w), h, w},
		.strides = {h * w, w, 1},
		.ndim = 3,
		.dtype = t->dtype,
		.refs = 1,
	};
}

static gr_status max_pool2d_index_forward(gr_op_call *c)
{
	const gr_pool_attr *a = c->attr;
	gr_tensor x = planes(c->in[0]), index = planes(c->out[0]);
	return gr__max_pool_index(&index, &x, &(gr_pool_window){a->kernel, a->stride, a->pad});
}

/* kernel, stride, pad, ceil, count_pad */
#define POOL(...) (&(const gr_pool_attr){__VA_ARGS__})

static const gr_case max_pool2d_cases[] = {
	{"halve", {{2, 3, 4, 6}}, .attr = POOL(2, 2, 0, 0, 0)},
	{"overlapping", {{1, 2, 7, 7}}, .attr = POOL(3, 2, 0, 0, 0)},
	{"padded", {{2, 5, 6}}, .attr = POOL(3, 2, 1, 0, 0)},
	{"ceil", {{1, 6, 8}}, .attr = POOL(3, 2, 0, 1, 0)},
	{"ceil, dropped", {{1, 4, 5}}, .attr = POOL(2, 3, 1, 1, 0)},
	{"one cell", {{1, 1}}, .attr = POOL(1, 1, 0, 0, 0)},
	{"empty", {{0, 2, 4, 4}}, .attr = POOL(2, 2, 0, 0, 0)},
};

const gr_op gr_op_max_pool2d_index = {
	.name = "max_pool2d_index",
	.sig = "x[...,H,W]",
	.math = "y[p] = argmax of x over window p, as h W + w",
	.dmath = "none: y is an index",
	.doc = "Where the largest of each window lies, i64; the first of equals.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_NONDIFF,
	.attr_size = sizeof(gr_pool_attr),
	.infer = max_pool2d_index_infer,
	.forward = max_pool2d_index_forward,
	GR_EW_CASES(max_pool2d_cases),
};

gr_tensor *gr_max_pool2d_index(gr_tensor *x, const gr_pool_opts *opts)
{
	gr_pool_attr a;
	return attr_of("max_pool2d_index", &a, opts) ? gr_apply1(&gr_op_max_pool2d_index, 1, &x, &a)
												 : NULL;
}

/* t [...,H,W] -> [...,H W] */
static gr_tensor *flat(gr_tensor *t)
{
	int64_t dims[GR_MAX_DIMS] = {0};
	int ndim = gr_tensor_ndim(t);

	for (int i = 0; i < ndim - 2; i++)
		dims[i] = gr_tensor_dim(t, i);
	if (ndim >= 2)
		dims[ndim - 2] = gr_tensor_dim(t, -2) * gr_tensor_dim(t, -1);
	return t != NULL ? gr_reshape(t, ndim - 1, dims) : NULL;
}

static gr_tensor *max_pool2d(gr_tensor *x, const gr_pool_attr *a)
{
	gr_scope_begin();
	gr_tensor *index = gr_apply1(&gr_op_max_pool2d_index, 1, &x, a), *y = NULL;
	if (index != NULL)
		y = gr_reshape(gr_take_along(flat(x), -1, flat(index)), gr_tensor_ndim(index),
			gr_tensor_dims(index));
	return gr__compose_leave(y);
}

gr_tensor *gr_max_pool2d(gr_tensor *x, const gr_pool_opts *opts)
{
	gr_pool_attr a;
	return attr_of("max_pool2d", &a, opts) ? max_pool2d(x, &a) : NULL;
}

static gr_status max_pool2d_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	(void)nin;
	return gr__compose_out(out, max_pool2d(in[0], attr));
}

const gr_op gr_op_max_pool2d = {
	.name = "max_pool2d",
	.sig = "x[...,H,W]",
	.math = "y[p] = max of x over window p",
	.dmath = "dx[j] = sum of g[p] over the windows p whose maximum is x[j]",
	.doc = "Largest of each window; the gradient goes to the first of equals.",
	.nin = 1,
	.nout = 1,
	.attr_size = sizeof(gr_pool_attr),
	GR_EW_CASES(max_pool2d_cases),
	.compose = max_pool2d_compose,
};

/* --- mean_pool2d --------------------------------------------------------------------------- */

/* Zeros so that every window lies inside: `pad` before, and what the last window needs after. */
static gr_tensor *padded(gr_tensor *x, int axis, const gr_pool_attr *a)
{
	int64_t n = gr_tensor_dim(x, axis);
	int64_t after = (windows(a, n) - 1) * a->stride + a->kernel - n - a->pad;
	return a->pad > 0 || after > 0 ? gr_pad(x, axis, a->pad, after > 0 ? after : 0) : x;
}

/* Sums over the windows of x [B,1,H,W], each term divided by kernel^2. */
static gr_tensor *window_sums(gr_tensor *x, const gr_pool_attr *a)
{
	double cells = (double)a->kernel * (double)a->kernel;
	gr_tensor *w = gr_full(gr_tensor_dtype(x), GR_DIMS(1, 1, a->kernel, a->kernel), 1.0 / cells);
	return gr_conv2d(padded(padded(x, 2, a), 3, a), w, GR_OPTS(gr_conv_opts, .stride = a->stride));
}

/* The checks of the maximum are those of the mean. */
static bool fits(gr_tensor *x, const gr_pool_attr *a, gr_operand *result)
{
	gr_op_call c = {.op = &gr_op_mean_pool2d, .attr = a, .nin = 1, .nout = 1, .in = &x};
	if (!gr__compose_given("mean_pool2d", 1, &x) || infer(&c, x->dtype) != GR_OK)
		return false;
	*result = c.result[0];
	if (a->ceil != 0 && a->count_pad != 0)
		return gr_op_fail(&c, GR_EARG, "ceil and count_pad do not go together") == GR_OK;
	return true;
}

static gr_tensor *mean_pool2d(gr_tensor *x, const gr_pool_attr *a)
{
	gr_operand y;

	if (!fits(x, a, &y))
		return NULL;
	gr_scope_begin();
	int64_t h = gr_tensor_dim(x, -2), w = gr_tensor_dim(x, -1);
	gr_tensor *sums = window_sums(gr_reshape(x, GR_DIMS(gr_tensor_size(x) / (h * w), 1, h, w)), a);
	if (a->count_pad == 0 && (a->pad > 0 || a->ceil != 0)) {
		gr_tensor *ones = gr_full(gr_tensor_dtype(x), GR_DIMS(1, 1, h, w), 1.0);
		sums = gr_div(sums, window_sums(ones, a));
	}
	return gr__compose_leave(gr_reshape(sums, y.ndim, y.dims));
}

gr_tensor *gr_mean_pool2d(gr_tensor *x, const gr_pool_opts *opts)
{
	gr_pool_attr a;
	return attr_of("mean_pool2d", &a, opts) ? mean_pool2d(x, &a) : NULL;
}

static gr_status mean_pool2d_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	(void)nin;
	return gr__compose_out(out, mean_pool2d(in[0], attr));
}

static const gr_case mean_pool2d_cases[] = {
	{"halve", {{2, 3, 4, 6}}, .attr = POOL(2, 2, 0, 0, 0)},
	{"same size", {{1, 2, 5, 4}}, .attr = POOL(3, 1, 1, 0, 0)},
	{"padding counts", {{1, 5, 4}}, .attr = POOL(3, 1, 1, 0, 1)},
	{"ceil", {{6, 8}}, .attr = POOL(3, 2, 0, 1, 0)},
	{"empty", {{0, 4, 4}}, .attr = POOL(2, 2, 0, 0, 0)},
};

const gr_op gr_op_mean_pool2d = {
	.name = "mean_pool2d",
	.sig = "x[...,H,W]",
	.math = "y[p] = mean of x over the cells of window p",
	.dmath = "dx[j] = sum of g[p] / cells(p) over the windows p that hold j",
	.doc = "Mean over windows; cells of the padding count on request alone.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_pool_attr),
	GR_EW_CASES(mean_pool2d_cases),
	.compose = mean_pool2d_compose,
};
