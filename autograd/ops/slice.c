/*
 * Parts of an axis: slice (a view), its adjoint slice_adjoint (elements back among zeros) and pad,
 * the adjoint of a slice without steps. Linear, and closed under differentiation.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "move_priv.h"
#include "kern.h"
#include "node.h"

/* The operand with another length of one dim. */
static gr_operand with_length(const gr_tensor *t, int axis, int64_t length)
{
	gr_operand o = gr__operand(t);

	o.dims[axis] = length;
	return o;
}

gr_status gr__slice_write(gr_tensor *out, const gr_tensor *x, int axis, int64_t start, int64_t step)
{
	int64_t count = x->dims[axis];
	int64_t stop = count > 0 ? start + (count - 1) * step + 1 : start;
	gr_tensor *part = gr__view_slice(out, axis, start, stop, step);
	gr_status status = part != NULL ? gr__copy(part, x) : gr_error_code();

	gr_tensor_release(part);
	return status;
}

/* --- slice and its adjoint ----------------------------------------------------------------- */

/* Python's rule: bounds below 0 count from the end, then both are clamped to 0..n. */
static void slice_bounds(const gr_slice_attr *a, int64_t n, int64_t *start, int64_t *count)
{
	int64_t lo = a->start < 0 ? a->start + n : a->start;
	int64_t hi = a->stop < 0 ? a->stop + n : a->stop;

	lo = lo < 0 ? 0 : lo > n ? n : lo;
	hi = hi < 0 ? 0 : hi > n ? n : hi;
	*start = lo;
	*count = hi > lo ? (hi - lo - 1) / a->step + 1 : 0;
}

static gr_status slice_infer(gr_op_call *c)
{
	const gr_slice_attr *a = c->attr;
	int64_t start, count;

	if (gr__shape_check_axis(c, a->axis, c->in[0]) != GR_OK)
		return GR_EARG;
	if (a->step < 1)
		return gr_op_fail(c, GR_EARG, "step is %" PRId64 "; hint: gr_flip reverses an axis",
			a->step);
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	slice_bounds(a, c->in[0]->dims[axis], &start, &count);
	c->result[0] = with_length(c->in[0], axis, count);
	return GR_OK;
}

static gr_status slice_forward(gr_op_call *c)
{
	const gr_slice_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	int64_t start, count;

	slice_bounds(a, c->in[0]->dims[axis], &start, &count);
	int64_t stop = count > 0 ? start + (count - 1) * a->step + 1 : start;
	int64_t step = count > 1 ? a->step : 1; /* a step beyond the end need not exist in memory */
	c->out[0] = gr__view_slice(c->in[0], axis, start, stop, step);
	return c->out[0] != NULL ? GR_OK : gr_error_code();
}

/* y_i = x_{start + i step}, so gx is gy put back there and 0 elsewhere */
static gr_status slice_vjp(gr_vjp *v)
{
	const gr_slice_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);
	int64_t start, count, length = v->shape[0].dims[axis];

	slice_bounds(a, length, &start, &count);
	v->gin[0] = gr__slice_adjoint(v->gout[0], axis, start, a->step, length);
	return GR_OK;
}

static const gr_case slice_cases[] = {
	{"middle", {{5, 3}}, .attr = &(const gr_slice_attr){0, 1, 4, 1}},
	{"step", {{2, 7}}, .attr = &(const gr_slice_attr){-1, 1, INT64_MAX, 3}},
	{"negative bounds", {{2, 6, 2}}, .attr = &(const gr_slice_attr){1, -4, -1, 2}},
	{"huge step", {{4}}, .attr = &(const gr_slice_attr){0, 1, 4, INT64_MAX}},
	{"nothing", {{4, 2}}, .attr = &(const gr_slice_attr){0, 3, 1, 1}},
	{"empty", {{0, 3}}, .attr = &(const gr_slice_attr){1, 0, 2, 1}},
};

const gr_op gr_op_slice = {
	.name = "slice",
	.sig = "x",
	.math = "y[i] = x[start + i step]",
	.dmath = "dx[start + i step] = g[i], 0 elsewhere",
	.doc = "Every step-th element between two bounds of an axis; a view.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VIEW,
	.attr_size = sizeof(gr_slice_attr),
	.infer = slice_infer,
	.forward = slice_forward,
	.vjp = slice_vjp,
	.cases = slice_cases,
	.ncases = (int)(sizeof slice_cases / sizeof slice_cases[0]),
};

gr_tensor *gr_slice(gr_tensor *x, int axis, int64_t start, int64_t stop, int64_t step)
{
	gr_slice_attr a = {axis, start, stop, step};
	return gr_apply1(&gr_op_slice, 1, &x, &a);
}

static gr_status slice_adjoint_infer(gr_op_call *c)
{
	const gr_slice_adjoint_attr *a = c->attr;
	const gr_tensor *x = c->in[0];

	if (gr__shape_check_axis(c, a->axis, x) != GR_OK)
		return GR_EARG;
	int axis = gr__shape_axis(a->axis, x->ndim);
	int64_t last = x->dims[axis] - 1; /* start + last step < length, without overflow */
	if (a->start < 0 || a->step < 1 || a->length < 0 || a->start > a->length ||
		(last >= 0 && (a->start == a->length || last > (a->length - 1 - a->start) / a->step)))
		return gr_op_fail(c, GR_EARG,
			"%" PRId64 " elements from %" PRId64 " by %" PRId64 " do not fit a length of %" PRId64,
			last + 1, a->start, a->step, a->length);
	c->result[0] = with_length(x, axis, a->length);
	return GR_OK;
}

static gr_status slice_adjoint_forward(gr_op_call *c)
{
	const gr_slice_adjoint_attr *a = c->attr;
	gr_status status = gr__fill(c->out[0], 0.0);

	if (status != GR_OK || c->in[0]->size == 0)
		return status;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	return gr__slice_write(c->out[0], c->in[0], axis, a->start,
		c->in[0]->dims[axis] > 1 ? a->step : 1);
}

/* y_{start + i step} = x_i, the rest constant, so gx is that part of gy */
static gr_status slice_adjoint_vjp(gr_vjp *v)
{
	const gr_slice_adjoint_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);
	int64_t count = v->shape[0].dims[axis];
	int64_t stop = count > 0 ? a->start + (count - 1) * a->step + 1 : a->start;

	v->gin[0] = gr_slice(v->gout[0], axis, a->start, stop, a->step);
	return GR_OK;
}

static const gr_case slice_adjoint_cases[] = {
	{"middle", {{3, 2}}, .attr = &(const gr_slice_adjoint_attr){0, 1, 1, 5}},
	{"step", {{2, 3}}, .attr = &(const gr_slice_adjoint_attr){-1, 1, 2, 7}},
	{"zeros behind", {{2, 2}}, .attr = &(const gr_slice_adjoint_attr){-1, 1, 2, 7}},
	{"nothing", {{0, 3}}, .attr = &(const gr_slice_adjoint_attr){0, 2, 1, 4}},
	{"huge step", {{1, 2}}, .attr = &(const gr_slice_adjoint_attr){0, 1, INT64_MAX, 3}},
};

const gr_op gr_op_slice_adjoint = {
	.name = "slice_adjoint",
	.sig = "x",
	.math = "y[start + i step] = x[i], 0 elsewhere",
	.dmath = "dx[i] = g[start + i step]",
	.doc = "Adjoint of slice: elements back at their places among zeros.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_slice_adjoint_attr),
	.infer = slice_adjoint_infer,
	.forward = slice_adjoint_forward,
	.vjp = slice_adjoint_vjp,
	.cases = slice_adjoint_cases,
	.ncases = (int)(sizeof slice_adjoint_cases / sizeof slice_adjoint_cases[0]),
};

gr_tensor *gr__slice_adjoint(gr_tensor *x, int axis, int64_t start, int64_t step, int64_t length)
{
	gr_slice_adjoint_attr a = {axis, start, step, length};
	return gr_apply1(&gr_op_slice_adjoint, 1, &x, &a);
}

/* --- pad ----------------------------------------------------------------------------------- */

static gr_status pad_infer(gr_op_call *c)
{
	const gr_pad_attr *a = c->attr;

	if (gr__shape_check_axis(c, a->axis, c->in[0]) != GR_OK)
		return GR_EARG;
	if (a->before < 0 || a->after < 0)
		return gr_op_fail(c, GR_EARG,
			"before %" PRId64 ", after %" PRId64 ": negative; hint: gr_slice removes elements",
			a->before, a->after);
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	int64_t room = INT64_MAX - c->in[0]->dims[axis];
	if (a->before > room || a->after > room - a->before)
		return gr_op_fail(c, GR_EARG, "before %" PRId64 ", after %" PRId64 ": too large", a->before,
			a->after);
	c->result[0] = gr__operand(c->in[0]);
	c->result[0].dims[axis] += a->before + a->after;
	return GR_OK;
}

static gr_status pad_forward(gr_op_call *c)
{
	const gr_pad_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	gr_status status = gr__fill(c->out[0], 0.0);

	if (status != GR_OK)
		return status;
	return gr__slice_write(c->out[0], c->in[0], axis, a->before, 1);
}

/* y_{before + i} = x_i, the rest constant, so gx is that part of gy */
static gr_status pad_vjp(gr_vjp *v)
{
	const gr_pad_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);

	v->gin[0] = gr_slice(v->gout[0], axis, a->before, a->before + v->shape[0].dims[axis], 1);
	return GR_OK;
}

static const gr_case pad_cases[] = {
	{"rows", {{3, 2}}, .attr = &(const gr_pad_attr){0, 1, 2}},
	{"one side", {{2, 3, 3}}, .attr = &(const gr_pad_attr){-1, 0, 1}},
	{"empty", {{0, 3}}, .attr = &(const gr_pad_attr){0, 2, 0}},
	{"empty beside", {{0, 3}}, .attr = &(const gr_pad_attr){1, 2, 0}},
};

const gr_op gr_op_pad = {
	.name = "pad",
	.sig = "x",
	.math = "y[before + i] = x[i], 0 elsewhere",
	.dmath = "dx[i] = g[before + i]",
	.doc = "Zeros before and after an axis.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_pad_attr),
	.infer = pad_infer,
	.forward = pad_forward,
	.vjp = pad_vjp,
	.cases = pad_cases,
	.ncases = (int)(sizeof pad_cases / sizeof pad_cases[0]),
};

gr_tensor *gr_pad(gr_tensor *x, int axis, int64_t before, int64_t after)
{
	gr_pad_attr a = {axis, before, after};
	return gr_apply1(&gr_op_pad, 1, &x, &a);
}
