/*
 * Plain C kernels, included for float and for double by gemm_base.c: tiles of BASE_MR x BASE_NR.
 * The compiler may or may not fuse the multiply-add, but does the same in both loops below only
 * where the target has no FMA; elsewhere gemm_base.c asks for fma() by name.
 */

/* One tile of mr x nr; a full one has constant bounds, which keeps `acc` in registers. */
static inline void FN(tile)(int64_t mr, int64_t nr, int64_t kc, const T *a, int64_t ars,
	int64_t acs, const T *b, const int64_t *off, int64_t brs, T *c, int64_t crs, const T *bias,
	bool add)
{
	T acc[BASE_MR][BASE_NR] = {{0}};
	for (int64_t k = 0; k < kc; k++) {
		const T *bk = off ? b + off[k] : b + k * brs;
		for (int64_t i = 0; i < mr; i++)
			for (int64_t j = 0; j < nr; j++)
				acc[i][j] = MULADD(a[i * ars + k * acs], bk[j], acc[i][j]);
	}
	for (int64_t i = 0; i < mr; i++)
		for (int64_t j = 0; j < nr; j++) {
			T *cij = c + i * crs + j;
			if (add)
				*cij = *cij + acc[i][j];
			else
				*cij = bias ? bias[i] + acc[i][j] : acc[i][j];
		}
}

static void FN(tile_any)(int64_t mr, int64_t nr, int64_t kc, const T *a, int64_t ars, int64_t acs,
	const T *b, const int64_t *off, int64_t brs, T *c, int64_t crs, const T *bias, bool add)
{
	if (mr == BASE_MR && nr == BASE_NR)
		FN(tile)(BASE_MR, BASE_NR, kc, a, ars, acs, b, off, brs, c, crs, bias, add);
	else
		FN(tile)(mr, nr, kc, a, ars, acs, b, off, brs, c, crs, bias, add);
}

static void FN(block_off)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b,
	const int64_t *off, T *c, int64_t crs, const T *bias, bool add)
{
	for (int64_t j = 0; j < n; j += BASE_NR)
		for (int64_t i = 0; i < m; i += BASE_MR)
			FN(tile_any)
	(m - i < BASE_MR ? m - i : BASE_MR, n - j < BASE_NR ? n - j : BASE_NR, kc, a + i * kc, 1,
		BASE_MR, b + j, off, 0, c + i * crs + j, crs, bias ? bias + i : NULL, add);
}

static void FN(block_panel)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b, T *c,
	int64_t crs, bool add)
{
	for (int64_t j = 0; j < n; j += BASE_NR)
		for (int64_t i = 0; i < m; i += BASE_MR)
			FN(tile_any)
	(m - i < BASE_MR ? m - i : BASE_MR, n - j < BASE_NR ? n - j : BASE_NR, kc, a + i * kc, 1,
		BASE_MR, b + j * kc, NULL, BASE_NR, c + i * crs + j, crs, NULL, add);
}

static void FN(small)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
	const T *b, int64_t brs, T *c, int64_t crs, bool add)
{
	for (int64_t kb = 0; kb < k; kb += GR_GEMM_KC)
		for (int64_t j = 0; j < n; j += BASE_NR)
			for (int64_t i = 0; i < m; i += BASE_MR)
				FN(tile_any)
	(m - i < BASE_MR ? m - i : BASE_MR, n - j < BASE_NR ? n - j : BASE_NR,
		k - kb < GR_GEMM_KC ? k - kb : GR_GEMM_KC, a + i * ars + kb * acs, ars, acs,
		b + kb * brs + j, NULL, brs, c + i * crs + j, crs, NULL, add || kb > 0);
}

static void FN(pack_b)(int64_t n, int64_t kc, const T *b, int64_t brs, int64_t bcs, T *dst)
{
	for (int64_t j = 0; j < n; j += BASE_NR) {
		const int64_t cols = n - j < BASE_NR ? n - j : BASE_NR;
		for (int64_t k = 0; k < kc; k++)
			for (int64_t q = 0; q < cols; q++)
				dst[j * kc + k * BASE_NR + q] = b[k * brs + (j + q) * bcs];
	}
}

/* Blocks of eight by eight, so that neither side strides through more lines than the cache has. */
void FN(
	gr__gemm_transpose)(int64_t rows, int64_t cols, const T *src, int64_t srs, T *dst, int64_t drs)
{
	for (int64_t j0 = 0; j0 < cols; j0 += 8)
		for (int64_t i0 = 0; i0 < rows; i0 += 8) {
			const int64_t i1 = rows - i0 < 8 ? rows : i0 + 8;
			const int64_t j1 = cols - j0 < 8 ? cols : j0 + 8;
			for (int64_t j = j0; j < j1; j++)
				for (int64_t i = i0; i < i1; i++)
					dst[j * drs + i] = src[i * srs + j];
		}
}

void FN(gr__gemm_copy_rows)(const gr_gemm_rows *g, const T *src, T *dst)
{
	for (int64_t n = 0; n < g->planes * g->rows; n++) {
		T *d = dst + n / g->rows * g->dps + n % g->rows * g->drs;
		const T *s = src + n / g->rows * g->sps + n % g->rows * g->srs;
		for (int64_t j = 0; j < g->lo; j++)
			d[j] = 0;
		if (g->step == 1)
			for (int64_t j = g->lo; j < g->hi; j++)
				d[j] = s[j];
		else
			for (int64_t j = g->lo; j < g->hi; j++)
				d[j] = s[j * g->step];
		for (int64_t j = g->hi; j < g->cols; j++)
			d[j] = 0;
	}
}

const FN(gr_gemm_kern) GEMM_TABLE = {
	.mr = BASE_MR,
	.nr = BASE_NR,
	.block_off = FN(block_off),
	.block_panel = FN(block_panel),
	.small = FN(small),
	.pack_b = FN(pack_b),
	.transpose = FN(gr__gemm_transpose),
	.copy_rows = FN(gr__gemm_copy_rows),
};
