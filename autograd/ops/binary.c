/*
 * Elementwise ops of two and three tensors. Rules return gradients in the broadcast shape of the
 * output; the engine sums them to the operands' shapes. g is the cotangent of the output y.
 * Read ew_priv.h for the shared parts.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

/* y = a + b;  da = g, db = g */
static gr_status add_vjp(gr_vjp *v)
{
	v->gin[0] = v->gout[0];
	v->gin[1] = v->gout[0];
	return GR_OK;
}
GR_EW_FORWARD(add, ADD)
static const gr_case add_cases[] = {GR_EW_CASES_2(-2.0, 2.0, NULL)};
const gr_op gr_op_add = {
	.name = "add",
	.sig = "a b",
	.math = "y = a + b",
	.dmath = "da = g, db = g",
	.doc = "Sum of two tensors.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_ELEMENTWISE,
	.infer = gr_infer_broadcast,
	.forward = add_forward,
	.vjp = add_vjp,
	GR_EW_CASES(add_cases),
};

/* y = a - b;  da = g, db = -g */
static gr_status sub_vjp(gr_vjp *v)
{
	v->gin[0] = v->gout[0];
	if (v->want & 2u)
		v->gin[1] = gr_neg(v->gout[0]);
	return GR_OK;
}
GR_EW_FORWARD(sub, SUB)
static const gr_case sub_cases[] = {GR_EW_CASES_2(-2.0, 2.0, NULL)};
const gr_op gr_op_sub = {
	.name = "sub",
	.sig = "a b",
	.math = "y = a - b",
	.dmath = "da = g, db = -g",
	.doc = "Difference of two tensors.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_ELEMENTWISE,
	.infer = gr_infer_broadcast,
	.forward = sub_forward,
	.vjp = sub_vjp,
	GR_EW_CASES(sub_cases),
};

/* y = a b;  da = g b, db = g a */
static gr_status mul_vjp(gr_vjp *v)
{
	if (v->want & 1u)
		v->gin[0] = gr_mul(v->gout[0], v->in[1]);
	if (v->want & 2u)
		v->gin[1] = gr_mul(v->gout[0], v->in[0]);
	return GR_OK;
}
GR_EW_FORWARD(mul, MUL)
static const gr_case mul_cases[] = {GR_EW_CASES_2(-2.0, 2.0, NULL)};
const gr_op gr_op_mul = {
	.name = "mul",
	.sig = "a b",
	.math = "y = a b",
	.dmath = "da = g b, db = g a",
	.doc = "Elementwise product.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR | GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0)},
	.infer = gr_infer_broadcast,
	.forward = mul_forward,
	.vjp = mul_vjp,
	GR_EW_CASES(mul_cases),
};

/* y = a / b;  da = g / b, db = -g a / b^2 = -(g / b) y */
static gr_status div_vjp(gr_vjp *v)
{
	gr_tensor *da = gr_div(v->gout[0], v->in[1]);
	v->gin[0] = da;
	if (v->want & 2u)
		v->gin[1] = gr_neg(gr_mul(da, v->out[0]));
	return GR_OK;
}
GR_EW_FORWARD(div, DIV)
static const gr_case div_cases[] = {
	GR_EW_CASES_2(0.5, 2.0, NULL),
	GR_EW_CASE("negative", -2.0, -0.5, NULL, {3, 4}, {3, 4}),
};
const gr_op gr_op_div = {
	.name = "div",
	.sig = "a b",
	.math = "y = a / b",
	.dmath = "da = g / b, db = -g y / b",
	.doc = "Quotient, as IEEE 754 has it: at b = 0 value and gradient are infinite or NaN.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(1) | GR_SAVE_OUT(0),
	.reads = {GR_SAVE_IN(1)},
	.infer = gr_infer_broadcast,
	.forward = div_forward,
	.vjp = div_vjp,
	GR_EW_CASES(div_cases),
};

/* y = s0 a + s1 b;  da = s0 g, db = s1 g */
static gr_status axpby_vjp(gr_vjp *v)
{
	const gr_scalar_attr *attr = v->attr;
	if (v->want & 1u)
		v->gin[0] = gr_mul_s(v->gout[0], attr->s0);
	if (v->want & 2u)
		v->gin[1] = gr_mul_s(v->gout[0], attr->s1);
	return GR_OK;
}
static gr_status axpby_forward(gr_op_call *c)
{
	const gr_scalar_attr *attr = c->attr;
	return gr__ew_call(c, GR_EW_AXPBY, attr->s0, attr->s1);
}
static const gr_scalar_attr axpby_attr = {1.5, -0.25};
static const gr_case axpby_cases[] = {GR_EW_CASES_2(-2.0, 2.0, &axpby_attr)};
const gr_op gr_op_axpby = {
	.name = "axpby",
	.sig = "a b",
	.math = "y = sa a + sb b",
	.dmath = "da = sa g, db = sb g",
	.doc = "Weighted sum in one pass.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_LINEAR | GR_OP_ELEMENTWISE,
	.attr_size = sizeof(gr_scalar_attr),
	.infer = gr_infer_broadcast,
	.forward = axpby_forward,
	.vjp = axpby_vjp,
	GR_EW_CASES(axpby_cases),
};

/* y = a b + c;  da = g b, db = g a, dc = g */
static gr_status muladd_vjp(gr_vjp *v)
{
	if (v->want & 1u)
		v->gin[0] = gr_mul(v->gout[0], v->in[1]);
	if (v->want & 2u)
		v->gin[1] = gr_mul(v->gout[0], v->in[0]);
	v->gin[2] = v->gout[0];
	return GR_OK;
}
GR_EW_FORWARD(muladd, MULADD)
static const gr_case muladd_cases[] = {GR_EW_CASES_3(-2.0, 2.0, NULL)};
const gr_op gr_op_muladd = {
	.name = "muladd",
	.sig = "a b c",
	.math = "y = a b + c",
	.dmath = "da = g b, db = g a, dc = g",
	.doc = "Product and sum in one pass.",
	.nin = 3,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0), GR_SAVE_NOTHING},
	.infer = gr_infer_broadcast,
	.forward = muladd_forward,
	.vjp = muladd_vjp,
	GR_EW_CASES(muladd_cases),
};

/* y = a^b = exp(b log a);  da = g b a^(b - 1), db = g y log a */
static gr_status pow_vjp(gr_vjp *v)
{
	gr_tensor *g = v->gout[0], *a = v->in[0], *b = v->in[1];
	if (v->want & 1u)
		v->gin[0] = gr_mul(g, gr_mul(b, gr_pow(a, gr_add_s(b, -1.0))));
	if (v->want & 2u)
		v->gin[1] = gr_mul(g, gr_mul(v->out[0], gr_log(a)));
	return GR_OK;
}
GR_EW_FORWARD(pow, POW)
static const gr_case pow_cases[] = {
	GR_EW_CASES_2(0.5, 2.0, NULL),
	GR_EW_CASE("large", 1.5, 6.0, NULL, {3, 4}, {3, 4}),
};
const gr_op gr_op_pow = {
	.name = "pow",
	.sig = "a b",
	.math = "y = a^b",
	.dmath = "da = g b a^(b - 1), db = g y log(a)",
	.doc = "Power with a > 0. Elsewhere the value is C's pow() and the gradient of b is NaN.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1) | GR_SAVE_OUT(0),
	.reads = {GR_SAVE_IN(0) | GR_SAVE_IN(1), GR_SAVE_IN(0) | GR_SAVE_OUT(0)},
	.infer = gr_infer_broadcast,
	.forward = pow_forward,
	.vjp = pow_vjp,
	GR_EW_CASES(pow_cases),
};

/* da = [a wins] g, db = [b wins] g; `wins` is the mask of a, and b has what a has not */
static void share(gr_vjp *v, gr_tensor *wins)
{
	gr_tensor *zero = gr_scalar(gr_tensor_dtype(v->gout[0]), 0.0);
	if (v->want & 1u)
		v->gin[0] = gr_where(wins, v->gout[0], zero);
	if (v->want & 2u)
		v->gin[1] = gr_where(wins, zero, v->gout[0]);
}

/* y = max(a, b);  a wins where b < a */
static gr_status maximum_vjp(gr_vjp *v)
{
	share(v, gr_lt(v->in[1], v->in[0]));
	return GR_OK;
}
GR_EW_FORWARD(maximum, MAXIMUM)
static const gr_case maximum_cases[] = {
	GR_EW_CASES_2(-2.0, 2.0, NULL),
	GR_EW_KINK("tie", 1.0, 1.0, NULL, {3, 4}, {3, 4}),
};
const gr_op gr_op_maximum = {
	.name = "maximum",
	.sig = "a b",
	.math = "y = max(a, b)",
	.dmath = "da = g [a > b], db = g [a <= b]",
	.doc = "The larger of two; where equal the gradient goes to b.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.infer = gr_infer_broadcast,
	.forward = maximum_forward,
	.vjp = maximum_vjp,
	GR_EW_CASES(maximum_cases),
};

/* y = min(a, b);  a wins where a < b */
static gr_status minimum_vjp(gr_vjp *v)
{
	share(v, gr_lt(v->in[0], v->in[1]));
	return GR_OK;
}
GR_EW_FORWARD(minimum, MINIMUM)
static const gr_case minimum_cases[] = {
	GR_EW_CASES_2(-2.0, 2.0, NULL),
	GR_EW_KINK("tie", 1.0, 1.0, NULL, {3, 4}, {3, 4}),
};
const gr_op gr_op_minimum = {
	.name = "minimum",
	.sig = "a b",
	.math = "y = min(a, b)",
	.dmath = "da = g [a < b], db = g [a >= b]",
	.doc = "The smaller of two; where equal the gradient goes to b.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.infer = gr_infer_broadcast,
	.forward = minimum_forward,
	.vjp = minimum_vjp,
	GR_EW_CASES(minimum_cases),
};

/* y = m ? a : b;  dm = 0, da = m ? g : 0, db = m ? 0 : g */
static gr_status where_vjp(gr_vjp *v)
{
	if (v->want & 1u)
		v->gin[0] = gr_zeros(v->shape[0].dtype, v->shape[0].ndim, v->shape[0].dims);
	if ((v->want & 6u) == 0)
		return GR_OK;
	gr_tensor *zero = gr_scalar(gr_tensor_dtype(v->gout[0]), 0.0);
	if (v->want & 2u)
		v->gin[1] = gr_where(v->in[0], v->gout[0], zero);
	if (v->want & 4u)
		v->gin[2] = gr_where(v->in[0], zero, v->gout[0]);
	return GR_OK;
}
GR_EW_FORWARD(where, WHERE)
static const gr_case where_cases[] = {
	GR_EW_CASES_3(-2.0, 2.0, NULL),
	{.name = "either", .dims = {{3, 4}, {3, 4}, {3, 4}}, .masks = 1},
	{.name = "either, broadcast", .dims = {{3, 1, 5}, {4, 1}, {5}}, .masks = 1},
};
const gr_op gr_op_where = {
	.name = "where",
	.sig = "mask a b",
	.math = "y = mask != 0 ? a : b",
	.dmath = "da = mask != 0 ? g : 0, db = mask != 0 ? 0 : g",
	.doc = "Selection. The mask has no gradient; the branch not taken has gradient 0, whatever "
		   "its value, NaN included.",
	.nin = 3,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_broadcast,
	.forward = where_forward,
	.vjp = where_vjp,
	GR_EW_CASES(where_cases),
};

/* Comparisons: piecewise constant, never recorded. */
GR_EW_FORWARD(eq, EQ)
static const gr_case compare_cases[] = {
	GR_EW_CASES_2(-2.0, 2.0, NULL),
	GR_EW_KINK("tie", 1.0, 1.0, NULL, {3, 4}, {3, 4}),
};
const gr_op gr_op_eq = {
	.name = "eq",
	.sig = "a b",
	.math = "y = [a == b]",
	.dmath = "da = 0, db = 0",
	.doc = "Mask, 0 or 1 in the operands' type.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_broadcast,
	.forward = eq_forward,
	GR_EW_CASES(compare_cases),
};

GR_EW_FORWARD(lt, LT)
const gr_op gr_op_lt = {
	.name = "lt",
	.sig = "a b",
	.math = "y = [a < b]",
	.dmath = "da = 0, db = 0",
	.doc = "Mask, 0 or 1 in the operands' type.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_broadcast,
	.forward = lt_forward,
	GR_EW_CASES(compare_cases),
};

GR_EW_FORWARD(le, LE)
const gr_op gr_op_le = {
	.name = "le",
	.sig = "a b",
	.math = "y = [a <= b]",
	.dmath = "da = 0, db = 0",
	.doc = "Mask, 0 or 1 in the operands' type.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE | GR_OP_NONDIFF,
	.infer = gr_infer_broadcast,
	.forward = le_forward,
	GR_EW_CASES(compare_cases),
};

gr_tensor *gr_add(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_add, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_sub(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_sub, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_mul(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_mul, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_div(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_div, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_axpby(gr_tensor *a, double sa, gr_tensor *b, double sb)
{
	return gr_apply1(&gr_op_axpby, 2, (gr_tensor *[]){a, b}, &(gr_scalar_attr){sa, sb});
}

gr_tensor *gr_muladd(gr_tensor *a, gr_tensor *b, gr_tensor *c)
{
	return gr_apply1(&gr_op_muladd, 3, (gr_tensor *[]){a, b, c}, NULL);
}

gr_tensor *gr_pow(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_pow, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_maximum(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_maximum, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_minimum(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_minimum, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_where(gr_tensor *mask, gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_where, 3, (gr_tensor *[]){mask, a, b}, NULL);
}

gr_tensor *gr_eq(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_eq, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_lt(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_lt, 2, (gr_tensor *[]){a, b}, NULL);
}

gr_tensor *gr_le(gr_tensor *a, gr_tensor *b)
{
	return gr_apply1(&gr_op_le, 2, (gr_tensor *[]){a, b}, NULL);
}
