/*
 * Super-resolution: A reduces each side by a whole factor f (default 4), to ceil(H/f) x ceil(W/f).
 *
 * sr_bicubic: antialiased bicubic with symmetric boundary, the degradation of DPS and its
 * successors (separable.c has the formula). sr_mean: mean over f x f blocks (DDRM, RLSD); the last
 * blocks of a side that is no multiple of f are smaller.
 */
#include "operator_priv.h"
#include "separable_priv.h"
#include "spectrum_priv.h"

#include <stddef.h>

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	gr_dtype dtype = gr_tensor_dtype(x);
	return gr__separable_apply(gr__constant_get(&A->part[0], dtype),
		gr__constant_get(&A->part[1], dtype), x);
}

static gr_tensor *adjoint(const gr_operator *A, gr_tensor *y)
{
	gr_dtype dtype = gr_tensor_dtype(y);
	return gr__separable_adjoint(gr__constant_get(&A->part[0], dtype),
		gr__constant_get(&A->part[1], dtype), y);
}

gr_status gr__separable_spectrum(const gr_operator *A, gr_spectrum *sp)
{
	(void)A;
	return gr__spectrum_set_separable(sp);
}

/* f64 [ceil(n/f), n]: row o is the mean of pixels o f .. min((o+1) f, n) - 1. */
static gr_tensor *mean_matrix(int64_t n, int64_t f)
{
	int64_t m = (n + f - 1) / f;
	gr_tensor *matrix = gr_zeros(GR_F64, GR_DIMS(m, n));
	double *r = gr_tensor_data(matrix);
	for (int64_t o = 0; r && o < m; o++) {
		int64_t end = (o + 1) * f < n ? (o + 1) * f : n;
		for (int64_t i = o * f; i < end; i++)
			r[o * n + i] = 1.0 / (double)(end - o * f);
	}
	return matrix;
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts,
	gr_tensor *(*matrix)(int64_t n, int64_t f))
{
	int64_t f = opts->factor ? opts->factor : 4;
	if (f < 1 || f > A->in[1] || f > A->in[2])
		return gr_error_set(GR_EARG, "operator: %s: factor %lld does not fit %lld x %lld",
			A->row->name, (long long)f, (long long)A->in[1], (long long)A->in[2]);
	A->factor = f;
	A->out[1] = (A->in[1] + f - 1) / f;
	A->out[2] = (A->in[2] + f - 1) / f;
	gr_status status = gr__operator_add_part(A, "rows", matrix(A->in[1], f));
	return status ? status : gr__operator_add_part(A, "columns", matrix(A->in[2], f));
}

static gr_status build_bicubic(gr_operator *A, const gr_operator_opts *opts)
{
	return build(A, opts, gr__separable_bicubic_down);
}

static gr_status build_mean(gr_operator *A, const gr_operator_opts *opts)
{
	return build(A, opts, mean_matrix);
}

static const gr_operator_option options[] = {
	{"factor", offsetof(gr_operator_opts, factor), GR_OPTION_COUNT, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const bicubic_examples[] = {"sr_bicubic", "sr_bicubic:factor=2",
	"sr_bicubic:factor=1", NULL};

const gr_operator_row gr__operator_sr_bicubic = {
	.name = "sr_bicubic",
	.help = "reduced by antialiased bicubic; factor=<4>",
	.examples = bicubic_examples,
	.options = options,
	.build = build_bicubic,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = gr__separable_spectrum,
};

static const char *const mean_examples[] = {"sr_mean", "sr_mean:factor=3", NULL};

const gr_operator_row gr__operator_sr_mean = {
	.name = "sr_mean",
	.help = "reduced to block means; factor=<4>",
	.examples = mean_examples,
	.options = options,
	.build = build_mean,
	.apply = apply,
	.adjoint = adjoint,
	.spectrum = gr__separable_spectrum,
};
