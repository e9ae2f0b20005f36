/*
 * AVX-512 filling of the kernel table of gemm.h: tiles of 8 rows by 3 vectors, 24 accumulators of
 * the 32 registers, 11 loads for 24 multiply-adds; of 6 vectors where 4 rows or fewer are left.
 */
#include "gemm.h"

#if defined(__AVX512F__)

#include <immintrin.h>

#define MR 8
#define NV 3
#define MR_LOW 4
#define NV_LOW 6

/* The lowest n bits, n clamped to 0..16. */
static uint32_t low_bits(int64_t n)
{
	return n <= 0 ? 0 : n >= 16 ? 0xffffu : (1u << n) - 1;
}

/* Bit i of x goes to bit 2 i. */
static uint32_t spread_bits(uint32_t x)
{
	x = (x | x << 8) & 0x00ff00ffu;
	x = (x | x << 4) & 0x0f0f0f0fu;
	x = (x | x << 2) & 0x33333333u;
	return (x | x << 1) & 0x55555555u;
}

/* Rows shifted by a tap of a convolution: step 1 and 2 in vectors, zeros from the mask. */
static void copy_rows_f32(const gr_gemm_rows *g, const float *src, float *dst)
{
	if (g->step > 2) {
		gr__gemm_copy_rows_f32(g, src, dst);
		return;
	}
	const __m512i even =
		_mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	for (int64_t j = 0; j < g->cols; j += 16) {
		const uint32_t valid = low_bits(g->hi - j) & ~low_bits(g->lo - j);
		const uint32_t pairs = spread_bits(valid);
		const __mmask16 store = (__mmask16)low_bits(g->cols - j);
		const __mmask16 all = (__mmask16)valid;
		const __mmask16 low = (__mmask16)pairs;
		const __mmask16 high = (__mmask16)(pairs >> 16);
		for (int64_t p = 0; p < g->planes; p++) {
			const float *s = src + p * g->sps + j * g->step;
			float *d = dst + p * g->dps + j;
			for (int64_t q = 0; q < g->rows; q++, s += g->srs, d += g->drs) {
				if (g->step == 1) {
					_mm512_mask_storeu_ps(d, store, _mm512_maskz_loadu_ps(all, s));
					continue;
				}
				const __m512 x = _mm512_maskz_loadu_ps(low, s);
				const __m512 y = _mm512_maskz_loadu_ps(high, s + 16);
				_mm512_mask_storeu_ps(d, store, _mm512_permutex2var_ps(x, even, y));
			}
		}
	}
}

#define T float
#define FN(name) name##_f32
#define V __m512
#define VL 16
#define M __mmask16
#define V_ZERO() _mm512_setzero_ps()
#define V_SET1(x) _mm512_set1_ps(x)
#define V_LOAD(p) _mm512_loadu_ps(p)
#define V_MLOAD(m, p) _mm512_maskz_loadu_ps(m, p)
#define V_STORE(p, x) _mm512_storeu_ps(p, x)
#define V_MSTORE(p, m, x) _mm512_mask_storeu_ps(p, m, x)
#define V_ADD(x, y) _mm512_add_ps(x, y)
#define V_FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define V_MASK(lanes) ((__mmask16)((1u << (lanes)) - 1))
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
#define V __m512d
#define VL 8
#define M __mmask8
#define V_ZERO() _mm512_setzero_pd()
#define V_SET1(x) _mm512_set1_pd(x)
#define V_LOAD(p) _mm512_loadu_pd(p)
#define V_MLOAD(m, p) _mm512_maskz_loadu_pd(m, p)
#define V_STORE(p, x) _mm512_storeu_pd(p, x)
#define V_MSTORE(p, m, x) _mm512_mask_storeu_pd(p, m, x)
#define V_ADD(x, y) _mm512_add_pd(x, y)
#define V_FMA(x, y, z) _mm512_fmadd_pd(x, y, z)
#define V_MASK(lanes) ((__mmask8)((1u << (lanes)) - 1))
#define transpose_f64 gr__gemm_transpose_f64
#include "gemm_tile_impl.h"

const gr_gemm_kern_f32 gr__gemm_kern_f32_avx512 = {
	.mr = MR,
	.nr = NV * 16,
	.block_off = block_off_f32,
	.block_panel = block_panel_f32,
	.small = small_f32,
	.pack_b = pack_b_f32,
	.transpose = gr__gemm_transpose_f32_avx2,
	.copy_rows = copy_rows_f32,
};

const gr_gemm_kern_f64 gr__gemm_kern_f64_avx512 = {
	.mr = MR,
	.nr = NV * 8,
	.block_off = block_off_f64,
	.block_panel = block_panel_f64,
	.small = small_f64,
	.pack_b = pack_b_f64,
	.transpose = gr__gemm_transpose_f64,
	.copy_rows = gr__gemm_copy_rows_f64,
};

#endif
