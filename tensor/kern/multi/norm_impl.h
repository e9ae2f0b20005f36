/* Group and layer norm in type T; the mathematics is in kern/norm.c. */
#include "real.h"

static T GR_TS(fold)(T *acc)
{
	for (int h = GR_LANES / 2; h >= 1; h /= 2) {
		for (int l = 0; l < h; l++)
			acc[l] += acc[l + h];
	}
	return acc[0];
}

static T GR_TS(sum)(int64_t n, const T *x)
{
	T acc[GR_LANES] = {0};
	int64_t i = 0;
	for (; i + GR_LANES <= n; i += GR_LANES) {
		for (int l = 0; l < GR_LANES; l++)
			acc[l] += x[i + l];
	}
	for (int l = 0; l < n - i; l++)
		acc[l] += x[i + l];
	return GR_TS(fold)(acc);
}

/* sum (x - mean)^2 */
static T GR_TS(spread)(int64_t n, const T *x, T mean)
{
	T acc[GR_LANES] = {0};
	int64_t i = 0;
	for (; i + GR_LANES <= n; i += GR_LANES) {
		for (int l = 0; l < GR_LANES; l++) {
			T d = x[i + l] - mean;
			acc[l] += d * d;
		}
	}
	for (int l = 0; l < n - i; l++) {
		T d = x[i + l] - mean;
		acc[l] += d * d;
	}
	return GR_TS(fold)(acc);
}

/*
 * Mean and 1 / sqrt(biased variance + eps) of n contiguous elements, read once from memory: each
 * chunk gives its own mean and spread from the cache, and Chan's formula joins them in double.
 */
static void GR_TS(moments)(int64_t n, const T *x, double eps, T *mean, T *rstd)
{
	double m = 0.0;
	double q = 0.0;
	for (int64_t i = 0; i < n; i += GR_CHUNK) {
		int64_t k = n - i < GR_CHUNK ? n - i : GR_CHUNK;
		T mk = GR_TS(sum)(k, x + i) / (T)k;
		double qk = (double)GR_TS(spread)(k, x + i, mk);
		double d = (double)mk - m;
		double share = (double)k / (double)(i + k);
		q += qk + d * d * (double)i * share;
		m += d * share;
	}
	*mean = (T)m;
	*rstd = (T)(1.0 / sqrt(q / (double)n + eps));
}

/* y = (x - mean) scale + shift, with SiLU on top if asked for. */
GR_INLINE void GR_TS(apply_blocks)(int64_t nblocks, T *restrict y, const T *restrict x, T mean,
	T scale, T shift, bool silu)
{
	for (int64_t i = 0; i < nblocks; i++) {
		for (int j = 0; j < GR_BLOCK; j++) {
			T z = (x[j] - mean) * scale + shift;
			y[j] = silu ? z * GR_M_sigmoid(z) : z;
		}
		x += GR_BLOCK;
		y += GR_BLOCK;
	}
}

static void GR_TS(apply_silu)(int64_t nblocks, T *y, const T *x, T mean, T scale, T shift)
{
	GR_TS(apply_blocks)(nblocks, y, x, mean, scale, shift, true);
}

static void GR_TS(apply)(int64_t n, T *y, const T *x, T mean, T scale, T shift, bool silu)
{
	if (!silu) {
		for (int64_t i = 0; i < n; i++)
			y[i] = (x[i] - mean) * scale + shift;
		return;
	}
	int64_t whole = n / GR_BLOCK;
	int64_t rest = n % GR_BLOCK;
	GR_TS(apply_silu)(whole, y, x, mean, scale, shift);
	if (rest > 0) {
		T in[GR_BLOCK] = {0};
		T out[GR_BLOCK];
		memcpy(in, x + whole * GR_BLOCK, (size_t)rest * sizeof(T));
		GR_TS(apply_silu)(1, out, in, mean, scale, shift);
		memcpy(y + whole * GR_BLOCK, out, (size_t)rest * sizeof(T));
	}
}

void GR_KT(group_norm)(const gr_norm_job *job, int64_t begin, int64_t end)
{
	int64_t per = job->channels / job->groups;
	const T *w = job->w;
	const T *b = job->b;
	for (int64_t u = begin; u < end; u++) {
		int64_t n = u / job->groups;
		int64_t c0 = (u - n * job->groups) * per;
		const T *x = (const T *)job->x + (n * job->channels + c0) * job->pixels;
		T *y = (T *)job->y + (n * job->channels + c0) * job->pixels;
		T *stats = (T *)job->stats + 2 * u;
		GR_TS(moments)(per * job->pixels, x, job->eps, &stats[0], &stats[1]);
		int64_t wb = c0 + (job->per_sample ? n * job->channels : 0);
		for (int64_t c = 0; c < per; c++) {
			T scale = w != NULL ? stats[1] * w[wb + c] : stats[1];
			T shift = b != NULL ? b[wb + c] : (T)0;
			GR_TS(apply)(job->pixels, y, x, stats[0], scale, shift, job->silu);
			x += job->pixels;
			y += job->pixels;
		}
	}
}

/* dz = dy silu'(z), z = (x - mean) scale + shift: one block. */
static void GR_TS(
	silu_back)(T *restrict dz, const T *restrict dy, const T *restrict x, T mean, T scale, T shift)
{
	for (int j = 0; j < GR_BLOCK; j++) {
		T z = (x[j] - mean) * scale + shift;
		dz[j] = dy[j] * GR_M_silu_grad(z);
	}
}

/*
 * One channel: a += sum dz (x - mean) and b += sum dz, where dz is dy, or dy silu'(z); dz is kept
 * in `keep` if that is not NULL.
 */
static void GR_TS(channel_sums)(const gr_norm_job *job, const T *dy, const T *x, const T *affine,
	T *keep, T *sum_a, T *sum_b)
{
	T mean = affine[0];
	T a[GR_BLOCK] = {0};
	T b[GR_BLOCK] = {0};
	for (int64_t i = 0; i < job->pixels; i += GR_BLOCK) {
		int64_t k = job->pixels - i < GR_BLOCK ? job->pixels - i : GR_BLOCK;
		T px[GR_BLOCK];
		T pdy[GR_BLOCK];
		T dz[GR_BLOCK];
		const T *xb = x + i;
		const T *dyb = dy + i;
		if (k < GR_BLOCK) {
			/* Zero gradients at the end add nothing. */
			memset(px, 0, sizeof(px));
			memset(pdy, 0, sizeof(pdy));
			memcpy(px, xb, (size_t)k * sizeof(T));
			memcpy(pdy, dyb, (size_t)k * sizeof(T));
			xb = px;
			dyb = pdy;
		}
		const T *d = dyb;
		if (job->silu) {
			GR_TS(silu_back)(dz, dyb, xb, mean, affine[1], affine[2]);
			d = dz;
		}
		for (int j = 0; j < GR_BLOCK; j++) {
			a[j] += d[j] * (xb[j] - mean);
			b[j] += d[j];
		}
		if (keep != NULL)
			memcpy(keep + i, d, (size_t)k * sizeof(T));
	}
	for (int l = 0; l < GR_LANES; l++) {
		a[l] += a[l + GR_LANES];
		b[l] += b[l + GR_LANES];
	}
	*sum_a = GR_TS(fold)(a);
	*sum_b = GR_TS(fold)(b);
}

void GR_KT(group_norm_backward)(const gr_norm_job *job, int64_t begin, int64_t end)
{
	int64_t per = job->channels / job->groups;
	int64_t pixels = job->pixels;
	const T *w = job->w;
	const T *b = job->b;
	for (int64_t u = begin; u < end; u++) {
		int64_t n = u / job->groups;
		int64_t c0 = (u - n * job->groups) * per;
		int64_t at = n * job->channels + c0;
		int64_t wb = job->per_sample ? at : c0;
		const T *x = (const T *)job->x + at * pixels;
		const T *dy = (const T *)job->dy + at * pixels;
		T *dx = job->dx != NULL ? (T *)job->dx + at * pixels : NULL;
		T mean = ((const T *)job->stats)[2 * u];
		T rstd = ((const T *)job->stats)[2 * u + 1];
		/* Over the group: s1 = sum w dz xhat, s2 = sum w dz. */
		T s1 = (T)0;
		T s2 = (T)0;
		for (int64_t c = 0; c < per; c++) {
			T wc = w != NULL ? w[wb + c] : (T)1;
			T affine[3] = {mean, rstd * wc, b != NULL ? b[wb + c] : (T)0};
			T a;
			T s;
			GR_TS(channel_sums)
			(job, dy + c * pixels, x + c * pixels, affine, dx != NULL ? dx + c * pixels : NULL, &a,
				&s);
			a *= rstd;
			if (job->dw != NULL)
				((T *)job->dw)[at + c] = a;
			if (job->db != NULL)
				((T *)job->db)[at + c] = s;
			s1 += wc * a;
			s2 += wc * s;
		}
		if (dx == NULL)
			continue;
		T inverse = (T)1 / (T)(per * pixels);
		s1 *= inverse * rstd;
		s2 *= inverse;
		for (int64_t c = 0; c < per; c++) {
			T wc = w != NULL ? w[wb + c] : (T)1;
			T *restrict dxc = dx + c * pixels;
			const T *restrict xc = x + c * pixels;
			for (int64_t i = 0; i < pixels; i++) {
				T centred = xc[i] - mean;
				T pull = centred * s1 + s2;
				dxc[i] = (wc * dxc[i] - pull) * rstd;
			}
		}
	}
}

void GR_KT(layer_norm)(int64_t rows, int64_t d, void *y0, void *stats0, const void *x0,
	const void *w0, const void *b0, double eps)
{
	T *restrict y = y0;
	T *stats = stats0;
	const T *restrict x = x0;
	const T *restrict w = w0;
	const T *restrict b = b0;
	for (int64_t r = 0; r < rows; r++) {
		T mean;
		T rstd;
		GR_TS(moments)(d, x, eps, &mean, &rstd);
		stats[2 * r] = mean;
		stats[2 * r + 1] = rstd;
		if (w != NULL && b != NULL) {
			for (int64_t i = 0; i < d; i++)
				y[i] = ((x[i] - mean) * rstd) * w[i] + b[i];
		} else {
			for (int64_t i = 0; i < d; i++) {
				T z = (x[i] - mean) * rstd;
				z = w != NULL ? z * w[i] : z;
				y[i] = b != NULL ? z + b[i] : z;
			}
		}
		x += d;
		y += d;
	}
}

/* dx = rstd (g - mean(g) - xhat mean(g xhat)), g = w dy, for one row. */
static void GR_TS(layer_row)(int64_t d, T *restrict dx, const T *restrict dy, const T *restrict x,
	const T *w, T mean, T rstd)
{
	T a[GR_LANES] = {0};
	T s[GR_LANES] = {0};
	for (int64_t i = 0; i < d; i += GR_LANES) {
		int k = d - i < GR_LANES ? (int)(d - i) : GR_LANES;
		T g[GR_LANES] = {0};
		T c[GR_LANES] = {0};
		for (int l = 0; l < k; l++) {
			g[l] = w != NULL ? dy[i + l] * w[i + l] : dy[i + l];
			c[l] = x[i + l] - mean;
		}
		for (int l = 0; l < GR_LANES; l++) {
			a[l] += g[l] * c[l];
			s[l] += g[l];
		}
	}
	T inverse = (T)1 / (T)d;
	T s1 = GR_TS(fold)(a) * rstd * rstd * inverse;
	T s2 = GR_TS(fold)(s) * inverse;
	for (int64_t i = 0; i < d; i++) {
		T g = w != NULL ? dy[i] * w[i] : dy[i];
		T pull = (x[i] - mean) * s1 + s2;
		dx[i] = (g - pull) * rstd;
	}
}

void GR_KT(layer_norm_backward)(int64_t rows, int64_t d, void *dx0, void *dw0, void *db0,
	const void *dy0, const void *x0, const void *w, const void *stats0)
{
	T *dx = dx0;
	T *restrict dw = dw0;
	T *restrict db = db0;
	const T *dy = dy0;
	const T *x = x0;
	const T *stats = stats0;
	if (dw != NULL)
		memset(dw, 0, (size_t)d * sizeof(T));
	if (db != NULL)
		memset(db, 0, (size_t)d * sizeof(T));
	for (int64_t r = 0; r < rows; r++) {
		T mean = stats[2 * r];
		T rstd = stats[2 * r + 1];
		if (dx != NULL)
			GR_TS(layer_row)(d, dx + r * d, dy, x, w, mean, rstd);
		if (dw != NULL) {
			for (int64_t i = 0; i < d; i++) {
				T xhat = (x[i] - mean) * rstd;
				dw[i] += dy[i] * xhat;
			}
		}
		if (db != NULL) {
			for (int64_t i = 0; i < d; i++)
				db[i] += dy[i];
		}
		dy += d;
		x += d;
	}
}
