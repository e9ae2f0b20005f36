/*
 * Eigenvalues of symmetric matrices and singular values, with their vectors. Rules hold for
 * distinct values; differences of values that are 0 are left out, so that gradients through values
 * alone are right wherever there are any.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "ew_priv.h"
#include "kern.h"
#include "linalg_priv.h"
#include "node.h"

/* 1 / d, and 0 where d is 0: the divisor is made 1 there first, so that no infinity enters the
 * graph of a second derivative. */
static gr_tensor *inverse_or_zero(gr_tensor *d)
{
	gr_dtype dtype = gr_tensor_dtype(d);
	gr_tensor *zero = gr_eq(d, gr_scalar(dtype, 0.0));
	gr_tensor *safe = gr_where(zero, gr_scalar(dtype, 1.0), d);
	return gr_where(zero, gr_scalar(dtype, 0.0), gr_rdiv_s(safe, 1.0));
}

/* F_ij = 1 / (t_j - t_i), 0 on the diagonal; t [...,N] */
static gr_tensor *gaps(gr_tensor *t)
{
	return inverse_or_zero(gr_sub(gr_unsqueeze(t, -2), gr_unsqueeze(t, -1)));
}

/* The columns of m [...,N,k] times the entries of s [...,k]. */
static gr_tensor *scale_columns(gr_tensor *m, gr_tensor *s)
{
	return gr_mul(m, gr_unsqueeze(s, -2));
}

/* --- eigh ---------------------------------------------------------------------------------- */

static gr_status eigh_infer(gr_op_call *c)
{
	gr_status status = gr__linalg_check(c, true);

	c->result[1] = c->result[0];
	if (status == GR_OK)
		c->result[0].dims[--c->result[0].ndim] = 0;
	return status;
}

static gr_status eigh_forward(gr_op_call *c)
{
	gr_status status = gr__eigh(c->out[0], c->out[1], c->in[0]);

	if (status == GR_ENUMERIC)
		return gr_op_fail(c, status, "a matrix is not finite, or LAPACK found no eigenvalues");
	return status;
}

/* A V = V diag(w), V^T V = 1:  dw = diag(V^T dA V) and dV = V (F o V^T dA V), F_ij =
 * 1 / (w_j - w_i), so dA = V (diag(gw) + F o V^T gV) V^T, symmetric */
static gr_status eigh_vjp(gr_vjp *v)
{
	gr_tensor *w = v->out[0], *V = v->out[1], *turned = gr__linalg_turn(V);
	gr_tensor *coupling = gr_mul(gaps(w), gr_matmul(turned, v->gout[1]));
	gr_tensor *along = gr_add(scale_columns(V, v->gout[0]), gr_matmul(V, coupling));
	v->gin[0] = gr__linalg_symmetric(gr_matmul(along, turned));
	return GR_OK;
}

static const gr_case eigh_cases[] = {
	GR_EW_CASE("three", -4.0, 4.0, NULL, {3, 3}),
	GR_EW_CASE("batch", -4.0, 4.0, NULL, {2, 2, 2}),
	GR_EW_CASE("one", -4.0, 4.0, NULL, {1, 1}),
	GR_EW_CASE("empty", -4.0, 4.0, NULL, {0, 3, 3}),
};

const gr_op gr_op_eigh = {
	.name = "eigh",
	.sig = "a[...,N,N]",
	.math = "(a + a^T) / 2 = V diag(w) V^T",
	.dmath = "da = V (diag(gw) + F V^T gV) V^T, symmetrised, F[i,j] = 1 / (w[j] - w[i]) "
			 "elementwise",
	.doc = "Eigenvalues, rising, and eigenvectors of the symmetric part; the gradient through the "
		   "vectors is for distinct values.",
	.nin = 1,
	.nout = 2,
	.saves = GR_SAVE_OUT(0) | GR_SAVE_OUT(1),
	.infer = eigh_infer,
	.forward = eigh_forward,
	.vjp = eigh_vjp,
	GR_EW_CASES(eigh_cases),
};

gr_tensor *gr_eigh(gr_tensor *a, gr_tensor **vectors)
{
	gr_tensor *out[GR_OP_MAX_OUT] = {NULL};
	gr_status status = gr_apply(&gr_op_eigh, 1, &a, NULL, out);

	if (vectors != NULL)
		*vectors = status == GR_OK ? out[1] : NULL;
	return status == GR_OK ? out[0] : NULL;
}

/* --- svd ----------------------------------------------------------------------------------- */

static gr_status svd_infer(gr_op_call *c)
{
	const gr_tensor *a = c->in[0];
	gr_status status = gr__linalg_check(c, false);

	if (status != GR_OK)
		return status;
	int last = a->ndim - 1;
	int64_t m = a->dims[last - 1], n = a->dims[last], k = m < n ? m : n;
	for (int i = 0; i < 3; i++)
		c->result[i] = gr__operand(a);
	c->result[0].dims[last] = k;
	c->result[1].ndim = last;
	c->result[1].dims[last - 1] = k;
	c->result[1].dims[last] = 0;
	c->result[2].dims[last - 1] = n;
	c->result[2].dims[last] = k;
	return GR_OK;
}

static gr_status svd_forward(gr_op_call *c)
{
	gr_status status = gr__svd(c->out[0], c->out[1], c->out[2], c->in[0]);

	if (status == GR_ENUMERIC)
		return gr_op_fail(c, status, "a matrix is not finite, or LAPACK found no singular values");
	return status;
}

/* F o (X - X^T) with X = q^T gq: the turning of the vectors q within their span. */
static gr_tensor *turning(gr_tensor *F, gr_tensor *q, gr_tensor *gq)
{
	gr_tensor *X = gr_matmul(gr__linalg_turn(q), gq);
	return gr_mul(F, gr_sub(X, gr__linalg_turn(X)));
}

/* (1 - q q^T) gq: what leaves their span. */
static gr_tensor *leaving(gr_tensor *q, gr_tensor *gq)
{
	return gr_sub(gq, gr_matmul(q, gr_matmul(gr__linalg_turn(q), gq)));
}

/* A = U S V^T with F_ij = 1 / (s_j^2 - s_i^2):
 *     dA = U (J S + S K + diag(gs)) V^T + (1 - U U^T) gU S^-1 V^T + U S^-1 ((1 - V V^T) gV)^T,
 * J = F o (U^T gU - gU^T U), K = F o (V^T gV - gV^T V) */
static gr_status svd_vjp(gr_vjp *v)
{
	gr_tensor *U = v->out[0], *s = v->out[1], *V = v->out[2];
	gr_tensor *gU = v->gout[0], *gs = v->gout[1], *gV = v->gout[2];
	gr_tensor *F = gaps(gr_square(s)), *inverse = inverse_or_zero(s);
	gr_tensor *J = scale_columns(turning(F, U, gU), s);
	gr_tensor *K = gr_mul(gr_unsqueeze(s, -1), turning(F, V, gV));
	gr_tensor *inner = gr_add(gr_matmul(U, gr_add(J, K)), scale_columns(U, gs));
	gr_tensor *left = gr_add(inner, scale_columns(leaving(U, gU), inverse));
	gr_tensor *right = scale_columns(leaving(V, gV), inverse);
	v->gin[0] = gr_add(gr_matmul(left, gr__linalg_turn(V)), gr_matmul(U, gr__linalg_turn(right)));
	return GR_OK;
}

static const gr_case svd_cases[] = {
	GR_EW_CASE("tall", -4.0, 4.0, NULL, {3, 2}),
	GR_EW_CASE("wide", -4.0, 4.0, NULL, {2, 3}),
	GR_EW_CASE("batch", -4.0, 4.0, NULL, {2, 2, 2}),
	GR_EW_CASE("column", -4.0, 4.0, NULL, {4, 1}),
	GR_EW_CASE("empty", -4.0, 4.0, NULL, {0, 3, 2}),
};

const gr_op gr_op_svd = {
	.name = "svd",
	.sig = "a[...,M,N]",
	.math = "a = U diag(s) V^T",
	.dmath = "da = U (J S + S K + diag(gs)) V^T + (1 - U U^T) gU S^-1 V^T + U S^-1 ((1 - V V^T) "
			 "gV)^T, J = F (U^T gU - gU^T U), K = F (V^T gV - gV^T V), F[i,j] = 1 / (s[j]^2 - "
			 "s[i]^2) elementwise",
	.doc =
		"Outputs U, s (falling) and V with min(M, N) columns; the gradient through the vectors is "
		"for distinct values that are not 0.",
	.nin = 1,
	.nout = 3,
	.saves = GR_SAVE_OUT(0) | GR_SAVE_OUT(1) | GR_SAVE_OUT(2),
	.infer = svd_infer,
	.forward = svd_forward,
	.vjp = svd_vjp,
	GR_EW_CASES(svd_cases),
};

gr_tensor *gr_svd(gr_tensor *a, gr_tensor **u, gr_tensor **v)
{
	gr_tensor *out[GR_OP_MAX_OUT] = {NULL};
	gr_status status = gr_apply(&gr_op_svd, 1, &a, NULL, out);

	if (u != NULL)
		*u = status == GR_OK ? out[0] : NULL;
	if (v != NULL)
		*v = status == GR_OK ? out[2] : NULL;
	return status == GR_OK ? out[1] : NULL;
}
