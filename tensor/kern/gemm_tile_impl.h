/*
 * The vector micro-kernels, written once. gemm_avx2.c and gemm_avx512.c include this for float and
 * for double after defining: T, FN(name), the vector type V of VL lanes, its mask type M, MR and NV
 * (rows and vectors of a full tile), NV_LOW (vectors of a tile of at most MR_LOW rows), and V_ZERO,
 * V_SET1, V_LOAD, V_MLOAD, V_STORE, V_MSTORE, V_ADD, V_FMA, V_MASK(lanes).
 *
 * Every tile, of any shape, builds each element by the same chain: acc = 0, then one FMA per k
 * in order, then one addition to C (or the bias). That is the whole of the promise in gemm.h.
 */

#ifndef UNROLL
/* Unrolled whole, so that the arrays below become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_TWICE _Pragma("clang loop unroll_count(2)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#define UNROLL_TWICE _Pragma("GCC unroll 2")
#endif
#endif

typedef struct FN(tile_args) {
	int64_t kc;
	const T *a;
	int64_t ars;
	int64_t acs;
	const T *b;
	const int64_t *off;
	int64_t brs;
	T *c;
	int64_t crs;
	const T *bias;
	bool add;
	M last; /* lanes of the last vector of the tile */
} FN(tile_args);

/* How the operands of a tile are addressed; a constant in every instance below. */
enum {
	FN(B_OFFSETS), /* A packed, B through a table of row offsets */
	FN(B_PANEL),   /* A packed, B packed: rows nv * VL apart */
	FN(B_DIRECT),  /* A and B where the caller has them */
};

static inline __attribute__((always_inline)) void FN(
	tile)(const int mr, const int nv, const int mode, const FN(tile_args) * t)
{
	const T *restrict a = t->a;
	const T *restrict b = t->b;
	const int64_t *restrict off = t->off;
	const int64_t ars = mode == FN(B_DIRECT) ? t->ars : 1;
	const int64_t acs = mode == FN(B_DIRECT) ? t->acs : MR;
	const int64_t brs = mode == FN(B_PANEL) ? nv * VL : t->brs;
	const M last = t->last;
	V acc[MR][NV_LOW];
	UNROLL
	for (int i = 0; i < mr; i++) {
		UNROLL
		for (int v = 0; v < nv; v++)
			acc[i][v] = V_ZERO();
	}
	const int64_t kc = t->kc;
	UNROLL_TWICE
	for (int64_t k = 0; k < kc; k++) {
		const T *bk = mode == FN(B_OFFSETS) ? b + off[k] : b;
		V bv[NV_LOW];
		UNROLL
		for (int v = 0; v < nv - 1; v++)
			bv[v] = V_LOAD(bk + v * VL);
		bv[nv - 1] = V_MLOAD(last, bk + (nv - 1) * VL);
		UNROLL
		for (int i = 0; i < mr; i++) {
			const V ai = V_SET1(a[i * ars]);
			UNROLL
			for (int v = 0; v < nv; v++)
				acc[i][v] = V_FMA(ai, bv[v], acc[i][v]);
		}
		a += acs;
		if (mode != FN(B_OFFSETS))
			b += brs;
	}
	T *c = t->c;
	const int64_t crs = t->crs;
	const T *bias = t->bias;
	if (t->add) {
		UNROLL
		for (int i = 0; i < mr; i++) {
			UNROLL
			for (int v = 0; v < nv - 1; v++)
				acc[i][v] = V_ADD(V_LOAD(c + i * crs + v * VL), acc[i][v]);
			acc[i][nv - 1] = V_ADD(V_MLOAD(last, c + i * crs + (nv - 1) * VL), acc[i][nv - 1]);
		}
	} else if (bias) {
		UNROLL
		for (int i = 0; i < mr; i++) {
			UNROLL
			for (int v = 0; v < nv; v++)
				acc[i][v] = V_ADD(V_SET1(bias[i]), acc[i][v]);
		}
	}
	UNROLL
	for (int i = 0; i < mr; i++) {
		UNROLL
		for (int v = 0; v < nv - 1; v++)
			V_STORE(c + i * crs + v * VL, acc[i][v]);
		V_MSTORE(c + i * crs + (nv - 1) * VL, last, acc[i][nv - 1]);
	}
}

typedef void (*FN(tile_fn))(const FN(tile_args) *);

#define TILE(mode, mr, nv) \
	static void FN(tile_##mode##_##mr##x##nv)(const FN(tile_args) * t) \
	{ \
		FN(tile)(mr, nv, FN(mode), t); \
	}
#define TILE_ROW3(mode, mr) TILE(mode, mr, 1) TILE(mode, mr, 2) TILE(mode, mr, 3)
#define TILE_ROW6(mode, mr) \
	TILE_ROW3(mode, mr) TILE(mode, mr, 4) TILE(mode, mr, 5) TILE(mode, mr, 6)
#define NAME3(mode, mr) \
	FN(tile_##mode##_##mr##x1), FN(tile_##mode##_##mr##x2), FN(tile_##mode##_##mr##x3)
#define NAME6(mode, mr) \
	NAME3(mode, mr), FN(tile_##mode##_##mr##x4), FN(tile_##mode##_##mr##x5), \
		FN(tile_##mode##_##mr##x6)

/* clang-format off */
#if MR == 8
#define TILES(mode) \
	TILE_ROW6(mode, 1) TILE_ROW6(mode, 2) TILE_ROW6(mode, 3) TILE_ROW6(mode, 4) \
	TILE_ROW3(mode, 5) TILE_ROW3(mode, 6) TILE_ROW3(mode, 7) TILE_ROW3(mode, 8) \
	static const FN(tile_fn) FN(tiles_##mode)[MR][NV_LOW] = { \
		{NAME6(mode, 1)}, {NAME6(mode, 2)}, {NAME6(mode, 3)}, {NAME6(mode, 4)}, \
		{NAME3(mode, 5)}, {NAME3(mode, 6)}, {NAME3(mode, 7)}, {NAME3(mode, 8)}};
#elif MR == 4
#define TILES(mode) \
	TILE_ROW6(mode, 1) TILE_ROW6(mode, 2) TILE_ROW3(mode, 3) TILE_ROW3(mode, 4) \
	static const FN(tile_fn) FN(tiles_##mode)[MR][NV_LOW] = { \
		{NAME6(mode, 1)}, {NAME6(mode, 2)}, {NAME3(mode, 3)}, {NAME3(mode, 4)}};
#else
#error "TILES lists the heights 4 and 8"
#endif
/* clang-format on */

TILES(B_OFFSETS)
TILES(B_PANEL)
TILES(B_DIRECT)

/* Vectors of the next tile when `n` columns remain and a tile holds `most`: never 3 + 1. */
static int FN(tile_vectors)(int64_t n, int most)
{
	const int64_t left = (n + VL - 1) / VL;
	if (left == most + 1)
		return (most + 1) / 2;
	return left < most ? (int)left : most;
}

static M FN(tile_mask)(int64_t n, int nv)
{
	const int64_t lanes = n - (int64_t)(nv - 1) * VL;
	return V_MASK(lanes < VL ? (int)lanes : VL);
}

static void FN(block_off)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b,
	const int64_t *off, T *c, int64_t crs, const T *bias, bool add)
{
	const int most = m <= MR_LOW ? NV_LOW : NV;
	FN(tile_args) t = {.kc = kc, .off = off, .crs = crs, .add = add};
	for (int64_t j = 0; j < n;) {
		const int nv = FN(tile_vectors)(n - j, most);
		t.last = FN(tile_mask)(n - j, nv);
		t.b = b + j;
		for (int64_t i = 0; i < m; i += MR) {
			const int64_t mr = m - i < MR ? m - i : MR;
			t.a = a + i * kc;
			t.c = c + i * crs + j;
			t.bias = bias ? bias + i : NULL;
			FN(tiles_B_OFFSETS)[mr - 1][nv - 1](&t);
		}
		j += (int64_t)nv * VL;
	}
}

static void FN(block_panel)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b, T *c,
	int64_t crs, bool add)
{
	FN(tile_args) t = {.kc = kc, .crs = crs, .add = add};
	for (int64_t j = 0; j < n;) {
		const int nv = FN(tile_vectors)(n - j, NV);
		t.last = FN(tile_mask)(n - j, nv);
		t.b = b + j * kc;
		for (int64_t i = 0; i < m; i += MR) {
			const int64_t mr = m - i < MR ? m - i : MR;
			t.a = a + i * kc;
			t.c = c + i * crs + j;
			FN(tiles_B_PANEL)[mr - 1][nv - 1](&t);
		}
		j += (int64_t)nv * VL;
	}
}

static void FN(small)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs,
	const T *b, int64_t brs, T *c, int64_t crs, bool add)
{
	const int most = m <= MR_LOW ? NV_LOW : NV;
	FN(tile_args) t = {.ars = ars, .acs = acs, .brs = brs, .crs = crs};
	for (int64_t kb = 0; kb < k; kb += GR_GEMM_KC) {
		t.kc = k - kb < GR_GEMM_KC ? k - kb : GR_GEMM_KC;
		t.add = add || kb > 0;
		for (int64_t j = 0; j < n;) {
			const int nv = FN(tile_vectors)(n - j, most);
			t.last = FN(tile_mask)(n - j, nv);
			t.b = b + kb * brs + j;
			for (int64_t i = 0; i < m; i += MR) {
				const int64_t mr = m - i < MR ? m - i : MR;
				t.a = a + i * ars + kb * acs;
				t.c = c + i * crs + j;
				FN(tiles_B_DIRECT)[mr - 1][nv - 1](&t);
			}
			j += (int64_t)nv * VL;
		}
	}
}

/* Rows of a group are whole vectors apart; lanes past n are left as they are: masked on load. */
static void FN(pack_b)(int64_t n, int64_t kc, const T *b, int64_t brs, int64_t bcs, T *dst)
{
	for (int64_t j = 0; j < n;) {
		const int nv = FN(tile_vectors)(n - j, NV);
		const int64_t width = (int64_t)nv * VL;
		const int64_t cols = n - j < width ? n - j : width;
		const T *src = b + j * bcs;
		if (bcs == 1) {
			const M last = FN(tile_mask)(n - j, nv);
			for (int64_t k = 0; k < kc; k++) {
				for (int v = 0; v < nv - 1; v++)
					V_STORE(dst + k * width + v * VL, V_LOAD(src + k * brs + v * VL));
				V_STORE(dst + k * width + (nv - 1) * VL,
					V_MLOAD(last, src + k * brs + (nv - 1) * VL));
			}
		} else if (brs == 1) {
			FN(transpose)(cols, kc, src, bcs, dst, width);
		} else {
			for (int64_t k = 0; k < kc; k++)
				for (int64_t q = 0; q < cols; q++)
					dst[k * width + q] = src[k * brs + q * bcs];
		}
		dst += width * kc;
		j += width;
	}
}

#undef TILE
#undef TILE_ROW3
#undef TILE_ROW6
#undef NAME3
#undef NAME6
#undef TILES
