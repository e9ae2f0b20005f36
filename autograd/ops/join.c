/*
 * Ops that move elements into fresh storage: contiguous, concat and stack. Linear; the adjoint
 * of a concat is slices.
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

/* --- contiguous ---------------------------------------------------------------------------- */

static gr_status contiguous_infer(gr_op_call *c)
{
	c->result[0] = gr__operand(c->in[0]);
	return GR_OK;
}

static gr_status contiguous_forward(gr_op_call *c)
{
	return gr__copy(c->out[0], c->in[0]);
}

/* y = x */
static gr_status contiguous_vjp(gr_vjp *v)
{
	v->gin[0] = v->gout[0];
	return GR_OK;
}

static const gr_case contiguous_cases[] = {
	{.name = "matrix", .dims = {{3, 4}}},
	{.name = "scalar", .dims = {{0}}},
	{.name = "empty", .dims = {{0, 3}}},
};

const gr_op gr_op_contiguous = {
	.name = "contiguous",
	.sig = "x",
	.math = "y = x",
	.dmath = "dx = g",
	.doc = "Row-major copy.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.infer = contiguous_infer,
	.forward = contiguous_forward,
	.vjp = contiguous_vjp,
	.cases = contiguous_cases,
	.ncases = (int)(sizeof contiguous_cases / sizeof contiguous_cases[0]),
};

gr_tensor *gr_contiguous(gr_tensor *x)
{
	return gr_is_contiguous(x) ? x : gr_apply1(&gr_op_contiguous, 1, &x, NULL);
}

/* --- concat -------------------------------------------------------------------------------- */

static gr_status concat_infer(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	const gr_tensor *first = c->in[0];

	if (gr__shape_check_axis(c, a->axis, first) != GR_OK)
		return GR_EARG;
	int axis = gr__shape_axis(a->axis, first->ndim);
	c->result[0] = gr__operand(first);
	for (int i = 1; i < c->nin; i++) {
		const gr_tensor *x = c->in[i];
		if (x->dtype != first->dtype)
			return gr_op_fail(c, GR_EDTYPE, "tensor %d is %s, the first is %s", i,
				gr_dtype_name(x->dtype), gr_dtype_name(first->dtype));
		if (x->ndim != first->ndim)
			return gr_op_fail(c, GR_ESHAPE, "tensor %d has %d dims, the first has %d", i, x->ndim,
				first->ndim);
		for (int d = 0; d < x->ndim; d++)
			if (d != axis && x->dims[d] != first->dims[d])
				return gr_op_fail(c, GR_ESHAPE,
					"dim %d of tensor %d is %" PRId64 ", of the first %" PRId64
					"; only axis %d may differ",
					d, i, x->dims[d], first->dims[d], axis);
		c->result[0].dims[axis] += x->dims[axis];
	}
	return GR_OK;
}

static gr_status concat_forward(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	int64_t start = 0;

	for (int i = 0; i < c->nin; i++) {
		gr_status status = gr__slice_write(c->out[0], c->in[i], axis, start, 1);
		if (status != GR_OK)
			return status;
		start += c->in[i]->dims[axis];
	}
	return GR_OK;
}

/* y = (x_0, x_1, ...), so gx_i is the i-th part of gy */
static gr_status concat_vjp(gr_vjp *v)
{
	const gr_axis_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);
	int64_t start = 0;

	for (int i = 0; i < v->nin; i++) {
		int64_t stop = start + v->shape[i].dims[axis];
		if ((v->want >> i & 1) != 0)
			v->gin[i] = gr_slice(v->gout[0], axis, start, stop, 1);
		start = stop;
	}
	return GR_OK;
}

static const gr_case concat_cases[] = {
	{"rows", {{2, 3}, {1, 3}}, .attr = &(const gr_axis_attr){0}, .nin = 2},
	{"channels", {{2, 1, 3}, {2, 2, 3}, {2, 3, 3}}, .attr = &(const gr_axis_attr){1}, .nin = 3},
	{"last", {{2, 3}, {2, 2}}, .attr = &(const gr_axis_attr){-1}, .nin = 2},
	{"one", {{2, 3}}, .attr = &(const gr_axis_attr){0}, .nin = 1},
	{"some empty", {{0, 3}, {2, 3}, {0, 3}}, .attr = &(const gr_axis_attr){0}, .nin = 3},
	{"empty", {{0, 3}, {0, 2}}, .attr = &(const gr_axis_attr){1}, .nin = 2},
};

const gr_op gr_op_concat = {
	.name = "concat",
	.sig = "x0 x1 ...",
	.math = "y = (x0, x1, ...)",
	.dmath = "dx0, dx1, ... = the parts of g",
	.doc = "Up to 16 tensors joined along an axis.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VARIADIC,
	.attr_size = sizeof(gr_axis_attr),
	.infer = concat_infer,
	.forward = concat_forward,
	.vjp = concat_vjp,
	.cases = concat_cases,
	.ncases = (int)(sizeof concat_cases / sizeof concat_cases[0]),
};

gr_tensor *gr_concat(int n, gr_tensor *const *x, int axis)
{
	gr_axis_attr a = {axis};
	return gr_apply1(&gr_op_concat, n, x, &a);
}

gr_tensor *gr_stack(int n, gr_tensor *const *x, int axis)
{
	gr_tensor *rows[GR_OP_MAX_IN];

	if (n < 1 || n > GR_OP_MAX_IN) {
		gr__fail(GR_EARG, "stack", "%d tensors; 1 to %d are possible", n, GR_OP_MAX_IN);
		return NULL;
	}
	int at =
		gr__shape_axis(axis, gr_tensor_ndim(x[0]) + 1); /* from the front: the shapes may differ */
	for (int i = 0; i < n; i++)
		rows[i] = gr_unsqueeze(x[i], at);
	return gr_concat(n, rows, at);
}
