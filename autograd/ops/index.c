/*
 * Ops that read or write by an i64 index: gather and scatter_add, each the adjoint of the other.
 * The index is a constant to every gradient; its range is checked on every call, since a kernel
 * that trusts it would read or write anywhere.
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

static gr_status check_index(const gr_op_call *c)
{
	const gr_tensor *index = c->in[1];

	if (index->dtype != GR_I64)
		return gr_op_fail(c, GR_EDTYPE, "index is %s, not i64", gr_dtype_name(index->dtype));
	if (index->ndim != 1)
		return gr_op_fail(c, GR_ESHAPE, "index has %d dims, not 1", index->ndim);
	if (c->in[0]->dtype != GR_F32 && c->in[0]->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "x is %s, not a float", gr_dtype_name(c->in[0]->dtype));
	return GR_OK;
}

static gr_status check_range(const gr_op_call *c, int64_t length)
{
	const gr_tensor *index = c->in[1];
	const int64_t *values = (const int64_t *)(const void *)index->data;

	if (index->storage->blank)
		return GR_OK;
	for (int64_t i = 0; i < index->dims[0]; i++) {
		int64_t value = values[i * index->strides[0]];
		if (value < 0 || value >= length)
			return gr_op_fail(c, GR_EARG, "index[%" PRId64 "] is %" PRId64 ", not in 0..%" PRId64,
				i, value, length - 1);
	}
	return GR_OK;
}

/* --- gather -------------------------------------------------------------------------------- */

static gr_status gather_infer(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	gr_status status = check_index(c);

	if (status == GR_OK)
		status = gr__shape_check_axis(c, a->axis, c->in[0]);
	if (status != GR_OK)
		return status;
	c->result[0] = gr__operand(c->in[0]);
	c->result[0].dims[gr__shape_axis(a->axis, c->in[0]->ndim)] = c->in[1]->dims[0];
	return GR_OK;
}

static gr_status gather_forward(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	gr_status status = check_range(c, c->in[0]->dims[axis]);

	return status != GR_OK ? status : gr__gather(c->out[0], c->in[0], axis, c->in[1]);
}

/* y_i = x_{index i}, so gx_j = sum of gy_i over the i with index i = j */
static gr_status gather_vjp(gr_vjp *v)
{
	const gr_axis_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);

	v->gin[0] = gr_scatter_add(v->gout[0], axis, v->in[1], v->shape[0].dims[axis]);
	return GR_OK;
}

static const gr_case gather_cases[] = {
	{"rows", {{5, 3}, {7}}, .attr = &(const gr_axis_attr){0}, .indices = 2, .index_max = 5},
	{"middle", {{2, 3, 2}, {4}}, .attr = &(const gr_axis_attr){1}, .indices = 2, .index_max = 3},
	{"last", {{3, 4}, {2}}, .attr = &(const gr_axis_attr){-1}, .indices = 2, .index_max = 4},
	{"vector", {{6}, {6}}, .attr = &(const gr_axis_attr){0}, .indices = 2, .index_max = 6},
};

const gr_op gr_op_gather = {
	.name = "gather",
	.sig = "x index[M]",
	.math = "y[i] = x[index[i]]",
	.dmath = "dx[j] = sum of g[i] with index[i] = j",
	.doc = "Rows of an axis by number; GR_EARG for a number out of range.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(1),
	.attr_size = sizeof(gr_axis_attr),
	.infer = gather_infer,
	.forward = gather_forward,
	.vjp = gather_vjp,
	.cases = gather_cases,
	.ncases = (int)(sizeof gather_cases / sizeof gather_cases[0]),
};

gr_tensor *gr_gather(gr_tensor *x, int axis, gr_tensor *index)
{
	gr_axis_attr a = {axis};
	gr_tensor *in[] = {x, index};
	return gr_apply1(&gr_op_gather, 2, in, &a);
}

/* --- scatter_add --------------------------------------------------------------------------- */

static gr_status scatter_add_infer(gr_op_call *c)
{
	const gr_scatter_attr *a = c->attr;
	gr_status status = check_index(c);

	if (status == GR_OK)
		status = gr__shape_check_axis(c, a->axis, c->in[0]);
	if (status != GR_OK)
		return status;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	if (c->in[0]->dims[axis] != c->in[1]->dims[0])
		return gr_op_fail(c, GR_ESHAPE, "x has %" PRId64 " entries along axis %d, index %" PRId64,
			c->in[0]->dims[axis], axis, c->in[1]->dims[0]);
	if (a->length < 0)
		return gr_op_fail(c, GR_EARG, "length is %" PRId64, a->length);
	c->result[0] = gr__operand(c->in[0]);
	c->result[0].dims[axis] = a->length;
	return GR_OK;
}

static gr_status scatter_add_forward(gr_op_call *c)
{
	const gr_scatter_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	gr_status status = check_range(c, a->length);

	return status != GR_OK ? status : gr__scatter_add(c->out[0], c->in[0], axis, c->in[1]);
}

/* y_j = sum of x_i over the i with index i = j, so gx_i = gy_{index i} */
static gr_status scatter_add_vjp(gr_vjp *v)
{
	const gr_scatter_attr *a = v->attr;

	v->gin[0] = gr_gather(v->gout[0], (int)a->axis, v->in[1]);
	return GR_OK;
}

static const gr_case scatter_add_cases[] = {
	{"rows", {{7, 3}, {7}}, .attr = &(const gr_scatter_attr){0, 5}, .indices = 2, .index_max = 5},
	{"middle", {{2, 4, 2}, {4}}, .attr = &(const gr_scatter_attr){1, 3}, .indices = 2,
		.index_max = 3},
	{"last", {{3, 2}, {2}}, .attr = &(const gr_scatter_attr){-1, 6}, .indices = 2, .index_max = 4},
	{"vector", {{6}, {6}}, .attr = &(const gr_scatter_attr){0, 2}, .indices = 2, .index_max = 2},
};

const gr_op gr_op_scatter_add = {
	.name = "scatter_add",
	.sig = "x index[M]",
	.math = "y[j] = sum of x[i] with index[i] = j",
	.dmath = "dx[i] = g[index[i]]",
	.doc = "Adjoint of gather, summed in order of i; GR_EARG for a number out of range.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(1),
	.attr_size = sizeof(gr_scatter_attr),
	.infer = scatter_add_infer,
	.forward = scatter_add_forward,
	.vjp = scatter_add_vjp,
	.cases = scatter_add_cases,
	.ncases = (int)(sizeof scatter_add_cases / sizeof scatter_add_cases[0]),
};

gr_tensor *gr_scatter_add(gr_tensor *x, int axis, gr_tensor *index, int64_t length)
{
	gr_scatter_attr a = {axis, length};
	gr_tensor *in[] = {x, index};
	return gr_apply1(&gr_op_scatter_add, 2, in, &a);
}
