/*
 * Scaled dot-product attention. The leading dims become one batch of B = batch x heads problems
 * q [L,D], k [M,D], v [M,E]. Scores are computed for a tile of them at a time - several problems
 * when they are small, some rows of one when it is large - so that they never take more than a few
 * megabytes; the tile is a pure function of shape, and a problem gives the same bits in any batch.
 *
 * The first-order rule computes the scores again instead of saving them, for a tile of whole
 * problems. `vjp` serves second order and holds all B x L x M of them.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include <math.h>

#include "gradus/ops/attention.h"
#include "gradus/ops/binary.h"
#include "gradus/ops/matmul.h"
#include "gradus/ops/norm.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/shape.h"
#include "gradus/ops/unary.h"
#include "attr.h"
#include "ew_priv.h"

#define TILE_SCORES ((int64_t)1 << 20)

static double scale_of(const void *attr)
{
	return ((const gr_attention_attr *)attr)->scale;
}

static gr_status attention_infer(gr_op_call *c)
{
	const gr_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
	gr_status status = gr_infer_same(c);
	if (status != GR_OK)
		return status;
	int n = q->ndim;
	if (n < 2 || k->ndim != n || v->ndim != n)
		return gr_op_fail(c, GR_ESHAPE, "q, k and v need the same number of dims, at least 2");
	for (int i = 0; i < n - 2; i++) {
		if (k->dims[i] != q->dims[i] || v->dims[i] != q->dims[i])
			return gr_op_fail(c, GR_ESHAPE, "leading dims differ; hint: gr_expand");
	}
	if (q->dims[n - 1] != k->dims[n - 1] || q->dims[n - 1] == 0)
		return gr_op_fail(c, GR_ESHAPE, "q has width %lld, k %lld; they must be equal, not 0",
			(long long)q->dims[n - 1], (long long)k->dims[n - 1]);
	if (k->dims[n - 2] != v->dims[n - 2] || k->dims[n - 2] == 0)
		return gr_op_fail(c, GR_ESHAPE, "k has %lld tokens, v %lld; they must be equal, not 0",
			(long long)k->dims[n - 2], (long long)v->dims[n - 2]);
	c->result[0].dims[n - 1] = v->dims[n - 1];
	c->contiguous = 7;
	return GR_OK;
}

/* t [...,R,C] -> [B,R,C], owned by the scope */
static gr_tensor *as_batch(const gr_tensor *t)
{
	int64_t B = 1;
	for (int i = 0; i < t->ndim - 2; i++)
		B *= t->dims[i];
	int64_t dims[] = {B, t->dims[t->ndim - 2], t->dims[t->ndim - 1]};
	return gr__scope_own(gr__view_reshape(t, 3, dims));
}

static gr_tensor *new_like(const gr_tensor *t, int64_t B, int64_t R, int64_t C)
{
	gr_spec spec = {t->dtype, 3, {B, R, C}};
	return gr__scope_own(gr__tensor_new("attention", &spec));
}

static gr_tensor *scaled(const gr_tensor *t, double scale)
{
	gr_tensor *out = new_like(t, t->dims[0], t->dims[1], t->dims[2]);
	if (out == NULL || gr__ew(GR_EW_AFFINE, out, (const gr_tensor *[]){t}, scale, 0.0) != GR_OK)
		return NULL;
	return out;
}

static gr_tensor *transposed(const gr_tensor *t)
{
	return t == NULL ? NULL : gr__scope_own(gr__view_permute(t, (int[]){0, 2, 1}));
}

/* Problems b0..b1-1. */
static gr_tensor *problems(const gr_tensor *t, int64_t b0, int64_t b1)
{
	return gr__scope_own(gr__view_slice(t, 0, b0, b1, 1));
}

static gr_tensor *rows(const gr_tensor *t, int64_t i0, int64_t i1)
{
	return t == NULL ? NULL : gr__scope_own(gr__view_slice(t, 1, i0, i1, 1));
}

/* a [b,I,K], b [b,K,J] -> [b,I,J] */
static gr_tensor *product(const gr_tensor *a, const gr_tensor *b)
{
	if (a == NULL || b == NULL)
		return NULL;
	gr_tensor *c = new_like(a, a->dims[0], a->dims[1], b->dims[2]);
	return c != NULL && gr__matmul(c, a, b) == GR_OK ? c : NULL;
}

static gr_status product_into(gr_tensor *c, const gr_tensor *a, const gr_tensor *b)
{
	return c == NULL || a == NULL || b == NULL ? GR_EMEM : gr__matmul(c, a, b);
}

/* q [b,L,D] scaled, k [b,M,D] -> softmax of the scores [b,L,M] */
static gr_tensor *weights(const gr_tensor *q, const gr_tensor *k)
{
	gr_tensor *scores = product(q, transposed(k));
	if (scores == NULL)
		return NULL;
	gr_tensor *p = new_like(scores, scores->dims[0], scores->dims[1], scores->dims[2]);
	return p != NULL && gr__softmax(p, scores) == GR_OK ? p : NULL;
}

/* Problems per tile, and rows of each. */
static int64_t tile_problems(int64_t L, int64_t M)
{
	return L * M < TILE_SCORES ? TILE_SCORES / (L * M) : 1;
}

static int64_t tile_rows(int64_t L, int64_t M)
{
	int64_t n = L * M <= TILE_SCORES ? L : TILE_SCORES / M;
	return n > 0 ? n : 1;
}

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static gr_status forward_tile(gr_tensor *out, const gr_tensor *q, const gr_tensor *k,
	const gr_tensor *v, const int64_t b[2], const int64_t i[2])
{
	gr_status status = gr_scope_begin();
	if (status == GR_OK) {
		gr_tensor *q_tile = rows(problems(q, b[0], b[1]), i[0], i[1]);
		gr_tensor *p = weights(q_tile, problems(k, b[0], b[1]));
		gr_tensor *o = rows(problems(out, b[0], b[1]), i[0], i[1]);
		status = product_into(o, p, problems(v, b[0], b[1]));
	}
	(void)gr_scope_end();
	return status;
}

static gr_status attention_forward(gr_op_call *c)
{
	if (c->out[0]->size == 0)
		return GR_OK;
	gr_status status = gr_scope_begin();
	gr_tensor *out = as_batch(c->out[0]), *q = as_batch(c->in[0]);
	gr_tensor *k = as_batch(c->in[1]), *v = as_batch(c->in[2]);
	if (q != NULL)
		q = scaled(q, scale_of(c->attr));
	if (out == NULL || q == NULL || k == NULL || v == NULL)
		status = GR_EMEM;
	int64_t B = status == GR_OK ? q->dims[0] : 0, L = status == GR_OK ? q->dims[1] : 0;
	int64_t nb = B > 0 ? tile_problems(L, k->dims[1]) : 1;
	int64_t ni = B > 0 ? tile_rows(L, k->dims[1]) : 1;
	for (int64_t b = 0; b < B; b += nb) {
		for (int64_t i = 0; i < L && status == GR_OK; i += ni)
			status = forward_tile(out, q, k, v, (int64_t[]){b, least(b + nb, B)},
				(int64_t[]){i, least(i + ni, L)});
	}
	(void)gr_scope_end();
	return status;
}

/* S = scale q k^T, P = softmax(S) by rows, y = P v:
 *   dv = P^T g,  dP = g v^T,  dS = P (dP - rowsum(P dP)),  dq = scale dS k,  dk = scale dS^T q */
static gr_status attention_vjp(gr_vjp *v)
{
	double scale = scale_of(v->attr);
	gr_tensor *q = v->in[0], *k = v->in[1], *value = v->in[2], *g = v->gout[0];
	gr_tensor *P = gr_softmax(gr_mul_s(gr_matmul(q, gr_transpose(k, -2, -1)), scale));
	if (v->want & 4u)
		v->gin[2] = gr_matmul(gr_transpose(P, -2, -1), g);
	if ((v->want & 3u) == 0)
		return GR_OK;
	gr_tensor *dP = gr_matmul(g, gr_transpose(value, -2, -1));
	gr_tensor *row_sum = gr_sum(gr_mul(P, dP), GR_AXES(-1), true);
	gr_tensor *dS = gr_mul_s(gr_mul(P, gr_sub(dP, row_sum)), scale);
	if (v->want & 1u)
		v->gin[0] = gr_matmul(dS, k);
	if (v->want & 2u)
		v->gin[1] = gr_matmul(gr_transpose(dS, -2, -1), q);
	return GR_OK;
}

/* The operands of the rule as batches [B,.,.], q and k times the scale where it is needed. */
typedef struct backward {
	const gr_tensor *k, *v, *g, *q_scaled, *k_scaled;
	gr_tensor *dq, *dk, *dv; /* NULL where not wanted */
} backward;

static gr_status backward_products(const backward *w, int64_t b0, int64_t b1)
{
	gr_tensor *q = problems(w->q_scaled, b0, b1), *g = problems(w->g, b0, b1);
	gr_tensor *P = weights(q, problems(w->k, b0, b1));
	gr_status status = P != NULL ? GR_OK : GR_EMEM;
	if (status == GR_OK && w->dv != NULL)
		status = product_into(problems(w->dv, b0, b1), transposed(P), g);
	if (status != GR_OK || (w->dq == NULL && w->dk == NULL))
		return status;
	gr_tensor *dP = product(g, transposed(problems(w->v, b0, b1)));
	gr_tensor *dS = dP != NULL ? new_like(P, P->dims[0], P->dims[1], P->dims[2]) : NULL;
	status = dS != NULL ? gr__softmax_backward(dS, P, dP) : GR_EMEM;
	if (status == GR_OK && w->dq != NULL)
		status = product_into(problems(w->dq, b0, b1), dS, problems(w->k_scaled, b0, b1));
	if (status == GR_OK && w->dk != NULL)
		status = product_into(problems(w->dk, b0, b1), transposed(dS), q);
	return status;
}

static gr_tensor *gradient_for(gr_vjp *v, int i)
{
	const gr_operand *o = &v->shape[i];
	return v->want >> i & 1u ? gr_zeros(o->dtype, o->ndim, o->dims) : NULL;
}

static gr_status attention_vjp_fused(gr_vjp *v)
{
	double scale = scale_of(v->attr);
	gr_tensor *t[4] = {v->in[0], v->in[1], v->in[2], v->gout[0]}; /* q k v g */
	gr_tensor *grad[3] = {NULL};
	for (int i = 0; i < 4; i++) {
		t[i] = gr_contiguous(t[i]);
		t[i] = t[i] != NULL ? as_batch(t[i]) : NULL;
		if (t[i] == NULL)
			return gr_error_code();
	}
	for (int i = 0; i < 3; i++) {
		v->gin[i] = gradient_for(v, i);
		grad[i] = v->gin[i] != NULL ? as_batch(v->gin[i]) : NULL;
		if ((v->want >> i & 1u) && grad[i] == NULL)
			return gr_error_code();
	}
	if (t[3]->size == 0)
		return GR_OK;
	backward w = {t[1], t[2], t[3], scaled(t[0], scale), scaled(t[1], scale), grad[0], grad[1],
		grad[2]};
	if (w.q_scaled == NULL || w.k_scaled == NULL)
		return gr_error_code();
	int64_t B = t[0]->dims[0], nb = tile_problems(t[0]->dims[1], t[1]->dims[1]);
	gr_status status = GR_OK;
	for (int64_t b = 0; b < B && status == GR_OK; b += nb) {
		status = gr_scope_begin();
		if (status == GR_OK)
			status = backward_products(&w, b, least(b + nb, B));
		(void)gr_scope_end();
	}
	return status;
}

/* Two products of L x M, along D and along E, and a softmax. */
static double attention_flops(const gr_op_call *c)
{
	const gr_tensor *q = c->in[0], *k = c->in[1], *v = c->in[2];
	double M = (double)k->dims[k->ndim - 2], D = (double)k->dims[k->ndim - 1];
	double E = (double)v->dims[v->ndim - 1], BL = (double)q->size / D;
	return BL * M * (2.0 * (D + E) + 5.0);
}

static const gr_attention_attr quarter = {0.25}, third = {1.0 / 3.0}, negative = {-0.7};
static const gr_case attention_cases[] = {
	GR_EW_CASE("one head", -1.5, 1.5, &quarter, {4, 3}, {4, 3}, {4, 3}),
	GR_EW_CASE("cross", -1.5, 1.5, &third, {3, 4}, {5, 4}, {5, 2}),
	GR_EW_CASE("batch", -1.5, 1.5, &quarter, {2, 3, 4}, {2, 5, 4}, {2, 5, 2}),
	GR_EW_CASE("heads", -1.5, 1.5, &third, {2, 3, 4, 5}, {2, 3, 6, 5}, {2, 3, 6, 2}),
	GR_EW_CASE("negative scale", -1.5, 1.5, &negative, {2, 2, 3}, {2, 3, 3}, {2, 3, 1}),
	GR_EW_CASE("one key", -1.5, 1.5, &quarter, {3, 4}, {1, 4}, {1, 2}),
	GR_EW_CASE("one query", -1.5, 1.5, &quarter, {2, 1, 4}, {2, 7, 4}, {2, 7, 3}),
	GR_EW_CASE("odd", -1.5, 1.5, &quarter, {1, 17, 9}, {1, 19, 9}, {1, 19, 11}),
	GR_EW_CASE("empty batch", -1.5, 1.5, &quarter, {0, 3, 4}, {0, 5, 4}, {0, 5, 2}),
	GR_EW_CASE("no query", -1.5, 1.5, &quarter, {2, 0, 4}, {2, 5, 4}, {2, 5, 3}),
};
const gr_op gr_op_attention = {
	.name = "attention",
	.sig = "q[...,L,D] k[...,M,D] v[...,M,E]",
	.math = "y = softmax(scale q k^T) v",
	.dmath = "dq = scale dS k, dk = scale dS^T q, dv = P^T g, P = softmax(scale q k^T), dP = g "
			 "v^T, dS = P (dP - rowsum(P dP))",
	.doc = "Scaled dot-product attention, softmax over the M keys. Leading dims are batch and "
		   "heads.",
	.nin = 3,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1) | GR_SAVE_IN(2),
	.attr_size = sizeof(gr_attention_attr),
	.infer = attention_infer,
	.forward = attention_forward,
	.vjp = attention_vjp,
	.vjp_fused = attention_vjp_fused,
	.flops = attention_flops,
	GR_EW_CASES(attention_cases),
};

gr_tensor *gr_attention(gr_tensor *q, gr_tensor *k, gr_tensor *v, double scale)
{
	int64_t D = gr_tensor_dim(q, -1);
	gr_attention_attr attr = {scale != 0.0 || D == 0 ? scale : 1.0 / sqrt((double)D)};
	return gr_apply1(&gr_op_attention, 3, (gr_tensor *[]){q, k, v}, &attr);
}
