/*
 * Matrix products with broadcast leading dims.
 *
 * The kernel multiplies a batch of matrices with one stride per operand. Leading dims are merged
 * as far as the strides allow; what cannot be merged is a loop around it. When b is the same in
 * the whole batch and the rows of a follow one another, the batch becomes rows of one product, and
 * so does the gradient of b: a linear layer on [N,L,D] is one GEMM each way.
 *
 * Row i of a gives the same bits in any batch, since the kernel's order of summation depends on K
 * alone (tensor/kern/gemm.h).
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "kern.h"

static gr_status matmul_infer(gr_op_call *c)
{
	const gr_tensor *a = c->in[0], *b = c->in[1];
	gr_operand *r = &c->result[0];

	if ((a->dtype != GR_F32 && a->dtype != GR_F64) || a->dtype != b->dtype)
		return gr_op_fail(c, GR_EDTYPE, "a is %s, b is %s; hint: one float type, see gr_cast",
			gr_dtype_name(a->dtype), gr_dtype_name(b->dtype));
	if (a->ndim < 2 || b->ndim < 2)
		return gr_op_fail(c, GR_ESHAPE,
			"a has %d dims, b %d, both need 2; hint: gr_unsqueeze makes "
			"a vector a matrix",
			a->ndim, b->ndim);
	int64_t ka = a->dims[a->ndim - 1], kb = b->dims[b->ndim - 2];
	if (ka != kb)
		return gr_op_fail(c, GR_ESHAPE, "a has %" PRId64 " columns, b has %" PRId64 " rows", ka,
			kb);

	r->dtype = a->dtype;
	r->ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
	for (int i = 0; i < r->ndim - 2; i++) {
		int ia = i - (r->ndim - a->ndim), ib = i - (r->ndim - b->ndim);
		int64_t da = ia < 0 ? 1 : a->dims[ia], db = ib < 0 ? 1 : b->dims[ib];
		if (da != db && da != 1 && db != 1)
			return gr_op_fail(c, GR_ESHAPE,
				"leading dims %" PRId64 " of a and %" PRId64 " of b do not broadcast", da, db);
		r->dims[i] = da == 1 ? db : da;
	}
	r->dims[r->ndim - 2] = a->dims[a->ndim - 2];
	r->dims[r->ndim - 1] = b->dims[b->ndim - 1];
	return GR_OK;
}

/* The leading dims, outermost first, with the strides of c, a and b in them. */
struct loops {
	int n;
	int64_t dims[GR_MAX_DIMS];
	int64_t strides[GR_MAX_DIMS][3];
};

static int64_t lead_stride(const gr_tensor *t, int ndim, int i)
{
	int at = i - (ndim - t->ndim);
	return at < 0 || t->dims[at] == 1 ? 0 : t->strides[at];
}

/* Merge dim i into the one outside it wherever that is one walk for all three. */
static struct loops merge_leading(const gr_tensor *const t[3])
{
	struct loops l = {0};
	int ndim = t[0]->ndim;

	for (int i = 0; i < ndim - 2; i++) {
		int64_t dim = t[0]->dims[i];
		bool merges = l.n > 0;
		if (dim == 1)
			continue;
		for (int k = 0; k < 3; k++)
			merges = merges && l.strides[l.n - 1][k] == dim * lead_stride(t[k], ndim, i);
		int at = merges ? l.n - 1 : l.n;
		l.dims[at] = merges ? l.dims[at] * dim : dim;
		for (int k = 0; k < 3; k++)
			l.strides[at][k] = lead_stride(t[k], ndim, i);
		l.n = at + 1;
	}
	return l;
}

/* One batch of matrices inside t, as the kernel takes them. The header lives on the stack: the
 * caller's tensor holds the storage. */
static gr_tensor matrices(const gr_tensor *t, int64_t batch, int64_t stride)
{
	int row = t->ndim - 2, col = t->ndim - 1;
	gr_tensor m = {
		.storage = t->storage,
		.data = t->data,
		.size = batch * t->dims[row] * t->dims[col],
		.dims = {batch, t->dims[row], t->dims[col]},
		.strides = {stride, t->strides[row], t->strides[col]},
		.ndim = 3,
		.dtype = t->dtype,
		.refs = 1,
	};
	return m;
}

/* Do the rows of [B,M,K] lie at even distances through the whole batch? */
static bool has_even_rows(const gr_tensor *t)
{
	return t->dims[1] == 1 || t->strides[0] == t->dims[1] * t->strides[1];
}

/* Then [B,M,K] -> [1,B M,K]. */
static void fold_rows(gr_tensor *t)
{
	if (t->dims[1] == 1)
		t->strides[1] = t->strides[0];
	t->dims[1] *= t->dims[0];
	t->dims[0] = 1;
}

/* The products of the first two operands into the output, or added to it. */
static gr_status multiply(gr_op_call *c, bool add)
{
	const gr_tensor *const t[3] = {c->out[0], c->in[0], c->in[1]};
	gr_tensor m[3];

	if (c->out[0]->size == 0)
		return GR_OK;
	if (c->in[0]->size == 0) /* a sum of nothing */
		return add ? GR_OK : gr__fill(c->out[0], 0.0);
	if (t[0]->ndim == 2) {
		for (int k = 0; k < 3; k++)
			m[k] = matrices(t[k], 1, 0);
		return gr__matmul(&m[0], &m[1], &m[2], add);
	}

	const int64_t bytes = (int64_t)gr_dtype_bytes(c->out[0]->dtype);
	struct loops l = merge_leading(t);
	int64_t at[GR_MAX_DIMS] = {0};
	/* the innermost loop is the kernel's batch, or rows of one product when b does not change */
	int inner = l.n - 1;
	for (int k = 0; k < 3; k++)
		m[k] = matrices(t[k], inner < 0 ? 1 : l.dims[inner], inner < 0 ? 0 : l.strides[inner][k]);
	if (inner >= 0 && l.strides[inner][2] == 0 && has_even_rows(&m[0]) && has_even_rows(&m[1])) {
		fold_rows(&m[0]);
		fold_rows(&m[1]);
		m[2].dims[0] = 1;
		m[2].size = m[2].dims[1] * m[2].dims[2];
	}

	for (;;) {
		gr_status status = gr__matmul(&m[0], &m[1], &m[2], add);
		int i = inner - 1;
		if (status != GR_OK)
			return status;
		for (; i >= 0; i--) {
			int64_t steps = ++at[i] < l.dims[i] ? 1 : 1 - l.dims[i];
			for (int k = 0; k < 3; k++)
				m[k].data += steps * l.strides[i][k] * bytes;
			if (steps == 1)
				break;
			at[i] = 0;
		}
		if (i < 0)
			return GR_OK;
	}
}

static gr_status matmul_forward(gr_op_call *c)
{
	return multiply(c, false);
}

/* All rows of [...,M,K] as one matrix. */
static gr_tensor *as_rows(gr_tensor *t)
{
	int64_t dims[2] = {1, gr_tensor_dim(t, -1)};

	if (t->ndim == 2)
		return t;
	for (int i = 0; i < gr_tensor_ndim(t) - 1; i++)
		dims[0] *= gr_tensor_dim(t, i);
	return gr_reshape(t, 2, dims);
}

/* y = a b;  da = g b^T, db = a^T g. With one b for all, db = sum_i a_i^T g_i is the product of
 * all rows of a, transposed, and all rows of g. */
static gr_status matmul_vjp(gr_vjp *v)
{
	gr_tensor *a = v->in[0], *b = v->in[1], *g = v->gout[0];

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_matmul(g, gr_transpose(b, -2, -1));
	if ((v->want & 2u) != 0 && v->shape[1].ndim == 2)
		v->gin[1] = gr_matmul(gr_transpose(as_rows(a), 0, 1), as_rows(g));
	else if ((v->want & 2u) != 0)
		v->gin[1] = gr_matmul(gr_transpose(a, -2, -1), g);
	return GR_OK;
}

static double matmul_flops(const gr_op_call *c)
{
	double k = (double)c->in[0]->dims[c->in[0]->ndim - 1], flops = 2.0 * k;

	for (int i = 0; i < c->result[0].ndim; i++)
		flops *= (double)c->result[0].dims[i];
	return flops;
}

static const gr_case matmul_cases[] = {
	{.name = "matrices", .dims = {{3, 4}, {4, 5}}},
	{.name = "vectors", .dims = {{1, 5}, {5, 1}}},
	{.name = "one by one", .dims = {{1, 1}, {1, 1}}},
	{.name = "batch", .dims = {{3, 2, 4}, {3, 4, 3}}},
	{.name = "shared b", .dims = {{2, 3, 4}, {4, 5}}},
	{.name = "shared b, single rows", .dims = {{5, 1, 4}, {4, 3}}},
	{.name = "shared a", .dims = {{3, 4}, {2, 4, 3}}},
	{.name = "crossed", .dims = {{2, 1, 3, 2}, {3, 2, 3}}},
	{.name = "crossed twice", .dims = {{2, 1, 2, 1, 2}, {3, 1, 2, 2}}},
	{.name = "heads", .dims = {{2, 2, 3, 4}, {2, 2, 4, 3}}},
	{.name = "odd", .dims = {{17, 19}, {19, 13}}},
	{.name = "no rows", .dims = {{0, 3}, {3, 2}}},
	{.name = "no rows, shared b", .dims = {{2, 0, 3}, {3, 2}}},
};

const gr_op gr_op_matmul = {
	.name = "matmul",
	.sig = "a[...,M,K] b[...,K,N]",
	.math = "y[i,j] = sum_k a[i,k] b[k,j]",
	.dmath = "da = g b^T, db = a^T g",
	.doc = "Matrix product; leading dims broadcast.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0)},
	.infer = matmul_infer,
	.forward = matmul_forward,
	.vjp = matmul_vjp,
	.flops = matmul_flops,
	.cases = matmul_cases,
	.ncases = (int)(sizeof matmul_cases / sizeof matmul_cases[0]),
};

static gr_status matmul_bias_infer(gr_op_call *c)
{
	const gr_tensor *b = c->in[1], *bias = c->in[2];
	gr_status status = matmul_infer(c);

	if (status != GR_OK)
		return status;
	if (b->ndim != 2)
		return gr_op_fail(c, GR_ESHAPE, "b has %d dims, not 2", b->ndim);
	if (bias->dtype != b->dtype)
		return gr_op_fail(c, GR_EDTYPE, "the bias is %s, b is %s", gr_dtype_name(bias->dtype),
			gr_dtype_name(b->dtype));
	if (bias->ndim != 1 || bias->dims[0] != b->dims[1])
		return gr_op_fail(c, GR_ESHAPE, "the bias is not [%" PRId64 "], as b has columns",
			b->dims[1]);
	return GR_OK;
}

static gr_status matmul_bias_forward(gr_op_call *c)
{
	gr_status status = gr__copy(c->out[0], c->in[2]);

	return status == GR_OK ? multiply(c, true) : status;
}

/* y = a b + c;  da, db as for matmul, dc = g, summed over rows by the engine */
static gr_status matmul_bias_vjp(gr_vjp *v)
{
	v->gin[2] = v->gout[0];
	return matmul_vjp(v);
}

static const gr_case matmul_bias_cases[] = {
	{.name = "matrices", .dims = {{3, 4}, {4, 5}, {5}}},
	{.name = "one row", .dims = {{1, 5}, {5, 3}, {3}}},
	{.name = "batch", .dims = {{2, 3, 4}, {4, 5}, {5}}},
	{.name = "odd", .dims = {{17, 19}, {19, 13}, {13}}},
	{.name = "no rows", .dims = {{0, 3}, {3, 2}, {2}}},
};

const gr_op gr_op_matmul_bias = {
	.name = "matmul_bias",
	.sig = "a[...,M,K] b[K,N] c[N]",
	.math = "y[i,j] = sum_k a[i,k] b[k,j] + c[j]",
	.dmath = "da = g b^T, db = a^T g, dc = g summed over rows",
	.doc = "A linear layer in one pass.",
	.nin = 3,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0), 0},
	.infer = matmul_bias_infer,
	.forward = matmul_bias_forward,
	.vjp = matmul_bias_vjp,
	.flops = matmul_flops,
	.cases = matmul_bias_cases,
	.ncases = (int)(sizeof matmul_bias_cases / sizeof matmul_bias_cases[0]),
};

gr_tensor *gr_matmul_bias(gr_tensor *a, gr_tensor *b, gr_tensor *bias)
{
	gr_tensor *in[] = {a, b, bias};
	return gr_apply1(&gr_op_matmul_bias, 3, in, NULL);
}

gr_tensor *gr_matmul(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *in[] = {a, b};
	return gr_apply1(&gr_op_matmul, 2, in, NULL);
}
