/*
 * Sorting. The order is an index, which has no gradient; values are read through it by take_along,
 * so the gradient of a sorted, chosen or middle element is that of the element it was.
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

static gr_status argsort_infer(gr_op_call *c)
{
	const gr_order_attr *a = c->attr;
	gr_status status = gr_infer_same(c);

	if (status == GR_OK)
		status = gr__shape_check_axis(c, a->axis, c->in[0]);
	c->result[0].dtype = GR_I64;
	c->contiguous = 1;
	return status;
}

static gr_status argsort_forward(gr_op_call *c)
{
	const gr_order_attr *a = c->attr;
	return gr__argsort(c->out[0], c->in[0], gr__shape_axis(a->axis, c->in[0]->ndim),
		a->descending != 0);
}

/* axis, descending, count, keep */
#define ORDER(...) (&(const gr_order_attr){__VA_ARGS__})

static const gr_case sort_cases[] = {
	GR_EW_CASE("rows", -2.0, 2.0, ORDER(1, 0, 0, 0), {3, 5}),
	GR_EW_CASE("columns falling", -2.0, 2.0, ORDER(0, 1, 0, 0), {4, 3}),
	GR_EW_CASE("middle", -2.0, 2.0, ORDER(1, 0, 0, 0), {2, 4, 3}),
	GR_EW_CASE("vector", -2.0, 2.0, ORDER(-1, 0, 0, 0), {37}),
	GR_EW_CASE("one", -2.0, 2.0, ORDER(0, 1, 0, 0), {1}),
	GR_EW_CASE("empty", -2.0, 2.0, ORDER(1, 0, 0, 0), {0, 3}),
	GR_EW_KINK("ties", 1.0, 1.0, ORDER(1, 1, 0, 0), {2, 5}),
};

const gr_op gr_op_argsort = {
	.name = "argsort",
	.sig = "x",
	.math = "x[y[0]] <= x[y[1]] <= ...",
	.dmath = "none: y is an index",
	.doc = "Order along an axis, i64; equals keep theirs, NaN counts as the largest.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_NONDIFF,
	.attr_size = sizeof(gr_order_attr),
	.infer = argsort_infer,
	.forward = argsort_forward,
	GR_EW_CASES(sort_cases),
};

gr_tensor *gr_argsort(gr_tensor *x, int axis, bool descending)
{
	gr_order_attr a = {.axis = axis, .descending = descending};
	return gr_apply1(&gr_op_argsort, 1, &x, &a);
}

/* `count` elements from place `start` of the order, and where they were. */
static gr_tensor *pick(gr_tensor *x, const gr_order_attr *a, int64_t start, int64_t count,
	gr_tensor **index)
{
	gr_scope_begin();
	gr_tensor *order = gr_argsort(x, (int)a->axis, a->descending != 0);
	gr_tensor *places = gr_slice(order, (int)a->axis, start, start + count, 1);
	gr_tensor *y = gr_take_along(x, (int)a->axis, places);
	if (index != NULL)
		*index = y != NULL ? gr_escape(gr_contiguous(places)) : NULL;
	return gr__compose_leave(y);
}

/* Length of x's axis; -1 where there is none (the ops say so). */
static int64_t length_of(const gr_tensor *x, int64_t axis)
{
	bool fits = x != NULL && axis >= -x->ndim && axis < x->ndim;
	return fits ? gr_tensor_dim(x, (int)axis) : -1;
}

/* --- sort ---------------------------------------------------------------------------------- */

gr_tensor *gr_sort(gr_tensor *x, int axis, bool descending, gr_tensor **index)
{
	gr_order_attr a = {.axis = axis, .descending = descending};
	return pick(x, &a, 0, INT64_MAX, index);
}

static gr_status sort_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_order_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, gr_sort(in[0], (int)a->axis, a->descending != 0, &out[1]));
}

const gr_op gr_op_sort = {
	.name = "sort",
	.sig = "x",
	.math = "y = x[argsort(x)]",
	.dmath = "dx[argsort(x)[i]] = g[i]",
	.doc = "Sorted along an axis; the second output is argsort's.",
	.nin = 1,
	.nout = 2,
	.attr_size = sizeof(gr_order_attr),
	GR_EW_CASES(sort_cases),
	.compose = sort_compose,
};

/* --- topk ---------------------------------------------------------------------------------- */

gr_tensor *gr_topk(gr_tensor *x, int axis, int64_t k, gr_tensor **index)
{
	gr_order_attr a = {.axis = axis, .descending = 1};
	int64_t n = length_of(x, axis);

	if (n >= 0 && (k < 0 || k > n)) {
		gr__fail(GR_EARG, "topk", "%" PRId64 " of %" PRId64 " elements asked for", k, n);
		return NULL;
	}
	return pick(x, &a, 0, k, index);
}

static gr_status topk_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_order_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, gr_topk(in[0], (int)a->axis, a->count, &out[1]));
}

static const gr_case topk_cases[] = {
	GR_EW_CASE("rows", -2.0, 2.0, ORDER(1, 1, 2, 0), {3, 5}),
	GR_EW_CASE("columns", -2.0, 2.0, ORDER(0, 1, 3, 0), {4, 2}),
	GR_EW_CASE("all", -2.0, 2.0, ORDER(-1, 1, 7, 0), {7}),
	GR_EW_CASE("none", -2.0, 2.0, ORDER(1, 1, 0, 0), {2, 3}),
	GR_EW_CASE("empty", -2.0, 2.0, ORDER(1, 1, 2, 0), {0, 3}),
};

const gr_op gr_op_topk = {
	.name = "topk",
	.sig = "x",
	.math = "y = the k largest of x, falling",
	.dmath = "dx[index[i]] = g[i], 0 elsewhere",
	.doc = "Largest along an axis; the second output tells where they were.",
	.nin = 1,
	.nout = 2,
	.attr_size = sizeof(gr_order_attr),
	GR_EW_CASES(topk_cases),
	.compose = topk_compose,
};

/* --- median -------------------------------------------------------------------------------- */

gr_tensor *gr_median(gr_tensor *x, int axis, bool keep)
{
	gr_order_attr a = {.axis = axis};
	int64_t n = length_of(x, axis);

	if (n == 0) {
		gr__fail(GR_ESHAPE, "median", "axis %d is empty", axis);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *middle = pick(x, &a, (n - 1) / 2, 1, NULL);
	return gr__compose_leave(keep ? middle : gr_squeeze(middle, axis));
}

static gr_status median_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_order_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, gr_median(in[0], (int)a->axis, a->keep != 0));
}

static const gr_case median_cases[] = {
	GR_EW_CASE("odd", -2.0, 2.0, ORDER(1, 0, 0, 0), {3, 5}),
	GR_EW_CASE("even", -2.0, 2.0, ORDER(0, 0, 0, 1), {4, 2}),
	GR_EW_CASE("vector", -2.0, 2.0, ORDER(-1, 0, 0, 0), {37}),
	GR_EW_CASE("empty", -2.0, 2.0, ORDER(1, 0, 0, 0), {0, 3}),
};

const gr_op gr_op_median = {
	.name = "median",
	.sig = "x",
	.math = "y = x[argsort(x)[(n - 1) / 2]]",
	.dmath = "dx = g at the element taken, 0 elsewhere",
	.doc = "Middle element along an axis, the lower one of two; the gradient is its alone.",
	.nin = 1,
	.nout = 1,
	.attr_size = sizeof(gr_order_attr),
	GR_EW_CASES(median_cases),
	.compose = median_compose,
};
