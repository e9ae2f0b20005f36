/*
 * Linear and cubic resampling of one axis, and its adjoint: two sparse matrices R and R^T whose
 * weights are in tensor/kern/resize.c. Images are resized one axis after the other.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>
#include <math.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "kern.h"
#include "move_priv.h"
#include "node.h"

#define CUBIC_A (-0.75)
#define CUBIC_A_ANTIALIAS (-0.5)
#define MOST_PIXELS INT32_MAX
#define MOST_SCALE 65536.0

/* The rule that takes `in` pixels to `out`. */
static gr_resize_rule rule_of(const gr_resize_attr *a, int64_t in, int64_t out)
{
	return (gr_resize_rule){
		.in = in,
		.out = out,
		.cubic = a->cubic != 0,
		.align_corners = a->align_corners != 0,
		.antialias = a->antialias != 0,
		.mirror = a->mirror != 0,
		.scale = a->scale != 0.0 ? a->scale : (double)in / (double)out,
		.a = a->a != 0.0 ? a->a : (a->antialias != 0 ? CUBIC_A_ANTIALIAS : CUBIC_A),
	};
}

/* NULL when the rule makes sense, else what is wrong with it. */
static const char *rule_complaint(const gr_resize_rule *r)
{
	if (r->in < 1 || r->out < 1 || r->in > MOST_PIXELS || r->out > MOST_PIXELS)
		return "both lengths must be 1 at least";
	if (!(r->scale > 0.0 && r->scale <= MOST_SCALE))
		return "the scale must be positive, and 65536 at most";
	if (r->align_corners && r->antialias)
		return "antialias has no meaning with align_corners; hint: leave one out";
	return isfinite(r->a) ? NULL : "cubic_a must be finite";
}

/* The rule of a call; `adjoint` exchanges the roles of operand and result. */
static gr_resize_rule call_rule(const gr_op_call *c, bool adjoint)
{
	const gr_resize_attr *a = c->attr;
	int64_t n = c->in[0]->dims[gr__shape_axis(a->axis, c->in[0]->ndim)];

	return rule_of(a, adjoint ? a->length : n, adjoint ? n : a->length);
}

static gr_status infer(gr_op_call *c, bool adjoint)
{
	const gr_resize_attr *a = c->attr;
	gr_status status = gr_infer_same(c);

	if (status == GR_OK)
		status = gr__shape_check_axis(c, a->axis, c->in[0]);
	if (status != GR_OK)
		return status;
	gr_resize_rule rule = call_rule(c, adjoint);
	const char *complaint = rule_complaint(&rule);
	if (complaint != NULL)
		return gr_op_fail(c, GR_EARG, "%" PRId64 " pixels to %" PRId64 " with scale %g: %s",
			rule.in, rule.out, rule.scale, complaint);
	c->contiguous = 1;
	c->result[0].dims[gr__shape_axis(a->axis, c->in[0]->ndim)] = a->length;
	return GR_OK;
}

static gr_status forward(gr_op_call *c, bool adjoint)
{
	const gr_resize_attr *a = c->attr;
	gr_resize_rule rule = call_rule(c, adjoint);
	gr_rows rows = {0}, transpose = {0};
	gr_status status = gr__resize_rows(&rows, &rule);

	if (status == GR_OK && adjoint)
		status = gr__rows_transpose(&transpose, &rows);
	if (status == GR_OK)
		status = gr__rows_apply(c->out[0], c->in[0], gr__shape_axis(a->axis, c->in[0]->ndim),
			adjoint ? &transpose : &rows);
	gr__rows_free(&rows);
	gr__rows_free(&transpose);
	return status;
}

static gr_status resize_infer(gr_op_call *c)
{
	return infer(c, false);
}

static gr_status resize_forward(gr_op_call *c)
{
	return forward(c, false);
}

static gr_status resize_adjoint_infer(gr_op_call *c)
{
	return infer(c, true);
}

static gr_status resize_adjoint_forward(gr_op_call *c)
{
	return forward(c, true);
}

/* The other of the two ops on the cotangent, with the length that the input had. */
static gr_status other(gr_vjp *v, const gr_op *op)
{
	gr_resize_attr a = *(const gr_resize_attr *)v->attr;

	a.length = v->shape[0].dims[gr__shape_axis(a.axis, v->shape[0].ndim)];
	v->gin[0] = gr_apply1(op, 1, &v->gout[0], &a);
	return GR_OK;
}

extern const gr_op gr_op_resize, gr_op_resize_adjoint;

/* y = R x, so <g, y> = <R^T g, x> */
static gr_status resize_vjp(gr_vjp *v)
{
	return other(v, &gr_op_resize_adjoint);
}

/* y = R^T x, so <g, y> = <R g, x> */
static gr_status resize_adjoint_vjp(gr_vjp *v)
{
	return other(v, &gr_op_resize);
}

static double resize_flops(const gr_op_call *c)
{
	double taps = ((const gr_resize_attr *)c->attr)->cubic != 0 ? 4.0 : 2.0;
	double in = (double)c->in[0]->size, out = taps;

	for (int i = 0; i < c->result[0].ndim; i++)
		out *= (double)c->result[0].dims[i];
	return 2.0 * (in * taps > out ? in * taps : out);
}

/* axis, length, width, cubic, align_corners, antialias, mirror, scale, scale_w, a */
#define RESIZE(...) (&(const gr_resize_attr){__VA_ARGS__})

static const gr_case resize_cases[] = {
	{"linear up", {{2, 5}}, .attr = RESIZE(-1, 8, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"linear down", {{7, 3}}, .attr = RESIZE(0, 3, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"linear corners", {{4, 2}}, .attr = RESIZE(0, 7, 0, 0, 1, 0, 0, 0, 0, 0)},
	{"corners to one", {{4}}, .attr = RESIZE(0, 1, 0, 0, 1, 0, 0, 0, 0, 0)},
	{"linear antialias", {{2, 9, 2}}, .attr = RESIZE(1, 4, 0, 0, 0, 1, 0, 0, 0, 0)},
	{"cubic up", {{5, 3}}, .attr = RESIZE(0, 9, 0, 1, 0, 0, 0, 0, 0, 0)},
	{"cubic corners", {{6}}, .attr = RESIZE(0, 4, 0, 1, 1, 0, 0, 0, 0, 0)},
	{"cubic antialias", {{2, 11}}, .attr = RESIZE(1, 4, 0, 1, 0, 1, 0, 0, 0, 0)},
	{"cubic own scale", {{37}}, .attr = RESIZE(0, 16, 0, 1, 0, 0, 0, 37.0 / 16.1, 0, 0)},
	{"cubic mirror", {{8, 2}}, .attr = RESIZE(0, 2, 0, 1, 0, 1, 1, 0, 0, 0)},
	{"cubic a", {{3, 4}}, .attr = RESIZE(1, 6, 0, 1, 0, 0, 0, 0, 0, -0.6)},
	{"one pixel", {{1, 3}}, .attr = RESIZE(0, 4, 0, 1, 0, 0, 0, 0, 0, 0)},
	{"images", {{2, 3, 6, 5}}, .attr = RESIZE(-2, 4, 0, 1, 0, 1, 0, 0, 0, 0)},
	{"empty", {{0, 4}}, .attr = RESIZE(1, 2, 0, 0, 0, 0, 0, 0, 0, 0)},
};

const gr_op gr_op_resize = {
	.name = "resize",
	.sig = "x",
	.math = "y[i] = sum_j R[i,j] x[j]",
	.dmath = "dx[j] = sum_i R[i,j] g[i]",
	.doc = "Linear or cubic resampling of one axis; tensor/kern/resize.c states the weights.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_resize_attr),
	.infer = resize_infer,
	.forward = resize_forward,
	.vjp = resize_vjp,
	.flops = resize_flops,
	GR_EW_CASES(resize_cases),
};

static const gr_case resize_adjoint_cases[] = {
	{"linear", {{2, 8}}, .attr = RESIZE(-1, 5, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"linear antialias", {{4, 2}}, .attr = RESIZE(0, 9, 0, 0, 0, 1, 0, 0, 0, 0)},
	{"unread pixels", {{2, 3}}, .attr = RESIZE(0, 9, 0, 0, 0, 0, 0, 0, 0, 0)},
	{"cubic corners", {{7}}, .attr = RESIZE(0, 4, 0, 1, 1, 0, 0, 0, 0, 0)},
	{"cubic antialias", {{2, 4}}, .attr = RESIZE(1, 11, 0, 1, 0, 1, 0, 0, 0, 0)},
	{"cubic mirror", {{2, 3}}, .attr = RESIZE(0, 8, 0, 1, 0, 1, 1, 0, 0, 0)},
	{"empty", {{0, 4}}, .attr = RESIZE(1, 2, 0, 0, 0, 0, 0, 0, 0, 0)},
};

const gr_op gr_op_resize_adjoint = {
	.name = "resize_adjoint",
	.sig = "g",
	.math = "y[j] = sum_i R[i,j] g[i]",
	.dmath = "dg[i] = sum_j R[i,j] u[j], u of y",
	.doc = "Adjoint of resize.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_resize_attr),
	.infer = resize_adjoint_infer,
	.forward = resize_adjoint_forward,
	.vjp = resize_adjoint_vjp,
	.flops = resize_flops,
	GR_EW_CASES(resize_adjoint_cases),
};

/* --- the public functions ------------------------------------------------------------------ */

/* The options as attributes; false with an error recorded. */
static bool attr_of(const char *op, gr_resize_attr *a, const gr_resize_opts *opts)
{
	gr_resize_opts o;

	if (!gr__compose_opts(op, &o, sizeof o, opts))
		return false;
	*a = (gr_resize_attr){
		.cubic = o.mode == GR_RESIZE_CUBIC,
		.align_corners = o.align_corners,
		.antialias = o.antialias,
		.mirror = o.mirror,
		.scale = o.scale_h,
		.scale_w = o.scale_w,
		.a = o.cubic_a,
	};
	if (o.mode == GR_RESIZE_LINEAR || o.mode == GR_RESIZE_CUBIC)
		return true;
	gr__fail(GR_EARG, op, "%d is not a mode; hint: use one of gr_resize_mode", (int)o.mode);
	return false;
}

static gr_tensor *along(const gr_op *op, gr_tensor *x, gr_resize_attr a, int64_t axis,
	int64_t length)
{
	a.axis = axis;
	a.length = length;
	a.scale_w = 0.0;
	a.width = 0;
	return gr_apply1(op, 1, &x, &a);
}

gr_tensor *gr_resize(gr_tensor *x, int axis, int64_t length, const gr_resize_opts *opts)
{
	gr_resize_attr a;
	return attr_of("resize", &a, opts) ? along(&gr_op_resize, x, a, axis, length) : NULL;
}

gr_tensor *gr_resize_adjoint(gr_tensor *g, int axis, int64_t length, const gr_resize_opts *opts)
{
	gr_resize_attr a;
	return attr_of("resize_adjoint", &a, opts) ? along(&gr_op_resize_adjoint, g, a, axis, length)
											   : NULL;
}

static gr_tensor *resize2d(gr_tensor *x, gr_resize_attr a, int64_t h, int64_t w)
{
	gr_resize_attr columns = a;

	gr_scope_begin();
	columns.scale = a.scale_w;
	gr_tensor *wide = along(&gr_op_resize, x, columns, -1, w);
	return gr__compose_leave(along(&gr_op_resize, wide, a, -2, h));
}

gr_tensor *gr_resize2d(gr_tensor *x, int64_t h, int64_t w, const gr_resize_opts *opts)
{
	gr_resize_attr a;
	return attr_of("resize2d", &a, opts) ? resize2d(x, a, h, w) : NULL;
}

static gr_status resize2d_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	const gr_resize_attr *a = attr;
	(void)nin;
	return gr__compose_out(out, resize2d(in[0], *a, a->length, a->width));
}

static const gr_case resize2d_cases[] = {
	{"bilinear", {{2, 4, 5}}, .attr = RESIZE(0, 6, 3, 0, 0, 0, 0, 0, 0, 0)},
	{"bicubic antialias", {{7, 9}}, .attr = RESIZE(0, 4, 5, 1, 0, 1, 0, 0, 0, 0)},
	{"two scales", {{1, 6, 5}}, .attr = RESIZE(0, 3, 4, 1, 0, 0, 0, 1.9, 1.2, 0)},
	{"empty", {{0, 4, 4}}, .attr = RESIZE(0, 2, 2, 0, 0, 0, 0, 0, 0, 0)},
};

const gr_op gr_op_resize2d = {
	.name = "resize2d",
	.sig = "x[...,H,W]",
	.math = "y = R_h x R_w^T",
	.dmath = "dx = R_h^T g R_w",
	.doc = "resize along the last two axes.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_resize_attr),
	GR_EW_CASES(resize2d_cases),
	.compose = resize2d_compose,
};

gr_tensor *gr_resize_matrix(int64_t n, int64_t length, const gr_resize_opts *opts)
{
	gr_resize_attr a;
	gr_rows rows = {0};

	if (!attr_of("resize_matrix", &a, opts))
		return NULL;
	gr_resize_rule rule = rule_of(&a, n, length);
	const char *complaint = rule_complaint(&rule);
	if (complaint != NULL) {
		gr__fail(GR_EARG, "resize_matrix", "%" PRId64 " pixels to %" PRId64 " with scale %g: %s", n,
			length, rule.scale, complaint);
		return NULL;
	}
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(length, n));
	if (matrix != NULL && gr__resize_rows(&rows, &rule) != GR_OK) {
		gr__fail(GR_EMEM, "resize_matrix", "no room for the weights");
		matrix = NULL;
	}
	double *values = gr_tensor_data(matrix);
	for (int64_t i = 0; values != NULL && i < length; i++)
		for (int64_t k = rows.start[i]; k < rows.start[i + 1]; k++)
			values[i * n + rows.column[k]] = rows.weight[k];
	gr__rows_free(&rows);
	return matrix;
}
