/*
 * Reading and adding through an index of its own for every line: take_along and scatter_along, each
 * the adjoint of the other, and one_hot. The index is a constant to every gradient; its range is
 * checked on every call, since a kernel that trusts it would read or write anywhere.
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
#include "move_priv.h"
#include "node.h"

/* x a float, index i64, with the same dims but along `axis` (or along none if axis < 0). */
static gr_status check_index(const gr_op_call *c, int axis)
{
	const gr_tensor *x = c->in[0], *index = c->in[1];
	bool same = x->ndim == index->ndim;

	if (x->dtype != GR_F32 && x->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "x is %s, not a float", gr_dtype_name(x->dtype));
	if (index->dtype != GR_I64)
		return gr_op_fail(c, GR_EDTYPE, "index is %s, not i64", gr_dtype_name(index->dtype));
	for (int i = 0; same && i < x->ndim; i++)
		same = i == axis || x->dims[i] == index->dims[i];
	if (!same)
		return gr_op_fail(c, GR_ESHAPE, "index and x differ in other dims than the axis");
	return GR_OK;
}

/* The index is contiguous here. */
static gr_status check_range(const gr_op_call *c, int64_t length)
{
	const gr_tensor *index = c->in[1];
	const int64_t *values = (const int64_t *)(const void *)index->data;

	if (index->storage->blank)
		return GR_OK;
	for (int64_t i = 0; i < index->size; i++)
		if (values[i] < 0 || values[i] >= length)
			return gr_op_fail(c, GR_EARG,
				"element %" PRId64 " of index is %" PRId64 ", not in 0..%" PRId64, i, values[i],
				length - 1);
	return GR_OK;
}

/* --- take_along ---------------------------------------------------------------------------- */

static gr_status take_along_infer(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	gr_status status = gr__shape_check_axis(c, a->axis, c->in[0]);

	if (status == GR_OK)
		status = check_index(c, gr__shape_axis(a->axis, c->in[0]->ndim));
	c->result[0] = gr__operand(c->in[1]);
	c->result[0].dtype = c->in[0]->dtype;
	c->contiguous = 3;
	return status;
}

static gr_status take_along_forward(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	gr_status status = check_range(c, c->in[0]->dims[axis]);

	return status != GR_OK ? status : gr__take_along(c->out[0], c->in[0], axis, c->in[1]);
}

/* y_i = x_{index i}, so gx_j = sum of gy_i over the i with index i = j */
static gr_status take_along_vjp(gr_vjp *v)
{
	const gr_axis_attr *a = v->attr;
	int axis = gr__shape_axis(a->axis, v->shape[0].ndim);

	v->gin[0] = gr_scatter_along(v->gout[0], axis, v->in[1], v->shape[0].dims[axis]);
	return GR_OK;
}

#define AXIS(i) (&(const gr_axis_attr){i})

static const gr_case take_along_cases[] = {
	{"rows", {{5, 3}, {7, 3}}, .attr = AXIS(0), .indices = 2, .index_max = 5},
	{"middle", {{2, 3, 2}, {2, 4, 2}}, .attr = AXIS(1), .indices = 2, .index_max = 3},
	{"last", {{3, 4}, {3, 2}}, .attr = AXIS(-1), .indices = 2, .index_max = 4},
	{"vector", {{6}, {6}}, .attr = AXIS(0), .indices = 2, .index_max = 6},
	{"empty", {{0, 4}, {0, 2}}, .attr = AXIS(1), .indices = 2, .index_max = 4},
};

const gr_op gr_op_take_along = {
	.name = "take_along",
	.sig = "x index",
	.math = "y[i,q] = x[index[i,q], q]",
	.dmath = "dx[j,q] = sum of g[i,q] with index[i,q] = j",
	.doc = "Elements of each line by number; GR_EARG for a number out of range.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(1),
	.attr_size = sizeof(gr_axis_attr),
	.infer = take_along_infer,
	.forward = take_along_forward,
	.vjp = take_along_vjp,
	GR_EW_CASES(take_along_cases),
};

gr_tensor *gr_take_along(gr_tensor *x, int axis, gr_tensor *index)
{
	gr_tensor *in[] = {x, index};
	return gr_apply1(&gr_op_take_along, 2, in, &(gr_axis_attr){axis});
}

/* --- scatter_along ------------------------------------------------------------------------- */

static gr_status scatter_along_infer(gr_op_call *c)
{
	const gr_scatter_attr *a = c->attr;
	gr_status status = gr__shape_check_axis(c, a->axis, c->in[0]);

	if (status == GR_OK)
		status = check_index(c, -1);
	if (status == GR_OK && a->length < 0)
		status = gr_op_fail(c, GR_EARG, "length is %" PRId64, a->length);
	if (status != GR_OK)
		return status;
	c->result[0] = gr__operand(c->in[0]);
	c->result[0].dims[gr__shape_axis(a->axis, c->in[0]->ndim)] = a->length;
	c->contiguous = 3;
	return GR_OK;
}

static gr_status scatter_along_forward(gr_op_call *c)
{
	const gr_scatter_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim);
	gr_status status = check_range(c, a->length);

	return status != GR_OK ? status : gr__scatter_along(c->out[0], c->in[0], axis, c->in[1]);
}

/* y_j = sum of x_i over the i with index i = j, so gx_i = gy_{index i} */
static gr_status scatter_along_vjp(gr_vjp *v)
{
	const gr_scatter_attr *a = v->attr;

	v->gin[0] = gr_take_along(v->gout[0], (int)a->axis, v->in[1]);
	return GR_OK;
}

#define SCATTER(axis, length) (&(const gr_scatter_attr){axis, length})

static const gr_case scatter_along_cases[] = {
	{"rows", {{7, 3}, {7, 3}}, .attr = SCATTER(0, 5), .indices = 2, .index_max = 5},
	{"middle", {{2, 4, 2}, {2, 4, 2}}, .attr = SCATTER(1, 3), .indices = 2, .index_max = 3},
	{"vector", {{6}, {6}}, .attr = SCATTER(-1, 9), .indices = 2, .index_max = 9},
	{"empty", {{0, 2}, {0, 2}}, .attr = SCATTER(1, 4), .indices = 2, .index_max = 4},
};

const gr_op gr_op_scatter_along = {
	.name = "scatter_along",
	.sig = "x index",
	.math = "y[index[i,q], q] += x[i,q]",
	.dmath = "dx[i,q] = g[index[i,q], q]",
	.doc = "Adjoint of take_along, added in order of i; GR_EARG for a number out of range.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(1),
	.attr_size = sizeof(gr_scatter_attr),
	.infer = scatter_along_infer,
	.forward = scatter_along_forward,
	.vjp = scatter_along_vjp,
	GR_EW_CASES(scatter_along_cases),
};

gr_tensor *gr_scatter_along(gr_tensor *x, int axis, gr_tensor *index, int64_t length)
{
	gr_tensor *in[] = {x, index};
	return gr_apply1(&gr_op_scatter_along, 2, in, &(gr_scatter_attr){axis, length});
}

/* --- one_hot ------------------------------------------------------------------------------- */

gr_tensor *gr_one_hot(gr_tensor *index, int64_t classes, gr_dtype dtype)
{
	const int64_t most = (int64_t)1 << 24; /* exact in float */

	if (!gr__compose_given("one_hot", 1, &index))
		return NULL;
	if (index->dtype != GR_I64 || classes < 0 || classes > most) {
		gr__fail(index->dtype != GR_I64 ? GR_EDTYPE : GR_EARG, "one_hot",
			"index is %s, not i64, or %" PRId64 " is no number of classes",
			gr_dtype_name(index->dtype), classes);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *number = gr_unsqueeze(gr_cast(index, dtype), -1);
	return gr__compose_leave(gr_eq(number, gr_arange(dtype, classes, 0.0, 1.0)));
}

static gr_status one_hot_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_one_hot_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, gr_one_hot(in[0], a->classes, (gr_dtype)a->dtype));
}

#define ONE_HOT(classes, dtype) (&(const gr_one_hot_attr){classes, dtype})

static const gr_case one_hot_cases[] = {
	{"labels", {{5}}, .attr = ONE_HOT(4, GR_F64), .indices = 1, .index_max = 4},
	{"map", {{2, 3}}, .attr = ONE_HOT(3, GR_F32), .indices = 1, .index_max = 3},
	{"out of range", {{6}}, .attr = ONE_HOT(2, GR_F32), .indices = 1, .index_max = 4},
	{"empty", {{0, 3}}, .attr = ONE_HOT(2, GR_F32), .indices = 1, .index_max = 2},
};

const gr_op gr_op_one_hot = {
	.name = "one_hot",
	.sig = "index",
	.math = "y[i,c] = [index[i] = c]",
	.dmath = "none: index is an integer",
	.doc = "Masks of classes; never tracked.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_NONDIFF,
	.attr_size = sizeof(gr_one_hot_attr),
	GR_EW_CASES(one_hot_cases),
	.compose = one_hot_compose,
};
