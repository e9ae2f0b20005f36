/*
 * PSNR, SSIM and residuals, per image, in double (see gradus/metric.h).
 *
 * SSIM: Wang, Bovik, Sheikh and Simoncelli 2004, eq. 13, with the 11 x 11 Gaussian of sigma 1.5 at
 * every position where it lies inside the image:
 *     (2 mu_x mu_y + C1)(2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1)(s_x^2 + s_y^2 + C2)),
 *     s_xy = G*(xy) - mu_x mu_y,  C1 = 0.01^2, C2 = 0.03^2.
 */
#include "gradus/metric.h"

#include <math.h>

#include "gradus/ops.h"

#define WINDOW 11
#define WINDOW_SIGMA 1.5

/* Values of x in double, [-1,1] mapped to [0,1] and clamped when `map`; freed by gr_free(). */
static double *values_of(const gr_tensor *x, bool map)
{
	int64_t n = gr_tensor_size(x);
	double *v = gr_alloc((size_t)(n > 0 ? n : 1) * sizeof(*v));
	if (!v || gr_tensor_to_f64(x, v)) {
		gr_free(v);
		return NULL;
	}
	for (int64_t i = 0; map && i < n; i++) {
		double u = 0.5 * (v[i] + 1.0);
		v[i] = u < 0.0 ? 0.0 : u > 1.0 ? 1.0 : u; /* NaN stays */
	}
	return v;
}

static gr_status check_pair(const char *what, const gr_tensor *x, const gr_tensor *reference)
{
	char a[96];
	char b[96];
	if (!x || !reference)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "%s: an image is NULL", what);
	if (gr_tensor_ndim(x) == 4 && gr_is_same_shape(x, reference))
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "%s: x is %s, the reference %s, expected [N,C,H,W] both", what,
		gr_tensor_describe(x, a, sizeof(a)), gr_tensor_describe(reference, b, sizeof(b)));
}

/* --- PSNR --- */

/* Mean of (a - b)^2 over C planes of `plane` pixels, but for those where skip, of one plane or of
 * C (then `apart` is the plane), is not 0. */
static double mean_square(const double *a, const double *b, int64_t C, int64_t plane,
	const double *skip, int64_t apart)
{
	double sum = 0.0;
	int64_t count = 0;
	for (int64_t c = 0; c < C; c++)
		for (int64_t i = 0; i < plane; i++) {
			double d = a[c * plane + i] - b[c * plane + i];
			if (skip && skip[c * apart + i] != 0.0)
				continue;
			sum += d * d;
			count++;
		}
	return count > 0 ? sum / (double)count : NAN;
}

gr_status gr_psnr(double *out, const gr_tensor *x, const gr_tensor *reference,
	const gr_psnr_opts *opts)
{
	gr_status status = check_pair("psnr", x, reference);
	if (status)
		return status;
	int64_t N = gr_tensor_dim(x, 0);
	int64_t C = gr_tensor_dim(x, 1);
	int64_t plane = gr_tensor_dim(x, 2) * gr_tensor_dim(x, 3);
	const gr_tensor *mask = opts ? opts->leave_out : NULL;
	if (mask &&
		(gr_tensor_ndim(mask) != 4 ||
			(gr_tensor_dim(mask, 0) != N && gr_tensor_dim(mask, 0) != 1) ||
			(gr_tensor_dim(mask, 1) != C && gr_tensor_dim(mask, 1) != 1) ||
			gr_tensor_dim(mask, 2) != gr_tensor_dim(x, 2) ||
			gr_tensor_dim(mask, 3) != gr_tensor_dim(x, 3))) {
		char is[96];
		return gr_error_set(GR_ESHAPE, "psnr: leave_out is %s, expected [1 or N,1 or C,H,W]",
			gr_tensor_describe(mask, is, sizeof(is)));
	}
	double *a = values_of(x, true);
	double *b = a ? values_of(reference, true) : NULL;
	double *m = b && mask ? values_of(mask, false) : NULL;
	bool ready = b && (m || !mask);
	if (!ready)
		status = gr_error_code();
	bool shared = mask && gr_tensor_dim(mask, 0) == 1;
	int64_t apart = mask && gr_tensor_dim(mask, 1) > 1 ? plane : 0;
	int64_t image = apart > 0 ? C * plane : plane;
	for (int64_t i = 0; ready && i < N; i++) {
		const double *skip = m ? m + (shared ? 0 : i * image) : NULL;
		double mse = mean_square(a + i * C * plane, b + i * C * plane, C, plane, skip, apart);
		out[i] = -10.0 * log10(mse);
	}
	gr_free(a);
	gr_free(b);
	gr_free(m);
	return status;
}

/* --- SSIM --- */

/* Buffers of one plane: five products, their windowed means, one pass in between. */
typedef struct ssim_work {
	double window[WINDOW];
	double *product; /* [H,W] */
	double *rows;    /* [H,W'] */
	double *mean[5]; /* [H',W'] of x, y, xx, yy, xy */
	double *block;
} ssim_work;

static gr_status ssim_work_new(ssim_work *w, int64_t H, int64_t W)
{
	size_t plane = (size_t)(H * W);
	double sum = 0.0;
	w->block = gr_alloc(7 * plane * sizeof(double));
	if (!w->block)
		return GR_EMEM;
	w->product = w->block;
	w->rows = w->block + plane;
	for (int k = 0; k < 5; k++)
		w->mean[k] = w->block + (size_t)(2 + k) * plane;
	const int centre = WINDOW / 2;
	for (int k = 0; k < WINDOW; k++) {
		double r = (double)(k - centre) / WINDOW_SIGMA;
		w->window[k] = exp(-0.5 * r * r);
		sum += w->window[k];
	}
	for (int k = 0; k < WINDOW; k++)
		w->window[k] /= sum;
	return GR_OK;
}

/* out [H-10,W-10] = windowed mean of a b (b NULL: of a). */
static void windowed_mean(ssim_work *w, double *out, const double *a, const double *b, int64_t H,
	int64_t W)
{
	int64_t small_h = H - WINDOW + 1;
	int64_t small_w = W - WINDOW + 1;
	for (int64_t i = 0; i < H * W; i++)
		w->product[i] = b ? a[i] * b[i] : a[i];
	for (int64_t i = 0; i < H; i++)
		for (int64_t j = 0; j < small_w; j++) {
			double sum = 0.0;
			for (int k = 0; k < WINDOW; k++)
				sum += w->window[k] * w->product[i * W + j + k];
			w->rows[i * small_w + j] = sum;
		}
	for (int64_t i = 0; i < small_h; i++)
		for (int64_t j = 0; j < small_w; j++) {
			double sum = 0.0;
			for (int k = 0; k < WINDOW; k++)
				sum += w->window[k] * w->rows[(i + k) * small_w + j];
			out[i * small_w + j] = sum;
		}
}

static double ssim_plane(ssim_work *w, const double *x, const double *y, int64_t H, int64_t W)
{
	const double c1 = 0.01 * 0.01;
	const double c2 = 0.03 * 0.03;
	int64_t count = (H - WINDOW + 1) * (W - WINDOW + 1);
	double sum = 0.0;
	windowed_mean(w, w->mean[0], x, NULL, H, W);
	windowed_mean(w, w->mean[1], y, NULL, H, W);
	windowed_mean(w, w->mean[2], x, x, H, W);
	windowed_mean(w, w->mean[3], y, y, H, W);
	windowed_mean(w, w->mean[4], x, y, H, W);
	for (int64_t i = 0; i < count; i++) {
		double mx = w->mean[0][i];
		double my = w->mean[1][i];
		double xx = w->mean[2][i] - mx * mx;
		double yy = w->mean[3][i] - my * my;
		double xy = w->mean[4][i] - mx * my;
		sum += (2.0 * mx * my + c1) * (2.0 * xy + c2) / ((mx * mx + my * my + c1) * (xx + yy + c2));
	}
	return sum / (double)count;
}

gr_status gr_ssim(double *out, const gr_tensor *x, const gr_tensor *reference,
	gr_ssim_variant variant)
{
	ssim_work work = {.block = NULL};
	gr_status status = check_pair("ssim", x, reference);
	if (status)
		return status;
	if (variant != GR_SSIM_WANG2004)
		return gr_error_set(GR_EARG, "ssim: unknown variant %d", (int)variant);
	int64_t N = gr_tensor_dim(x, 0);
	int64_t C = gr_tensor_dim(x, 1);
	int64_t H = gr_tensor_dim(x, 2);
	int64_t W = gr_tensor_dim(x, 3);
	if (H < WINDOW || W < WINDOW || C < 1)
		return gr_error_set(GR_ESHAPE, "ssim: %lld x %lld is smaller than the window of %d",
			(long long)H, (long long)W, WINDOW);
	status = ssim_work_new(&work, H, W);
	double *a = status ? NULL : values_of(x, true);
	double *b = a ? values_of(reference, true) : NULL;
	if (!b)
		status = gr_error_code();
	for (int64_t i = 0; b && i < N; i++) {
		double sum = 0.0;
		for (int64_t c = 0; c < C; c++) {
			int64_t at = (i * C + c) * H * W;
			sum += ssim_plane(&work, a + at, b + at, H, W);
		}
		out[i] = sum / (double)C;
	}
	gr_free(a);
	gr_free(b);
	gr_free(work.block);
	return status;
}

/* --- residual --- */

/* Entry of a mask [1 or N, 1 or C, H, W] for channel c, pixel k of image i. */
static double mask_at(const double *m, const int64_t *mask_dims, int64_t i, int64_t c, int64_t k)
{
	int64_t plane = mask_dims[2] * mask_dims[3];
	int64_t image = mask_dims[0] == 1 ? 0 : i;
	int64_t channel = mask_dims[1] == 1 ? 0 : c;
	return m[(image * mask_dims[1] + channel) * plane + k];
}

/* r [N] root mean squares of the entries of `d` [N,C,H,W] where the mask m is not 0. */
static void residuals(double *out, const double *d, const int64_t *dims, const double *m,
	const int64_t *mask_dims)
{
	int64_t plane = dims[2] * dims[3];
	for (int64_t i = 0; i < dims[0]; i++) {
		double sum = 0.0;
		int64_t count = 0;
		for (int64_t k = 0; k < dims[1] * plane; k++) {
			if (m && mask_at(m, mask_dims, i, k / plane, k % plane) == 0.0)
				continue;
			double v = d[i * dims[1] * plane + k];
			sum += v * v;
			count++;
		}
		out[i] = count > 0 ? sqrt(sum / (double)count) : NAN;
	}
}

gr_status gr_residual_rms(double *out, const gr_operator *A, gr_tensor *x, gr_tensor *y)
{
	bool recording = gr_set_recording(false);
	double *m = NULL;
	double *d = NULL;
	gr_scope_begin();
	gr_tensor *Ax = gr_operator_apply(A, x);
	gr_status status = check_pair("residual", Ax, y);
	if (!status) {
		gr_tensor *support = gr_operator_support(A, GR_F64);
		gr_tensor *r = gr_sub(gr_cast(y, GR_F64), gr_cast(Ax, GR_F64));
		d = r ? values_of(r, false) : NULL;
		m = d && support ? values_of(support, false) : NULL;
		if (d && (m || !support))
			residuals(out, d, gr_tensor_dims(y), m, support ? gr_tensor_dims(support) : NULL);
		else
			status = gr_error_code();
	}
	gr_free(d);
	gr_free(m);
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	return status ? status : ended;
}
