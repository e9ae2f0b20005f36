/*
 * Compressed sensing by a scrambled Walsh-Hadamard matrix, every channel alone:
 *     y = R H D x,   x one plane of n = H W pixels, padded with zeros to P = 2^k,
 * D signs, H the Hadamard matrix in natural order over sqrt(P), R floor(ratio n) of its rows, both
 * drawn by `seed` (they belong to the device, so all images share them). y [N,C,1,m]. O(P log P).
 * Where n is a power of two A A^T = I, and the adjoint is the pseudo-inverse.
 */
#include "spectrum_priv.h"

#include <stddef.h>

#include "gradus/ops.h"

/* H x along the last dim of [B,P]: each pass joins the two halves and turns the top bit of the
 * index into the lowest, so k passes do all bits and leave them in place. */
static gr_tensor *transform(gr_tensor *x)
{
	int64_t B = gr_tensor_dim(x, 0);
	int64_t P = gr_tensor_dim(x, 1);
	for (int64_t length = 1; length < P; length *= 2) {
		gr_tensor *a = gr_slice(x, 1, 0, P / 2, 1);
		gr_tensor *b = gr_slice(x, 1, P / 2, P, 1);
		gr_tensor *pair[] = {gr_add(a, b), gr_sub(a, b)};
		x = gr_reshape(gr_mul_s(gr_stack(2, pair, 2), 0.70710678118654752440), GR_DIMS(B, P));
	}
	return x;
}

static gr_tensor *row_index(const gr_operator *A)
{
	const double *rows = gr_tensor_data_const(A->part[1].f64);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(A->out[2]));
	int64_t *at = gr_tensor_data(index);
	for (int64_t i = 0; at && i < A->out[2]; i++)
		at[i] = (int64_t)rows[i];
	return index;
}

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	gr_tensor *signs = gr__constant_get(&A->part[0], gr_tensor_dtype(x));
	int64_t N = gr_tensor_dim(x, 0);
	int64_t plane = A->in[1] * A->in[2];
	gr_tensor *v = gr_mul(gr_reshape(x, GR_DIMS(N * A->in[0], plane)), signs);
	int64_t P = 1;
	while (P < plane)
		P *= 2;
	v = gr_gather(transform(gr_pad(v, 1, 0, P - plane)), 1, row_index(A));
	return gr_reshape(v, GR_DIMS(N, A->out[0], A->out[1], A->out[2]));
}

static gr_tensor *adjoint(const gr_operator *A, gr_tensor *y)
{
	gr_tensor *signs = gr__constant_get(&A->part[0], gr_tensor_dtype(y));
	int64_t N = gr_tensor_dim(y, 0);
	int64_t plane = A->in[1] * A->in[2];
	int64_t P = 1;
	while (P < plane)
		P *= 2;
	gr_tensor *v = gr_reshape(y, GR_DIMS(N * A->in[0], A->out[2]));
	v = transform(gr_scatter_add(v, 1, row_index(A), P));
	v = gr_mul(gr_slice(v, 1, 0, plane, 1), signs);
	return gr_reshape(v, GR_DIMS(N, A->in[0], A->in[1], A->in[2]));
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	double ratio = opts->ratio != 0.0 ? opts->ratio : 0.25;
	int64_t plane = A->in[1] * A->in[2];
	int64_t m = (int64_t)(ratio * (double)plane);
	if (!(ratio > 0.0 && ratio <= 1.0) || m < 1)
		return gr_error_set(GR_EARG,
			"operator: cs_hadamard: ratio is %g of %lld pixels, expected above 0, at most 1, and a "
			"measurement at least",
			ratio, (long long)plane);
	int64_t P = 1;
	while (P < plane)
		P *= 2;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)opts->seed), "cs_hadamard");
	gr_tensor *order = gr_random_permutation(gr_key_fold(key, 0), P);
	gr_tensor *signs = gr_empty(GR_F64, GR_DIMS(plane));
	gr_tensor *rows = gr_empty(GR_F64, GR_DIMS(m));
	if (!order || !signs || !rows)
		return gr_error_code();
	const int64_t *at = gr_tensor_data_const(order);
	double *s = gr_tensor_data(signs);
	double *r = gr_tensor_data(rows);
	for (int64_t i = 0; i < plane; i++)
		s[i] = gr_key_bits(gr_key_fold(key, 1), (uint64_t)i) & 1 ? 1.0 : -1.0;
	for (int64_t i = 0; i < m; i++)
		r[i] = (double)at[i];
	A->out[1] = 1;
	A->out[2] = m;
	gr_status status = gr__operator_add_part(A, "signs", signs);
	return status ? status : gr__operator_add_part(A, "rows", rows);
}

static gr_status spectrum(const gr_operator *A, gr_spectrum *sp)
{
	int64_t plane = A->in[1] * A->in[2];
	return (plane & (plane - 1)) == 0 ? gr__spectrum_set_flat(sp, 1.0) : GR_OK;
}

static const gr_operator_option options[] = {
	{"ratio", offsetof(gr_operator_opts, ratio), GR_OPTION_REAL, NULL},
	{"seed", offsetof(gr_operator_opts, seed), GR_OPTION_SEED, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"cs_hadamard", "cs_hadamard:ratio=0.6,seed=2",
	"cs_hadamard:ratio=1", NULL};

const gr_operator_row gr__operator_cs_hadamard = {
	.name = "cs_hadamard",
	.help = "compressed sensing, scrambled Walsh-Hadamard; ratio=<0.25>, seed=<0>",
	.examples = examples,
	.options = options,
	.build = build,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = spectrum,
};
