/*
 * What gemm_split.c does on tiles: cutting operands into three parts, the products of parts, and
 * taking their sums to C. Tiles hold pairs of k: here k and k + 16 of a block of 32, so that a pair
 * is made of two vectors without moving lanes.
 *
 * One tile product adds (sum over the k, in order) + (sum over the k + 16, in order) to each
 * accumulator, with an f32 rounding at every step and subnormal numbers taken as 0. In a block of 32
 * the parts of A and B come in the order lh, hh, hl, hm, mm, mh, in which each product needs but one
 * tile that the one before did not.
 */
#include "gemm_split.h"

#include "amx_tiles.h"
#include "blocks.h"

#define LANES GR_SPLIT_LANES
#define DEPTH GR_SPLIT_DEPTH
#define PART (LANES * DEPTH)
#define INLINE static inline __attribute__((always_inline))

void gr__split_begin(void)
{
	tiles_begin();
}

void gr__split_end(void)
{
	_tile_release();
}

/* The parts of two vectors, those of x in the low halves, those of y in the high ones. */
INLINE void split_pair(__m512 x, __m512 y, __m512i parts[GR_SPLIT_PARTS])
{
	const __m512i half = _mm512_set1_epi32(0x8000);
	const __m512i upper = _mm512_set1_epi32((int)0xffff0000u);
	for (int i = 0; i < GR_SPLIT_PARTS; i++) {
		__m512i xi = _mm512_castps_si512(x);
		__m512i yi = _mm512_castps_si512(y);
		if (i < 2) { /* to the nearest; what remains at last has no more bits than a part holds */
			xi = _mm512_and_si512(_mm512_add_epi32(xi, half), upper);
			yi = _mm512_and_si512(_mm512_add_epi32(yi, half), upper);
			x = _mm512_sub_ps(x, _mm512_castsi512_ps(xi));
			y = _mm512_sub_ps(y, _mm512_castsi512_ps(yi));
		}
		/* srl(xi, 16) | (yi & upper): what remains of a subnormal number may have lower bits. */
		parts[i] = _mm512_ternarylogic_epi32(_mm512_srli_epi32(xi, 16), yi, upper, 0xf8);
	}
}

static __mmask16 low_mask(int64_t n)
{
	return (__mmask16)(n <= 0 ? 0 : n >= 16 ? 0xffffu : (1u << n) - 1u);
}

/*
 * One operand on its way into tiles. A line of a tile is a lane's 16 pairs of k (rows of A) or a
 * pair's 16 lanes (columns of B); `columns` is a constant in every function below.
 */
typedef struct packing {
	int64_t lanes;
	int64_t k;
	const float *x;
	int64_t lane_stride;
	int64_t k_stride;
	uint16_t *to;
} packing;

INLINE void store_lines(__m512i lines[GR_SPLIT_PARTS][LANES], uint16_t *to)
{
	for (int q = 0; q < GR_SPLIT_PARTS; q++) {
		transpose16(lines[q]);
		for (int i = 0; i < LANES; i++)
			_mm512_store_si512(to + q * PART + i * DEPTH, lines[q][i]);
	}
}

/* Vectors run along k: x[i * stride + k]. */
INLINE void pack_along_k(const bool columns, const float *x, int64_t lanes, int64_t stride,
	int64_t depth, uint16_t *to)
{
	const __mmask16 low = low_mask(depth);
	const __mmask16 high = low_mask(depth - LANES);
	__m512i lines[GR_SPLIT_PARTS][LANES];
	for (int64_t i = 0; i < lanes; i++) {
		const float *at = x + i * stride;
		__m512i parts[GR_SPLIT_PARTS];
		split_pair(_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at + LANES), parts);
		for (int q = 0; q < GR_SPLIT_PARTS; q++) {
			if (columns)
				lines[q][i] = parts[q];
			else
				_mm512_store_si512(to + q * PART + i * DEPTH, parts[q]);
		}
	}
	if (columns) {
		for (int64_t i = lanes; i < LANES; i++)
			for (int q = 0; q < GR_SPLIT_PARTS; q++)
				lines[q][i] = _mm512_setzero_si512();
		store_lines(lines, to);
	}
}

/* Vectors run along the lanes: x[k * stride + lane]. */
INLINE void pack_along_lanes(const bool columns, const float *x, int64_t lanes, int64_t stride,
	int64_t depth, uint16_t *to)
{
	const __mmask16 mask = low_mask(lanes);
	__m512i lines[GR_SPLIT_PARTS][LANES];
	for (int i = 0; i < LANES; i++) {
		const float *at = x + i * stride;
		const __m512 low = _mm512_maskz_loadu_ps(i < depth ? mask : 0, at);
		const __m512 high =
			_mm512_maskz_loadu_ps(i + LANES < depth ? mask : 0, at + LANES * stride);
		__m512i parts[GR_SPLIT_PARTS];
		split_pair(low, high, parts);
		for (int q = 0; q < GR_SPLIT_PARTS; q++) {
			if (columns)
				_mm512_store_si512(to + q * PART + i * DEPTH, parts[q]);
			else
				lines[q][i] = parts[q];
		}
	}
	if (!columns)
		store_lines(lines, to);
}

/* A tile of 16 lanes by 32 of k, whatever the strides. */
INLINE void pack_tile(const packing *p, const bool columns, int64_t lane, int64_t k)
{
	const int64_t lanes = min64(LANES, p->lanes - lane);
	const int64_t depth = min64(DEPTH, p->k - k);
	const float *x = p->x + lane * p->lane_stride + k * p->k_stride;
	const int64_t depths = ceil_div(p->k, DEPTH);
	uint16_t *to = p->to + (lane / LANES * depths + k / DEPTH) * GR_SPLIT_TILE;
	if (p->k_stride == 1) {
		pack_along_k(columns, x, lanes, p->lane_stride, depth, to);
	} else if (p->lane_stride == 1) {
		pack_along_lanes(columns, x, lanes, p->k_stride, depth, to);
	} else {
		float dense[LANES * DEPTH];
		for (int64_t i = 0; i < lanes; i++)
			for (int64_t j = 0; j < depth; j++)
				dense[i * DEPTH + j] = x[i * p->lane_stride + j * p->k_stride];
		pack_along_k(columns, dense, lanes, DEPTH, depth, to);
	}
}

/* Along the vectors first: what is read lies together. */
INLINE void pack(const packing *p, const bool columns)
{
	if (p->k_stride == 1) {
		for (int64_t lane = 0; lane < p->lanes; lane += LANES)
			for (int64_t k = 0; k < p->k; k += DEPTH)
				pack_tile(p, columns, lane, k);
	} else {
		for (int64_t k = 0; k < p->k; k += DEPTH)
			for (int64_t lane = 0; lane < p->lanes; lane += LANES)
				pack_tile(p, columns, lane, k);
	}
}

void gr__split_pack_rows(int64_t lanes, int64_t k, const float *x, int64_t lane_stride,
	int64_t k_stride, uint16_t *to)
{
	const packing p = {lanes, k, x, lane_stride, k_stride, to};
	pack(&p, false);
}

void gr__split_pack_columns(int64_t lanes, int64_t k, const float *x, int64_t lane_stride,
	int64_t k_stride, uint16_t *to)
{
	const packing p = {lanes, k, x, lane_stride, k_stride, to};
	pack(&p, true);
}

/* A sixth of a tile of the operand that comes from further away, into the first-level cache. */
INLINE void fetch(const uint16_t *tile, int sixth)
{
	enum { LINE = 64 / sizeof(uint16_t), LINES = GR_SPLIT_TILE / LINE / 6 };
	for (int i = 0; i < LINES; i++)
		_mm_prefetch((const char *)(tile + (sixth * LINES + i) * LINE), _MM_HINT_T0);
}

/* Three tiles are alive; see amx_tiles.h. */
void gr__split_product(int64_t depths, const uint16_t *a, const uint16_t *b, float *sums, bool add,
	const uint16_t *far, const uint16_t *next)
{
	enum { H = 0, M = PART, L = 2 * PART };
	_Alignas(64) float aside[LANES * LANES];
	float *to = add ? aside : sums;
	_tile_zero(0);
	for (int64_t d = 0; d < depths; d++, a += GR_SPLIT_TILE, b += GR_SPLIT_TILE) {
		far = d + 1 < depths ? far + GR_SPLIT_TILE : next;
		_tile_loadd(1, a + L, 64);
		_tile_loadd(2, b + H, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 0);
		_tile_loadd(1, a + H, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 1);
		_tile_loadd(2, b + L, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 2);
		_tile_loadd(2, b + M, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 3);
		_tile_loadd(1, a + M, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 4);
		_tile_loadd(2, b + H, 64);
		_tile_dpbf16ps(0, 1, 2);
		fetch(far, 5);
	}
	_tile_stored(0, to, LANES * sizeof *to);
	for (int64_t i = 0; i < LANES * LANES && add; i += LANES)
		_mm512_store_ps(sums + i, _mm512_add_ps(_mm512_load_ps(sums + i), _mm512_load_ps(to + i)));
}

/* Bits of the class instruction: quiet NaN, both infinities, signalling NaN. */
#define NOT_FINITE 0x99

bool gr__split_store(int64_t m, int64_t n, const float *sums, float *c, int64_t crs, int64_t ccs,
	bool add)
{
	const __mmask16 mask = low_mask(n);
	unsigned bad = 0;
	for (int64_t i = 0; i < m; i++)
		bad |= _mm512_mask_fpclass_ps_mask(mask, _mm512_load_ps(sums + i * LANES), NOT_FINITE);
	if (bad != 0)
		return false;
	for (int64_t i = 0; i < m && ccs == 1; i++) {
		float *at = c + i * crs;
		__m512 sum = _mm512_load_ps(sums + i * LANES);
		if (add)
			sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, at), sum);
		_mm512_mask_storeu_ps(at, mask, sum);
	}
	for (int64_t i = 0; i < m && ccs != 1; i++)
		for (int64_t j = 0; j < n; j++) {
			float *at = c + i * crs + j * ccs;
			*at = add ? *at + sums[i * LANES + j] : sums[i * LANES + j];
		}
	return true;
}
