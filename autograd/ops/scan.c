/*
 * Running sums and products along one axis, and logsumexp. In rules, g is the cotangent of the
 * output y.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <float.h>

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "kern.h"
#include "move_priv.h"
#include "node.h"

static gr_status scan_infer(gr_op_call *c)
{
	gr_status status = gr_infer_same(c);

	if (status == GR_OK)
		status = gr__shape_check_axis(c, ((const gr_scan_attr *)c->attr)->axis, c->in[0]);
	c->contiguous = 1;
	return status;
}

static int axis_of(const void *attr, int ndim)
{
	return gr__shape_axis(((const gr_scan_attr *)attr)->axis, ndim);
}

#define SCAN(axis, reverse) (&(const gr_scan_attr){axis, reverse})

/* --- cumsum -------------------------------------------------------------------------------- */

static gr_status cumsum_forward(gr_op_call *c)
{
	const gr_scan_attr *a = c->attr;
	return gr__cumsum(c->out[0], c->in[0], axis_of(a, c->in[0]->ndim), a->reverse != 0);
}

/* y_i = sum_{j <= i} x_j;  dx_j = sum_{i >= j} g_i: the same sums from the other end */
static gr_status cumsum_vjp(gr_vjp *v)
{
	gr_scan_attr a = *(const gr_scan_attr *)v->attr;

	a.reverse = !a.reverse;
	v->gin[0] = gr_apply1(v->op, 1, &v->gout[0], &a);
	return GR_OK;
}

static const gr_case cumsum_cases[] = {
	GR_EW_CASE("rows", -2.0, 2.0, SCAN(1, 0), {3, 4}),
	GR_EW_CASE("columns", -2.0, 2.0, SCAN(0, 0), {5, 2}),
	GR_EW_CASE("from the end", -2.0, 2.0, SCAN(-2, 1), {2, 3, 2}),
	GR_EW_CASE("odd", -2.0, 2.0, SCAN(0, 0), {37, 3}),
	GR_EW_CASE("empty", -2.0, 2.0, SCAN(1, 0), {0, 3}),
};

const gr_op gr_op_cumsum = {
	.name = "cumsum",
	.sig = "x",
	.math = "y[i] = x[0] + ... + x[i]",
	.dmath = "dx[j] = g[j] + g[j + 1] + ...",
	.doc = "Running sum along an axis.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_scan_attr),
	.infer = scan_infer,
	.forward = cumsum_forward,
	.vjp = cumsum_vjp,
	GR_EW_CASES(cumsum_cases),
};

gr_tensor *gr_cumsum(gr_tensor *x, int axis)
{
	return gr_apply1(&gr_op_cumsum, 1, &x, SCAN(axis, 0));
}

/* --- cumprod ------------------------------------------------------------------------------- */

static gr_status cumprod_forward(gr_op_call *c)
{
	return gr__cumprod(c->out[0], c->in[0], axis_of(c->attr, c->in[0]->ndim));
}

/* t with the axis last, as rows [M,n]. */
static gr_tensor *lines(gr_tensor *t, int axis, int64_t n)
{
	t = gr_transpose(t, axis, -1);
	return gr_reshape(t, GR_DIMS(n > 0 ? gr_tensor_size(t) / n : 0, n));
}

/* y_i = prod_{k <= i} x_k, so dx_j = sum_{i >= j} g_i prod_{k <= i, k != j} x_k. The products are
 * those of rows [j] in which element j is 1; nothing is divided, hence right at zeros. */
static gr_status cumprod_vjp(gr_vjp *v)
{
	const gr_operand *shape = &v->shape[0];
	int axis = axis_of(v->attr, shape->ndim);
	int64_t n = shape->dims[axis], turned[GR_MAX_DIMS];
	gr_dtype dtype = shape->dtype;

	gr_tensor *x = lines(v->in[0], axis, n), *g = lines(v->gout[0], axis, n);
	gr_tensor *number = gr_arange(dtype, n, 0.0, 1.0), *j = gr_unsqueeze(number, 1);
	gr_tensor *others = gr_where(gr_eq(number, j), gr_scalar(dtype, 1.0), gr_unsqueeze(x, 1));
	gr_tensor *products = gr_apply1(v->op, 1, &others, SCAN(2, 0));
	gr_tensor *terms = gr_mul(gr_mul(products, gr_le(j, number)), gr_unsqueeze(g, 1));
	for (int i = 0; i < shape->ndim; i++)
		turned[i] = shape->dims[i == axis ? shape->ndim - 1 : i == shape->ndim - 1 ? axis : i];
	gr_tensor *dx = gr_reshape(gr_sum(terms, GR_AXES(2), false), shape->ndim, turned);
	v->gin[0] = gr_transpose(dx, axis, -1);
	return GR_OK;
}

static gr_status cumprod_vjp_fused(gr_vjp *v)
{
	const gr_operand *shape = &v->shape[0];
	gr_tensor *x = gr_contiguous(v->in[0]), *g = gr_contiguous(v->gout[0]);

	v->gin[0] = gr_empty(shape->dtype, shape->ndim, shape->dims);
	if (x == NULL || g == NULL || v->gin[0] == NULL)
		return gr_error_code();
	return gr__cumprod_backward(v->gin[0], x, g, axis_of(v->attr, shape->ndim));
}

static const gr_case cumprod_cases[] = {
	GR_EW_CASE("rows", 0.5, 1.5, SCAN(1, 0), {3, 4}),
	GR_EW_CASE("columns", -1.5, 1.5, SCAN(0, 0), {5, 2}),
	GR_EW_CASE("middle", -1.5, 1.5, SCAN(-2, 0), {2, 3, 2}),
	GR_EW_CASE("zeros", 0.0, 0.0625, SCAN(0, 0), {4, 1}),
	GR_EW_CASE("odd", 0.8, 1.2, SCAN(0, 0), {37, 2}),
	GR_EW_CASE("empty", -2.0, 2.0, SCAN(1, 0), {0, 3}),
};

const gr_op gr_op_cumprod = {
	.name = "cumprod",
	.sig = "x",
	.math = "y[i] = x[0] ... x[i]",
	.dmath = "dx[j] = sum_{i >= j} g[i] prod_{k <= i, k != j} x[k]",
	.doc = "Running product along an axis; the gradient holds at zeros.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_scan_attr),
	.infer = scan_infer,
	.forward = cumprod_forward,
	.vjp = cumprod_vjp,
	.vjp_fused = cumprod_vjp_fused,
	GR_EW_CASES(cumprod_cases),
};

gr_tensor *gr_cumprod(gr_tensor *x, int axis)
{
	return gr_apply1(&gr_op_cumprod, 1, &x, SCAN(axis, 0));
}

/* --- logsumexp ----------------------------------------------------------------------------- */

/* m + log sum exp(x - m), m the largest, a constant: the sum is the same for any m. Infinite ones
 * are brought into range, so that inf - inf does not arise. */
gr_tensor *gr_logsumexp(gr_tensor *x, int naxes, const int *axes, bool keep)
{
	double most = gr_tensor_dtype(x) == GR_F32 ? (double)FLT_MAX : DBL_MAX;

	gr_scope_begin();
	gr_tensor *m = gr_clamp(gr_max(gr_stop_gradient(x), naxes, axes, true), -most, most);
	gr_tensor *total = gr_sum(gr_exp(gr_sub(x, m)), naxes, axes, true);
	gr_tensor *y = gr_add(gr_log(total), m);
	/* Summing dims of length 1 removes them. */
	return gr__compose_leave(keep ? y : gr_sum(y, naxes, axes, false));
}

static gr_status logsumexp_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_reduce_attr *a = attr;
	int axes[GR_MAX_DIMS], naxes = 0;

	(void)nin;
	for (int i = 0; i < gr_tensor_ndim(in[0]); i++)
		if ((a->axes >> i & 1u) != 0)
			axes[naxes++] = i;
	return gr__compose_out(out, gr_logsumexp(in[0], naxes, axes, a->keep != 0));
}

static const gr_reduce_attr rows = {2, 0}, columns_kept = {1, 1}, all = {7, 0};
static const gr_case logsumexp_cases[] = {
	GR_EW_CASE("rows", -3.0, 3.0, &rows, {3, 4}),
	GR_EW_CASE("columns kept", -3.0, 3.0, &columns_kept, {5, 2}),
	GR_EW_CASE("all", -3.0, 3.0, &all, {2, 3, 4}),
	GR_EW_CASE("empty", -3.0, 3.0, &rows, {0, 3}),
	GR_EW_KINK("large", 700.0, 1400.0, &rows, {3, 5}),
};

const gr_op gr_op_logsumexp = {
	.name = "logsumexp",
	.sig = "x",
	.math = "y = log sum_i exp(x_i)",
	.dmath = "dx_i = g exp(x_i - y)",
	.doc = "Over axes, without overflow for any x.",
	.nin = 1,
	.nout = 1,
	.attr_size = sizeof(gr_reduce_attr),
	GR_EW_CASES(logsumexp_cases),
	.compose = logsumexp_compose,
};
