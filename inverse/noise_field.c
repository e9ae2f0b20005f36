/*
 * Coloured noise by circulant embedding (see gradus/noise_field.h). The covariance on the grid is a
 * block of a circulant one on the torus of twice the size, whose eigenvalues are the transform L of
 * its first row; with w white there,
 *     xi = F^-1 sqrt(L) F w,    Cov[xi] = F^-1 L F,
 * of which the first H x W points are kept.
 */
#include "gradus/noise_field.h"

#include <math.h>

#include "constant_priv.h"
#include "gradus/ops.h"
#include "noise_priv.h"
#include "prior_priv.h"

struct gr_noise_field {
	int64_t H, W;
	gr_constant gain; /* sqrt(L) [2H,W+1,1], the half of the frequencies that gr_rfft2() keeps */
};

/* The first row of the circulant covariance: that of points i, j apart, the short way round. */
static gr_tensor *first_row(int64_t H, int64_t W, double length, double nugget)
{
	gr_tensor *row = gr_empty(GR_F64, GR_DIMS(2 * H, 2 * W));
	double *c = row ? gr_tensor_data(row) : NULL;
	for (int64_t i = 0; c && i < 2 * H; i++) {
		for (int64_t j = 0; j < 2 * W; j++) {
			double y = (double)(i < H ? i : 2 * H - i) / (double)H;
			double x = (double)(j < W ? j : 2 * W - j) / (double)W;
			c[i * 2 * W + j] = exp(-hypot(x, y) / (2.0 * length * length));
		}
	}
	if (c)
		c[0] += nugget;
	return row;
}

static gr_status fill(gr_noise_field *f, double length, double nugget)
{
	int64_t count = 2 * f->H * (f->W + 1);
	gr_tensor *spectrum = gr_rfft2(first_row(f->H, f->W, length, nugget));
	gr_tensor *gain = gr_empty(GR_F64, GR_DIMS(2 * f->H, f->W + 1, 1));
	if (!spectrum || !gain)
		return gr_error_code();
	const double *L = gr_tensor_data_const(spectrum); /* real, imaginary: 0 */
	double *g = gr_tensor_data(gain);
	double largest = 0.0;
	for (int64_t k = 0; k < count; k++)
		largest = fmax(largest, L[2 * k]);
	for (int64_t k = 0; k < count; k++) {
		if (L[2 * k] < -1e-12 * largest)
			return gr_error_set(GR_EUNSUPPORTED,
				"noise field: a covariance of length %g has no embedding on %lld x %lld points; "
				"hint: "
				"a shorter length",
				length, (long long)f->H, (long long)f->W);
		g[k] = sqrt(fmax(L[2 * k], 0.0));
	}
	return gr__constant_set(&f->gain, gain);
}

gr_noise_field *gr_noise_field_new(const gr_noise_field_opts *opts)
{
	const double length = opts && opts->length != 0.0 ? opts->length : 0.05;
	const double nugget = opts && opts->nugget != 0.0 ? opts->nugget : 1e-4;
	if (!opts || opts->height < 1 || opts->width < 1 || opts->height > 8192 || opts->width > 8192 ||
		!(length > 0.0 && isfinite(length) && nugget >= 0.0 && isfinite(nugget))) {
		gr_error_set(GR_EARG,
			"noise field: height and width of 1 to 8192, a length above 0 and a nugget are needed");
		return NULL;
	}
	gr_noise_field *f = gr_alloc(sizeof(*f));
	if (!f)
		return NULL;
	f->H = opts->height;
	f->W = opts->width;
	gr_scope_begin();
	gr_status status = fill(f, length, nugget);
	gr_status ended = gr_scope_end();
	if (status || ended) {
		gr_noise_field_free(f);
		return NULL;
	}
	return f;
}

void gr_noise_field_free(gr_noise_field *f)
{
	if (!f)
		return;
	gr__constant_clear(&f->gain);
	gr_free(f);
}

gr_tensor *gr_noise_field_draw(const gr_noise_field *f, int64_t n, const gr_key *keys,
	int64_t channels, gr_dtype dtype)
{
	if (!f || !keys) {
		gr_error_set(GR_EARG, "noise field: %s is NULL", f ? "keys" : "the field");
		return NULL;
	}
	gr_tensor *white =
		gr__noise_normal(n, keys, dtype, 3, (const int64_t[]){channels, 2 * f->H, 2 * f->W});
	gr_tensor *spectrum = gr_mul(gr_rfft2(white), gr__constant_get(&f->gain, dtype));
	gr_tensor *torus = gr_irfft2(spectrum, 2 * f->W);
	return gr_contiguous(gr_slice(gr_slice(torus, 2, 0, f->H, 1), 3, 0, f->W, 1));
}

/* --- of a prior --- */

gr_status gr_prior_set_noise(gr_prior *p, gr_noise_field *f)
{
	if (!p || (f && (f->H != p->dims[1] || f->W != p->dims[2]))) {
		gr_noise_field_free(f);
		if (!p)
			return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "prior: it is NULL");
		return gr_error_set(GR_ESHAPE,
			"prior %s: its states are %lld x %lld, not those of the noise", p->table.name,
			(long long)p->dims[1], (long long)p->dims[2]);
	}
	gr_noise_field_free(p->noise);
	p->noise = f;
	return GR_OK;
}

gr_tensor *gr__prior_noise(const gr_prior *p, int64_t n, const gr_key *keys, gr_dtype dtype)
{
	return p->noise ? gr_noise_field_draw(p->noise, n, keys, p->dims[0], dtype)
					: gr__noise_normal(n, keys, dtype, 3, p->dims);
}
