/*
 * Measurements of the Fourier transform F, orthonormal (1 / sqrt(H W)), every channel alone.
 *
 * fourier: y = M F x, M a mask of frequencies that all images share, drawn by `seed`: `ratio` of
 * the columns (or of the points), of which a third are the lowest frequencies and the others are
 * drawn without replacement. y [N,2C,H,W]: real parts of all channels, then imaginary parts;
 * frequency 0 is at row and column 0. Missing frequencies are 0 and carry no noise.
 *
 * phase: y = |F pad(u)|, [N,C,H+2p,W+2p], frequency 0 in the centre, p = floor(oversampling / 8
 * times the side) zeros on each side (2: 384 from 256), and u = (x + 1) / 2 (DAPS, SITCOM, RLSD) or
 * u = x (DPS) by `range`. Not linear; turning u by 180 degrees or shifting it inside the padding
 * gives the same y. The gradient of |z| at z = 0 is 0.
 */
#include "spectrum_priv.h"

#include <math.h>
#include <stddef.h>

#include "gradus/ops.h"

/* x [...,H,W] real -> [...,H,W,2]. */
static gr_tensor *transform(gr_tensor *x)
{
	int ndim = gr_tensor_ndim(x);
	double pixels = (double)(gr_tensor_dim(x, ndim - 1) * gr_tensor_dim(x, ndim - 2));
	gr_tensor *pair[] = {gr_mul_s(x, 1.0 / sqrt(pixels)), gr_mul_s(x, 0.0)};
	return gr_fft2(gr_stack(2, pair, ndim));
}

/* --- fourier --- */

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	gr_tensor *mask = gr__constant_get(&A->part[0], gr_tensor_dtype(x));
	gr_tensor *parts = gr_permute(transform(x), (const int[]){0, 4, 1, 2, 3});
	int64_t N = gr_tensor_dim(x, 0);
	return gr_mul(gr_reshape(parts, GR_DIMS(N, A->out[0], A->out[1], A->out[2])), mask);
}

/* 1 for the `kept` of n frequencies: the lowest third of them and others by key. */
static gr_status choose(double *mask, int64_t n, int64_t kept, gr_key key)
{
	int64_t low = (kept + 2) / 3;
	gr_tensor *order = gr_random_permutation(key, n);
	if (!order)
		return gr_error_code();
	const int64_t *at = gr_tensor_data_const(order);
	for (int64_t i = 0; i < low; i++) /* 0, 1, -1, 2, -2, ... */
		mask[i % 2 ? (i + 1) / 2 : (n - i / 2) % n] = 1.0;
	for (int64_t i = 0, done = low; i < n && done < kept; i++) {
		done += mask[at[i]] == 0.0;
		mask[at[i]] = 1.0;
	}
	return GR_OK;
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t H = A->in[1];
	int64_t W = A->in[2];
	double ratio = opts->ratio != 0.0 ? opts->ratio : 0.25;
	bool columns = opts->pattern == GR_PATTERN_COLUMNS;
	int64_t n = columns ? W : H * W;
	int64_t kept = (int64_t)fmax(1.0, floor(ratio * (double)n));
	if (!(ratio > 0.0 && ratio <= 1.0))
		return gr_error_set(GR_EARG, "operator: fourier: ratio is %g, expected above 0, at most 1",
			ratio);
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)opts->seed), "fourier");
	gr_tensor *mask = gr_zeros(GR_F64, GR_DIMS(1, 1, columns ? 1 : H, W));
	if (!mask)
		return gr_error_code();
	gr_status status = choose(gr_tensor_data(mask), n, kept, key);
	A->out[0] = 2 * A->in[0];
	return status ? status : gr__operator_add_part(A, "mask", gr_expand(mask, GR_DIMS(1, 1, H, W)));
}

/* Of a real image frequencies k and -k are one: s^2 is the mean of their masks. */
static gr_status spectrum(const gr_operator *A, gr_spectrum *sp)
{
	gr_tensor *mask = gr_reshape(A->part[0].f64, GR_DIMS(A->in[1], A->in[2]));
	gr_tensor *index[2];
	for (int i = 0; i < 2; i++) {
		int64_t n = A->in[1 + i];
		index[i] = gr_empty(GR_I64, GR_DIMS(n));
		int64_t *at = index[i] ? gr_tensor_data(index[i]) : NULL;
		for (int64_t k = 0; at && k < n; k++)
			at[k] = (n - k) % n;
	}
	gr_tensor *turned = gr_gather(gr_gather(mask, 0, index[0]), 1, index[1]);
	return gr__spectrum_set_power(sp, gr_axpby(mask, 0.5, turned, 0.5));
}

static const gr_operator_option options[] = {
	{"ratio", offsetof(gr_operator_opts, ratio), GR_OPTION_REAL, NULL},
	{"pattern", offsetof(gr_operator_opts, pattern), GR_OPTION_CHOICE, "columns|points"},
	{"seed", offsetof(gr_operator_opts, seed), GR_OPTION_SEED, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"fourier", "fourier:ratio=0.6,pattern=points,seed=2",
	"fourier:ratio=1", NULL};

const gr_operator_row gr__operator_fourier = {
	.name = "fourier",
	.help = "some frequencies; ratio=<0.25>, pattern=<columns, points>, seed=<0>",
	.examples = examples,
	.options = options,
	.masking = true,
	.build = build,
	.apply = apply,
	.spectrum = spectrum,
};

/* --- phase --- */

/* The middle of `axis` comes from its beginning. */
static gr_tensor *centre(gr_tensor *x, int axis)
{
	int64_t n = gr_tensor_dim(x, axis);
	if (n < 2)
		return x;
	int64_t half = (n + 1) / 2;
	gr_tensor *parts[] = {gr_slice(x, axis, half, n, 1), gr_slice(x, axis, 0, half, 1)};
	return gr_concat(2, parts, axis);
}

static gr_tensor *phase_apply(const gr_operator *A, gr_tensor *x)
{
	int64_t p = (A->out[1] - A->in[1]) / 2;
	int64_t q = (A->out[2] - A->in[2]) / 2;
	gr_tensor *u = A->scale == 1.0 ? x : gr_affine(x, 0.5, 0.5);
	gr_tensor *z = transform(gr_pad(gr_pad(u, 2, p, p), 3, q, q));
	return centre(centre(gr_norm(z, GR_AXES(4), false), 2), 3);
}

static gr_status phase_build(gr_operator *A, const gr_operator_opts *opts)
{
	double more = opts->oversampling != 0.0 ? opts->oversampling : 2.0;
	if (!(more > 0.0 && more <= 64.0))
		return gr_error_set(GR_EARG,
			"operator: phase: oversampling is %g, expected above 0, at most 64", more);
	A->out[1] += 2 * (int64_t)(more / 8.0 * (double)A->in[1]);
	A->out[2] += 2 * (int64_t)(more / 8.0 * (double)A->in[2]);
	A->scale = opts->range == GR_RANGE_SIGNED ? 1.0 : 0.5;
	return GR_OK;
}

static const gr_operator_option phase_options[] = {
	{"oversampling", offsetof(gr_operator_opts, oversampling), GR_OPTION_REAL, NULL},
	{"range", offsetof(gr_operator_opts, range), GR_OPTION_CHOICE, "unit|signed"},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const phase_examples[] = {"phase", "phase:oversampling=4,range=signed", NULL};

const gr_operator_row gr__operator_phase = {
	.name = "phase",
	.help = "magnitude of the Fourier transform, not linear; oversampling=<2>, range=<unit, "
			"signed>",
	.examples = phase_examples,
	.options = phase_options,
	.nonlinear = true,
	.build = phase_build,
	.apply = phase_apply,
};
