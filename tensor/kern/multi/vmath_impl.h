/* What is the same in float and double: functions built from exp and log. */
#include "real.h"

/* em / (em + 2), em = exp(2|x|) - 1: no cancellation anywhere. */
GR_INLINE T GR_TS(v_tanh)(T x)
{
	T a = GR_TS(v_abs)(x);
	T limit = sizeof(T) == 4 ? (T)10 : (T)20;
	a = a > limit ? limit : a;
	T em = GR_TS(v_expm1)(a + a);
	T y = em / (em + (T)2);
	y = x < (T)0 ? -y : y;
	return x == (T)0 ? x : y;
}

/* By exp(-|x|), which never overflows, so that small values keep their relative accuracy. */
GR_INLINE T GR_TS(v_sigmoid)(T x)
{
	T e = GR_TS(v_exp)(-GR_TS(v_abs)(x));
	return (x < (T)0 ? e : (T)1) / ((T)1 + e);
}

/* max(x, 0) + log(1 + e), e = exp(-|x|); log(1 + e) is log(u), u = fl(1 + e), plus what u lost. */
GR_INLINE T GR_TS(v_softplus)(T x)
{
	T e = GR_TS(v_exp)(-GR_TS(v_abs)(x));
	T u = (T)1 + e;
	T y = GR_TS(v_log_core)(u, (T)0) + (e - (u - (T)1)) / u;
	y += x > (T)0 ? x : (T)0;
	return x != x ? x : y;
}

/* d/dx x s(x) = s (1 + x (1 - s)) */
GR_INLINE T GR_TS(v_silu_grad)(T x)
{
	T s = GR_TS(v_sigmoid)(x);
	return s * ((T)1 + x * ((T)1 - s));
}

/* x Phi(x), by the tail on both sides: nothing cancels where Phi is small. The bell comes last,
 * since it may be denormal. */
GR_INLINE T GR_TS(v_gelu)(T x)
{
	T bell;
	T ratio = GR_TS(v_mills)(x, &bell);
	T above = x * ((T)1 - ratio * bell);
	T below = (x * ratio) * bell;
	return x > (T)0 ? above : below;
}

/* d/dx x Phi(x) = Phi(x) + x phi(x) */
GR_INLINE T GR_TS(v_gelu_grad)(T x)
{
	T bell;
	T tail = GR_TS(v_mills)(x, &bell) * bell;
	T cdf = x > (T)0 ? (T)1 - tail : tail;
	return cdf + x * ((T)0.39894228040143267794 * bell);
}

/* (1 + tanh(v)) / 2 = sigmoid(2 v): 2 v of the tanh approximation, v = sqrt(2/pi) (x + c x^3). */
GR_INLINE T GR_TS(v_gelu_inner)(T x)
{
	return (T)1.5957691216057307117 * (x + (T)0.044715 * x * x * x);
}

/* d/dx x s(u(x)), u = v_gelu_inner: s + x s (1 - s) u' */
GR_INLINE T GR_TS(v_gelu_tanh_grad)(T x)
{
	T s = GR_TS(v_sigmoid)(GR_TS(v_gelu_inner)(x));
	T slope = (T)1.5957691216057307117 * ((T)1 + (T)0.134145 * x * x);
	return s + x * (s * ((T)1 - s)) * slope;
}
