/*
 * Ops that change how elements are seen: reshape, permute, flip, expand, all views, and what is
 * composed of them. (slice and its adjoint are in slice.c; ops that must copy, in join.c.) All are
 * linear and the adjoint of each is another of them, so the rules are exact and read no values.
 *
 * A reshape that the strides do not allow copies. The arithmetic of strides is in
 * tensor/core/view.c.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "move_priv.h"
#include "node.h"

/* --- shared -------------------------------------------------------------------------------- */

gr_status gr__shape_check_axis(const gr_op_call *c, int64_t axis, const gr_tensor *t)
{
	if (axis < -t->ndim || axis >= t->ndim)
		return gr_op_fail(c, GR_EARG, "axis %" PRId64 " is out of range for %d dims", axis,
			t->ndim);
	return GR_OK;
}

int gr__shape_axis(int64_t axis, int ndim)
{
	return (int)(axis < 0 ? axis + ndim : axis);
}

/* The dims as an attribute; too many give an ndim that infer refuses. */
static gr_dims_attr dims_attr(int ndim, const int64_t *dims)
{
	gr_dims_attr a = {.ndim = ndim};

	for (int i = 0; i < ndim && i < GR_MAX_DIMS; i++)
		a.dims[i] = dims[i];
	return a;
}

static gr_status check_ndim(const gr_op_call *c, int64_t ndim)
{
	if (ndim < 0 || ndim > GR_MAX_DIMS)
		return gr_op_fail(c, GR_ESHAPE, "%" PRId64 " dims; 0 to %d are possible", ndim,
			GR_MAX_DIMS);
	return GR_OK;
}

/* --- reshape ------------------------------------------------------------------------------- */

static gr_status reshape_infer(gr_op_call *c)
{
	const gr_dims_attr *a = c->attr;
	gr_operand *r = &c->result[0];
	int64_t size = c->in[0]->size, known = 1;
	int free_dim = -1;

	if (check_ndim(c, a->ndim) != GR_OK)
		return GR_ESHAPE;
	r->dtype = c->in[0]->dtype;
	r->ndim = (int)a->ndim;
	for (int i = 0; i < r->ndim; i++) {
		r->dims[i] = a->dims[i];
		if (a->dims[i] == -1 && free_dim < 0)
			free_dim = i;
		else if (a->dims[i] < 0)
			return gr_op_fail(c, GR_ESHAPE, "dim %d is %" PRId64 "; hint: only one may be -1", i,
				a->dims[i]);
		else if (a->dims[i] != 0 && known > INT64_MAX / a->dims[i])
			return gr_op_fail(c, GR_ESHAPE, "the new shape is too large");
		else
			known *= a->dims[i];
	}
	if (free_dim >= 0) {
		if (known == 0 || size % known != 0)
			return gr_op_fail(c, GR_ESHAPE,
				"%" PRId64 " elements do not divide into rows of %" PRId64, size, known);
		r->dims[free_dim] = size / known;
	} else if (known != size) {
		return gr_op_fail(c, GR_ESHAPE, "%" PRId64 " elements do not fit a shape of %" PRId64, size,
			known);
	}
	return GR_OK;
}

static gr_status reshape_forward(gr_op_call *c)
{
	const gr_operand *r = &c->result[0];
	gr_status before = gr_error_code();

	c->out[0] = gr__view_reshape(c->in[0], r->ndim, r->dims);
	if (c->out[0] != NULL || gr_error_code() != before)
		return gr_error_code() != before ? gr_error_code() : GR_OK;

	/* the strides do not allow it */
	gr_tensor *copy = gr__tensor_contiguous(c->in[0]);
	if (copy == NULL)
		return gr_error_code();
	c->out[0] = gr__view_reshape(copy, r->ndim, r->dims);
	gr_tensor_release(copy);
	return c->out[0] != NULL ? GR_OK : gr_error_code();
}

/* y = x in another shape, so <gy, y> = <gy in x's shape, x> */
static gr_status reshape_vjp(gr_vjp *v)
{
	v->gin[0] = gr_reshape(v->gout[0], v->shape[0].ndim, v->shape[0].dims);
	return GR_OK;
}

static const gr_case reshape_cases[] = {
	{"merge", {{2, 3, 4}}, .attr = &(const gr_dims_attr){2, {6, 4}}},
	{"split", {{6, 5}}, .attr = &(const gr_dims_attr){3, {2, -1, 5}}},
	{"to scalar", {{1, 1}}, .attr = &(const gr_dims_attr){0, {0}}},
	{"from scalar", {{0}}, .attr = &(const gr_dims_attr){2, {1, 1}}},
	{"empty", {{0, 3}}, .attr = &(const gr_dims_attr){3, {3, 0, 7}}},
};

const gr_op gr_op_reshape = {
	.name = "reshape",
	.sig = "x",
	.math = "y = x, row-major, in other dims",
	.dmath = "dx = g in the dims of x",
	.doc = "Same elements in another shape; a view, or a copy where strides force one.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VIEW,
	.attr_size = sizeof(gr_dims_attr),
	.infer = reshape_infer,
	.forward = reshape_forward,
	.vjp = reshape_vjp,
	.cases = reshape_cases,
	.ncases = (int)(sizeof reshape_cases / sizeof reshape_cases[0]),
};

gr_tensor *gr_reshape(gr_tensor *x, int ndim, const int64_t *dims)
{
	gr_dims_attr a = dims_attr(ndim, dims);
	return gr_apply1(&gr_op_reshape, 1, &x, &a);
}

gr_tensor *gr_squeeze(gr_tensor *x, int axis)
{
	int64_t dims[GR_MAX_DIMS] = {0};
	int ndim = gr_tensor_ndim(x);
	int at = gr__shape_axis(axis, ndim);

	if (x == NULL)
		return gr_reshape(NULL, GR_SCALAR); /* which says so */
	if (at < 0 || at >= ndim || x->dims[at] != 1) {
		char shape[128];
		gr__fail(GR_ESHAPE, "squeeze", "axis %d of x %s is not a dim of length 1", axis,
			gr_tensor_describe(x, shape, sizeof shape));
		return NULL;
	}
	for (int i = 0, j = 0; i < ndim; i++)
		if (i != at)
			dims[j++] = x->dims[i];
	return gr_reshape(x, ndim - 1, dims);
}

gr_tensor *gr_unsqueeze(gr_tensor *x, int axis)
{
	int64_t dims[GR_MAX_DIMS] = {0};
	int ndim = gr_tensor_ndim(x);
	int at = gr__shape_axis(axis, ndim + 1);

	if (x == NULL)
		return gr_reshape(NULL, GR_SCALAR);
	if (at < 0 || at > ndim || ndim == GR_MAX_DIMS) {
		char shape[128];
		gr__fail(GR_ESHAPE, "unsqueeze", "no new dim at %d in x %s", axis,
			gr_tensor_describe(x, shape, sizeof shape));
		return NULL;
	}
	for (int i = 0, j = 0; i <= ndim; i++)
		dims[i] = i == at ? 1 : x->dims[j++];
	return gr_reshape(x, ndim + 1, dims);
}

/* --- permute ------------------------------------------------------------------------------- */

static gr_status permute_infer(gr_op_call *c)
{
	const gr_permute_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	unsigned seen = 0;

	if (a->ndim != x->ndim)
		return gr_op_fail(c, GR_EARG, "%" PRId64 " entries in perm for %d dims", a->ndim, x->ndim);
	c->result[0] = gr__operand(x);
	for (int i = 0; i < x->ndim; i++) {
		if (a->perm[i] < 0 || a->perm[i] >= x->ndim || (seen >> a->perm[i] & 1) != 0)
			return gr_op_fail(c, GR_EARG,
				"perm is not a permutation of 0..%d: entry %d is %" PRId64, x->ndim - 1, i,
				a->perm[i]);
		seen |= 1u << a->perm[i];
		c->result[0].dims[i] = x->dims[a->perm[i]];
	}
	return GR_OK;
}

static gr_status permute_forward(gr_op_call *c)
{
	const gr_permute_attr *a = c->attr;
	int perm[GR_MAX_DIMS];

	for (int i = 0; i < c->in[0]->ndim; i++)
		perm[i] = (int)a->perm[i];
	c->out[0] = gr__view_permute(c->in[0], perm);
	return c->out[0] != NULL ? GR_OK : gr_error_code();
}

/* dim i of y is dim perm[i] of x, so the adjoint permutes by the inverse */
static gr_status permute_vjp(gr_vjp *v)
{
	const gr_permute_attr *a = v->attr;
	int inverse[GR_MAX_DIMS];

	for (int i = 0; i < v->shape[0].ndim; i++)
		inverse[a->perm[i]] = i;
	v->gin[0] = gr_permute(v->gout[0], inverse);
	return GR_OK;
}

static const gr_case permute_cases[] = {
	{"matrix", {{3, 4}}, .attr = &(const gr_permute_attr){2, {1, 0}}},
	{"rotate", {{2, 3, 4}}, .attr = &(const gr_permute_attr){3, {2, 0, 1}}},
	{"heads", {{2, 3, 2, 5}}, .attr = &(const gr_permute_attr){4, {0, 2, 1, 3}}},
	{"scalar", {{0}}, .attr = &(const gr_permute_attr){0, {0}}},
	{"empty", {{0, 3}}, .attr = &(const gr_permute_attr){2, {1, 0}}},
};

const gr_op gr_op_permute = {
	.name = "permute",
	.sig = "x",
	.math = "y[i_perm] = x[i]",
	.dmath = "dx[i] = g[i_perm]",
	.doc = "Dims in another order; a view.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VIEW,
	.attr_size = sizeof(gr_permute_attr),
	.infer = permute_infer,
	.forward = permute_forward,
	.vjp = permute_vjp,
	.cases = permute_cases,
	.ncases = (int)(sizeof permute_cases / sizeof permute_cases[0]),
};

gr_tensor *gr_permute(gr_tensor *x, const int *perm)
{
	gr_permute_attr a = {.ndim = gr_tensor_ndim(x)};

	for (int i = 0; i < gr_tensor_ndim(x); i++)
		a.perm[i] = perm[i];
	return gr_apply1(&gr_op_permute, 1, &x, &a);
}

gr_tensor *gr_transpose(gr_tensor *x, int axis_a, int axis_b)
{
	int perm[GR_MAX_DIMS];
	int ndim = gr_tensor_ndim(x);
	int at_a = gr__shape_axis(axis_a, ndim), at_b = gr__shape_axis(axis_b, ndim);

	if (x == NULL)
		return gr_permute(NULL, NULL);
	if (at_a < 0 || at_a >= ndim || at_b < 0 || at_b >= ndim) {
		char shape[128];
		gr__fail(GR_EARG, "transpose", "axes %d and %d of x %s: out of range", axis_a, axis_b,
			gr_tensor_describe(x, shape, sizeof shape));
		return NULL;
	}
	for (int i = 0; i < ndim; i++)
		perm[i] = i == at_a ? at_b : i == at_b ? at_a : i;
	return gr_permute(x, perm);
}

/* --- flip ---------------------------------------------------------------------------------- */

static gr_status flip_infer(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;

	c->result[0] = gr__operand(c->in[0]);
	return gr__shape_check_axis(c, a->axis, c->in[0]);
}

static gr_status flip_forward(gr_op_call *c)
{
	const gr_axis_attr *a = c->attr;

	c->out[0] = gr__view_flip(c->in[0], gr__shape_axis(a->axis, c->in[0]->ndim));
	return c->out[0] != NULL ? GR_OK : gr_error_code();
}

/* y_i = x_{n-1-i}: a permutation that is its own inverse */
static gr_status flip_vjp(gr_vjp *v)
{
	const gr_axis_attr *a = v->attr;

	v->gin[0] = gr_flip(v->gout[0], (int)a->axis);
	return GR_OK;
}

static const gr_case flip_cases[] = {
	{"rows", {{3, 4}}, .attr = &(const gr_axis_attr){0}},
	{"last", {{2, 3, 5}}, .attr = &(const gr_axis_attr){-1}},
	{"empty", {{0, 3}}, .attr = &(const gr_axis_attr){0}},
};

const gr_op gr_op_flip = {
	.name = "flip",
	.sig = "x",
	.math = "y[i] = x[n - 1 - i]",
	.dmath = "dx[i] = g[n - 1 - i]",
	.doc = "One axis in reverse order; a view.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VIEW,
	.attr_size = sizeof(gr_axis_attr),
	.infer = flip_infer,
	.forward = flip_forward,
	.vjp = flip_vjp,
	.cases = flip_cases,
	.ncases = (int)(sizeof flip_cases / sizeof flip_cases[0]),
};

gr_tensor *gr_flip(gr_tensor *x, int axis)
{
	gr_axis_attr a = {axis};
	return gr_apply1(&gr_op_flip, 1, &x, &a);
}

/* Counter-clockwise, y[i,j] = x[j, W-1-i]: flip the columns, then transpose. */
gr_tensor *gr_rot90(gr_tensor *x, int k)
{
	switch (((k % 4) + 4) % 4) {
	case 1: return gr_transpose(gr_flip(x, -1), -2, -1);
	case 2: return gr_flip(gr_flip(x, -1), -2);
	case 3: return gr_transpose(gr_flip(x, -2), -2, -1);
	default: return x;
	}
}

/* --- expand -------------------------------------------------------------------------------- */

static gr_status expand_infer(gr_op_call *c)
{
	const gr_dims_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	gr_operand *r = &c->result[0];

	if (check_ndim(c, a->ndim) != GR_OK)
		return GR_ESHAPE;
	int lead = (int)a->ndim - x->ndim;
	if (lead < 0)
		return gr_op_fail(c, GR_ESHAPE, "x has %d dims, the new shape %" PRId64, x->ndim, a->ndim);
	r->dtype = x->dtype;
	r->ndim = (int)a->ndim;
	for (int i = 0; i < r->ndim; i++) {
		r->dims[i] = a->dims[i];
		if (a->dims[i] < 0)
			return gr_op_fail(c, GR_ESHAPE, "dim %d is %" PRId64, i, a->dims[i]);
		if (i >= lead && x->dims[i - lead] != 1 && x->dims[i - lead] != a->dims[i])
			return gr_op_fail(c, GR_ESHAPE,
				"dim %d of x is %" PRId64 ", not 1, and cannot become %" PRId64, i - lead,
				x->dims[i - lead], a->dims[i]);
	}
	return GR_OK;
}

static gr_status expand_forward(gr_op_call *c)
{
	c->out[0] = gr__view_expand(c->in[0], c->result[0].ndim, c->result[0].dims);
	return c->out[0] != NULL ? GR_OK : gr_error_code();
}

/* y_{ij} = x_i for every j, so gx_i = sum_j gy_{ij} */
static gr_status expand_vjp(gr_vjp *v)
{
	v->gin[0] = gr_sum_to(v->gout[0], v->shape[0].ndim, v->shape[0].dims);
	return GR_OK;
}

static const gr_case expand_cases[] = {
	{"rows", {{1, 4}}, .attr = &(const gr_dims_attr){2, {3, 4}}},
	{"new dims", {{3, 1}}, .attr = &(const gr_dims_attr){4, {2, 2, 3, 2}}},
	{"scalar", {{0}}, .attr = &(const gr_dims_attr){2, {2, 3}}},
	{"to empty", {{1, 3}}, .attr = &(const gr_dims_attr){2, {0, 3}}},
};

const gr_op gr_op_expand = {
	.name = "expand",
	.sig = "x",
	.math = "y[i,j] = x[i]",
	.dmath = "dx[i] = sum_j g[i,j]",
	.doc = "Broadcast to a shape; a view with strides of 0.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_VIEW,
	.attr_size = sizeof(gr_dims_attr),
	.infer = expand_infer,
	.forward = expand_forward,
	.vjp = expand_vjp,
	.cases = expand_cases,
	.ncases = (int)(sizeof expand_cases / sizeof expand_cases[0]),
};

gr_tensor *gr_expand(gr_tensor *x, int ndim, const int64_t *dims)
{
	gr_dims_attr a = dims_attr(ndim, dims);
	return gr_apply1(&gr_op_expand, 1, &x, &a);
}
