/*
 * Piecewise linear and piecewise constant ops of one tensor. At a kink the gradient is what `doc`
 * says; a piecewise constant op is never recorded. g is the cotangent of the output y. Read
 * ew_priv.h for the shared parts.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

/* y = |x|;  dx = g sign(x) */
static gr_status abs_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], gr_sign(v->in[0]));
	return GR_OK;
}
GR_EW_FORWARD(abs, ABS)
static const gr_case abs_cases[] = {
	GR_EW_CASES_1(0.2, 2.0, NULL),
	GR_EW_CASE("negative", -2.0, -0.2, NULL, {3, 4}),
	GR_EW_KINK("both signs", -2.0, 2.0, NULL, {37}),
};
const gr_op gr_op_abs = {
	.name = "abs",
	.sig = "x",
	.math = "y = |x|",
	.dmath = "dx = g sign(x)",
	.doc = "Absolute value; the gradient at 0 is 0.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = abs_forward,
	.vjp = abs_vjp,
	GR_EW_CASES(abs_cases),
};

/* sign, floor, round: gradient zero wherever there is one, never recorded. */
GR_EW_FORWARD(sign, SIGN)
static const gr_case step_cases[] = {
	GR_EW_CASES_1(-4.0, 4.0, NULL),
	GR_EW_KINK("one", 1.0, 1.0, NULL, {3, 4}),
	GR_EW_KINK("half to even", 2.5, 2.5, NULL, {3, 4}),
	GR_EW_KINK("negative half", -0.5, -0.5, NULL, {3, 4}),
};
const gr_op gr_op_sign = {
	.name = "sign",
	.sig = "x",
	.math = "y = [x > 0] - [x < 0]",
	.dmath = "dx = 0",
	.doc = "-1, 0 or 1; gradient zero everywhere.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_same,
	.forward = sign_forward,
	GR_EW_CASES(step_cases),
};

GR_EW_FORWARD(floor, FLOOR)
const gr_op gr_op_floor = {
	.name = "floor",
	.sig = "x",
	.math = "y = floor(x)",
	.dmath = "dx = 0",
	.doc = "Largest integer not above x; gradient zero everywhere.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_same,
	.forward = floor_forward,
	GR_EW_CASES(step_cases),
};

GR_EW_FORWARD(round, ROUND)
const gr_op gr_op_round = {
	.name = "round",
	.sig = "x",
	.math = "y = round(x)",
	.dmath = "dx = 0",
	.doc = "Nearest integer, halves to the even one; gradient zero everywhere.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_same,
	.forward = round_forward,
	GR_EW_CASES(step_cases),
};

/* y = x where x > 0, else s x;  dx = g there, else s g */
static gr_status leaky_relu_vjp(gr_vjp *v)
{
	double s = ((const gr_scalar_attr *)v->attr)->s0;
	v->gin[0] = gr_where(gr_gt_s(v->in[0], 0.0), v->gout[0], gr_mul_s(v->gout[0], s));
	return GR_OK;
}
static gr_status leaky_relu_vjp_fused(gr_vjp *v)
{
	double s = ((const gr_scalar_attr *)v->attr)->s0;
	v->gin[0] = gr__ew_const(v->op, GR_EW_LEAKY_RELU_GRAD, v->gout[0], v->in[0], s, 0.0);
	return GR_OK;
}
static gr_status leaky_relu_forward(gr_op_call *c)
{
	return gr__ew_call(c, GR_EW_LEAKY_RELU, ((const gr_scalar_attr *)c->attr)->s0, 0.0);
}
static const gr_scalar_attr leaky_relu_attr = {0.2, 0.0};
static const gr_case leaky_relu_cases[] = {
	GR_EW_CASES_1(0.2, 2.0, &leaky_relu_attr),
	GR_EW_CASE("negative", -2.0, -0.2, &leaky_relu_attr, {3, 4}),
	GR_EW_KINK("both signs", -2.0, 2.0, &leaky_relu_attr, {37}),
};
const gr_op gr_op_leaky_relu = {
	.name = "leaky_relu",
	.sig = "x",
	.math = "y = x > 0 ? x : s x",
	.dmath = "dx = x > 0 ? g : s g",
	.doc = "Rectifier with a slope s below 0; the gradient at 0 is s.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_same,
	.forward = leaky_relu_forward,
	.vjp = leaky_relu_vjp,
	.vjp_fused = leaky_relu_vjp_fused,
	GR_EW_CASES(leaky_relu_cases),
};

gr_tensor *gr_leaky_relu(gr_tensor *x, double slope)
{
	return gr_apply1(&gr_op_leaky_relu, 1, &x, &(gr_scalar_attr){slope, 0.0});
}

/* y = min(max(x, low), high);  dx = g on low <= x <= high, else 0 */
static gr_status clamp_vjp(gr_vjp *v)
{
	const gr_scalar_attr *attr = v->attr;
	gr_tensor *inside = gr__ew_const(v->op, GR_EW_INSIDE, v->in[0], NULL, attr->s0, attr->s1);
	v->gin[0] = gr__ew_masked(inside, v->gout[0]);
	return GR_OK;
}
static gr_status clamp_forward(gr_op_call *c)
{
	const gr_scalar_attr *attr = c->attr;
	return gr__ew_call(c, GR_EW_CLAMP, attr->s0, attr->s1);
}
static gr_status clamp_infer(gr_op_call *c)
{
	const gr_scalar_attr *attr = c->attr;
	if (!(attr->s0 <= attr->s1))
		return gr_op_fail(c, GR_EARG, "low %g is above high %g; hint: swap them", attr->s0,
			attr->s1);
	return gr_infer_same(c);
}
static const gr_scalar_attr clamp_attr = {-0.5, 0.75};
static const gr_case clamp_cases[] = {
	GR_EW_CASES_1(-0.4, 0.7, &clamp_attr),
	GR_EW_CASE("below", -2.0, -0.6, &clamp_attr, {3, 4}),
	GR_EW_CASE("above", 0.8, 2.0, &clamp_attr, {3, 4}),
	GR_EW_KINK("all", -2.0, 2.0, &clamp_attr, {37}),
	GR_EW_KINK("edge", -0.5, -0.5, &clamp_attr, {3, 4}),
};
const gr_op gr_op_clamp = {
	.name = "clamp",
	.sig = "x",
	.math = "y = min(max(x, low), high)",
	.dmath = "dx = g [low <= x <= high]",
	.doc = "Gradient 1 on low <= x <= high, edges included, 0 outside.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_scalar_attr),
	.infer = clamp_infer,
	.forward = clamp_forward,
	.vjp = clamp_vjp,
	GR_EW_CASES(clamp_cases),
};

/* Piecewise constant, never recorded. */
static gr_status gt_s_forward(gr_op_call *c)
{
	return gr__ew_call(c, GR_EW_GT_S, ((const gr_scalar_attr *)c->attr)->s0, 0.0);
}
static const gr_scalar_attr gt_s_attr = {0.25, 0.0};
static const gr_case gt_s_cases[] = {
	GR_EW_CASES_1(-1.0, 1.0, &gt_s_attr),
	GR_EW_KINK("tie", 0.25, 0.25, &gt_s_attr, {3, 4}),
};
const gr_op gr_op_gt_s = {
	.name = "gt_s",
	.sig = "x",
	.math = "y = [x > s]",
	.dmath = "dx = 0",
	.doc = "Mask, 0 or 1 in x's type.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_same,
	.forward = gt_s_forward,
	GR_EW_CASES(gt_s_cases),
};

gr_tensor *gr_gt_s(gr_tensor *x, double s)
{
	return gr_apply1(&gr_op_gt_s, 1, &x, &(gr_scalar_attr){s, 0.0});
}

gr_tensor *gr_clamp(gr_tensor *x, double low, double high)
{
	return gr_apply1(&gr_op_clamp, 1, &x, &(gr_scalar_attr){low, high});
}

gr_tensor *gr_abs(gr_tensor *x)
{
	return gr_apply1(&gr_op_abs, 1, &x, NULL);
}

gr_tensor *gr_sign(gr_tensor *x)
{
	return gr_apply1(&gr_op_sign, 1, &x, NULL);
}

gr_tensor *gr_floor(gr_tensor *x)
{
	return gr_apply1(&gr_op_floor, 1, &x, NULL);
}

gr_tensor *gr_round(gr_tensor *x)
{
	return gr_apply1(&gr_op_round, 1, &x, NULL);
}
