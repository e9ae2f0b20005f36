/*
 * Blur by the motion of a hand: every channel is correlated with one random kernel [taps,taps],
 * the image continued as `boundary` says. One kernel serves all images of the operator (it belongs
 * to the camera), and it depends on taps, intensity and seed alone.
 *
 * Kernel: the generator of LeviBorodenko's motionblur as DPS uses it, on a canvas twice as large,
 * d its diagonal, I the intensity. Length at most 0.75 d (U + U(0, I^2)); steps Beta(1,30)
 * (1.1 - I) d, those too long rejected; turns Triangular(0, I a, a + 0.1), a = U(0, pi I), whose
 * sign flips with probability Beta(2,20); centred on its mean, turned by U(0, pi). The line has
 * width d/150 and is blurred by a Gaussian of d/100, both truncated to whole pixels. A project
 * variant in its last steps: means of 2 x 2 in place of Lanczos, no rounding to 8 bits.
 */
#include "spectrum_priv.h"

#include <math.h>
#include <stddef.h>

#include "separable_priv.h"

#define PI 3.14159265358979323846
#define MOST_STEPS 4096

/* Numbers of one key, in the order of asking. */
typedef struct draws {
	gr_key key;
	uint64_t at;
} draws;

static double uniform(draws *d)
{
	return gr_key_uniform(d->key, d->at++);
}

/* Beta(1, 30) by its distribution function; Beta(2, 20) as the second smallest of 21. */
static double beta_1_30(draws *d)
{
	return 1.0 - pow(1.0 - uniform(d), 1.0 / 30.0);
}

static double beta_2_20(draws *d)
{
	double first = 1.0;
	double second = 1.0;
	for (int i = 0; i < 21; i++) {
		double u = uniform(d);
		if (u < first) {
			second = first;
			first = u;
		} else if (u < second) {
			second = u;
		}
	}
	return second;
}

/* Density rising from 0 to mode, falling to end. */
static double triangular(draws *d, double mode, double end)
{
	double u = uniform(d);
	double cut = mode / end;
	return u < cut ? sqrt(u * end * mode) : end - sqrt((1.0 - u) * end * (end - mode));
}

/* Path of at most MOST_STEPS + 1 points around 0; returns their number. */
static int draw_path(draws *d, double diagonal, double intensity, double *y, double *x)
{
	double longest = 0.75 * diagonal * (uniform(d) + uniform(d) * intensity * intensity);
	double most = uniform(d) * intensity * PI;
	double flip = beta_2_20(d);
	double angle = most * (2.0 * uniform(d) - 1.0);
	double length = 0.0;
	double mean_y = 0.0;
	double mean_x = 0.0;
	int n = 1;
	y[0] = x[0] = 0.0;
	for (int k = 0; k < 64 * MOST_STEPS && length < longest && n <= MOST_STEPS; k++) {
		double step = beta_1_30(d) * (1.1 - intensity) * diagonal;
		if (step >= longest)
			continue;
		if (n > 1) {
			double sign = angle < 0.0 ? -1.0 : 1.0;
			if (uniform(d) < flip)
				sign = -sign;
			angle = sign * triangular(d, intensity * most, most + 0.1);
		}
		y[n] = y[n - 1] + step * sin(angle);
		x[n] = x[n - 1] + step * cos(angle);
		length += step;
		n++;
	}
	double turn = uniform(d) * PI;
	for (int i = 0; i < n; i++) {
		mean_y += y[i] / (double)n;
		mean_x += x[i] / (double)n;
	}
	for (int i = 0; i < n; i++) {
		double p = y[i] - mean_y;
		double q = x[i] - mean_x;
		y[i] = sin(turn) * q + cos(turn) * p;
		x[i] = cos(turn) * q - sin(turn) * p;
	}
	return n;
}

/* Pixels of the canvas [side,side] within `radius` of the segment become 1. */
static void draw_line(double *canvas, int64_t side, const double a[2], const double b[2],
	double radius)
{
	double dy = b[0] - a[0];
	double dx = b[1] - a[1];
	double square = dy * dy + dx * dx;
	double last = (double)(side - 1);
	int64_t top = (int64_t)fmax(floor(fmin(a[0], b[0]) - radius), 0.0);
	int64_t left = (int64_t)fmax(floor(fmin(a[1], b[1]) - radius), 0.0);
	int64_t bottom = (int64_t)fmin(ceil(fmax(a[0], b[0]) + radius), last);
	int64_t right = (int64_t)fmin(ceil(fmax(a[1], b[1]) + radius), last);
	for (int64_t i = top; i <= bottom; i++)
		for (int64_t j = left; j <= right; j++) {
			double p = (double)i - a[0];
			double q = (double)j - a[1];
			double along = square > 0.0 ? fmin(fmax((p * dy + q * dx) / square, 0.0), 1.0) : 0.0;
			if (hypot(p - along * dy, q - along * dx) <= radius)
				canvas[i * side + j] = 1.0;
		}
}

/* The canvas blurred, reduced by 2 and of sum 1. */
static gr_tensor *finish(gr_tensor *canvas, int64_t taps, double sigma)
{
	if (sigma > 0.0) {
		int64_t width = 2 * (int64_t)(4.0 * sigma) + 1;
		gr_tensor *line = gr__blur_matrix(2 * taps, gr__blur_gauss(width, sigma), GR_BOUNDARY_ZERO);
		canvas = gr_matmul(gr_matmul(line, canvas), line);
	}
	gr_tensor *blocks = gr_reshape(canvas, GR_DIMS(taps, 2, taps, 2));
	gr_tensor *kernel = gr_sum(blocks, GR_AXES(1, 3), false);
	return gr_div(kernel, gr_sum(kernel, GR_ALL_AXES, false));
}

gr_tensor *gr_motion_kernel(gr_key key, int64_t taps, double intensity)
{
	if (taps < 3 || taps % 2 == 0 || taps > 1023 || !(intensity > 0.0 && intensity <= 1.0)) {
		gr_error_set(GR_EARG,
			"motion kernel: %lld taps of intensity %g, expected an odd number in 3..1023, and "
			"above 0, at most 1",
			(long long)taps, intensity);
		return NULL;
	}
	draws d = {gr_key_fold_name(key, "motion"), 0};
	int64_t side = 2 * taps;
	double diagonal = (double)side * sqrt(2.0);
	double middle = 0.5 * (double)(side - 1);
	double *y = gr_alloc(2 * (MOST_STEPS + 1) * sizeof(*y));
	gr_tensor *canvas = gr_zeros(GR_F64, GR_DIMS(side, side));
	if (!y || !canvas) {
		gr_free(y);
		return NULL;
	}
	double *x = y + MOST_STEPS + 1;
	double *c = gr_tensor_data(canvas);
	double radius = 0.5 * fmax(floor(diagonal / 150.0), 1.5);
	int n = draw_path(&d, diagonal, intensity, y, x);
	for (int i = 0; i < n; i++) {
		int to = i + 1 < n ? i + 1 : i;
		draw_line(c, side, (const double[]){middle + y[i], middle + x[i]},
			(const double[]){middle + y[to], middle + x[to]}, radius);
	}
	gr_free(y);
	return finish(canvas, taps, floor(0.01 * diagonal));
}

/* x [B,1,H,W] with `edge` more pixels on each side. */
static gr_tensor *extend(gr_tensor *x, int axis, int64_t edge, gr_boundary boundary)
{
	int64_t n = gr_tensor_dim(x, axis);
	if (boundary == GR_BOUNDARY_ZERO)
		return gr_pad(x, axis, edge, edge);
	gr_tensor *index = gr_empty(GR_I64, GR_DIMS(n + 2 * edge));
	int64_t *at = gr_tensor_data(index);
	for (int64_t i = 0; at && i < n + 2 * edge; i++)
		at[i] = gr__blur_index(i - edge, n, boundary);
	return gr_gather(x, axis, index);
}

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	gr_tensor *kernel = gr__constant_get(&A->part[0], gr_tensor_dtype(x));
	int64_t taps = gr_tensor_dim(kernel, 0);
	int64_t N = gr_tensor_dim(x, 0);
	gr_tensor *planes = gr_reshape(x, GR_DIMS(N * A->in[0], 1, A->in[1], A->in[2]));
	planes = extend(planes, 2, taps / 2, A->boundary);
	planes = extend(planes, 3, taps / 2, A->boundary);
	gr_tensor *y = gr_conv2d(planes, gr_reshape(kernel, GR_DIMS(1, 1, taps, taps)), NULL);
	return gr_reshape(y, GR_DIMS(N, A->in[0], A->in[1], A->in[2]));
}

static gr_status build(gr_operator *A, const gr_operator_opts *opts)
{
	int64_t taps = opts->taps ? opts->taps : 9;
	double intensity = opts->intensity != 0.0 ? opts->intensity : 0.5;
	A->boundary = opts->boundary;
	return gr__operator_add_part(A, "kernel",
		gr_motion_kernel(gr_key_seed((uint64_t)opts->seed), taps, intensity));
}

/* On a torus: s is the magnitude of the transform of what a point becomes. */
static gr_status spectrum(const gr_operator *A, gr_spectrum *sp)
{
	if (A->boundary != GR_BOUNDARY_CIRCULAR)
		return GR_OK;
	gr_tensor *index = gr_zeros(GR_I64, GR_DIMS(1));
	gr_tensor *point = gr_one_hot(index, A->in[1] * A->in[2], GR_F64);
	point = gr_reshape(point, GR_DIMS(1, 1, A->in[1], A->in[2]));
	gr_tensor *blurred =
		gr_slice(gr_operator_apply(A, gr_expand(point, GR_DIMS(1, A->in[0], A->in[1], A->in[2]))),
			1, 0, 1, 1);
	blurred = gr_reshape(blurred, GR_DIMS(A->in[1], A->in[2]));
	gr_tensor *pair[] = {blurred, gr_mul_s(blurred, 0.0)};
	gr_tensor *z = gr_fft2(gr_stack(2, pair, 2));
	return gr__spectrum_set_power(sp, gr_sumsq(z, GR_AXES(2), false));
}

static const gr_operator_option options[] = {
	{"taps", offsetof(gr_operator_opts, taps), GR_OPTION_COUNT, NULL},
	{"intensity", offsetof(gr_operator_opts, intensity), GR_OPTION_REAL, NULL},
	{"seed", offsetof(gr_operator_opts, seed), GR_OPTION_SEED, NULL},
	{"boundary", offsetof(gr_operator_opts, boundary), GR_OPTION_CHOICE, "reflect|zero|circular"},
	{NULL, 0, GR_OPTION_COUNT, NULL},
};

static const char *const examples[] = {"blur_motion", "blur_motion:taps=13,seed=3,boundary=zero",
	"blur_motion:taps=7,intensity=1,boundary=circular", NULL};

const gr_operator_row gr__operator_blur_motion = {
	.name = "blur_motion",
	.help = "blur by motion; taps=<9>, intensity=<0.5>, seed=<0>, boundary=<reflect, zero, "
			"circular>",
	.examples = examples,
	.options = options,
	.build = build,
	.apply = apply,
	.spectrum = spectrum,
};
