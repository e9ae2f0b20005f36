/*
 * The one list of elementwise functions: X(NAME, inputs, expression). T is float or double;
 * a b c d are the inputs, s0 s1 scalars of type T; GR_M_f(x) names the vectorisable mathematics of
 * kern/multi/vmath.h. Masks are 0 or 1 in the operands' type.
 */
#ifndef GRADUS_INTERNAL_EW_DEF_H
#define GRADUS_INTERNAL_EW_DEF_H

#define GR_EW_LIST(X) \
	/* arithmetic */ \
	X(ADD, 2, a + b) \
	X(SUB, 2, a - b) \
	X(MUL, 2, a *b) \
	X(DIV, 2, a / b) \
	X(AXPBY, 2, s0 *a + s1 * b) \
	X(MULADD, 3, a *b + c) \
	X(AFFINE, 1, s0 *a + s1) \
	X(RDIV_S, 1, s0 / a) \
	X(NEG, 1, -a) \
	X(SQUARE, 1, a *a) \
	X(POW_S, 1, GR_M_pow(a, s0)) \
	X(POW, 2, GR_M_pow(a, b)) \
	/* unary */ \
	X(EXP, 1, GR_M_exp(a)) \
	X(LOG, 1, GR_M_log(a)) \
	X(SQRT, 1, GR_M_sqrt(a)) \
	X(RSQRT, 1, (T)1 / GR_M_sqrt(a)) \
	X(SIN, 1, GR_M_sin(a)) \
	X(COS, 1, GR_M_cos(a)) \
	X(TANH, 1, GR_M_tanh(a)) \
	X(ERF, 1, GR_M_erf(a)) \
	X(SIGMOID, 1, GR_M_sigmoid(a)) \
	X(SILU, 1, a *GR_M_sigmoid(a)) \
	X(SOFTPLUS, 1, GR_M_softplus(a)) \
	X(RELU, 1, a > (T)0 ? a : (T)0) \
	X(GELU, 1, GR_M_gelu(a)) \
	X(GELU_TANH, 1, a *GR_M_sigmoid(GR_M_gelu_inner(a))) \
	X(QUICK_GELU, 1, a *GR_M_sigmoid((T)1.702 * a)) \
	X(LEAKY_RELU, 1, a > (T)0 ? a : s0 * a) \
	X(ABS, 1, GR_M_abs(a)) \
	X(SIGN, 1, (T)(a > (T)0) - (T)(a < (T)0)) \
	X(FLOOR, 1, GR_M_floor(a)) \
	X(ROUND, 1, GR_M_round(a)) \
	/* comparisons and selection */ \
	X(EQ, 2, (T)(a == b)) \
	X(LT, 2, (T)(a < b)) \
	X(LE, 2, (T)(a <= b)) \
	X(GT_S, 1, (T)(a > s0)) \
	X(MAXIMUM, 2, a > b ? a : b) \
	X(MINIMUM, 2, a < b ? a : b) \
	X(WHERE, 3, a != (T)0 ? b : c) \
	X(CLAMP, 1, a < s0 ? s0 : (a > s1 ? s1 : a)) \
	X(INSIDE, 1, (T)(a >= s0 && a <= s1)) \
	X(ISNAN, 1, (T)(a != a)) \
	/* fused first-order rules: a = dy, b = x or y */ \
	X(SILU_GRAD, 2, a *GR_M_silu_grad(b)) \
	X(GELU_GRAD, 2, a *GR_M_gelu_grad(b)) \
	X(SIGMOID_GRAD, 2, a *b *((T)1 - b)) \
	X(TANH_GRAD, 2, a *((T)1 - b * b)) \
	X(RELU_GRAD, 2, b > (T)0 ? a : (T)0) \
	X(GELU_TANH_GRAD, 2, a *GR_M_gelu_tanh_grad(b)) \
	X(QUICK_GELU_GRAD, 2, a *GR_M_silu_grad((T)1.702 * b)) \
	X(LEAKY_RELU_GRAD, 2, b > (T)0 ? a : s0 * a)

#endif
