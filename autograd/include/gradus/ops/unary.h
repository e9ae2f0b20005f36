/*
 * Elementwise ops of one tensor and scalars. Float types; any shape and strides. Results belong to
 * the scope; NULL on error.
 */
#ifndef GRADUS_OPS_UNARY_H
#define GRADUS_OPS_UNARY_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x + s, x s, s - x, s / x, x^s, scale x + shift. */
GR_API gr_tensor *gr_add_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_mul_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_rsub_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_rdiv_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_pow_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_affine(gr_tensor *x, double scale, double shift);
/* Mask x > s; never tracked. */
GR_API gr_tensor *gr_gt_s(gr_tensor *x, double s);
GR_API gr_tensor *gr_neg(gr_tensor *x);
GR_API gr_tensor *gr_square(gr_tensor *x);
GR_API gr_tensor *gr_exp(gr_tensor *x);
GR_API gr_tensor *gr_log(gr_tensor *x);
/* Gradient at 0: 0. */
GR_API gr_tensor *gr_sqrt(gr_tensor *x);
/* 1 / sqrt(x). */
GR_API gr_tensor *gr_rsqrt(gr_tensor *x);
GR_API gr_tensor *gr_sin(gr_tensor *x);
GR_API gr_tensor *gr_cos(gr_tensor *x);
GR_API gr_tensor *gr_tanh(gr_tensor *x);
GR_API gr_tensor *gr_erf(gr_tensor *x);
GR_API gr_tensor *gr_sigmoid(gr_tensor *x);
/* x sigmoid(x). */
GR_API gr_tensor *gr_silu(gr_tensor *x);
/* log(1 + exp(x)). */
GR_API gr_tensor *gr_softplus(gr_tensor *x);
/* max(x, 0); gradient at 0: 0. */
GR_API gr_tensor *gr_relu(gr_tensor *x);
/* x Phi(x), by erf. */
GR_API gr_tensor *gr_gelu(gr_tensor *x);
/* Its approximations: x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2, and x sigmoid(1.702 x). */
GR_API gr_tensor *gr_gelu_tanh(gr_tensor *x);
GR_API gr_tensor *gr_quick_gelu(gr_tensor *x);
/* x > 0 ? x : slope x; gradient at 0: slope. */
GR_API gr_tensor *gr_leaky_relu(gr_tensor *x, double slope);
/* Gradient at 0: 0. */
GR_API gr_tensor *gr_abs(gr_tensor *x);
/* Gradient zero everywhere: sign, floor, round half to even. */
GR_API gr_tensor *gr_sign(gr_tensor *x);
GR_API gr_tensor *gr_floor(gr_tensor *x);
GR_API gr_tensor *gr_round(gr_tensor *x);
/* min(max(x, low), high); gradient 1 on low <= x <= high, edges included, 0 outside. */
GR_API gr_tensor *gr_clamp(gr_tensor *x, double low, double high);
/* Conversion; gradients flow between f32 and f64, and to a float from f16 or bf16 nothing does. */
GR_API gr_tensor *gr_cast(gr_tensor *x, gr_dtype dtype);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_add_s(...) (gr_at(__FILE__, __LINE__), gr_add_s(__VA_ARGS__))
#define gr_mul_s(...) (gr_at(__FILE__, __LINE__), gr_mul_s(__VA_ARGS__))
#define gr_rsub_s(...) (gr_at(__FILE__, __LINE__), gr_rsub_s(__VA_ARGS__))
#define gr_rdiv_s(...) (gr_at(__FILE__, __LINE__), gr_rdiv_s(__VA_ARGS__))
#define gr_pow_s(...) (gr_at(__FILE__, __LINE__), gr_pow_s(__VA_ARGS__))
#define gr_affine(...) (gr_at(__FILE__, __LINE__), gr_affine(__VA_ARGS__))
#define gr_gt_s(...) (gr_at(__FILE__, __LINE__), gr_gt_s(__VA_ARGS__))
#define gr_neg(...) (gr_at(__FILE__, __LINE__), gr_neg(__VA_ARGS__))
#define gr_square(...) (gr_at(__FILE__, __LINE__), gr_square(__VA_ARGS__))
#define gr_exp(...) (gr_at(__FILE__, __LINE__), gr_exp(__VA_ARGS__))
#define gr_log(...) (gr_at(__FILE__, __LINE__), gr_log(__VA_ARGS__))
#define gr_sqrt(...) (gr_at(__FILE__, __LINE__), gr_sqrt(__VA_ARGS__))
#define gr_rsqrt(...) (gr_at(__FILE__, __LINE__), gr_rsqrt(__VA_ARGS__))
#define gr_sin(...) (gr_at(__FILE__, __LINE__), gr_sin(__VA_ARGS__))
#define gr_cos(...) (gr_at(__FILE__, __LINE__), gr_cos(__VA_ARGS__))
#define gr_tanh(...) (gr_at(__FILE__, __LINE__), gr_tanh(__VA_ARGS__))
#define gr_erf(...) (gr_at(__FILE__, __LINE__), gr_erf(__VA_ARGS__))
#define gr_sigmoid(...) (gr_at(__FILE__, __LINE__), gr_sigmoid(__VA_ARGS__))
#define gr_silu(...) (gr_at(__FILE__, __LINE__), gr_silu(__VA_ARGS__))
#define gr_softplus(...) (gr_at(__FILE__, __LINE__), gr_softplus(__VA_ARGS__))
#define gr_relu(...) (gr_at(__FILE__, __LINE__), gr_relu(__VA_ARGS__))
#define gr_gelu(...) (gr_at(__FILE__, __LINE__), gr_gelu(__VA_ARGS__))
#define gr_gelu_tanh(...) (gr_at(__FILE__, __LINE__), gr_gelu_tanh(__VA_ARGS__))
#define gr_quick_gelu(...) (gr_at(__FILE__, __LINE__), gr_quick_gelu(__VA_ARGS__))
#define gr_leaky_relu(...) (gr_at(__FILE__, __LINE__), gr_leaky_relu(__VA_ARGS__))
#define gr_abs(...) (gr_at(__FILE__, __LINE__), gr_abs(__VA_ARGS__))
#define gr_sign(...) (gr_at(__FILE__, __LINE__), gr_sign(__VA_ARGS__))
#define gr_floor(...) (gr_at(__FILE__, __LINE__), gr_floor(__VA_ARGS__))
#define gr_round(...) (gr_at(__FILE__, __LINE__), gr_round(__VA_ARGS__))
#define gr_clamp(...) (gr_at(__FILE__, __LINE__), gr_clamp(__VA_ARGS__))
#define gr_cast(...) (gr_at(__FILE__, __LINE__), gr_cast(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
