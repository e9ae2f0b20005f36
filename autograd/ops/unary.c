/*
 * Elementwise ops of one tensor and scalars; activation.c and piecewise.c hold more. g is the
 * cotangent of the output y. Read ew_priv.h for the shared parts.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

/* y = s0 x + s1;  dx = s0 g */
static gr_status affine_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul_s(v->gout[0], ((const gr_scalar_attr *)v->attr)->s0);
	return GR_OK;
}
static gr_status affine_forward(gr_op_call *c)
{
	const gr_scalar_attr *attr = c->attr;
	return gr__ew_call(c, GR_EW_AFFINE, attr->s0, attr->s1);
}
static const gr_scalar_attr affine_attr = {-1.5, 0.25};
static const gr_case affine_cases[] = {GR_EW_CASES_1(-2.0, 2.0, &affine_attr)};
const gr_op gr_op_affine = {
	.name = "affine",
	.sig = "x",
	.math = "y = scale x + shift",
	.dmath = "dx = scale g",
	.doc = "Also gr_add_s, gr_mul_s and gr_rsub_s.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_same,
	.forward = affine_forward,
	.vjp = affine_vjp,
	GR_EW_CASES(affine_cases),
};

/* y = s / x;  dx = -g s / x^2 = g (-s / x) / x */
static gr_status rdiv_s_vjp(gr_vjp *v)
{
	double s = ((const gr_scalar_attr *)v->attr)->s0;
	v->gin[0] = gr_mul(v->gout[0], gr_div(gr_rdiv_s(v->in[0], -s), v->in[0]));
	return GR_OK;
}
static gr_status rdiv_s_forward(gr_op_call *c)
{
	return gr__ew_call(c, GR_EW_RDIV_S, ((const gr_scalar_attr *)c->attr)->s0, 0.0);
}
static const gr_scalar_attr rdiv_s_attr = {1.5, 0.0};
static const gr_case rdiv_s_cases[] = {
	GR_EW_CASES_1(0.5, 2.0, &rdiv_s_attr),
	GR_EW_CASE("negative", -2.0, -0.5, &rdiv_s_attr, {3, 4}),
};
const gr_op gr_op_rdiv_s = {
	.name = "rdiv_s",
	.sig = "x",
	.math = "y = s / x",
	.dmath = "dx = -g s / x^2",
	.doc = "Scalar over tensor; at 0 value and gradient are infinite.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_same,
	.forward = rdiv_s_forward,
	.vjp = rdiv_s_vjp,
	GR_EW_CASES(rdiv_s_cases),
};

/* y = x^s;  dx = g s x^(s - 1), and 0 for s = 0 wherever x is */
static gr_status pow_s_vjp(gr_vjp *v)
{
	double s = ((const gr_scalar_attr *)v->attr)->s0;
	gr_tensor *g = v->gout[0];
	v->gin[0] = gr_mul_s(s == 0.0 ? g : gr_mul(g, gr_pow_s(v->in[0], s - 1.0)), s);
	return GR_OK;
}
static gr_status pow_s_forward(gr_op_call *c)
{
	return gr__ew_call(c, GR_EW_POW_S, ((const gr_scalar_attr *)c->attr)->s0, 0.0);
}
static const gr_scalar_attr pow_s_attr[] = {{1.5, 0.0}, {3.0, 0.0}, {-2.0, 0.0}, {0.0, 0.0}};
static const gr_case pow_s_cases[] = {
	GR_EW_CASES_1(0.5, 2.0, &pow_s_attr[0]),
	GR_EW_CASE("cube", -2.0, 2.0, &pow_s_attr[1], {3, 4}),
	GR_EW_CASE("inverse square", -2.0, -0.5, &pow_s_attr[2], {3, 4}),
	GR_EW_CASE("constant", -2.0, 2.0, &pow_s_attr[3], {3, 4}),
};
const gr_op gr_op_pow_s = {
	.name = "pow_s",
	.sig = "x",
	.math = "y = x^s",
	.dmath = "dx = g s x^(s - 1)",
	.doc = "C's pow(): NaN for x < 0 unless s is an integer. For s < 1 the gradient at 0 is "
		   "infinite, for s = 0 it is 0 everywhere.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_same,
	.forward = pow_s_forward,
	.vjp = pow_s_vjp,
	GR_EW_CASES(pow_s_cases),
};

/* y = -x;  dx = -g */
static gr_status neg_vjp(gr_vjp *v)
{
	v->gin[0] = gr_neg(v->gout[0]);
	return GR_OK;
}
GR_EW_FORWARD(neg, NEG)
static const gr_case neg_cases[] = {GR_EW_CASES_1(-2.0, 2.0, NULL)};
const gr_op gr_op_neg = {
	.name = "neg",
	.sig = "x",
	.math = "y = -x",
	.dmath = "dx = -g",
	.doc = "Negation.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_ELEMENTWISE,
	.infer = gr_infer_same,
	.forward = neg_forward,
	.vjp = neg_vjp,
	GR_EW_CASES(neg_cases),
};

/* y = x^2;  dx = 2 g x */
static gr_status square_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul_s(gr_mul(v->gout[0], v->in[0]), 2.0);
	return GR_OK;
}
GR_EW_FORWARD(square, SQUARE)
static const gr_case square_cases[] = {GR_EW_CASES_1(-2.0, 2.0, NULL)};
const gr_op gr_op_square = {
	.name = "square",
	.sig = "x",
	.math = "y = x^2",
	.dmath = "dx = 2 g x",
	.doc = "Square.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = square_forward,
	.vjp = square_vjp,
	GR_EW_CASES(square_cases),
};

/* y = exp(x);  dx = g y */
static gr_status exp_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], v->out[0]);
	return GR_OK;
}
GR_EW_FORWARD(exp, EXP)
static const gr_case exp_cases[] = {
	GR_EW_CASES_1(-2.0, 2.0, NULL),
	GR_EW_CASE("wide", -80.0, 80.0, NULL, {37}),
};
const gr_op gr_op_exp = {
	.name = "exp",
	.sig = "x",
	.math = "y = exp(x)",
	.dmath = "dx = g y",
	.doc = "Exponential.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = exp_forward,
	.vjp = exp_vjp,
	GR_EW_CASES(exp_cases),
};

/* y = log(x);  dx = g / x */
static gr_status log_vjp(gr_vjp *v)
{
	v->gin[0] = gr_div(v->gout[0], v->in[0]);
	return GR_OK;
}
GR_EW_FORWARD(log, LOG)
static const gr_case log_cases[] = {
	GR_EW_CASES_1(0.5, 3.0, NULL),
	GR_EW_KINK("wide", 1.0, 1e20, NULL, {37}),
};
const gr_op gr_op_log = {
	.name = "log",
	.sig = "x",
	.math = "y = log(x)",
	.dmath = "dx = g / x",
	.doc = "Natural logarithm. At 0 the value is -inf and the gradient g / 0 = inf; below 0 the "
		   "value is NaN.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = log_forward,
	.vjp = log_vjp,
	GR_EW_CASES(log_cases),
};

/* y = sqrt(x);  dx = g / (2 y), and 0 where y = 0: the divisor is made 1 there first, so that no
 * infinity enters the graph of a second derivative */
static gr_status sqrt_vjp(gr_vjp *v)
{
	gr_tensor *y = v->out[0];
	gr_tensor *positive = gr_gt_s(y, 0.0);
	gr_tensor *safe = gr_where(positive, y, gr_scalar(gr_tensor_dtype(y), 1.0));
	v->gin[0] = gr__ew_masked(positive, gr_div(gr_mul_s(v->gout[0], 0.5), safe));
	return GR_OK;
}
GR_EW_FORWARD(sqrt, SQRT)
static const gr_case sqrt_cases[] = {GR_EW_CASES_1(0.5, 3.0, NULL)};
const gr_op gr_op_sqrt = {
	.name = "sqrt",
	.sig = "x",
	.math = "y = sqrt(x)",
	.dmath = "dx = g / (2 y), 0 where y = 0",
	.doc = "Square root; the gradient at 0 is 0. Below 0 the value is NaN and the gradient 0.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = sqrt_forward,
	.vjp = sqrt_vjp,
	GR_EW_CASES(sqrt_cases),
};

/* y = x^(-1/2);  dx = -g x^(-3/2) / 2 = -g y^3 / 2 */
static gr_status rsqrt_vjp(gr_vjp *v)
{
	gr_tensor *y = v->out[0];
	v->gin[0] = gr_mul_s(gr_mul(v->gout[0], gr_mul(y, gr_square(y))), -0.5);
	return GR_OK;
}
GR_EW_FORWARD(rsqrt, RSQRT)
static const gr_case rsqrt_cases[] = {GR_EW_CASES_1(0.5, 3.0, NULL)};
const gr_op gr_op_rsqrt = {
	.name = "rsqrt",
	.sig = "x",
	.math = "y = 1 / sqrt(x)",
	.dmath = "dx = -g y^3 / 2",
	.doc = "Reciprocal square root; at 0 value and gradient are infinite.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = rsqrt_forward,
	.vjp = rsqrt_vjp,
	GR_EW_CASES(rsqrt_cases),
};

/* y = sin(x);  dx = g cos(x) */
static gr_status sin_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], gr_cos(v->in[0]));
	return GR_OK;
}
GR_EW_FORWARD(sin, SIN)
static const gr_case angle_cases[] = {
	GR_EW_CASES_1(-4.0, 4.0, NULL),
	GR_EW_CASE("wide", -300.0, 300.0, NULL, {37}),
};
const gr_op gr_op_sin = {
	.name = "sin",
	.sig = "x",
	.math = "y = sin(x)",
	.dmath = "dx = g cos(x)",
	.doc = "Sine.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = sin_forward,
	.vjp = sin_vjp,
	GR_EW_CASES(angle_cases),
};

/* y = cos(x);  dx = -g sin(x) */
static gr_status cos_vjp(gr_vjp *v)
{
	v->gin[0] = gr_neg(gr_mul(v->gout[0], gr_sin(v->in[0])));
	return GR_OK;
}
GR_EW_FORWARD(cos, COS)
const gr_op gr_op_cos = {
	.name = "cos",
	.sig = "x",
	.math = "y = cos(x)",
	.dmath = "dx = -g sin(x)",
	.doc = "Cosine.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = cos_forward,
	.vjp = cos_vjp,
	GR_EW_CASES(angle_cases),
};

/* y = x in another type;  dx = g in x's */
static gr_status cast_vjp(gr_vjp *v)
{
	v->gin[0] = gr_cast(v->gout[0], v->shape[0].dtype);
	return GR_OK;
}
static gr_status cast_forward(gr_op_call *c)
{
	return gr__copy(c->out[0], c->in[0]);
}
static gr_status cast_infer(gr_op_call *c)
{
	int64_t dtype = ((const gr_cast_attr *)c->attr)->dtype;
	if (dtype < GR_F32 || dtype > GR_BF16)
		return gr_op_fail(c, GR_EDTYPE, "%lld is not a type; hint: use one of gr_dtype",
			(long long)dtype);
	const gr_tensor *x = c->in[0];
	c->result[0].dtype = (gr_dtype)dtype;
	c->result[0].ndim = x->ndim;
	for (int i = 0; i < x->ndim; i++)
		c->result[0].dims[i] = x->dims[i];
	return GR_OK;
}
static const gr_cast_attr cast_attr[] = {{GR_F64}, {GR_F32}};
static const gr_case cast_cases[] = {
	GR_EW_CASES_1(-2.0, 2.0, &cast_attr[0]),
	GR_EW_KINK("to f32", -2.0, 2.0, &cast_attr[1], {3, 4}),
};
const gr_op gr_op_cast = {
	.name = "cast",
	.sig = "x",
	.math = "y = x",
	.dmath = "dx = g in the type of x",
	.doc = "Conversion. Gradients flow between f32 and f64 alone.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_ELEMENTWISE,
	.attr_size = sizeof(gr_cast_attr),
	.infer = cast_infer,
	.forward = cast_forward,
	.vjp = cast_vjp,
	GR_EW_CASES(cast_cases),
};

static gr_tensor *apply(const gr_op *op, gr_tensor *x)
{
	return gr_apply1(op, 1, &x, NULL);
}

static gr_tensor *apply_s(const gr_op *op, gr_tensor *x, double s0, double s1)
{
	return gr_apply1(op, 1, &x, &(gr_scalar_attr){s0, s1});
}

gr_tensor *gr_affine(gr_tensor *x, double scale, double shift)
{
	return apply_s(&gr_op_affine, x, scale, shift);
}

gr_tensor *gr_add_s(gr_tensor *x, double s)
{
	return apply_s(&gr_op_affine, x, 1.0, s);
}

gr_tensor *gr_mul_s(gr_tensor *x, double s)
{
	return apply_s(&gr_op_affine, x, s, 0.0);
}

gr_tensor *gr_rsub_s(gr_tensor *x, double s)
{
	return apply_s(&gr_op_affine, x, -1.0, s);
}

gr_tensor *gr_rdiv_s(gr_tensor *x, double s)
{
	return apply_s(&gr_op_rdiv_s, x, s, 0.0);
}

gr_tensor *gr_pow_s(gr_tensor *x, double s)
{
	return apply_s(&gr_op_pow_s, x, s, 0.0);
}

gr_tensor *gr_cast(gr_tensor *x, gr_dtype dtype)
{
	if (x == NULL || x->dtype == dtype)
		return x;
	return gr_apply1(&gr_op_cast, 1, &x, &(gr_cast_attr){dtype});
}

gr_tensor *gr_neg(gr_tensor *x)
{
	return apply(&gr_op_neg, x);
}

gr_tensor *gr_square(gr_tensor *x)
{
	return apply(&gr_op_square, x);
}

gr_tensor *gr_exp(gr_tensor *x)
{
	return apply(&gr_op_exp, x);
}

gr_tensor *gr_log(gr_tensor *x)
{
	return apply(&gr_op_log, x);
}

gr_tensor *gr_sqrt(gr_tensor *x)
{
	return apply(&gr_op_sqrt, x);
}

gr_tensor *gr_rsqrt(gr_tensor *x)
{
	return apply(&gr_op_rsqrt, x);
}

gr_tensor *gr_sin(gr_tensor *x)
{
	return apply(&gr_op_sin, x);
}

gr_tensor *gr_cos(gr_tensor *x)
{
	return apply(&gr_op_cos, x);
}
