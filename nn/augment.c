/*
 * Random resized crops (Szegedy et al. 2015; the multi-crops of Caron et al. 2020), as functions of
 * a key. With area s and aspect r the crop of an H x W image is w = sqrt(s H W r) wide and
 * h = sqrt(s H W / r) high, each at most the image's, its corner uniform where it fits. Row i of the
 * result reads the source at top + (i + 1/2) h / side - 1/2, clamped to the image.
 */
#include <math.h>

#include "gradus/dataset.h"

/* Which number of a sample's stream decides what. */
enum { DRAW_AREA, DRAW_ASPECT, DRAW_TOP, DRAW_LEFT, DRAW_FLIP, DRAW_GAIN, DRAW_GAMMA };

typedef struct crop {
	double top, left, height, width; /* in pixels of the source */
	bool flip;
	double gain, gamma;
} crop;

static double between(gr_key key, uint64_t i, double least, double most)
{
	return least + (most - least) * gr_key_uniform(key, i);
}

static crop draw(gr_key key, const gr_crop_opts *o, double H, double W)
{
	double area = between(key, DRAW_AREA, o->area_least, o->area_most) * H * W;
	double stretch = log(o->aspect);
	double aspect = exp(between(key, DRAW_ASPECT, -stretch, stretch));
	crop c = {.height = fmin(H, sqrt(area / aspect)), .width = fmin(W, sqrt(area * aspect))};
	c.top = between(key, DRAW_TOP, 0.0, H - c.height);
	c.left = between(key, DRAW_LEFT, 0.0, W - c.width);
	c.flip = o->flip && (gr_key_bits(key, DRAW_FLIP) & 1);
	c.gain = between(key, DRAW_GAIN, 1.0 - o->jitter, 1.0 + o->jitter);
	c.gamma = exp(between(key, DRAW_GAMMA, -o->jitter, o->jitter));
	return c;
}

/* The two pixels around coordinate x of 0..n-1, and the second one's weight. */
static double split(double x, int64_t n, int64_t *low, int64_t *high)
{
	double clamped = fmin(fmax(x, 0.0), (double)(n - 1));
	*low = (int64_t)clamped;
	*high = *low + 1 < n ? *low + 1 : *low;
	return clamped - (double)*low;
}

/* One channel in [H,W] -> out [side,side]. */
static void resample(float *out, int64_t side, const float *in, int64_t H, int64_t W, const crop *c)
{
	for (int64_t i = 0; i < side; i++) {
		int64_t y0, y1;
		double v = split(c->top + ((double)i + 0.5) * c->height / (double)side - 0.5, H, &y0, &y1);
		for (int64_t j = 0; j < side; j++) {
			int64_t x0, x1, column = c->flip ? side - 1 - j : j;
			double u =
				split(c->left + ((double)j + 0.5) * c->width / (double)side - 0.5, W, &x0, &x1);
			double upper = (1.0 - u) * (double)in[y0 * W + x0] + u * (double)in[y0 * W + x1];
			double lower = (1.0 - u) * (double)in[y1 * W + x0] + u * (double)in[y1 * W + x1];
			out[i * side + column] = (float)((1.0 - v) * upper + v * lower);
		}
	}
}

static void adjust(float *x, int64_t n, const crop *c)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = (float)fmin(1.0, c->gain * pow(fmax(0.0, (double)x[i]), c->gamma));
}

static gr_status check(const gr_tensor *x, const gr_key *keys, gr_crop_opts *o)
{
	char text[128];
	if (gr_tensor_dtype(x) != GR_F32)
		return gr_error_set(GR_EDTYPE, "random crops: x is %s, not f32",
			gr_dtype_name(gr_tensor_dtype(x)));
	if (!keys || gr_tensor_ndim(x) != 4 || gr_tensor_size(x) == 0 || !gr_is_contiguous(x))
		return gr_error_set(GR_EARG, "random crops: %s and %s, expected [N,C,H,W] and N keys",
			gr_tensor_describe(x, text, sizeof text), keys ? "keys" : "no keys");
	if (o->area_least == 0.0 && o->area_most == 0.0)
		o->area_least = o->area_most = 1.0;
	if (o->aspect == 0.0)
		o->aspect = 4.0 / 3.0;
	if (o->side < 1 || !(o->area_least > 0.0) || !(o->area_least <= o->area_most) ||
		!(o->area_most <= 1.0) || !(o->aspect >= 1.0) || !(o->jitter >= 0.0 && o->jitter < 1.0))
		return gr_error_set(GR_EARG,
			"random crops: side %lld, area %g..%g, aspect %g, jitter %g: expected a positive side, "
			"0 < least <= most <= 1, aspect at least 1, jitter in [0,1)",
			(long long)o->side, o->area_least, o->area_most, o->aspect, o->jitter);
	return GR_OK;
}

gr_tensor *gr_random_crops(const gr_tensor *x, const gr_key *keys, const gr_crop_opts *opts)
{
	gr_crop_opts o = opts ? *opts : (gr_crop_opts){0};
	if (!x || check(x, keys, &o))
		return NULL;
	const int64_t *d = gr_tensor_dims(x);
	gr_tensor *out = gr_empty(GR_F32, GR_DIMS(d[0], d[1], o.side, o.side));
	if (!out || gr_estimating())
		return out;
	const float *from = gr_tensor_data_const(x);
	float *to = gr_tensor_data(out);
	int64_t pixels = o.side * o.side;
	for (int64_t i = 0; i < d[0]; i++) {
		crop c = draw(keys[i], &o, (double)d[2], (double)d[3]);
		for (int64_t k = i * d[1]; k < (i + 1) * d[1]; k++) {
			resample(to + k * pixels, o.side, from + k * d[2] * d[3], d[2], d[3], &c);
			if (o.jitter > 0.0)
				adjust(to + k * pixels, pixels, &c);
		}
	}
	return out;
}
