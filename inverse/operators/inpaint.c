/*
 * Inpainting: A x = m * x with a mask m of 1 (measured) and 0 (missing), the same for all channels.
 * Self-adjoint; the support of the measurement is m.
 *
 * inpaint_box: one rectangle is missing, by default half of each side, in the centre.
 * inpaint_box_random: the same, its place drawn by the image's key, uniform over the places that
 *     keep `margin` pixels from each edge (DPS 16, DAPS 32 of 256).
 * inpaint_half: the left, right, top or bottom half is missing.
 * inpaint_random: exactly floor(missing H W) pixels, chosen without replacement by the image's key.
 * inpaint_free: strokes.c. inpaint_file: a grey image or array, measured where it is at least 1/2.
 */
#include "spectrum_priv.h"

#include <stddef.h>
#include <string.h>

gr_tensor *gr__inpaint_apply(const gr_operator *A, gr_tensor *x)
{
	return gr_mul(x, gr__constant_get(&A->part[0], gr_tensor_dtype(x)));
}

gr_status gr__inpaint_spectrum(const gr_operator *A, gr_spectrum *sp)
{
	(void)A;
	return gr__spectrum_set_flat(sp, 1.0);
}

static void cut(double *m, int64_t W, int64_t top, int64_t left, int64_t height, int64_t width)
{
	for (int64_t i = top; i < top + height; i++)
		for (int64_t j = left; j < left + width; j++)
			m[i * W + j] = 0.0;
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
	if (m)
		cut(m, W, top, left, box_h, box_w);
	return gr__operator_add_part(A, "mask", mask);
}

static gr_status build_box_random(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t H = A->in[1];
	int64_t W = A->in[2];
	int64_t box_h = opts->box ? opts->box : (H + 1) / 2;
	int64_t box_w = opts->box ? opts->box : (W + 1) / 2;
	int64_t least = H < W ? H : W;
	int64_t margin = opts->margin ? opts->margin : least / 16;
	int64_t rows = H - box_h - 2 * margin + 1;
	int64_t columns = W - box_w - 2 * margin + 1;
	if (rows < 1 || columns < 1)
		return gr_error_set(GR_EARG,
			"operator: inpaint_box_random: a hole of %lld x %lld, %lld from the edges, does not "
			"fit in %lld x %lld",
			(long long)box_h, (long long)box_w, (long long)margin, (long long)H, (long long)W);
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(A->n, 1, H, W), 1.0);
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; m && i < A->n; i++) {
		gr_key key = gr__operator_draw_key(A, i);
		int64_t top = margin + (int64_t)gr_key_below(gr_key_fold(key, 0), 0, (uint64_t)rows);
		int64_t left = margin + (int64_t)gr_key_below(gr_key_fold(key, 1), 0, (uint64_t)columns);
		cut(m + i * H * W, W, top, left, box_h, box_w);
	}
	return gr__operator_add_part(A, "mask", mask);
}

static gr_status build_half(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t H = A->in[1];
	int64_t W = A->in[2];
	bool upright = opts->side == GR_SIDE_LEFT || opts->side == GR_SIDE_RIGHT;
	int64_t height = upright ? H : H / 2;
	int64_t width = upright ? W / 2 : W;
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(1, 1, H, W), 1.0);
	double *m = gr_tensor_data(mask);
	if (opts->side < GR_SIDE_LEFT || opts->side > GR_SIDE_BOTTOM)
		return gr_error_set(GR_EARG, "operator: inpaint_half: side %d", (int)opts->side);
	if (m)
		cut(m, W, opts->side == GR_SIDE_BOTTOM ? H - height : 0,
			opts->side == GR_SIDE_RIGHT ? W - width : 0, height, width);
	return gr__operator_add_part(A, "mask", mask);
}

/* f64 values of the file's one plane; an error names the file. */
static gr_tensor *read_plane(const char *path, int64_t H, int64_t W)
{
	size_t length = strlen(path);
	bool npy = length > 4 && strcmp(path + length - 4, ".npy") == 0;
	gr_tensor *file =
		npy ? gr_npy_read(path) : gr_png_read(path, GR_OPTS(gr_png_opts, .channels = 1));
	if (!file)
		return NULL;
	int ndim = gr_tensor_ndim(file);
	if (ndim < 2 || gr_tensor_size(file) != H * W || gr_tensor_dim(file, ndim - 1) != W) {
		char is[96];
		gr_error_set(GR_ESHAPE,
			"operator: inpaint_file: %s holds %s, expected one plane %lld x %lld", path,
			gr_tensor_describe(file, is, sizeof(is)), (long long)H, (long long)W);
		return NULL;
	}
	return gr_reshape(gr_cast(file, GR_F64), GR_DIMS(1, 1, H, W));
}

static gr_status build_file(gr_operator *A, const gr_operator_opts *opts)
{
	if (!opts->path)
		return gr_error_set(GR_EARG,
			"operator: inpaint_file: no file given; hint: inpaint_file:path=mask.png");
	gr_tensor *plane = read_plane(opts->path, A->in[1], A->in[2]);
	gr_tensor *mask = gr_zeros(GR_F64, GR_DIMS(1, 1, A->in[1], A->in[2]));
	if (!plane || !mask)
		return gr_error_code();
	const double *v = gr_tensor_data_const(gr_contiguous(plane));
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; i < A->in[1] * A->in[2]; i++)
		m[i] = v[i] >= 0.5 ? 1.0 : 0.0; /* NaN: not measured */
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
	{"box", offsetof(gr_operator_opts, box), GR_OPTION_COUNT, NULL},
	{"top", offsetof(gr_operator_opts, top), GR_OPTION_PLACE, NULL},
	{"left", offsetof(gr_operator_opts, left), GR_OPTION_PLACE, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const box_examples[] = {"inpaint_box", "inpaint_box:box=3,top=0,left=1", NULL};

const gr_operator_row gr__operator_inpaint_box = {
	.name = "inpaint_box",
	.help = "a rectangle is missing; box=<side, half the image>, top=, left=<position, centred>",
	.examples = box_examples,
	.options = box_options,
	.masking = true,
	.multiplies = true,
	.build = build_box,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};

static const gr_operator_option random_options[] = {
	{"missing", offsetof(gr_operator_opts, missing), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const random_examples[] = {"inpaint_random", "inpaint_random:missing=0.3", NULL};

const gr_operator_row gr__operator_inpaint_random = {
	.name = "inpaint_random",
	.help = "random pixels are missing; missing=<fraction, 0.7>",
	.examples = random_examples,
	.options = random_options,
	.keyed = true,
	.masking = true,
	.multiplies = true,
	.build = build_random,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};

static const gr_operator_option box_random_options[] = {
	{"box", offsetof(gr_operator_opts, box), GR_OPTION_COUNT, NULL},
	{"margin", offsetof(gr_operator_opts, margin), GR_OPTION_COUNT, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const box_random_examples[] = {"inpaint_box_random",
	"inpaint_box_random:box=3,margin=1", NULL};

const gr_operator_row gr__operator_inpaint_box_random = {
	.name = "inpaint_box_random",
	.help = "a rectangle of random place is missing; box=<side>, margin=<from the edges, 1/16>",
	.examples = box_random_examples,
	.options = box_random_options,
	.keyed = true,
	.masking = true,
	.multiplies = true,
	.build = build_box_random,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};

static const gr_operator_option half_options[] = {
	{"side", offsetof(gr_operator_opts, side), GR_OPTION_CHOICE, "left|right|top|bottom"},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const half_examples[] = {"inpaint_half", "inpaint_half:side=right",
	"inpaint_half:side=top", "inpaint_half:side=bottom", NULL};

const gr_operator_row gr__operator_inpaint_half = {
	.name = "inpaint_half",
	.help = "a half is missing; side=<left, right, top, bottom>",
	.examples = half_examples,
	.options = half_options,
	.masking = true,
	.multiplies = true,
	.build = build_half,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};

static const gr_operator_option file_options[] = {
	{"path", offsetof(gr_operator_opts, path), GR_OPTION_PATH, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

const gr_operator_row gr__operator_inpaint_file = {
	.name = "inpaint_file",
	.help = "a mask of your own, white measured; path=<PNG or .npy of the image's size>",
	.options = file_options,
	.masking = true,
	.multiplies = true,
	.build = build_file,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};
