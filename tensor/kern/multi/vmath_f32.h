/* Elementary functions in float; see vmath.h. */
#ifndef GR_KERN_MULTI_VMATH_F32_H
#define GR_KERN_MULTI_VMATH_F32_H

/* Adding and subtracting it rounds |x| < 2^22 to the nearest integer, kept in the low bits. */
#define MAGIC_F32 0x1.8p23f
#define MAGIC_BITS_F32 0x4b400000u

/* With x = n ln 2 + r, |r| <= ln 2 / 2: returns exp(r) - 1 and n (two's complement). */
GR_INLINE float v_exp_core_f32(float x, uint32_t *n)
{
	float t = x * 0x1.715476p0f + MAGIC_F32;
	*n = bits_f32(t) - MAGIC_BITS_F32;
	float k = t - MAGIC_F32;
	/* The high part of ln 2 has 11 bits, so that its product with k is exact. */
	float r = (x - k * 0x1.62cp-1f) - k * 0x1.217f7ep-12f;
	float p = 0x1.6d8db0p-10f;
	p = 0x1.9f081ep-13f * r + p;
	p = p * r + 0x1.111272p-7f;
	p = p * r + 0x1.55548ep-5f;
	p = p * r + 0x1.555554p-3f;
	p = p * r + 0x1p-1f;
	return (r * r) * p + r;
}

/* Comparisons are false for NaN, which so passes every clamp and ends in the polynomial. */
GR_INLINE float v_exp_f32(float x)
{
	x = x > 90.0f ? 90.0f : x;
	x = x < -110.0f ? -110.0f : x;
	uint32_t n;
	float q = v_exp_core_f32(x, &n);
	/* 2^n in two factors: n reaches -159 and 130. The first product is exact. */
	uint32_t half = ((n + 512) >> 1) - 256;
	float s = from_bits_f32((half + 127) << 23);
	float s2 = from_bits_f32((n - half + 127) << 23);
	return ((q + 1.0f) * s) * s2;
}

/* exp(x) - 1 for 0 <= x <= 40; exact to the last bits near 0, where n is 0. */
GR_INLINE float v_expm1_f32(float x)
{
	uint32_t n;
	float q = v_exp_core_f32(x, &n);
	float s = from_bits_f32((n + 127) << 23);
	return s * q + (s - 1.0f);
}

/*
 * log of a positive, normal, finite x, plus e0 ln 2. With x = m 2^k and f = m - 1:
 * log(1 + f) = 2 atanh(s), s = f / (2 + f), arranged as f - (f^2/2 - s (f^2/2 + s^2 P(s^2))).
 */
GR_INLINE float v_log_core_f32(float x, float e0)
{
	/* m in [sqrt(1/2), sqrt(2)): subtracting sqrt(1/2)'s bits first moves the break there. */
	uint32_t u = bits_f32(x) - 0x3f3504f3u;
	float k = (float)((int32_t)u >> 23) + e0;
	float m = from_bits_f32((u & 0x007fffffu) + 0x3f3504f3u);
	float f = m - 1.0f;
	float s = f / (2.0f + f);
	float z = s * s;
	float p = 0x1.e2fdd4p-3f;
	p = p * z + 0x1.2438a8p-2f;
	p = p * z + 0x1.999a7cp-2f;
	p = p * z + 0x1.555554p-1f;
	float h = 0.5f * f * f;
	float tail = s * (h + z * p) + k * 0x1.217f7ep-12f;
	return k * 0x1.62cp-1f - ((h - tail) - f);
}

GR_INLINE float v_log_f32(float x)
{
	float tiny = x < 0x1p-126f ? 0x1p25f : 1.0f;
	float y = v_log_core_f32(x * tiny, x < 0x1p-126f ? -25.0f : 0.0f);
	y = x == 0.0f ? -HUGE_VALF : y;
	y = x < 0.0f ? from_bits_f32(0x7fc00000u) : y;
	return x < HUGE_VALF ? y : x;
}

/* x = q pi/2 + r, reduced in double: two parts of pi/2 suffice for |x| <= GR_SINCOS_MAX. */
GR_INLINE float v_reduce_f32(float x, uint32_t *q)
{
	double d = (double)x;
	double t = d * 0x1.45f306dc9c883p-1 + MAGIC_F64;
	double k = t - MAGIC_F64;
	*q = bits_f32((float)k + MAGIC_F32);
	return (float)((d - k * 0x1.921fb544p0) - k * 0x1.0b4611a626331p-34);
}

/* Quadrant q: sin r, cos r, -sin r, -cos r. */
GR_INLINE float v_quadrant_f32(float r, uint32_t q)
{
	float z = r * r;
	float s = 0x1.6cd836p-19f;
	s = s * z - 0x1.a00f9ep-13f;
	s = s * z + 0x1.111108p-7f;
	s = s * z - 0x1.555556p-3f;
	s = (s * z) * r + r;
	float c = -0x1.242abep-22f;
	c = c * z + 0x1.a01120p-16f;
	c = c * z - 0x1.6c16b8p-10f;
	c = c * z + 0x1.555556p-5f;
	c = (c * z) * z + (1.0f - 0.5f * z);
	float y = (q & 1) != 0 ? c : s;
	return from_bits_f32(bits_f32(y) ^ ((q & 2) << 30));
}

GR_INLINE float v_sin_f32(float x)
{
	uint32_t q;
	float r = v_reduce_f32(x, &q);
	float y = v_quadrant_f32(r, q);
	return x == 0.0f ? x : y;
}

GR_INLINE float v_cos_f32(float x)
{
	uint32_t q;
	float r = v_reduce_f32(x, &q);
	return v_quadrant_f32(r, q + 1);
}

/* |x| < 1: x P(x^2). Beyond: 1 - exp(-x^2) Q(|x| - 2), Q the scaled complement erfcx. */
GR_INLINE float v_erf_f32(float x)
{
	float a = fabsf(x);
	a = a > 4.0f ? 4.0f : a;
	float z = a * a;
	float p = 0x1.496a5ep-14f;
	p = p * z - 0x1.a3f710p-11f;
	p = p * z + 0x1.5405b4p-8f;
	p = p * z - 0x1.b7f90ep-6f;
	p = p * z + 0x1.ce2cf8p-4f;
	p = p * z - 0x1.81273ep-2f;
	p = p * z + 0x1.20dd74p0f;
	float t = a - 2.0f;
	float q = 0x1.c01beap-14f;
	q = q * t - 0x1.a84c3ap-13f;
	q = q * t + 0x1.07fb24p-11f;
	q = q * t - 0x1.e6e764p-10f;
	q = q * t + 0x1.66d874p-8f;
	q = q * t - 0x1.fa0964p-7f;
	q = q * t + 0x1.56703cp-5f;
	q = q * t - 0x1.b57198p-4f;
	q = q * t + 0x1.05866cp-2f;
	float far = copysignf(1.0f - q * v_exp_f32(-z), x);
	return a < 1.0f ? x * p : far;
}

/*
 * Phi(-|x|) / exp(-x^2/2), the ratio of Mills but for a factor, and *bell = exp(-x^2/2), whose
 * product is the normal distribution's tail to its last bits. With a = |x| / sqrt(2) the ratio is
 * P(u) / (1 + 2 a), P a fit of (1 + 2 a) erfcx(a) / 2 in u = (alpha a - beta) / (a + 5/2), which
 * takes 0..10.5 to -1..1. The square is taken in two parts, h^2 exactly and (x - h)(x + h), since
 * exp() magnifies what rounding x^2 would lose.
 */
GR_INLINE float v_mills_f32(float x, float *bell)
{
	float b = fabsf(x);
	b = b > 16.0f ? 16.0f : b;
	float h = from_bits_f32((bits_f32(b) + 0x800u) & 0xfffff000u);
	float d = -0.5f * ((b - h) * (b + h));
	float e = 0x1.555556p-5f;
	e = e * d + 0x1.555556p-3f;
	e = e * d + 0.5f;
	e = e * d + 1.0f;
	e = v_exp_f32(-0.5f * h * h) * (e * d + 1.0f);
	float a = b * 0x1.6a09e6p-1f;
	float above = 1.0f + 2.0f * a;
	float below = a + 2.5f;
	float inverse = 1.0f / (above * below);
	float u = (0x1.79e79ep0f * a - 2.5f) * (above * inverse);
	float p = 0x1.4306cep-18f;
	p = p * u + 0x1.1a71e6p-15f;
	p = p * u - 0x1.c194e0p-15f;
	p = p * u - 0x1.ed588ep-12f;
	p = p * u + 0x1.f9580ep-11f;
	p = p * u + 0x1.3d6126p-8f;
	p = p * u - 0x1.cf1ba0p-6f;
	p = p * u + 0x1.0c4678p-4f;
	p = p * u - 0x1.1f61d4p-4f;
	p = p * u - 0x1.a506eap-6f;
	p = p * u + 0x1.488f40p-1f;
	*bell = e;
	return p * (below * inverse);
}

/*
 * exp(y log |x|) in double, then the cases of C's Annex F. In double every float y is either below
 * 2^51, where MAGIC_F64 tells integers, or an even integer.
 */
GR_INLINE float v_pow_f32(float x0, float y0)
{
	double x = (double)x0;
	double y = (double)y0;
	double a = fabs(x);
	double h = 0.5 * y;
	double p = v_exp_f64(y * v_log_f64(a));
	/* 0 for even integers, 1 for odd ones, something else for the rest. */
	double odd = (y + MAGIC_F64) - MAGIC_F64 == y ? 1.0 : 2.0;
	odd = (h + MAGIC_F64) - MAGIC_F64 == h ? 0.0 : odd;
	odd = fabs(y) >= 0x1p51 ? 0.0 : odd;
	p = a == 1.0 ? 1.0 : p;
	p = odd == 1.0 ? copysign(p, x) : p;
	double bad = odd == 2.0 ? from_bits_f64(0x7ff8000000000000u) : p;
	bad = a < HUGE_VAL ? bad : p;
	p = x < 0.0 ? bad : p;
	p = x != x ? x : p;
	p = y != y ? y : p;
	p = x == 1.0 ? 1.0 : p;
	p = y == 0.0 ? 1.0 : p;
	return (float)p;
}

GR_INLINE float v_sqrt_f32(float x)
{
	return sqrtf(x);
}

GR_INLINE float v_abs_f32(float x)
{
	return fabsf(x);
}

GR_INLINE float v_floor_f32(float x)
{
	return floorf(x);
}

GR_INLINE float v_round_f32(float x)
{
	return nearbyintf(x);
}

#endif
