/*
 * Elementary functions that vectorise: plain C without branches or calls, so that a loop over one
 * of them becomes vector code at -O3. Errors in units of the last place, over all arguments
 * (tests/tensor/test_vmath.c measures them; special values follow C's Annex F):
 *
 *               exp  log  sin  cos  tanh  erf  sigmoid  softplus  pow  gelu
 *     float      1    1    2    2   2.5   2.5    2.5       2      1    6.5
 *     double     1    1    1    1   2.5    2     2.5       2      1    6.5
 *
 * v_sin and v_cos hold for |x| <= GR_SINCOS_MAX; the caller repairs larger ones with libm.
 * v_pow is libm's in double. Polynomials are fits of our own: minimax (Remez), that of gelu through
 * Chebyshev points.
 * Read vmath_f32.h first: the double version has the same steps.
 */
#ifndef GR_KERN_MULTI_VMATH_H
#define GR_KERN_MULTI_VMATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define GR_INLINE static inline __attribute__((always_inline, unused))
#else
#define GR_INLINE static inline
#endif

/* The vocabulary of ew.def.h, in the type of the moment (real.h). */
#define GR_M_exp(x) GR_TS(v_exp)(x)
#define GR_M_log(x) GR_TS(v_log)(x)
#define GR_M_pow(x, y) GR_TS(v_pow)(x, y)
#define GR_M_sin(x) GR_TS(v_sin)(x)
#define GR_M_cos(x) GR_TS(v_cos)(x)
#define GR_M_tanh(x) GR_TS(v_tanh)(x)
#define GR_M_erf(x) GR_TS(v_erf)(x)
#define GR_M_sigmoid(x) GR_TS(v_sigmoid)(x)
#define GR_M_softplus(x) GR_TS(v_softplus)(x)
#define GR_M_silu_grad(x) GR_TS(v_silu_grad)(x)
#define GR_M_gelu_grad(x) GR_TS(v_gelu_grad)(x)
#define GR_M_gelu(x) GR_TS(v_gelu)(x)
#define GR_M_gelu_inner(x) GR_TS(v_gelu_inner)(x)
#define GR_M_gelu_tanh_grad(x) GR_TS(v_gelu_tanh_grad)(x)
#define GR_M_sqrt(x) GR_TS(v_sqrt)(x)
#define GR_M_abs(x) GR_TS(v_abs)(x)
#define GR_M_floor(x) GR_TS(v_floor)(x)
#define GR_M_round(x) GR_TS(v_round)(x)

/* Beyond this the argument reduction of v_sin and v_cos loses bits. */
#define GR_SINCOS_MAX 1.0e6

GR_INLINE uint32_t bits_f32(float x)
{
	uint32_t u;
	memcpy(&u, &x, sizeof(u));
	return u;
}

GR_INLINE float from_bits_f32(uint32_t u)
{
	float x;
	memcpy(&x, &u, sizeof(x));
	return x;
}

GR_INLINE uint64_t bits_f64(double x)
{
	uint64_t u;
	memcpy(&u, &x, sizeof(u));
	return u;
}

GR_INLINE double from_bits_f64(uint64_t u)
{
	double x;
	memcpy(&x, &u, sizeof(x));
	return x;
}

#include "vmath_f64.h"
#include "vmath_f32.h"

#define GR_REAL 32
#include "vmath_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "vmath_impl.h"
#undef GR_REAL

#endif
