/*
 * Group norm and layer norm. Both have a second output that the public functions keep to
 * themselves: the mean and 1/std of every normalised set, saved for the rule so that the backward
 * pass need not read x once more for them. It is an output like any other, with a gradient.
 *
 * The rule, for one set of n values with mean m and r = (var + eps)^(-1/2): h = (x - m) r has
 *   dh_i/dx_j = r ([i = j] - 1/n - h_i h_j / n),  dm/dx_j = 1/n,  dr/dx_j = -r^2 h_j / n.
 * A cotangent q of h, and p, s of m, r then give
 *   dx = r (q - mean(q) - h mean(q h)) + (p - s r^2 h) / n.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/norm.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/shape.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

#define DEFAULT_GROUPS 32
#define DEFAULT_EPS 1e-5

/* A normalised set: values x and h = (x - m) r in a common shape, m and r broadcasting against it,
 * and the axes that run over one set. */
typedef struct normal {
	gr_tensor *h, *r;
	int naxes;
	const int *axes;
	int64_t n;
} normal;

/* One of the two numbers of stats [...,2]; -> [...,1] */
static gr_tensor *stat(gr_tensor *stats, int which)
{
	return gr_slice(stats, -1, which, which + 1, 1);
}

/* dx from q: r (q - mean(q) - h mean(q h)) */
static gr_tensor *through_h(const normal *s, gr_tensor *q)
{
	gr_tensor *centred = gr_sub(q, gr_mean(q, s->naxes, s->axes, true));
	gr_tensor *slope = gr_mean(gr_mul(q, s->h), s->naxes, s->axes, true);
	return gr_mul(s->r, gr_sub(centred, gr_mul(s->h, slope)));
}

/* dx from the cotangents p of m and s of r: (p - s r^2 h) / n */
static gr_tensor *through_stats(const normal *s, gr_tensor *p, gr_tensor *dr)
{
	gr_tensor *slope = gr_mul(dr, gr_square(s->r));
	return gr_mul_s(gr_sub(p, gr_mul(slope, s->h)), 1.0 / (double)s->n);
}

/* Nobody outside this file reads the stats, so that their cotangent is almost always the zeros that
 * the walk fills in; any other representation of zero may be taken for something else. */
static bool is_zero(const gr_tensor *g)
{
	if (!gr_is_contiguous(g) || (g->size > 0 && g->storage->blank))
		return false;
	size_t bytes = (size_t)g->size * gr_dtype_bytes(g->dtype);
	for (size_t i = 0; i < bytes; i++) {
		if (g->data[i] != 0)
			return false;
	}
	return true;
}

/* --- group norm ---------------------------------------------------------------------------- */

/* Pixels of a channel. */
static int64_t pixels(int ndim, const int64_t *dims)
{
	int64_t n = 1;
	for (int i = 2; i < ndim; i++)
		n *= dims[i];
	return n;
}

/* t's values as three dims, for kernels; the caller holds the reference. */
static gr_tensor *as_ncp(const gr_tensor *t)
{
	int64_t dims[] = {t->dims[0], t->dims[1], pixels(t->ndim, t->dims)};
	return gr__view_reshape(t, 3, dims);
}

static gr_norm_args kernel_args(const gr_norm_attr *attr, int w_ndim)
{
	return (gr_norm_args){
		.groups = attr->groups,
		.eps = attr->eps,
		.silu = attr->silu != 0,
		.per_sample = w_ndim == 2,
	};
}

static bool fits_channels(const gr_tensor *w, const gr_tensor *x)
{
	if (w->ndim == 1)
		return w->dims[0] == x->dims[1];
	return w->ndim == 2 && w->dims[0] == x->dims[0] && w->dims[1] == x->dims[1];
}

static gr_status group_norm_infer(gr_op_call *c)
{
	const gr_norm_attr *attr = c->attr;
	const gr_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2];
	gr_status status = gr_infer_same(c);
	if (status != GR_OK)
		return status;
	if (x->ndim < 2)
		return gr_op_fail(c, GR_ESHAPE, "x needs the dims [N,C,...]");
	if (attr->groups < 1 || x->dims[1] % attr->groups != 0)
		return gr_op_fail(c, GR_EARG,
			"%lld channels do not divide into %lld groups; hint: set .groups (default %d)",
			(long long)x->dims[1], (long long)attr->groups, DEFAULT_GROUPS);
	if (!fits_channels(w, x) || !fits_channels(b, x) || w->ndim != b->ndim)
		return gr_op_fail(c, GR_ESHAPE, "w and b must both be [C] or both [N,C] with C = %lld",
			(long long)x->dims[1]);
	if (!(attr->eps >= 0.0))
		return gr_op_fail(c, GR_EARG, "eps is %g, it must not be negative", attr->eps);
	c->result[1] = (gr_operand){x->dtype, 3, {x->dims[0], attr->groups, 2}};
	c->contiguous = 7;
	return GR_OK;
}

static gr_status group_norm_forward(gr_op_call *c)
{
	gr_norm_args args = kernel_args(c->attr, c->in[1]->ndim);
	gr_tensor *x = as_ncp(c->in[0]), *y = as_ncp(c->out[0]);
	gr_status status = GR_EMEM;
	if (x != NULL && y != NULL)
		status = gr__group_norm(y, c->out[1], x, c->in[1], c->in[2], &args);
	gr_tensor_release(x);
	gr_tensor_release(y);
	return status;
}

/* w or b as it multiplies x [N,G,K,P], K = C/G: -> [1,G,K,1] or [N,G,K,1] */
static gr_tensor *per_channel(gr_tensor *w, int64_t groups)
{
	int64_t n = gr_tensor_ndim(w) == 2 ? gr_tensor_dim(w, 0) : 1;
	return gr_reshape(w, GR_DIMS(n, groups, gr_tensor_dim(w, -1) / groups, 1));
}

/* The adjoint: t [N,G,K,P] -> summed to w's shape */
static gr_tensor *to_channels(gr_tensor *t, const gr_operand *w)
{
	bool per_sample = w->ndim == 2;
	int axes[] = {3, 0};
	return gr_reshape(gr_sum(t, per_sample ? 1 : 2, axes, false), w->ndim, w->dims);
}

/* z = w h + b, y = z or silu(z). With q = g or g silu'(z), silu'(z) = s (1 + z (1 - s)) for
 * s = sigmoid(z):  dw = sum(q h), db = sum(q) over the pixels (and the batch), and w q is the
 * cotangent of h in the rule at the head of this file */
static gr_status group_norm_vjp(gr_vjp *v)
{
	static const int set_axes[] = {2, 3};
	const gr_norm_attr *attr = v->attr;
	const gr_operand *shape = &v->shape[0];
	int64_t N = shape->dims[0], G = attr->groups, K = shape->dims[1] / G;
	int64_t P = pixels(shape->ndim, shape->dims);

	gr_tensor *x = gr_reshape(v->in[0], GR_DIMS(N, G, K, P));
	gr_tensor *q = gr_reshape(v->gout[0], GR_DIMS(N, G, K, P));
	gr_tensor *stats = gr_reshape(v->out[1], GR_DIMS(N, G, 1, 2));
	gr_tensor *w = per_channel(v->in[1], G);
	gr_tensor *r = stat(stats, 1);
	gr_tensor *h = gr_mul(gr_sub(x, stat(stats, 0)), r);
	if (attr->silu) {
		gr_tensor *z = gr_muladd(w, h, per_channel(v->in[2], G));
		gr_tensor *s = gr_sigmoid(z);
		q = gr_mul(q, gr_mul(s, gr_add_s(gr_mul(z, gr_rsub_s(s, 1.0)), 1.0)));
	}
	if (v->want & 1u) {
		normal set = {h, r, 2, set_axes, K * P};
		gr_tensor *gstats = gr_reshape(v->gout[1], GR_DIMS(N, G, 1, 2));
		gr_tensor *dx = gr_add(through_h(&set, gr_mul(w, q)),
			through_stats(&set, stat(gstats, 0), stat(gstats, 1)));
		v->gin[0] = gr_reshape(dx, shape->ndim, shape->dims);
	}
	if (v->want & 2u)
		v->gin[1] = to_channels(gr_mul(q, h), &v->shape[1]);
	if (v->want & 4u)
		v->gin[2] = to_channels(q, &v->shape[2]);
	return GR_OK;
}

/* A tensor in the shape of input i when its gradient is wanted, else NULL. */
static gr_tensor *gradient_for(gr_vjp *v, int i)
{
	const gr_operand *o = &v->shape[i];
	return v->want >> i & 1u ? gr_empty(o->dtype, o->ndim, o->dims) : NULL;
}

static gr_status group_norm_vjp_fused(gr_vjp *v)
{
	if (!is_zero(v->gout[1]))
		return group_norm_vjp(v);
	gr_norm_args args = kernel_args(v->attr, v->shape[1].ndim);
	for (int i = 0; i < 3; i++)
		v->gin[i] = gradient_for(v, i);
	gr_tensor *g = gr_contiguous(v->gout[0]), *x = gr_contiguous(v->in[0]);
	gr_tensor *w = gr_contiguous(v->in[1]), *b = gr_contiguous(v->in[2]);
	if (g == NULL || x == NULL || w == NULL || b == NULL)
		return gr_error_code();
	g = gr__scope_own(as_ncp(g));
	x = gr__scope_own(as_ncp(x));
	gr_tensor *dx = v->gin[0] != NULL ? gr__scope_own(as_ncp(v->gin[0])) : NULL;
	if (g == NULL || x == NULL || (dx == NULL) != (v->gin[0] == NULL))
		return gr_error_code();
	return gr__group_norm_backward(dx, v->gin[1], v->gin[2], g, x, w, b, v->out[1], &args);
}

static double group_norm_flops(const gr_op_call *c)
{
	return 8.0 * (double)c->in[0]->size;
}

static const gr_norm_attr one_group = {1, 1e-5, 0}, two_groups = {2, 1e-5, 0};
static const gr_norm_attr two_groups_silu = {2, 1e-5, 1}, each_channel_silu = {4, 1e-5, 1};
static const gr_norm_attr each_channel = {4, 1e-5, 0}, large_eps = {3, 0.1, 1};
static const gr_case group_norm_cases[] = {
	GR_EW_CASE("images", -2.0, 2.0, &two_groups, {2, 4, 3, 5}, {4}, {4}),
	GR_EW_CASE("silu", -2.0, 2.0, &two_groups_silu, {2, 4, 3, 5}, {4}, {4}),
	GR_EW_CASE("one group", -2.0, 2.0, &one_group, {2, 3, 7}, {3}, {3}),
	GR_EW_CASE("each channel", -2.0, 2.0, &each_channel, {2, 4, 3, 3}, {4}, {4}),
	GR_EW_CASE("each channel silu", -2.0, 2.0, &each_channel_silu, {1, 4, 3, 3}, {4}, {4}),
	GR_EW_CASE("per sample", -2.0, 2.0, &two_groups, {3, 4, 5}, {3, 4}, {3, 4}),
	GR_EW_CASE("per sample silu", -2.0, 2.0, &two_groups_silu, {3, 4, 5}, {3, 4}, {3, 4}),
	GR_EW_CASE("large eps", -2.0, 2.0, &large_eps, {2, 6, 5}, {6}, {6}),
	GR_EW_CASE("matrix", -2.0, 2.0, &two_groups, {3, 8}, {8}, {8}),
	GR_EW_CASE("volume", -2.0, 2.0, &one_group, {1, 2, 3, 2, 3}, {2}, {2}),
	GR_EW_CASE("odd", -2.0, 2.0, &two_groups_silu, {1, 6, 7, 11}, {6}, {6}),
	GR_EW_CASE("empty", -2.0, 2.0, &two_groups, {0, 4, 3}, {4}, {4}),
};
const gr_op gr_op_group_norm = {
	.name = "group_norm",
	.sig = "x[N,C,...] w[C|N,C] b[C|N,C]",
	.math = "y = w (x - mean) / sqrt(var + eps) + b",
	.dmath = "dx = (q - mean(q) - h mean(q h)) / sd, q = g w, h = (x - mean) / sd; dw = sum(g h), "
			 "db = sum(g)",
	.doc = "Mean and biased variance per sample and group of C/groups consecutive channels; on "
		   "request followed by silu. The second output is [N,G,2]: mean, 1/std.",
	.nin = 3,
	.nout = 2,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1) | GR_SAVE_IN(2) | GR_SAVE_OUT(1),
	.attr_size = sizeof(gr_norm_attr),
	.infer = group_norm_infer,
	.forward = group_norm_forward,
	.vjp = group_norm_vjp,
	.vjp_fused = group_norm_vjp_fused,
	.flops = group_norm_flops,
	GR_EW_CASES(group_norm_cases),
};

/* --- layer norm ---------------------------------------------------------------------------- */

static gr_status layer_norm_infer(gr_op_call *c)
{
	double eps = ((const gr_norm_attr *)c->attr)->eps;
	const gr_tensor *x = c->in[0], *w = c->in[1], *b = c->in[2];
	gr_status status = gr_infer_same(c);
	if (status != GR_OK)
		return status;
	if (x->ndim < 1)
		return gr_op_fail(c, GR_ESHAPE, "x has no last axis; hint: gr_unsqueeze it");
	int64_t D = x->dims[x->ndim - 1];
	if (w->ndim != 1 || b->ndim != 1 || w->dims[0] != D || b->dims[0] != D)
		return gr_op_fail(c, GR_ESHAPE, "w and b must be [%lld], as the last axis of x",
			(long long)D);
	if (!(eps >= 0.0))
		return gr_op_fail(c, GR_EARG, "eps is %g, it must not be negative", eps);
	c->result[1] = c->result[0];
	c->result[1].dims[x->ndim - 1] = 2;
	c->contiguous = 7;
	return GR_OK;
}

/* t [...,D] -> [M,D], for kernels; the caller holds the reference. */
static gr_tensor *as_rows(const gr_tensor *t)
{
	int64_t D = t->dims[t->ndim - 1], rows = 1;
	for (int i = 0; i < t->ndim - 1; i++)
		rows *= t->dims[i];
	return gr__view_reshape(t, 2, (int64_t[]){rows, D});
}

static gr_status layer_norm_forward(gr_op_call *c)
{
	double eps = ((const gr_norm_attr *)c->attr)->eps;
	gr_tensor *x = as_rows(c->in[0]), *y = as_rows(c->out[0]), *stats = as_rows(c->out[1]);
	gr_status status = GR_EMEM;
	if (x != NULL && y != NULL && stats != NULL)
		status = gr__layer_norm(y, stats, x, c->in[1], c->in[2], eps);
	gr_tensor_release(x);
	gr_tensor_release(y);
	gr_tensor_release(stats);
	return status;
}

/* y = w h + b:  dw = sum(g h), db = sum(g) over the rows (the engine sums), and w g is the
 * cotangent of h in the rule at the head of this file */
static gr_status layer_norm_vjp(gr_vjp *v)
{
	static const int last[] = {-1};
	gr_tensor *g = v->gout[0], *stats = v->out[1], *r = stat(stats, 1);
	gr_tensor *h = gr_mul(gr_sub(v->in[0], stat(stats, 0)), r);
	if (v->want & 1u) {
		normal set = {h, r, 1, last, v->shape[1].dims[0]};
		v->gin[0] = gr_add(through_h(&set, gr_mul(g, v->in[1])),
			through_stats(&set, stat(v->gout[1], 0), stat(v->gout[1], 1)));
	}
	if (v->want & 2u)
		v->gin[1] = gr_mul(g, h);
	v->gin[2] = g;
	return GR_OK;
}

static gr_status layer_norm_vjp_fused(gr_vjp *v)
{
	if (!is_zero(v->gout[1]))
		return layer_norm_vjp(v);
	for (int i = 0; i < 3; i++)
		v->gin[i] = gradient_for(v, i);
	gr_tensor *g = gr_contiguous(v->gout[0]), *x = gr_contiguous(v->in[0]);
	gr_tensor *w = gr_contiguous(v->in[1]);
	if (g == NULL || x == NULL || w == NULL)
		return gr_error_code();
	g = gr__scope_own(as_rows(g));
	x = gr__scope_own(as_rows(x));
	gr_tensor *stats = gr__scope_own(as_rows(v->out[1]));
	gr_tensor *dx = v->gin[0] != NULL ? gr__scope_own(as_rows(v->gin[0])) : NULL;
	if (g == NULL || x == NULL || stats == NULL || (dx == NULL) != (v->gin[0] == NULL))
		return gr_error_code();
	return gr__layer_norm_backward(dx, v->gin[1], v->gin[2], g, x, w, stats);
}

static const gr_norm_attr layer_attr = {0, 1e-5, 0}, layer_large_eps = {0, 0.1, 0};
static const gr_case layer_norm_cases[] = {
	GR_EW_CASE("matrix", -2.0, 2.0, &layer_attr, {3, 5}, {5}, {5}),
	GR_EW_CASE("vector", -2.0, 2.0, &layer_attr, {7}, {7}, {7}),
	GR_EW_CASE("tokens", -2.0, 2.0, &layer_attr, {2, 3, 8}, {8}, {8}),
	GR_EW_CASE("odd", -2.0, 2.0, &layer_attr, {3, 37}, {37}, {37}),
	GR_EW_CASE("large eps", -2.0, 2.0, &layer_large_eps, {3, 5}, {5}, {5}),
	GR_EW_CASE("four", -2.0, 2.0, &layer_attr, {2, 1, 3, 6}, {6}, {6}),
	GR_EW_CASE("empty", -2.0, 2.0, &layer_attr, {0, 3}, {3}, {3}),
};
const gr_op gr_op_layer_norm = {
	.name = "layer_norm",
	.sig = "x[...,D] w[D] b[D]",
	.math = "y = w (x - mean) / sqrt(var + eps) + b",
	.dmath = "dx = (q - mean(q) - h mean(q h)) / sd, q = g w, h = (x - mean) / sd; dw = sum(g h), "
			 "db = sum(g)",
	.doc =
		"Mean and biased variance over the last axis. The second output is [...,2]: mean, 1/std.",
	.nin = 3,
	.nout = 2,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1) | GR_SAVE_OUT(1),
	.attr_size = sizeof(gr_norm_attr),
	.infer = layer_norm_infer,
	.forward = layer_norm_forward,
	.vjp = layer_norm_vjp,
	.vjp_fused = layer_norm_vjp_fused,
	.flops = group_norm_flops,
	GR_EW_CASES(layer_norm_cases),
};

static gr_tensor *apply(const gr_op *op, gr_tensor *x, gr_tensor *w, gr_tensor *b,
	const gr_norm_attr *attr)
{
	gr_tensor *out[2];
	gr_status status = gr_apply(op, 3, (gr_tensor *[]){x, w, b}, attr, out);
	return status == GR_OK ? out[0] : NULL;
}

gr_tensor *gr_group_norm(gr_tensor *x, gr_tensor *w, gr_tensor *b, const gr_group_norm_opts *opts)
{
	gr_norm_attr attr = {.groups = DEFAULT_GROUPS, .eps = DEFAULT_EPS};
	if (opts != NULL) {
		attr.groups = opts->groups != 0 ? opts->groups : DEFAULT_GROUPS;
		attr.eps = opts->eps != 0.0 ? opts->eps : DEFAULT_EPS;
		attr.silu = opts->silu;
	}
	return apply(&gr_op_group_norm, x, w, b, &attr);
}

gr_tensor *gr_layer_norm(gr_tensor *x, gr_tensor *w, gr_tensor *b, double eps)
{
	gr_norm_attr attr = {.eps = eps != 0.0 ? eps : DEFAULT_EPS};
	return apply(&gr_op_layer_norm, x, w, b, &attr);
}
