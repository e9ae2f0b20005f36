/*
 * Scaled dot-product attention. The leading dims become one batch of problems q [L,D], k [M,D],
 * v [M,E]. The first-order rule computes the scores again instead of saving them, and neither it nor
 * the forward pass holds more than some rows of them (tensor/kern/attention.c). `vjp` serves second
 * order and holds all L x M of every problem.
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

static gr_status attention_forward(gr_op_call *c)
{
	return gr__attention(c->out[0], c->in[0], c->in[1], c->in[2], scale_of(c->attr));
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

static gr_status attention_vjp_fused(gr_vjp *v)
{
	gr_tensor *t[4] = {v->in[0], v->in[1], v->in[2], v->gout[0]}; /* q k v g */
	for (int i = 0; i < 4; i++) {
		t[i] = gr_contiguous(t[i]);
		if (t[i] == NULL)
			return gr_error_code();
	}
	for (int i = 0; i < 3; i++) {
		const gr_operand *o = &v->shape[i];
		if ((v->want >> i & 1u) == 0)
			continue;
		v->gin[i] = gr_empty(o->dtype, o->ndim, o->dims);
		if (v->gin[i] == NULL)
			return gr_error_code();
	}
	return gr__attention_backward(v->gin, t[0], t[1], t[2], t[3], scale_of(v->attr));
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
