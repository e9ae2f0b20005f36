/*
 * Cholesky factors and solves. In rules, g is the cotangent of the output and T^-1 stands for a
 * triangular solve. The kernels are LAPACK's (tensor/kern/lapack.c).
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "kern.h"
#include "linalg_priv.h"
#include "node.h"

/* LAPACK counts with int, and a matrix beyond this would not fit in memory. */
#define MOST_ROWS 65536

/* --- shared -------------------------------------------------------------------------------- */

gr_status gr__linalg_check(gr_op_call *c, bool square)
{
	const gr_tensor *a = c->in[0], *b = c->nin > 1 ? c->in[1] : NULL;
	gr_status status = gr_infer_same(c);

	if (status != GR_OK)
		return status;
	if (a->ndim < 2 || (b != NULL && b->ndim != a->ndim))
		return gr_op_fail(c, GR_ESHAPE, "operands need the dims [...,N,K], as many in each");
	int64_t m = a->dims[a->ndim - 2], n = a->dims[a->ndim - 1];
	if (square && m != n)
		return gr_op_fail(c, GR_ESHAPE, "a is %" PRId64 " by %" PRId64 ", not square", m, n);
	if (m > MOST_ROWS || n > MOST_ROWS || (b != NULL && b->dims[b->ndim - 1] > MOST_ROWS))
		return gr_op_fail(c, GR_ESHAPE, "a matrix has more than %d rows or columns", MOST_ROWS);
	for (int i = 0; b != NULL && i < a->ndim - 1; i++)
		if (a->dims[i] != b->dims[i])
			return gr_op_fail(c, GR_ESHAPE,
				"dim %d is %" PRId64 " in a and %" PRId64 " in b; hint: gr_expand the batch", i,
				a->dims[i], b->dims[i]);
	c->contiguous = 3;
	return GR_OK;
}

gr_tensor *gr__linalg_turn(gr_tensor *t)
{
	return gr_transpose(t, -2, -1);
}

gr_tensor *gr__linalg_triangle(gr_dtype dtype, int64_t n, bool upper)
{
	gr_tensor *column = gr_arange(dtype, n, 0.0, 1.0), *row = gr_unsqueeze(column, 1);
	return upper ? gr_le(row, column) : gr_le(column, row);
}

gr_tensor *gr__linalg_half_lower(gr_dtype dtype, int64_t n)
{
	gr_tensor *column = gr_arange(dtype, n, 0.0, 1.0), *row = gr_unsqueeze(column, 1);
	return gr_axpby(gr_le(column, row), 0.5, gr_lt(column, row), 0.5);
}

gr_tensor *gr__linalg_symmetric(gr_tensor *t)
{
	return gr_axpby(t, 0.5, gr__linalg_turn(t), 0.5);
}

static int64_t rows_of(const gr_operand *o)
{
	return o->dims[o->ndim - 2];
}

/* --- cholesky ------------------------------------------------------------------------------ */

static gr_status cholesky_infer(gr_op_call *c)
{
	return gr__linalg_check(c, true);
}

static gr_status cholesky_forward(gr_op_call *c)
{
	gr_status status = gr__cholesky(c->out[0], c->in[0]);

	if (status == GR_ENUMERIC)
		return gr_op_fail(c, status,
			"a matrix is not positive definite; hint: add a little to its diagonal");
	return status;
}

/* A = L L^T:  L^-1 dA L^-T = L^-1 dL + (L^-1 dL)^T, whose lower half with half the diagonal,
 * written P, is L^-1 dL. So dL = L P(L^-1 dA L^-T) and, symmetric, dA = L^-T P(L^T g) L^-1 */
static gr_status cholesky_vjp(gr_vjp *v)
{
	gr_tensor *L = v->out[0];
	gr_tensor *half = gr__linalg_half_lower(v->shape[0].dtype, rows_of(&v->shape[0]));
	gr_tensor *S = gr_mul(gr_matmul(gr__linalg_turn(L), v->gout[0]), half);
	gr_tensor *left = gr_triangular_solve(L, S, false, true);
	gr_tensor *both = gr_triangular_solve(L, gr__linalg_turn(left), false, true);
	v->gin[0] = gr__linalg_symmetric(both);
	return GR_OK;
}

#define DEFINITE(title, add, ...) \
	{ \
		.name = title, .dims = {__VA_ARGS__}, .lo = -1.0, .hi = 1.0, .diagonal = add \
	}

static const gr_case cholesky_cases[] = {
	DEFINITE("three", 4.0, {3, 3}),
	DEFINITE("batch", 4.0, {2, 2, 2}),
	DEFINITE("one", 2.0, {1, 1}),
	DEFINITE("nine", 8.0, {9, 9}),
	DEFINITE("empty", 2.0, {0, 3, 3}),
};

const gr_op gr_op_cholesky = {
	.name = "cholesky",
	.sig = "a[...,N,N]",
	.math = "y y^T = (a + a^T) / 2, y lower",
	.dmath = "da = y^-T P(y^T g) y^-1, symmetrised, P: the lower half with half the diagonal",
	.doc = "Cholesky factor; GR_ENUMERIC unless positive definite.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_OUT(0),
	.infer = cholesky_infer,
	.forward = cholesky_forward,
	.vjp = cholesky_vjp,
	GR_EW_CASES(cholesky_cases),
};

gr_tensor *gr_cholesky(gr_tensor *a)
{
	return gr_apply1(&gr_op_cholesky, 1, &a, NULL);
}

/* --- triangular_solve, solve --------------------------------------------------------------- */

#define SOLVE(upper, transpose) (&(const gr_solve_attr){upper, transpose})

static gr_status solve_infer(gr_op_call *c)
{
	gr_status status = gr__linalg_check(c, true);

	c->result[0] = gr__operand(c->in[1]);
	return status;
}

static gr_status triangular_solve_forward(gr_op_call *c)
{
	const gr_solve_attr *a = c->attr;
	gr_status status =
		gr__triangular_solve(c->out[0], c->in[0], c->in[1], a->upper != 0, a->transpose != 0);

	if (status == GR_ENUMERIC)
		return gr_op_fail(c, status, "a has a zero on its diagonal");
	return status;
}

/* The part that both solves share, x = T^-1 b with T = a or a^T:  dx = T^-1 (db - dT x), so
 * gb = T^-T g and gT = -gb x^T; a^T has the transpose of that. */
static gr_tensor *solve_rule(gr_vjp *v)
{
	gr_solve_attr turned = *(const gr_solve_attr *)v->attr;
	bool transpose = turned.transpose != 0;

	turned.transpose = !transpose;
	gr_tensor *gb = gr_apply1(v->op, 2, (gr_tensor *[]){v->in[0], v->gout[0]}, &turned);
	v->gin[1] = gb;
	if ((v->want & 1u) == 0)
		return NULL;
	gr_tensor *x = v->out[0];
	return gr_neg(
		transpose ? gr_matmul(x, gr__linalg_turn(gb)) : gr_matmul(gb, gr__linalg_turn(x)));
}

/* as above, on the triangle that is read */
static gr_status triangular_solve_vjp(gr_vjp *v)
{
	bool upper = ((const gr_solve_attr *)v->attr)->upper != 0;
	gr_tensor *ga = solve_rule(v);

	if ((v->want & 1u) != 0)
		v->gin[0] =
			gr_mul(ga, gr__linalg_triangle(v->shape[0].dtype, rows_of(&v->shape[0]), upper));
	return GR_OK;
}

#define SOLVE_CASE(title, add, attributes, ...) \
	{ \
		.name = title, .dims = {__VA_ARGS__}, .lo = -1.0, .hi = 1.0, .diagonal = add, \
		.attr = attributes \
	}

static const gr_case triangular_solve_cases[] = {
	SOLVE_CASE("lower", 2.0, SOLVE(0, 0), {3, 3}, {3, 2}),
	SOLVE_CASE("lower transposed", 2.0, SOLVE(0, 1), {3, 3}, {3, 2}),
	SOLVE_CASE("upper", 2.0, SOLVE(1, 0), {2, 2, 2}, {2, 2, 3}),
	SOLVE_CASE("upper transposed", 2.0, SOLVE(1, 1), {4, 4}, {4, 1}),
	SOLVE_CASE("empty", 2.0, SOLVE(0, 0), {0, 3, 3}, {0, 3, 2}),
};

const gr_op gr_op_triangular_solve = {
	.name = "triangular_solve",
	.sig = "a[...,N,N] b[...,N,K]",
	.math = "y = T^-1 b, T the triangle of a, or its transpose",
	.dmath = "db = T^-T g, da = -db y^T on the triangle, or its transpose",
	.doc = "One triangle of a is read; GR_ENUMERIC for a zero on its diagonal.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_OUT(0),
	.reads = {0, GR_SAVE_IN(0)},
	.attr_size = sizeof(gr_solve_attr),
	.infer = solve_infer,
	.forward = triangular_solve_forward,
	.vjp = triangular_solve_vjp,
	GR_EW_CASES(triangular_solve_cases),
};

gr_tensor *gr_triangular_solve(gr_tensor *a, gr_tensor *b, bool upper, bool transpose)
{
	gr_tensor *in[] = {a, b};
	return gr_apply1(&gr_op_triangular_solve, 2, in, SOLVE(upper, transpose));
}

static gr_status solve_forward(gr_op_call *c)
{
	const gr_solve_attr *a = c->attr;
	gr_status status = gr__lu_solve(c->out[0], c->in[0], c->in[1], a->transpose != 0);

	if (status == GR_ENUMERIC)
		return gr_op_fail(c, status, "a matrix is singular, or not finite");
	return status;
}

/* as above */
static gr_status solve_vjp(gr_vjp *v)
{
	v->gin[0] = solve_rule(v);
	return GR_OK;
}

static const gr_case solve_cases[] = {
	SOLVE_CASE("three", 3.0, SOLVE(0, 0), {3, 3}, {3, 2}),
	SOLVE_CASE("transposed", 3.0, SOLVE(0, 1), {3, 3}, {3, 2}),
	SOLVE_CASE("batch", 3.0, SOLVE(0, 0), {2, 2, 2}, {2, 2, 1}),
	SOLVE_CASE("one", 2.0, SOLVE(0, 0), {1, 1}, {1, 3}),
	SOLVE_CASE("empty", 2.0, SOLVE(0, 0), {0, 3, 3}, {0, 3, 2}),
};

const gr_op gr_op_solve = {
	.name = "solve",
	.sig = "a[...,N,N] b[...,N,K]",
	.math = "y = a^-1 b",
	.dmath = "db = a^-T g, da = -db y^T",
	.doc = "By LU with pivots; GR_ENUMERIC for a singular matrix.",
	.nin = 2,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_OUT(0),
	.reads = {0, GR_SAVE_IN(0)},
	.attr_size = sizeof(gr_solve_attr),
	.infer = solve_infer,
	.forward = solve_forward,
	.vjp = solve_vjp,
	GR_EW_CASES(solve_cases),
};

gr_tensor *gr_solve(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *in[] = {a, b};
	return gr_apply1(&gr_op_solve, 2, in, SOLVE(0, 0));
}

/* --- cholesky_solve ------------------------------------------------------------------------ */

gr_tensor *gr_cholesky_solve(gr_tensor *l, gr_tensor *b)
{
	if (!gr__compose_given("cholesky_solve", 2, (gr_tensor *[]){l, b}))
		return NULL;
	gr_scope_begin();
	gr_tensor *half = gr_triangular_solve(l, b, false, false);
	return gr__compose_leave(gr_triangular_solve(l, half, false, true));
}

static gr_status cholesky_solve_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	(void)nin, (void)attr;
	return gr__compose_out(out, gr_cholesky_solve(in[0], in[1]));
}

static const gr_case cholesky_solve_cases[] = {
	DEFINITE("three", 2.0, {3, 3}, {3, 2}),
	DEFINITE("batch", 2.0, {2, 2, 2}, {2, 2, 1}),
};

const gr_op gr_op_cholesky_solve = {
	.name = "cholesky_solve",
	.sig = "l[...,N,N] b[...,N,K]",
	.math = "y = (l l^T)^-1 b",
	.dmath = "db = (l l^T)^-1 g, dl = -(db y^T + y db^T) l, lower",
	.doc = "From a Cholesky factor; its lower triangle is read.",
	.nin = 2,
	.nout = 1,
	GR_EW_CASES(cholesky_solve_cases),
	.compose = cholesky_solve_compose,
};
