/*
 * AVX2 filling of the kernel table of gemm.h: tiles of 4 rows by 3 vectors, which with 3 vectors
 * of B and one broadcast are all 16 registers; of 6 vectors where 2 rows or fewer are left.
 */
#include "gemm.h"

#if defined(__AVX2__) && defined(__FMA__)

#include <immintrin.h>

#define MR 4
#define NV 3
#define MR_LOW 2
#define NV_LOW 6

static void transpose_8x8(const float *src, int64_t srs, float *dst, int64_t drs)
{
	__m256 r[8];
	__m256 u[8];
	for (int i = 0; i < 4; i++) {
		const float *lo = src + i * srs;
		const float *hi = src + (i + 4) * srs;
		r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(lo)), _mm_loadu_ps(hi), 1);
		r[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(lo + 4)),
			_mm_loadu_ps(hi + 4), 1);
	}
	for (int h = 0; h < 8; h += 4) {
		u[0] = _mm256_unpacklo_ps(r[h], r[h + 1]);
		u[1] = _mm256_unpackhi_ps(r[h], r[h + 1]);
		u[2] = _mm256_unpacklo_ps(r[h + 2], r[h + 3]);
		u[3] = _mm256_unpackhi_ps(r[h + 2], r[h + 3]);
		_mm256_storeu_ps(dst + (h + 0) * drs, _mm256_shuffle_ps(u[0], u[2], 0x44));
		_mm256_storeu_ps(dst + (h + 1) * drs, _mm256_shuffle_ps(u[0], u[2], 0xee));
		_mm256_storeu_ps(dst + (h + 2) * drs, _mm256_shuffle_ps(u[1], u[3], 0x44));
		_mm256_storeu_ps(dst + (h + 3) * drs, _mm256_shuffle_ps(u[1], u[3], 0xee));
	}
}

void gr__gemm_transpose_f32_avx2(int64_t rows, int64_t cols, const float *src, int64_t srs,
	float *dst, int64_t drs)
{
	const int64_t rows8 = rows & ~(int64_t)7;
	const int64_t cols8 = cols & ~(int64_t)7;
	for (int64_t j = 0; j < cols8; j += 8)
		for (int64_t i = 0; i < rows8; i += 8)
			transpose_8x8(src + i * srs + j, srs, dst + j * drs + i, drs);
	if (cols8 < cols)
		gr__gemm_transpose_f32(rows8, cols - cols8, src + cols8, srs, dst + cols8 * drs, drs);
	if (rows8 < rows)
		gr__gemm_transpose_f32(rows - rows8, cols, src + rows8 * srs, srs, dst + rows8, drs);
}

static __m256i mask_f32(int lanes)
{
	const __m256i lane = _mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0);
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), lane);
}

static __m256i mask_f64(int lanes)
{
	const __m256i lane = _mm256_set_epi64x(3, 2, 1, 0);
	return _mm256_cmpgt_epi64(_mm256_set1_epi64x(lanes), lane);
}

#define T float
#define FN(name) name##_f32
#define V __m256
#define VL 8
#define M __m256i
#define V_ZERO() _mm256_setzero_ps()
#define V_SET1(x) _mm256_set1_ps(x)
#define V_LOAD(p) _mm256_loadu_ps(p)
#define V_MLOAD(m, p) _mm256_maskload_ps(p, m)
#define V_STORE(p, x) _mm256_storeu_ps(p, x)
#define V_MSTORE(p, m, x) _mm256_maskstore_ps(p, m, x)
#define V_ADD(x, y) _mm256_add_ps(x, y)
#define V_FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define V_MASK(lanes) mask_f32(lanes)
#define transpose_f32 gr__gemm_transpose_f32_avx2
#include "gemm_tile_impl.h"
#undef T
#undef FN
#undef V
#undef VL
#undef M
#undef V_ZERO
#undef V_SET1
#undef V_LOAD
#undef V_MLOAD
#undef V_STORE
#undef V_MSTORE
#undef V_ADD
#undef V_FMA
#undef V_MASK

#define T double
#define FN(name) name##_f64
#define V __m256d
#define VL 4
#define M __m256i
#define V_ZERO() _mm256_setzero_pd()
#define V_SET1(x) _mm256_set1_pd(x)
#define V_LOAD(p) _mm256_loadu_pd(p)
#define V_MLOAD(m, p) _mm256_maskload_pd(p, m)
#define V_STORE(p, x) _mm256_storeu_pd(p, x)
#define V_MSTORE(p, m, x) _mm256_maskstore_pd(p, m, x)
#define V_ADD(x, y) _mm256_add_pd(x, y)
#define V_FMA(x, y, z) _mm256_fmadd_pd(x, y, z)
#define V_MASK(lanes) mask_f64(lanes)
#define transpose_f64 gr__gemm_transpose_f64
#include "gemm_tile_impl.h"

const gr_gemm_kern_f32 gr__gemm_kern_f32_avx2 = {
	.mr = MR,
	.nr = NV * 8,
	.block_off = block_off_f32,
	.block_panel = block_panel_f32,
	.small = small_f32,
	.pack_b = pack_b_f32,
	.transpose = gr__gemm_transpose_f32_avx2,
	.copy_rows = gr__gemm_copy_rows_f32,
};

const gr_gemm_kern_f64 gr__gemm_kern_f64_avx2 = {
	.mr = MR,
	.nr = NV * 4,
	.block_off = block_off_f64,
	.block_panel = block_panel_f64,
	.small = small_f64,
	.pack_b = pack_b_f64,
	.transpose = gr__gemm_transpose_f64,
	.copy_rows = gr__gemm_copy_rows_f64,
};

#endif
