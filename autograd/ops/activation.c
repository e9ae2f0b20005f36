/*
 * Activations: unary elementwise ops whose first-order rule is one kernel (vjp_fused); `vjp` says
 * the same in differentiable ops. g is the cotangent of the output y. Read ew_priv.h for the
 * shared parts.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/unary.h"
#include "ew_priv.h"

#define SQRT_HALF 0.70710678118654752440    /* 1 / sqrt(2) */
#define TWO_OVER_SQRT_PI 1.1283791670955126 /* 2 / sqrt(pi) */
#define NORMAL_AT_ZERO 0.39894228040143268  /* 1 / sqrt(2 pi) */

/* Defines name_vjp_fused as gin = kind(g, saved). */
#define FUSED(name, KIND, saved) \
	static gr_status name##_vjp_fused(gr_vjp *v) \
	{ \
		v->gin[0] = gr__ew_const(v->op, GR_EW_##KIND, v->gout[0], v->saved[0], 0.0, 0.0); \
		return GR_OK; \
	}

/* y = tanh(x);  dx = g (1 - y^2) */
static gr_status tanh_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], gr_rsub_s(gr_square(v->out[0]), 1.0));
	return GR_OK;
}
FUSED(tanh, TANH_GRAD, out)
GR_EW_FORWARD(tanh, TANH)
static const gr_case smooth_cases[] = {
	GR_EW_CASES_1(-4.0, 4.0, NULL),
	GR_EW_KINK("near zero", -1e-3, 1e-3, NULL, {37}),
	GR_EW_KINK("wide", -50.0, 50.0, NULL, {37}),
};
const gr_op gr_op_tanh = {
	.name = "tanh",
	.sig = "x",
	.math = "y = tanh(x)",
	.dmath = "dx = g (1 - y^2)",
	.doc = "Hyperbolic tangent.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = tanh_forward,
	.vjp = tanh_vjp,
	.vjp_fused = tanh_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

/* y = erf(x) = 2/sqrt(pi) integral_0^x exp(-t^2) dt;  dx = g 2/sqrt(pi) exp(-x^2) */
static gr_status erf_vjp(gr_vjp *v)
{
	gr_tensor *bell = gr_exp(gr_neg(gr_square(v->in[0])));
	v->gin[0] = gr_mul(v->gout[0], gr_mul_s(bell, TWO_OVER_SQRT_PI));
	return GR_OK;
}
GR_EW_FORWARD(erf, ERF)
const gr_op gr_op_erf = {
	.name = "erf",
	.sig = "x",
	.math = "y = erf(x)",
	.dmath = "dx = g 2/sqrt(pi) exp(-x^2)",
	.doc = "Error function.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = erf_forward,
	.vjp = erf_vjp,
	GR_EW_CASES(smooth_cases),
};

/* y = 1 / (1 + exp(-x));  dx = g y (1 - y) */
static gr_status sigmoid_vjp(gr_vjp *v)
{
	gr_tensor *y = v->out[0];
	v->gin[0] = gr_mul(v->gout[0], gr_mul(y, gr_rsub_s(y, 1.0)));
	return GR_OK;
}
FUSED(sigmoid, SIGMOID_GRAD, out)
GR_EW_FORWARD(sigmoid, SIGMOID)
const gr_op gr_op_sigmoid = {
	.name = "sigmoid",
	.sig = "x",
	.math = "y = 1 / (1 + exp(-x))",
	.dmath = "dx = g y (1 - y)",
	.doc = "Logistic function, without overflow for any x.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = sigmoid_forward,
	.vjp = sigmoid_vjp,
	.vjp_fused = sigmoid_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

/* y = x s, s = sigmoid(x), s' = s (1 - s);  dx = g s (1 + x (1 - s)) */
static gr_status silu_vjp(gr_vjp *v)
{
	gr_tensor *x = v->in[0], *s = gr_sigmoid(x);
	gr_tensor *d = gr_mul(s, gr_add_s(gr_mul(x, gr_rsub_s(s, 1.0)), 1.0));
	v->gin[0] = gr_mul(v->gout[0], d);
	return GR_OK;
}
FUSED(silu, SILU_GRAD, in)
GR_EW_FORWARD(silu, SILU)
const gr_op gr_op_silu = {
	.name = "silu",
	.sig = "x",
	.math = "y = x sigmoid(x)",
	.dmath = "dx = g s (1 + x (1 - s)), s = sigmoid(x)",
	.doc = "Sigmoid linear unit, also called swish.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = silu_forward,
	.vjp = silu_vjp,
	.vjp_fused = silu_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

/* y = log(1 + exp(x));  dx = g exp(x) / (1 + exp(x)) = g sigmoid(x) */
static gr_status softplus_vjp(gr_vjp *v)
{
	v->gin[0] = gr_mul(v->gout[0], gr_sigmoid(v->in[0]));
	return GR_OK;
}
GR_EW_FORWARD(softplus, SOFTPLUS)
const gr_op gr_op_softplus = {
	.name = "softplus",
	.sig = "x",
	.math = "y = log(1 + exp(x))",
	.dmath = "dx = g sigmoid(x)",
	.doc = "Smooth relu, without overflow for any x.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = softplus_forward,
	.vjp = softplus_vjp,
	GR_EW_CASES(smooth_cases),
};

/* y = max(x, 0);  dx = g where y > 0, else 0: the output tells as much as the input */
static gr_status relu_vjp(gr_vjp *v)
{
	v->gin[0] = gr__ew_masked(gr_gt_s(v->out[0], 0.0), v->gout[0]);
	return GR_OK;
}
FUSED(relu, RELU_GRAD, out)
GR_EW_FORWARD(relu, RELU)
static const gr_case relu_cases[] = {
	GR_EW_CASES_1(0.2, 2.0, NULL),
	GR_EW_CASE("negative", -2.0, -0.2, NULL, {3, 4}),
	GR_EW_KINK("both signs", -2.0, 2.0, NULL, {37}),
};
const gr_op gr_op_relu = {
	.name = "relu",
	.sig = "x",
	.math = "y = max(x, 0)",
	.dmath = "dx = g [y > 0]",
	.doc = "Rectifier; the gradient at 0 is 0. A NaN gives 0.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_OUT(0),
	.infer = gr_infer_same,
	.forward = relu_forward,
	.vjp = relu_vjp,
	.vjp_fused = relu_vjp_fused,
	GR_EW_CASES(relu_cases),
};

/* y = x P, P = (1 + erf(x / sqrt(2))) / 2, P' = p = exp(-x^2 / 2) / sqrt(2 pi);  dx = g (P + x p) */
static gr_status gelu_vjp(gr_vjp *v)
{
	gr_tensor *x = v->in[0];
	gr_tensor *P = gr_affine(gr_erf(gr_mul_s(x, SQRT_HALF)), 0.5, 0.5);
	gr_tensor *p = gr_mul_s(gr_exp(gr_mul_s(gr_square(x), -0.5)), NORMAL_AT_ZERO);
	v->gin[0] = gr_mul(v->gout[0], gr_muladd(x, p, P));
	return GR_OK;
}
FUSED(gelu, GELU_GRAD, in)
GR_EW_FORWARD(gelu, GELU)
const gr_op gr_op_gelu = {
	.name = "gelu",
	.sig = "x",
	.math = "y = x Phi(x)",
	.dmath = "dx = g (Phi(x) + x phi(x)), phi = Phi'",
	.doc = "Gaussian error linear unit, by erf (not its tanh approximation).",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = gelu_forward,
	.vjp = gelu_vjp,
	.vjp_fused = gelu_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

/* y = x s, s = sigmoid(u) = (1 + tanh(u / 2)) / 2, u = 2 sqrt(2/pi) (x + c x^3), c = 0.044715;
 * dx = g s (1 + x (1 - s) u'), u' = 2 sqrt(2/pi) (1 + 3 c x^2) */
static gr_status gelu_tanh_vjp(gr_vjp *v)
{
	const double slope = 4.0 * NORMAL_AT_ZERO, c = 0.044715;
	gr_tensor *x = v->in[0], *x2 = gr_square(x);
	gr_tensor *s = gr_sigmoid(gr_mul(x, gr_affine(x2, slope * c, slope)));
	gr_tensor *du = gr_affine(x2, 3.0 * slope * c, slope);
	gr_tensor *d = gr_mul(s, gr_add_s(gr_mul(gr_mul(x, gr_rsub_s(s, 1.0)), du), 1.0));
	v->gin[0] = gr_mul(v->gout[0], d);
	return GR_OK;
}
FUSED(gelu_tanh, GELU_TANH_GRAD, in)
GR_EW_FORWARD(gelu_tanh, GELU_TANH)
const gr_op gr_op_gelu_tanh = {
	.name = "gelu_tanh",
	.sig = "x",
	.math = "y = x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2",
	.dmath = "dx = g s (1 + x (1 - s) u'), s = sigmoid(u), u = 2 sqrt(2/pi) (x + 0.044715 x^3)",
	.doc = "Gaussian error linear unit by its tanh approximation.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = gelu_tanh_forward,
	.vjp = gelu_tanh_vjp,
	.vjp_fused = gelu_tanh_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

/* y = x s, s = sigmoid(c x), c = 1.702;  dx = g s (1 + c x (1 - s)) */
static gr_status quick_gelu_vjp(gr_vjp *v)
{
	gr_tensor *cx = gr_mul_s(v->in[0], 1.702), *s = gr_sigmoid(cx);
	gr_tensor *d = gr_mul(s, gr_add_s(gr_mul(cx, gr_rsub_s(s, 1.0)), 1.0));
	v->gin[0] = gr_mul(v->gout[0], d);
	return GR_OK;
}
FUSED(quick_gelu, QUICK_GELU_GRAD, in)
GR_EW_FORWARD(quick_gelu, QUICK_GELU)
const gr_op gr_op_quick_gelu = {
	.name = "quick_gelu",
	.sig = "x",
	.math = "y = x sigmoid(1.702 x)",
	.dmath = "dx = g s (1 + 1.702 x (1 - s)), s = sigmoid(1.702 x)",
	.doc = "Gaussian error linear unit by a logistic approximation.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_ELEMENTWISE,
	.saves = GR_SAVE_IN(0),
	.infer = gr_infer_same,
	.forward = quick_gelu_forward,
	.vjp = quick_gelu_vjp,
	.vjp_fused = quick_gelu_vjp_fused,
	GR_EW_CASES(smooth_cases),
};

gr_tensor *gr_gelu_tanh(gr_tensor *x)
{
	return gr_apply1(&gr_op_gelu_tanh, 1, &x, NULL);
}

gr_tensor *gr_quick_gelu(gr_tensor *x)
{
	return gr_apply1(&gr_op_quick_gelu, 1, &x, NULL);
}

gr_tensor *gr_tanh(gr_tensor *x)
{
	return gr_apply1(&gr_op_tanh, 1, &x, NULL);
}

gr_tensor *gr_erf(gr_tensor *x)
{
	return gr_apply1(&gr_op_erf, 1, &x, NULL);
}

gr_tensor *gr_sigmoid(gr_tensor *x)
{
	return gr_apply1(&gr_op_sigmoid, 1, &x, NULL);
}

gr_tensor *gr_silu(gr_tensor *x)
{
	return gr_apply1(&gr_op_silu, 1, &x, NULL);
}

gr_tensor *gr_softplus(gr_tensor *x)
{
	return gr_apply1(&gr_op_softplus, 1, &x, NULL);
}

gr_tensor *gr_relu(gr_tensor *x)
{
	return gr_apply1(&gr_op_relu, 1, &x, NULL);
}

gr_tensor *gr_gelu(gr_tensor *x)
{
	return gr_apply1(&gr_op_gelu, 1, &x, NULL);
}
