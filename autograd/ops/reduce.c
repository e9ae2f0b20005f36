/*
 * Reductions over a set of dims, and sum_to, the adjoint of broadcasting. The public functions turn
 * a list of axes into a bit mask; everything else works on the mask. In rules, g is the cotangent
 * of the output y, and both stand with the reduced dims as 1, so that they broadcast against x.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/shape.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

static uint32_t axes_of(const void *attr)
{
	return ((const gr_reduce_attr *)attr)->axes;
}

/* Elements of one reduced set. */
static int64_t set_size(int ndim, const int64_t *dims, uint32_t axes)
{
	int64_t n = 1;
	for (int i = 0; i < ndim; i++)
		n *= axes >> i & 1u ? dims[i] : 1;
	return n;
}

static gr_status reduce_infer(gr_op_call *c)
{
	const gr_reduce_attr *attr = c->attr;
	const gr_tensor *x = c->in[0];
	if (x->dtype != GR_F32 && x->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "only f32 and f64 are computed with; hint: gr_cast");
	if (attr->axes >> x->ndim != 0)
		return gr_op_fail(c, GR_EARG, "axes beyond the %d dims of x", x->ndim);
	gr_operand *r = &c->result[0];
	*r = (gr_operand){.dtype = x->dtype};
	for (int i = 0; i < x->ndim; i++) {
		bool reduced = attr->axes >> i & 1u;
		if (!reduced || attr->keep)
			r->dims[r->ndim++] = reduced ? 1 : x->dims[i];
	}
	return GR_OK;
}

/* Every set to be reduced must hold something. */
static gr_status extremum_infer(gr_op_call *c)
{
	const gr_tensor *x = c->in[0];
	gr_status status = reduce_infer(c);
	if (status != GR_OK || set_size(x->ndim, x->dims, axes_of(c->attr)) > 0)
		return status;
	for (int i = 0; i < c->result[0].ndim; i++) {
		if (c->result[0].dims[i] == 0)
			return GR_OK;
	}
	return gr_op_fail(c, GR_ESHAPE, "an empty set has no extremum");
}

/* t [as y] -> with the reduced dims as 1 */
static gr_tensor *kept(const gr_vjp *v, gr_tensor *t)
{
	const gr_operand *x = &v->shape[0];
	uint32_t axes = axes_of(v->attr);
	int64_t dims[GR_MAX_DIMS] = {0};
	for (int i = 0; i < x->ndim; i++)
		dims[i] = axes >> i & 1u ? 1 : x->dims[i];
	return gr_reshape(t, x->ndim, dims);
}

/* Defines name_forward as one kernel call. */
#define FORWARD(name, KIND) \
	static gr_status name##_forward(gr_op_call *c) \
	{ \
		return gr__reduce(GR_REDUCE_##KIND, c->out[0], c->in[0], axes_of(c->attr)); \
	}

/* Attributes by bits of axes. */
static const gr_reduce_attr none = {0, 0}, axis_0 = {1, 0}, axis_1 = {2, 0}, axes_01 = {3, 0};
static const gr_reduce_attr axis_0_kept = {1, 1}, axis_1_kept = {2, 1}, axis_2 = {4, 0};
static const gr_reduce_attr axes_12 = {6, 0}, axes_23_kept = {12, 1}, axes_02 = {5, 0};
static const gr_reduce_attr axes_0123 = {15, 0}, axes_013 = {11, 0};

#define REDUCE_CASES(low, high) \
	GR_EW_CASE("rows", low, high, &axis_1, {3, 4}), \
		GR_EW_CASE("columns", low, high, &axis_0, {3, 4}), \
		GR_EW_CASE("all", low, high, &axes_01, {3, 4}), \
		GR_EW_CASE("rows kept", low, high, &axis_1_kept, {3, 4}), \
		GR_EW_CASE("columns kept", low, high, &axis_0_kept, {3, 4}), \
		GR_EW_CASE("scalar", low, high, &none, {0}), GR_EW_CASE("nothing", low, high, &none, {5}), \
		GR_EW_CASE("vector", low, high, &axis_0, {7}), \
		GR_EW_CASE("long", low, high, &axis_0, {1031}), \
		GR_EW_CASE("empty rows", low, high, &axis_1, {0, 3}), \
		GR_EW_CASE("odd", low, high, &axis_2, {3, 1, 37}), \
		GR_EW_CASE("tall", low, high, &axis_0, {67, 5}), \
		GR_EW_CASE("pixels", low, high, &axes_23_kept, {2, 3, 4, 5}), \
		GR_EW_CASE("middle", low, high, &axes_12, {2, 3, 4, 5}), \
		GR_EW_CASE("alternating", low, high, &axes_02, {2, 3, 4, 5}), \
		GR_EW_CASE("all but one", low, high, &axes_013, {2, 3, 4, 5}), \
		GR_EW_CASE("all of four", low, high, &axes_0123, {2, 3, 4, 5})

/* y = sum_i x_i;  dx_i = g */
static gr_status sum_vjp(gr_vjp *v)
{
	v->gin[0] = gr_expand(kept(v, v->gout[0]), v->shape[0].ndim, v->shape[0].dims);
	return GR_OK;
}
FORWARD(sum, SUM)
static const gr_case sum_cases[] = {
	REDUCE_CASES(-2.0, 2.0),
	GR_EW_CASE("empty sums", -2.0, 2.0, &axis_0, {0, 3}),
};
const gr_op gr_op_sum = {
	.name = "sum",
	.sig = "x",
	.math = "y = sum_i x_i",
	.dmath = "dx_i = g",
	.doc = "Sum over axes; of nothing it is 0.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_reduce_attr),
	.infer = reduce_infer,
	.forward = sum_forward,
	.vjp = sum_vjp,
	GR_EW_CASES(sum_cases),
};

/* y = sum_i x_i / n;  dx_i = g / n */
static gr_status mean_vjp(gr_vjp *v)
{
	const gr_operand *x = &v->shape[0];
	double n = (double)set_size(x->ndim, x->dims, axes_of(v->attr));
	v->gin[0] = gr_expand(kept(v, gr_mul_s(v->gout[0], 1.0 / n)), x->ndim, x->dims);
	return GR_OK;
}
FORWARD(mean, MEAN)
static const gr_case mean_cases[] = {REDUCE_CASES(-2.0, 2.0)};
const gr_op gr_op_mean = {
	.name = "mean",
	.sig = "x",
	.math = "y = sum_i x_i / n",
	.dmath = "dx_i = g / n",
	.doc = "Mean over axes; of nothing it is NaN.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_reduce_attr),
	.infer = reduce_infer,
	.forward = mean_forward,
	.vjp = mean_vjp,
	GR_EW_CASES(mean_cases),
};

/* y = max_i x_i or min_i x_i;  dx_i = [x_i = y] g / k, k = number of ties */
static gr_status extremum_vjp(gr_vjp *v)
{
	const gr_operand *x = &v->shape[0];
	int axes[GR_MAX_DIMS], naxes = 0;
	for (int i = 0; i < x->ndim; i++) {
		if (axes_of(v->attr) >> i & 1u)
			axes[naxes++] = i;
	}
	gr_tensor *wins = gr_eq(v->in[0], kept(v, v->out[0]));
	gr_tensor *ties = naxes > 0 ? gr_sum(wins, naxes, axes, true) : wins;
	v->gin[0] = gr__ew_masked(wins, gr_div(kept(v, v->gout[0]), ties));
	return GR_OK;
}
FORWARD(max, MAX)
static const gr_case extremum_cases[] = {
	REDUCE_CASES(-2.0, 2.0),
	GR_EW_CASE("negative", -2.0, -1.0, &axis_1, {3, 37}),
	GR_EW_KINK("tie", 1.0, 1.0, &axis_1, {3, 4}),
};
const gr_op gr_op_max = {
	.name = "max",
	.sig = "x",
	.math = "y = max_i x_i",
	.dmath = "dx_i = g [x_i = y] / k, k ties",
	.doc = "Largest over axes; ties share the gradient equally. Not of an empty set.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_OUT(0),
	.attr_size = sizeof(gr_reduce_attr),
	.infer = extremum_infer,
	.forward = max_forward,
	.vjp = extremum_vjp,
	GR_EW_CASES(extremum_cases),
};

FORWARD(min, MIN)
const gr_op gr_op_min = {
	.name = "min",
	.sig = "x",
	.math = "y = min_i x_i",
	.dmath = "dx_i = g [x_i = y] / k, k ties",
	.doc = "Smallest over axes; ties share the gradient equally. Not of an empty set.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_OUT(0),
	.attr_size = sizeof(gr_reduce_attr),
	.infer = extremum_infer,
	.forward = min_forward,
	.vjp = extremum_vjp,
	GR_EW_CASES(extremum_cases),
};

/* y = sum_i x_i^2;  dx_i = 2 g x_i */
static gr_status sumsq_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->in[0], kept(v, gr_mul_s(v->gout[0], 2.0)));
	return GR_OK;
}
FORWARD(sumsq, SUMSQ)
static const gr_case sumsq_cases[] = {
	REDUCE_CASES(-2.0, 2.0),
	GR_EW_CASE("empty sums", -2.0, 2.0, &axis_0, {0, 3}),
};
const gr_op gr_op_sumsq = {
	.name = "sumsq",
	.sig = "x",
	.math = "y = sum_i x_i^2",
	.dmath = "dx_i = 2 g x_i",
	.doc = "Sum of squares over axes; of nothing it is 0.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_reduce_attr),
	.infer = reduce_infer,
	.forward = sumsq_forward,
	.vjp = sumsq_vjp,
	GR_EW_CASES(sumsq_cases),
};

/* y = (sum_i x_i^2)^(1/2);  dx_i = g x_i / y, and 0 where y = 0: the divisor is made 1 there first,
 * so that no infinity enters the graph of a second derivative */
static gr_status norm_vjp(gr_vjp *v)
{
	gr_tensor *y = v->out[0];
	gr_tensor *positive = gr_gt_s(y, 0.0);
	gr_tensor *safe = gr_where(positive, y, gr_scalar(gr_tensor_dtype(y), 1.0));
	gr_tensor *factor = gr__ew_masked(positive, gr_div(v->gout[0], safe));
	v->gin[0] = gr_mul(v->in[0], kept(v, factor));
	return GR_OK;
}
static gr_status norm_forward(gr_op_call *c)
{
	gr_spec spec = gr__tensor_spec(c->out[0]);
	gr_tensor *sumsq = gr__tensor_new("norm", &spec);
	if (sumsq == NULL)
		return GR_EMEM;
	gr_status status = gr__reduce(GR_REDUCE_SUMSQ, sumsq, c->in[0], axes_of(c->attr));
	if (status == GR_OK)
		status = gr__ew(GR_EW_SQRT, c->out[0], (const gr_tensor *[]){sumsq}, 0.0, 0.0);
	gr_tensor_release(sumsq);
	return status;
}
static const gr_case norm_cases[] = {
	REDUCE_CASES(0.2, 2.0),
	GR_EW_CASE("negative", -2.0, -0.2, &axis_1, {3, 4}),
	GR_EW_KINK("empty sums", -2.0, 2.0, &axis_0, {0, 3}),
};
const gr_op gr_op_norm = {
	.name = "norm",
	.sig = "x",
	.math = "y = sqrt(sum_i x_i^2)",
	.dmath = "dx_i = g x_i / y, 0 where y = 0",
	.doc = "Euclidean norm over axes; the gradient at 0 is 0.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_OUT(0),
	.attr_size = sizeof(gr_reduce_attr),
	.infer = reduce_infer,
	.forward = norm_forward,
	.vjp = norm_vjp,
	GR_EW_CASES(norm_cases),
};

/* y = sum over what broadcasting repeats;  dx = g, broadcast again */
static gr_status sum_to_vjp(gr_vjp *v)
{
	v->gin[0] = gr_expand(v->gout[0], v->shape[0].ndim, v->shape[0].dims);
	return GR_OK;
}
/* The kernel writes to a view of out in which every dim of x is there, summed ones as 1. */
static gr_status sum_to_forward(gr_op_call *c)
{
	const gr_dims_attr *attr = c->attr;
	const gr_tensor *x = c->in[0];
	int64_t dims[GR_MAX_DIMS] = {0};
	unsigned axes = 0;
	for (int i = 0; i < x->ndim; i++) {
		int at = i - (x->ndim - (int)attr->ndim);
		dims[i] = at < 0 ? 1 : attr->dims[at];
		if (at < 0 || (dims[i] == 1 && x->dims[i] != 1))
			axes |= 1u << i;
	}
	gr_tensor *out = gr__view_reshape(c->out[0], x->ndim, dims);
	gr_status status = out != NULL ? gr__reduce(GR_REDUCE_SUM, out, x, axes) : GR_EMEM;
	gr_tensor_release(out);
	return status;
}
static gr_status sum_to_infer(gr_op_call *c)
{
	const gr_dims_attr *attr = c->attr;
	const gr_tensor *x = c->in[0];
	if (x->dtype != GR_F32 && x->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "only f32 and f64 are computed with; hint: gr_cast");
	bool fits = attr->ndim >= 0 && attr->ndim <= x->ndim;
	c->result[0] = (gr_operand){.dtype = x->dtype, .ndim = fits ? (int)attr->ndim : 0};
	for (int i = 0; i < c->result[0].ndim; i++) {
		int64_t dim = attr->dims[i], from = x->dims[x->ndim - (int)attr->ndim + i];
		fits = fits && (dim == from || dim == 1);
		c->result[0].dims[i] = dim;
	}
	if (fits)
		return GR_OK;
	char text[128] = "a shape of too many dims";
	if (attr->ndim >= 0 && attr->ndim <= GR_MAX_DIMS)
		gr__dims_print(text, sizeof text, (int)attr->ndim, attr->dims);
	return gr_op_fail(c, GR_ESHAPE, "x is no broadcast of %s; hint: sum_to undoes gr_expand", text);
}
static const gr_dims_attr to_row = {1, {4}}, to_column = {2, {3, 1}}, to_scalar = {0, {0}};
static const gr_dims_attr to_ones = {2, {1, 1}}, to_same = {2, {3, 4}}, to_three = {1, {3}};
static const gr_dims_attr to_flat = {2, {1, 4}}, to_channels = {3, {3, 1, 1}};
static const gr_dims_attr to_long = {2, {1, 37}};
static const gr_case sum_to_cases[] = {
	GR_EW_CASE("row", -2.0, 2.0, &to_row, {3, 4}),
	GR_EW_CASE("column", -2.0, 2.0, &to_column, {3, 4}),
	GR_EW_CASE("scalar", -2.0, 2.0, &to_scalar, {3, 4}),
	GR_EW_CASE("scalar of scalar", -2.0, 2.0, &to_scalar, {0}),
	GR_EW_CASE("ones", -2.0, 2.0, &to_ones, {3, 4}),
	GR_EW_CASE("same", -2.0, 2.0, &to_same, {3, 4}),
	GR_EW_CASE("empty", -2.0, 2.0, &to_three, {0, 3}),
	GR_EW_CASE("three to two", -2.0, 2.0, &to_flat, {2, 3, 4}),
	GR_EW_CASE("channels", -2.0, 2.0, &to_channels, {2, 3, 4, 5}),
	GR_EW_CASE("odd", -2.0, 2.0, &to_long, {67, 37}),
};
const gr_op gr_op_sum_to = {
	.name = "sum_to",
	.sig = "x",
	.math = "y = sum over the repeated dims",
	.dmath = "dx = g, repeated",
	.doc = "Sum down to a shape that broadcasts to x's: the adjoint of expand.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_dims_attr),
	.infer = sum_to_infer,
	.forward = sum_to_forward,
	.vjp = sum_to_vjp,
	GR_EW_CASES(sum_to_cases),
};

/* An index has no gradient. */
static gr_status argmax_forward(gr_op_call *c)
{
	return gr__argmax(c->out[0], c->in[0], (int)((const gr_axis_attr *)c->attr)->axis);
}
static gr_status argmax_infer(gr_op_call *c)
{
	int64_t axis = ((const gr_axis_attr *)c->attr)->axis;
	const gr_tensor *x = c->in[0];
	if (x->dtype != GR_F32 && x->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "only f32 and f64 are computed with; hint: gr_cast");
	if (axis < 0 || axis >= x->ndim)
		return gr_op_fail(c, GR_EARG, "x has %d dims, and no axis %lld", x->ndim, (long long)axis);
	c->result[0] = (gr_operand){.dtype = GR_I64};
	bool empty = false;
	for (int i = 0; i < x->ndim; i++) {
		if (i == axis)
			continue;
		empty = empty || x->dims[i] == 0;
		c->result[0].dims[c->result[0].ndim++] = x->dims[i];
	}
	if (x->dims[axis] == 0 && !empty)
		return gr_op_fail(c, GR_ESHAPE, "axis %lld is empty", (long long)axis);
	return GR_OK;
}
static const gr_axis_attr argmax_attr[] = {{0}, {1}, {2}};
static const gr_case argmax_cases[] = {
	GR_EW_CASE("columns", -2.0, 2.0, &argmax_attr[0], {3, 4}),
	GR_EW_CASE("rows", -2.0, 2.0, &argmax_attr[1], {3, 4}),
	GR_EW_CASE("vector", -2.0, 2.0, &argmax_attr[0], {37}),
	GR_EW_CASE("middle", -2.0, 2.0, &argmax_attr[1], {2, 3, 4}),
	GR_EW_CASE("odd", -2.0, 2.0, &argmax_attr[2], {3, 1, 37}),
	GR_EW_CASE("empty", -2.0, 2.0, &argmax_attr[1], {0, 3}),
	GR_EW_KINK("tie", 1.0, 1.0, &argmax_attr[1], {3, 4}),
};
const gr_op gr_op_argmax = {
	.name = "argmax",
	.sig = "x",
	.math = "y = argmax_i x_i",
	.dmath = "none: y is an index",
	.doc = "Index of the first maximum along an axis, i64.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_NONDIFF,
	.attr_size = sizeof(gr_axis_attr),
	.infer = argmax_infer,
	.forward = argmax_forward,
	GR_EW_CASES(argmax_cases),
};

/* The list of axes as bits; false, with an error recorded, when one is out of range or twice. */
static bool axes_mask(const gr_op *op, const gr_tensor *x, int naxes, const int *axes,
	uint32_t *mask)
{
	*mask = naxes == 0 ? (1u << x->ndim) - 1 : 0;
	for (int i = 0; i < naxes; i++) {
		int axis = axes[i] < 0 ? axes[i] + x->ndim : axes[i];
		if (axis < 0 || axis >= x->ndim || (*mask >> axis & 1u)) {
			char text[192];
			bool twice = axis >= 0 && axis < x->ndim;
			gr__fail(GR_EARG, op->name, "axis %d is %s (x %s)", axes[i],
				twice ? "given twice" : "out of range", gr_tensor_describe(x, text, sizeof text));
			return false;
		}
		*mask |= 1u << axis;
	}
	return true;
}

static gr_tensor *apply(const gr_op *op, gr_tensor *x, int naxes, const int *axes, bool keep)
{
	gr_reduce_attr attr = {.keep = keep};
	if (x != NULL && !axes_mask(op, x, naxes, axes, &attr.axes))
		return NULL;
	return gr_apply1(op, 1, &x, &attr);
}

gr_tensor *gr_sum(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_sum, x, naxes, axes, keep);
}

gr_tensor *gr_mean(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_mean, x, naxes, axes, keep);
}

gr_tensor *gr_max(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_max, x, naxes, axes, keep);
}

gr_tensor *gr_min(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_min, x, naxes, axes, keep);
}

gr_tensor *gr_sumsq(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_sumsq, x, naxes, axes, keep);
}

gr_tensor *gr_norm(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	return apply(&gr_op_norm, x, naxes, axes, keep);
}

/* Where nothing is repeated, x itself or in another shape. */
gr_tensor *gr_sum_to(gr_tensor *x, int ndim, const int64_t *dims)
{
	const int lead = x != NULL ? x->ndim - ndim : -1;
	bool same = lead >= 0 && ndim >= 0;
	for (int i = 0; same && i < x->ndim; i++)
		same = x->dims[i] == (i < lead ? 1 : dims[i - lead]);
	if (same)
		return lead == 0 ? x : gr_reshape(x, ndim, dims);
	gr_dims_attr attr = {.ndim = ndim};
	for (int i = 0; i < ndim && i < GR_MAX_DIMS; i++)
		attr.dims[i] = dims[i];
	return gr_apply1(&gr_op_sum_to, 1, &x, &attr);
}

gr_tensor *gr_argmax(gr_tensor *x, int axis)
{
	int64_t from_front = x != NULL && axis < 0 ? axis + x->ndim : axis;
	return gr_apply1(&gr_op_argmax, 1, &x, &(gr_axis_attr){from_front});
}
