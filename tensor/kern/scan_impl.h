/* Walks along lines that lie `inner` elements apart, included by scan.c for float and double. */

static void FN(scan_task)(int64_t begin, int64_t end, void *ctx)
{
	const scan_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		int64_t first = u % c->tiles * TILE;
		int64_t width = c->inner - first < TILE ? c->inner - first : TILE;
		int64_t at = u / c->tiles * c->n * c->inner + first;
		const T *x = (const T *)c->x + at;
		T *y = (T *)c->y + at;
		double run[TILE];
		for (int64_t q = 0; q < width; q++)
			run[q] = c->product ? 1.0 : 0.0;
		for (int64_t k = 0; k < c->n; k++) {
			int64_t row = (c->reverse ? c->n - 1 - k : k) * c->inner;
			for (int64_t q = 0; q < width; q++) {
				double value = (double)x[row + q];
				run[q] = c->product ? run[q] * value : run[q] + value;
				y[row + q] = (T)run[q];
			}
		}
	}
}

/*
 * y_i = x_0 ... x_i, so dx_j = E_j S_j with E_j = x_0 ... x_{j-1} and
 * S_j = dy_j + x_{j+1} S_{j+1}: no division, hence right at zeros. S goes through dx.
 */
static void FN(product_back)(int64_t begin, int64_t end, void *ctx)
{
	const scan_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		int64_t first = u % c->tiles * TILE;
		int64_t width = c->inner - first < TILE ? c->inner - first : TILE;
		int64_t at = u / c->tiles * c->n * c->inner + first;
		const T *x = (const T *)c->x + at, *dy = (const T *)c->dy + at;
		T *dx = (T *)c->y + at;
		for (int64_t q = 0; q < width; q++) {
			double s = 0.0, before = 1.0;
			for (int64_t k = c->n - 1; k >= 0; k--) {
				double next = k + 1 < c->n ? (double)x[(k + 1) * c->inner + q] : 0.0;
				s = (double)dy[k * c->inner + q] + next * s;
				dx[k * c->inner + q] = (T)s;
			}
			for (int64_t k = 0; k < c->n; k++) {
				T *d = &dx[k * c->inner + q];
				*d = (T)(before * (double)*d);
				before *= (double)x[k * c->inner + q];
			}
		}
	}
}
