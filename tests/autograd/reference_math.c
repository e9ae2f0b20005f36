/*
 * Naive references of the families binary, unary, reduce, norm and attention: one formula or one
 * plain loop each, in double, row-major.
 */
#include "reference.h"

#include <math.h>

#include "attr.h"

static int64_t size_of(const gr_ref_tensor *t)
{
	int64_t n = 1;
	for (int i = 0; i < t->ndim; i++)
		n *= t->dims[i];
	return n;
}

/* Element of `small` that broadcasting puts at element i of `big`. */
static int64_t broadcast_index(const gr_ref_tensor *small, const gr_ref_tensor *big, int64_t i)
{
	int64_t index = 0, stride = 1;
	for (int d = 1; d <= small->ndim; d++) {
		int64_t n = small->dims[small->ndim - d], m = big->dims[big->ndim - d];
		index += n == 1 ? 0 : i % m * stride;
		stride *= n;
		i /= m;
	}
	return index;
}

/* Defines a reference: one expression in the operands a b c and the scalars s0 s1. */
#define ELEMENTWISE(name, expression) \
	static void name(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out) \
	{ \
		const gr_scalar_attr *s = attr; \
		double s0 = s != NULL ? s->s0 : 0.0, s1 = s != NULL ? s->s1 : 0.0; \
		for (int64_t i = 0; i < size_of(out); i++) { \
			double x[3] = {0.0}; \
			for (int k = 0; k < nin; k++) \
				x[k] = in[k].data[broadcast_index(&in[k], out, i)]; \
			double a = x[0], b = x[1], c = x[2]; \
			out->data[i] = (expression); \
			(void)a, (void)b, (void)c, (void)s0, (void)s1; \
		} \
	}

/* clang-format off */
ELEMENTWISE(ref_add, a + b)
ELEMENTWISE(ref_sub, a - b)
ELEMENTWISE(ref_mul, a * b)
ELEMENTWISE(ref_div, a / b)
ELEMENTWISE(ref_axpby, s0 * a + s1 * b)
ELEMENTWISE(ref_muladd, a * b + c)
ELEMENTWISE(ref_pow, pow(a, b))
ELEMENTWISE(ref_maximum, fmax(a, b))
ELEMENTWISE(ref_minimum, fmin(a, b))
ELEMENTWISE(ref_where, a != 0.0 ? b : c)
ELEMENTWISE(ref_eq, a == b ? 1.0 : 0.0)
ELEMENTWISE(ref_lt, a < b ? 1.0 : 0.0)
ELEMENTWISE(ref_le, a <= b ? 1.0 : 0.0)
ELEMENTWISE(ref_affine, s0 * a + s1)
ELEMENTWISE(ref_rdiv_s, s0 / a)
ELEMENTWISE(ref_pow_s, pow(a, s0))
ELEMENTWISE(ref_gt_s, a > s0 ? 1.0 : 0.0)
ELEMENTWISE(ref_neg, 0.0 - a)
ELEMENTWISE(ref_square, pow(a, 2.0))
ELEMENTWISE(ref_exp, exp(a))
ELEMENTWISE(ref_log, log(a))
ELEMENTWISE(ref_sqrt, sqrt(a))
ELEMENTWISE(ref_rsqrt, 1.0 / sqrt(a))
ELEMENTWISE(ref_sin, sin(a))
ELEMENTWISE(ref_cos, cos(a))
ELEMENTWISE(ref_tanh, tanh(a))
ELEMENTWISE(ref_erf, erf(a))
ELEMENTWISE(ref_sigmoid, 1.0 / (1.0 + exp(-a)))
ELEMENTWISE(ref_silu, a / (1.0 + exp(-a)))
ELEMENTWISE(ref_softplus, log1p(exp(a)))
ELEMENTWISE(ref_relu, fmax(a, 0.0))
ELEMENTWISE(ref_gelu, 0.5 * a * erfc(-a / sqrt(2.0)))
ELEMENTWISE(ref_gelu_tanh,
	0.5 * a * (1.0 + tanh(0.7978845608028654 * (a + 0.044715 * a * a * a))))
ELEMENTWISE(ref_quick_gelu, a / (1.0 + exp(-1.702 * a)))
ELEMENTWISE(ref_leaky_relu, a > 0.0 ? a : s0 * a)
ELEMENTWISE(ref_abs, fabs(a))
ELEMENTWISE(ref_sign, a > 0.0 ? 1.0 : (a < 0.0 ? -1.0 : 0.0))
ELEMENTWISE(ref_floor, floor(a))
ELEMENTWISE(ref_round, rint(a))
ELEMENTWISE(ref_clamp, fmin(fmax(a, s0), s1))
/* clang-format on */

static void ref_cast(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t dtype = ((const gr_cast_attr *)attr)->dtype;
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = dtype == GR_F32 ? (double)(float)in->data[i] : in->data[i];
}

/* Element of the output that element i of x is reduced into. */
static int64_t reduced_index(const gr_ref_tensor *x, int64_t i, uint32_t axes)
{
	int64_t index = 0, stride = 1;
	for (int d = x->ndim - 1; d >= 0; d--) {
		if (!(axes >> d & 1u)) {
			index += i % x->dims[d] * stride;
			stride *= x->dims[d];
		}
		i /= x->dims[d];
	}
	return index;
}

/* Defines a reference: start value, the step from y over one element a, and the end with n. */
#define REDUCTION(name, start, step, end) \
	static void name(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out) \
	{ \
		uint32_t axes = ((const gr_reduce_attr *)attr)->axes; \
		int64_t n_out = size_of(out); \
		double n = n_out > 0 ? (double)(size_of(in) / n_out) : 0.0; \
		for (int64_t o = 0; o < n_out; o++) { \
			double y = (start); \
			for (int64_t i = 0; i < size_of(in); i++) { \
				double a = in->data[i]; \
				if (reduced_index(in, i, axes) == o) \
					y = (step); \
			} \
			out->data[o] = (end); \
		} \
		(void)nin, (void)n; \
	}

REDUCTION(ref_sum, 0.0, y + a, y)
REDUCTION(ref_mean, 0.0, y + a, y / n)
REDUCTION(ref_max, -INFINITY, fmax(y, a), y)
REDUCTION(ref_min, INFINITY, fmin(y, a), y)
REDUCTION(ref_sumsq, 0.0, y + a * a, y)
REDUCTION(ref_norm, 0.0, hypot(y, a), y)
REDUCTION(ref_logsumexp, -INFINITY, fmax(y, a) + log1p(exp(fmin(y, a) - fmax(y, a))), y)

static void ref_sum_to(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)attr, (void)nin;
	for (int64_t o = 0; o < size_of(out); o++)
		out->data[o] = 0.0;
	for (int64_t i = 0; i < size_of(in); i++)
		out->data[broadcast_index(out, in, i)] += in->data[i];
}

static void ref_argmax(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int axis = (int)((const gr_axis_attr *)attr)->axis;
	int64_t inner = 1;
	(void)nin;
	for (int d = axis + 1; d < in->ndim; d++)
		inner *= in->dims[d];
	for (int64_t o = 0; o < size_of(out); o++) {
		double best = -INFINITY;
		out->data[o] = 0.0;
		for (int64_t i = 0; i < size_of(in); i++) {
			if (reduced_index(in, i, 1u << axis) != o || !(in->data[i] > best))
				continue;
			best = in->data[i];
			out->data[o] = (double)(i / inner % in->dims[axis]);
		}
	}
}

static double log_sum_exp(const double *x, int64_t n)
{
	double top = -INFINITY, sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		top = fmax(top, x[i]);
	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - top);
	return top + log(sum);
}

static void ref_log_softmax(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t D = in->dims[in->ndim - 1];
	(void)attr, (void)nin;
	for (int64_t i = 0; i < size_of(in); i++)
		out->data[i] = in->data[i] - log_sum_exp(in->data + i / D * D, D);
}

static void ref_softmax(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	ref_log_softmax(attr, nin, in, out);
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] = exp(out->data[i]);
}

/* Mean and (var + eps)^(-1/2) of n values. */
static void moments(const double *x, int64_t n, double eps, double stats[2])
{
	double mean = 0.0, var = 0.0;
	for (int64_t i = 0; i < n; i++)
		mean += x[i] / (double)n;
	for (int64_t i = 0; i < n; i++)
		var += (x[i] - mean) * (x[i] - mean) / (double)n;
	stats[0] = mean;
	stats[1] = 1.0 / sqrt(var + eps);
}

static void ref_group_norm(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	const gr_norm_attr *a = attr;
	int64_t C = in[0].dims[1], K = C / a->groups, P = 1;
	(void)nin;
	for (int d = 2; d < in[0].ndim; d++)
		P *= in[0].dims[d];
	for (int64_t i = 0; i < size_of(&in[0]); i++) {
		int64_t set = i / (K * P), c = i / P % C, n = i / (P * C);
		int64_t channel = in[1].ndim == 2 ? n * C + c : c;
		double *stats = out[1].data + 2 * set;
		moments(in[0].data + set * K * P, K * P, a->eps, stats);
		double h = (in[0].data[i] - stats[0]) * stats[1];
		double z = in[1].data[channel] * h + in[2].data[channel];
		out[0].data[i] = a->silu ? z / (1.0 + exp(-z)) : z;
	}
}

static void ref_layer_norm(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t D = in[1].dims[0];
	(void)nin;
	for (int64_t i = 0; i < size_of(&in[0]); i++) {
		double *stats = out[1].data + i / D * 2;
		moments(in[0].data + i / D * D, D, ((const gr_norm_attr *)attr)->eps, stats);
		double h = (in[0].data[i] - stats[0]) * stats[1];
		out[0].data[i] = in[1].data[i % D] * h + in[2].data[i % D];
	}
}

static void ref_rms_norm(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t D = in[1].dims[0];
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		double sum = 0.0;
		for (int64_t d = 0; d < D; d++)
			sum += pow(in[0].data[i / D * D + d], 2.0);
		out->data[i] = in[1].data[i % D] * in[0].data[i] /
			sqrt(sum / (double)D + ((const gr_norm_attr *)attr)->eps);
	}
}

static int64_t channel_of(const gr_ref_tensor *x, int64_t i)
{
	for (int d = x->ndim - 1; d > 1; d--)
		i /= x->dims[d];
	return i % x->dims[1];
}

static void ref_batch_norm(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++) {
		int64_t c = channel_of(out, i);
		double std = sqrt(in[2].data[c] + ((const gr_norm_attr *)attr)->eps);
		out->data[i] = in[3].data[c] * (in[0].data[i] - in[1].data[c]) / std + in[4].data[c];
	}
}

/* in: x w b; out: y mean var */
static void ref_batch_norm_train(const void *attr, int nin, const gr_ref_tensor *in,
	gr_ref_tensor *out)
{
	int64_t C = in[0].dims[1];
	double n = (double)(size_of(in) / (C > 0 ? C : 1));
	(void)nin;
	for (int64_t i = 0; i < size_of(in); i++)
		out[1].data[channel_of(in, i)] += in[0].data[i] / n;
	for (int64_t i = 0; i < size_of(in); i++)
		out[2].data[channel_of(in, i)] +=
			pow(in[0].data[i] - out[1].data[channel_of(in, i)], 2) / n;
	for (int64_t i = 0; i < size_of(in); i++) {
		int64_t c = channel_of(in, i);
		double std = sqrt(out[2].data[c] + ((const gr_norm_attr *)attr)->eps);
		out[0].data[i] = in[1].data[c] * (in[0].data[i] - out[1].data[c]) / std + in[2].data[c];
	}
}

static double dot(const double *a, const double *b, int64_t n)
{
	double sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* One output element: row l of problem b, column e. */
static double attend(const gr_ref_tensor *in, double scale, int64_t b, int64_t l, int64_t e)
{
	int64_t L = in[0].dims[in[0].ndim - 2], D = in[0].dims[in[0].ndim - 1];
	int64_t M = in[2].dims[in[2].ndim - 2], E = in[2].dims[in[2].ndim - 1];
	const double *q = in[0].data + (b * L + l) * D;
	const double *k = in[1].data + b * M * D, *v = in[2].data + b * M * E;
	double top = -INFINITY, sum = 0.0, y = 0.0;
	for (int64_t m = 0; m < M; m++)
		top = fmax(top, scale * dot(q, k + m * D, D));
	for (int64_t m = 0; m < M; m++) {
		double weight = exp(scale * dot(q, k + m * D, D) - top);
		sum += weight;
		y += weight * v[m * E + e];
	}
	return y / sum;
}

static void ref_attention(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out)
{
	int64_t L = out->dims[out->ndim - 2], E = out->dims[out->ndim - 1];
	(void)nin;
	for (int64_t i = 0; i < size_of(out); i++)
		out->data[i] =
			attend(in, ((const gr_attention_attr *)attr)->scale, i / (L * E), i / E % L, i % E);
}

/* clang-format off */
const gr_ref gr_refs_math[] = {
	{"add", ref_add}, {"sub", ref_sub}, {"mul", ref_mul}, {"div", ref_div},
	{"axpby", ref_axpby}, {"muladd", ref_muladd}, {"pow", ref_pow}, {"maximum", ref_maximum},
	{"minimum", ref_minimum}, {"where", ref_where}, {"eq", ref_eq}, {"lt", ref_lt},
	{"le", ref_le},
	{"affine", ref_affine}, {"rdiv_s", ref_rdiv_s}, {"pow_s", ref_pow_s}, {"gt_s", ref_gt_s},
	{"neg", ref_neg}, {"square", ref_square}, {"exp", ref_exp}, {"log", ref_log},
	{"sqrt", ref_sqrt}, {"rsqrt", ref_rsqrt}, {"sin", ref_sin}, {"cos", ref_cos},
	{"tanh", ref_tanh}, {"erf", ref_erf}, {"sigmoid", ref_sigmoid}, {"silu", ref_silu},
	{"softplus", ref_softplus}, {"relu", ref_relu}, {"gelu", ref_gelu}, {"gelu_tanh", ref_gelu_tanh},
	{"quick_gelu", ref_quick_gelu}, {"leaky_relu", ref_leaky_relu}, {"abs", ref_abs},
	{"sign", ref_sign}, {"floor", ref_floor}, {"round", ref_round}, {"clamp", ref_clamp},
	{"cast", ref_cast},
	{"sum", ref_sum}, {"mean", ref_mean}, {"max", ref_max}, {"min", ref_min},
	{"sumsq", ref_sumsq}, {"norm", ref_norm}, {"logsumexp", ref_logsumexp}, {"sum_to", ref_sum_to}, {"argmax", ref_argmax},
	{"softmax", ref_softmax}, {"log_softmax", ref_log_softmax},
	{"group_norm", ref_group_norm}, {"layer_norm", ref_layer_norm},
	{"rms_norm", ref_rms_norm}, {"batch_norm", ref_batch_norm},
	{"batch_norm_train", ref_batch_norm_train},
	{"attention", ref_attention},
	{NULL, NULL},
};
/* clang-format on */
