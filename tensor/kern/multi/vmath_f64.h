/* Elementary functions in double; see vmath.h, and vmath_f32.h for the reasoning. */
#ifndef GR_KERN_MULTI_VMATH_F64_H
#define GR_KERN_MULTI_VMATH_F64_H

/* Adding and subtracting it rounds |x| < 2^51 to the nearest integer, kept in the low bits. */
#define MAGIC_F64 0x1.8p52
#define MAGIC_BITS_F64 0x4338000000000000u

/* With x = n ln 2 + r, |r| <= ln 2 / 2: returns exp(r) - 1 and n (two's complement). */
GR_INLINE double v_exp_core_f64(double x, uint64_t *n)
{
	double t = x * 0x1.71547652b82fep0 + MAGIC_F64;
	*n = bits_f64(t) - MAGIC_BITS_F64;
	double k = t - MAGIC_F64;
	double r = (x - k * 0x1.62e42feep-1) - k * 0x1.a39ef35793c76p-33;
	double p = 0x1.1e3d16358efc1p-29;
	p = p * r + 0x1.af6c6028e4471p-26;
	p = p * r + 0x1.27e5b4c50991ap-22;
	p = p * r + 0x1.71ddefdd3a917p-19;
	p = p * r + 0x1.a01a013615d17p-16;
	p = p * r + 0x1.a01a01b398a1cp-13;
	p = p * r + 0x1.6c16c16c3071cp-10;
	p = p * r + 0x1.111111110ec1bp-7;
	p = p * r + 0x1.5555555555502p-5;
	p = p * r + 0x1.555555555555bp-3;
	p = p * r + 0x1p-1;
	return (r * r) * p + r;
}

GR_INLINE double v_exp_f64(double x)
{
	x = x > 720.0 ? 720.0 : x;
	x = x < -760.0 ? -760.0 : x;
	uint64_t n;
	double q = v_exp_core_f64(x, &n);
	/* 2^n in two factors: n reaches -1097 and 1039. The first product is exact. */
	uint64_t half = ((n + 4096) >> 1) - 2048;
	double s = from_bits_f64((half + 1023) << 52);
	double s2 = from_bits_f64((n - half + 1023) << 52);
	return ((q + 1.0) * s) * s2;
}

/* exp(x) - 1 for 0 <= x <= 100. */
GR_INLINE double v_expm1_f64(double x)
{
	uint64_t n;
	double q = v_exp_core_f64(x, &n);
	double s = from_bits_f64((n + 1023) << 52);
	return s * q + (s - 1.0);
}

/* log of a positive, normal, finite x, plus e0 ln 2. */
GR_INLINE double v_log_core_f64(double x, double e0)
{
	/* m in [sqrt(1/2), sqrt(2)): subtracting sqrt(1/2)'s bits first moves the break there. */
	uint64_t u = bits_f64(x) - 0x3fe6a09e667f3bcdu;
	uint64_t e = (u >> 52) ^ 0x800;
	double k = (from_bits_f64(e | 0x4330000000000000u) - (0x1p52 + 2048.0)) + e0;
	double m = from_bits_f64((u & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
	double f = m - 1.0;
	double s = f / (2.0 + f);
	double z = s * s;
	double p = 0x1.2f0d93743f914p-3;
	p = p * z + 0x1.39a0f4856fbabp-3;
	p = p * z + 0x1.74664631a28b1p-3;
	p = p * z + 0x1.c71c51e7dbdb7p-3;
	p = p * z + 0x1.2492494217c9fp-2;
	p = p * z + 0x1.999999997fb2ep-2;
	p = p * z + 0x1.5555555555593p-1;
	double h = 0.5 * f * f;
	double tail = s * (h + z * p) + k * 0x1.a39ef35793c76p-33;
	return k * 0x1.62e42feep-1 - ((h - tail) - f);
}

GR_INLINE double v_log_f64(double x)
{
	double tiny = x < 0x1p-1022 ? 0x1p54 : 1.0;
	double y = v_log_core_f64(x * tiny, x < 0x1p-1022 ? -54.0 : 0.0);
	y = x == 0.0 ? -HUGE_VAL : y;
	y = x < 0.0 ? from_bits_f64(0x7ff8000000000000u) : y;
	return x < HUGE_VAL ? y : x;
}

/* x = q pi/2 + r + tail; q is good in its low bits. */
GR_INLINE double v_reduce_f64(double x, double *tail, uint64_t *q)
{
	double t = x * 0x1.45f306dc9c883p-1 + MAGIC_F64;
	*q = bits_f64(t);
	double k = t - MAGIC_F64;
	/* pi/2 in parts of 33 bits: the products are exact, and so is the first difference. */
	double a = x - k * 0x1.921fb544p0;
	double w = k * 0x1.0b4611a6p-34;
	double b = a - w;
	double e = (a - b) - w;
	double w2 = k * 0x1.3198a2ep-69;
	double c = b - w2;
	e += (b - c) - w2;
	e -= k * 0x1.b839a252049c1p-104;
	double r = c + e;
	*tail = (c - r) + e;
	return r;
}

GR_INLINE double v_sin_poly_f64(double r, double tail)
{
	double z = r * r;
	double p = 0x1.5d93014d7a692p-33;
	p = p * z - 0x1.ae5e663b79203p-26;
	p = p * z + 0x1.71de3577b7711p-19;
	p = p * z - 0x1.a01a019c1199cp-13;
	p = p * z + 0x1.111111110f87ap-7;
	double v = z * r;
	return r - ((z * (0.5 * tail - v * p) - tail) + v * 0x1.5555555555549p-3);
}

GR_INLINE double v_cos_poly_f64(double r, double tail)
{
	double z = r * r;
	double p = -0x1.8fae9d0a73ea3p-37;
	p = p * z + 0x1.1ee9ebea593e6p-29;
	p = p * z - 0x1.27e4f809f27c0p-22;
	p = p * z + 0x1.a01a019cb1c09p-16;
	p = p * z - 0x1.6c16c16c1517ep-10;
	p = p * z + 0x1.555555555554cp-5;
	double h = 0.5 * z;
	double w = 1.0 - h;
	return w + (((1.0 - w) - h) + (z * z * p - r * tail));
}

/* Quadrant q: sin r, cos r, -sin r, -cos r. */
GR_INLINE double v_quadrant_f64(double r, double tail, uint64_t q)
{
	double s = v_sin_poly_f64(r, tail);
	double c = v_cos_poly_f64(r, tail);
	double y = (q & 1) != 0 ? c : s;
	return from_bits_f64(bits_f64(y) ^ ((q & 2) << 62));
}

GR_INLINE double v_sin_f64(double x)
{
	double tail;
	uint64_t q;
	double r = v_reduce_f64(x, &tail, &q);
	double y = v_quadrant_f64(r, tail, q);
	return x == 0.0 ? x : y;
}

GR_INLINE double v_cos_f64(double x)
{
	double tail;
	uint64_t q;
	double r = v_reduce_f64(x, &tail, &q);
	return v_quadrant_f64(r, tail, q + 1);
}

/* |x| < 1: x P(x^2). Beyond: 1 - exp(-x^2) Q(t), t = (|x| - 3) / (|x| + 3), Q = erfcx. */
GR_INLINE double v_erf_f64(double x)
{
	double a = fabs(x);
	a = a > 6.0 ? 6.0 : a;
	double z = a * a;
	double p = -0x1.abae95c4e2097p-31;
	p = p * z + 0x1.d71b2a7efba67p-27;
	p = p * z - 0x1.5c072b2e2ea41p-23;
	p = p * z + 0x1.b97fd49861e06p-20;
	p = p * z - 0x1.f4ca4d84257b7p-17;
	p = p * z + 0x1.f9a2baaa78df4p-14;
	p = p * z - 0x1.c02db03de84f3p-11;
	p = p * z + 0x1.565bccf92bac7p-8;
	p = p * z - 0x1.b82ce311fa97fp-6;
	p = p * z + 0x1.ce2f21a040d17p-4;
	p = p * z - 0x1.812746b0379bdp-2;
	p = p * z + 0x1.20dd750429b6dp0;
	double t = (a - 3.0) / (a + 3.0);
	double q = 0x1.fe1f5dce209d3p-17;
	q = q * t + 0x1.afce1093040a1p-14;
	q = q * t + 0x1.40691930f5588p-14;
	q = q * t - 0x1.30a91ef962647p-11;
	q = q * t + 0x1.75e8a2c41dd82p-11;
	q = q * t + 0x1.17dca472e2cf3p-8;
	q = q * t - 0x1.8fa4d6b60d193p-6;
	q = q * t + 0x1.258b172802898p-4;
	q = q * t - 0x1.336ffbe9abc9ap-3;
	q = q * t + 0x1.f6ff203f5ecaep-3;
	q = q * t - 0x1.4e102b9d04ea3p-2;
	q = q * t + 0x1.6e9827d229817p-3;
	double far = copysign(1.0 - q * v_exp_f64(-z), x);
	return a < 1.0 ? x * p : far;
}

/* Phi(-|x|) / exp(-x^2/2) and exp(-x^2/2); u = (alpha a - beta) / (a + 3) takes 0..27.5 to -1..1. */
GR_INLINE double v_mills_f64(double x, double *bell)
{
	double b = fabs(x);
	b = b > 40.0 ? 40.0 : b;
	double h = from_bits_f64(bits_f64(b) & 0xfffffffff8000000u);
	double d = -0.5 * ((b - h) * (b + h));
	double e = 0x1.5555555555555p-3 * d + 0.5;
	e = e * d + 1.0;
	e = v_exp_f64(-0.5 * h * h) * (e * d + 1.0);
	double a = b * 0x1.6a09e667f3bcdp-1;
	double above = 1.0 + 2.0 * a;
	double below = a + 3.0;
	double inverse = 1.0 / (above * below);
	double u = (0x1.37dac37dac37ep0 * a - 3.0) * (above * inverse);
	double p = -0x1.d7602a7cead08p-33;
	p = p * u + 0x1.3466e5d036f4ep-35;
	p = p * u + 0x1.62c156bf7fbc1p-29;
	p = p * u + 0x1.33298d3f5e28ap-30;
	p = p * u - 0x1.37fc82b868397p-26;
	p = p * u - 0x1.8098ea470a008p-26;
	p = p * u + 0x1.c1c5eef3e35cbp-24;
	p = p * u + 0x1.fee63e02ef587p-23;
	p = p * u - 0x1.407f2a106b8bfp-21;
	p = p * u - 0x1.1570fac7ccb9ap-19;
	p = p * u + 0x1.14fbd09fe508bp-18;
	p = p * u + 0x1.195de77739b30p-16;
	p = p * u - 0x1.59961ced8656fp-15;
	p = p * u - 0x1.f9995b9ea03d2p-14;
	p = p * u + 0x1.1fdbff0299ce8p-11;
	p = p * u + 0x1.8ff86f159fa53p-13;
	p = p * u - 0x1.b71784198eb40p-8;
	p = p * u + 0x1.93e6838eb7d68p-6;
	p = p * u - 0x1.a758af0688963p-5;
	p = p * u + 0x1.13acde0a1c390p-4;
	p = p * u - 0x1.371837596ca78p-5;
	p = p * u - 0x1.c29cf926dd321p-5;
	p = p * u + 0x1.44085b01307d6p-1;
	*bell = e;
	return p * (below * inverse);
}

GR_INLINE double v_pow_f64(double x, double y)
{
	return pow(x, y);
}

GR_INLINE double v_sqrt_f64(double x)
{
	return sqrt(x);
}

GR_INLINE double v_abs_f64(double x)
{
	return fabs(x);
}

GR_INLINE double v_floor_f64(double x)
{
	return floor(x);
}

GR_INLINE double v_round_f64(double x)
{
	return nearbyint(x);
}

#endif
