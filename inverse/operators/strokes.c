/*
 * Free-form inpainting (inpaint_free): brush strokes are missing, drawn by the image's key until at
 * least floor(missing H W) pixels are covered.
 *
 * A stroke starts anywhere and goes 4 to 12 segments, each 1/20 to 1/4 of the shorter side long and
 * turned by up to 2 pi / 5 against the last, alternately left and right as a hand goes; the brush
 * has a radius of 1/50 to 1/20 of that side, at least 3/4 pixel. A project variant of the masks in
 * the free-form inpainting papers, whose files (class 20-30 %) serve through inpaint_file.
 */
#include "operator_priv.h"

#include <math.h>
#include <stddef.h>

#define MOST_STROKES 100000

typedef struct canvas {
	double *mask;
	int64_t H, W, missing;
} canvas;

/* Pixels whose centre is within `radius` of the segment from (y, x) to (y + dy, x + dx). */
static void draw_segment(canvas *c, double y, double x, double dy, double dx, double radius)
{
	double square = dy * dy + dx * dx;
	int64_t top = (int64_t)fmax(floor(fmin(y, y + dy) - radius), 0.0);
	int64_t left = (int64_t)fmax(floor(fmin(x, x + dx) - radius), 0.0);
	int64_t bottom = (int64_t)fmin(ceil(fmax(y, y + dy) + radius), (double)(c->H - 1));
	int64_t right = (int64_t)fmin(ceil(fmax(x, x + dx) + radius), (double)(c->W - 1));
	for (int64_t i = top; i <= bottom; i++)
		for (int64_t j = left; j <= right; j++) {
			double p = (double)i - y;
			double q = (double)j - x;
			double along = fmin(fmax((p * dy + q * dx) / square, 0.0), 1.0);
			p -= along * dy;
			q -= along * dx;
			if (p * p + q * q <= radius * radius && c->mask[i * c->W + j] != 0.0) {
				c->mask[i * c->W + j] = 0.0;
				c->missing++;
			}
		}
}

static void draw_stroke(canvas *c, gr_key key, int64_t goal)
{
	const double turn = 2.0 * 3.14159265358979323846 / 5.0;
	double side = (double)(c->H < c->W ? c->H : c->W);
	uint64_t at = 0;
	double y = gr_key_uniform(key, at++) * (double)(c->H - 1);
	double x = gr_key_uniform(key, at++) * (double)(c->W - 1);
	double angle = gr_key_uniform(key, at++) * 5.0 * turn;
	double radius = fmax(0.75, side * (0.02 + 0.03 * gr_key_uniform(key, at++)));
	int segments = 4 + (int)(9.0 * gr_key_uniform(key, at++));
	for (int k = 0; k < segments && c->missing < goal; k++) {
		double length = side * (0.05 + 0.2 * gr_key_uniform(key, at++));
		double by = turn * gr_key_uniform(key, at++);
		angle += k % 2 ? by : -by;
		draw_segment(c, y, x, length * sin(angle), length * cos(angle), radius);
		y = fmin(fmax(y + length * sin(angle), 0.0), (double)(c->H - 1));
		x = fmin(fmax(x + length * cos(angle), 0.0), (double)(c->W - 1));
	}
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	double missing = opts->missing != 0.0 ? opts->missing : 0.3;
	if (!(missing > 0.0 && missing <= 0.95))
		return gr_error_set(GR_EARG,
			"operator: inpaint_free: missing is %g, expected above 0, at most 0.95", missing);
	int64_t plane = A->in[1] * A->in[2];
	int64_t goal = (int64_t)(missing * (double)plane);
	gr_tensor *mask = gr_full(GR_F64, GR_DIMS(A->n, 1, A->in[1], A->in[2]), 1.0);
	double *m = gr_tensor_data(mask);
	for (int64_t i = 0; m && i < A->n; i++) {
		canvas c = {m + i * plane, A->in[1], A->in[2], 0};
		gr_key key = gr__operator_draw_key(A, i);
		for (uint64_t k = 0; k < MOST_STROKES && c.missing < goal; k++)
			draw_stroke(&c, gr_key_fold(key, k), goal);
	}
	return gr__operator_add_part(A, "mask", mask);
}

static const gr_operator_option options[] = {
	{"missing", offsetof(gr_operator_opts, missing), GR_OPTION_REAL, NULL},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"inpaint_free", "inpaint_free:missing=0.6", NULL};

const gr_operator_row gr__operator_inpaint_free = {
	.name = "inpaint_free",
	.help = "brush strokes are missing; missing=<fraction at least, 0.3>",
	.examples = examples,
	.options = options,
	.keyed = true,
	.masking = true,
	.multiplies = true,
	.build = build,
	.apply = gr__inpaint_apply,
	.adjoint = gr__inpaint_apply,
	.spectrum = gr__inpaint_spectrum,
};
