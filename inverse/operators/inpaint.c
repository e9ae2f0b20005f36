/*
 * Inpainting: A x = m * x with a mask m of 1 (measured) and 0 (missing), the same for all channels.
 * Self-adjoint; the support of the measurement is m.
 *
 * inpaint_box: one rectangle is missing, by default half of each side, in the centre.
 * inpaint_random: exactly floor(missing H W) pixels, chosen without replacement by the image's key.
 */
#include "operator_priv.h"

#include <stddef.h>

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	return gr_mul(x, gr__constant_get(&A->part[0], gr_tensor_dtype(x)));
}

static gr_status build_box(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t H = A->in[1];
	int64_t W = A->in[2];
	int64_t box_h = opts->box ? opts->box : (H + 1) / 2;
	int64_t box_w = opts->box ? opts->box : (W + 1) / 2;
	int64_t top = opts->placed ? opts->top : (H - box_h) / 2;
	int64_t left = opts->placed ? opts->left : (W - box_w) / 2;
	if (box_h < 1 || box_w < 1 || top < 0 || left < 0 || top + box_h > H || left + box_w > W)
		return gr_error_set(GR_EARG,
			"operator: inpaint_box: a hole of %lld x %lld at row %lld, column %lld does not fit in "
			"%lld x %lld",
			(long long)box_h, (long long)box_w, (long long)top, (long long)left, (long long)H,
			(long long)W);
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(1, 1, H, W), 1.0);
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; m && i < box_h; i++)
		for (int64_t j = 0; j < box_w; j++)
			m[(top + i) * W + left + j] = 0.0;
	return gr__operator_add_part(A, "mask", mask);
}

static gr_status build_random(gr_operator *A, const gr_operator_opts *opts)
{
	double missing = opts->missing != 0.0 ? opts->missing : 0.7;
	if (!(missing > 0.0 && missing <= 1.0))
		return gr_error_set(GR_EARG,
			"operator: inpaint_random: missing is %g, expected above 0, at most 1", missing);
	int64_t pixels = A->in[1] * A->in[2];
	int64_t removed = (int64_t)(missing * (double)pixels);
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(A->n, 1, A->in[1], A->in[2]), 1.0);
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; m && i < A->n; i++) {
		gr_tensor *order = gr_random_permutation(gr__operator_draw_key(A, i), pixels);
		if (!order)
			return gr_error_code();
		const int64_t *at = gr_tensor_data_const(order);
		for (int64_t k = 0; k < removed; k++)
			m[i * pixels + at[k]] = 0.0;
	}
	return gr__operator_add_part(A, "mask", mask);
}

static const gr_operator_option box_options[] = {
	{"box", offsetof(gr_operator_opts, box), false, false},
	{"top", offsetof(gr_operator_opts, top), false, true},
	{"left", offsetof(gr_operator_opts, left), false, true},
	{NULL, 0, false, false},
};

const gr_operator_row gr__operator_inpaint_box = {
	.name = "inpaint_box",
	.help = "a rectangle is missing; box=<side, half the image>, top=, left=<position, centred>",
	.options = box_options,
	.masking = true,
	.build = build_box,
	.apply = apply,
	.adjoint = apply,
};

static const gr_operator_option random_options[] = {
	{"missing", offsetof(gr_operator_opts, missing), true, false},
	{NULL, 0, false, false},
};

const gr_operator_row gr__operator_inpaint_random = {
	.name = "inpaint_random",
	.help = "random pixels are missing; missing=<fraction, 0.7>",
	.options = random_options,
	.keyed = true,
	.masking = true,
	.build = build_random,
	.apply = apply,
	.adjoint = apply,
};
