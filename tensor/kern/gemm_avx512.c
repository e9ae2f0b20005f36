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

/* Rows shifted by a tap of a convolution: step 1 and 2 in vectors, zeros from the mask. */
static void copy_rows_f32(int64_t rows, int64_t cols, int64_t lo, int64_t hi, const float *src,
	int64_t srs, int64_t step, float *dst, int64_t drs)
{
	if (step > 2) {
		gr__gemm_copy_rows_f32(rows, cols, lo, hi, src, srs, step, dst, drs);
		return;
	}
	const __m512i even =
		_mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	for (int64_t j = 0; j < cols; j += 16) {
		const int64_t n = cols - j < 16 ? cols - j : 16;
		const __mmask16 store = (__mmask16)((1u << n) - 1);
		uint32_t valid = 0; /* lanes of the result that come from src */
		uint32_t low = 0;   /* the same as elements of src[2 j], src[2 j + 16] for step 2 */
		uint32_t high = 0;
		for (int64_t l = 0; l < n; l++) {
			const uint32_t in = j + l >= lo && j + l < hi;
			valid |= in << l;
			low |= l < 8 ? in << (2 * l) : 0;
			high |= l < 8 ? 0 : in << (2 * l - 16);
		}
		if (step == 1) {
			for (int64_t q = 0; q < rows; q++)
				_mm512_mask_storeu_ps(dst + q * drs + j, store,
					_mm512_maskz_loadu_ps((__mmask16)valid, src + q * srs + j));
			continue;
		}
		for (int64_t q = 0; q < rows; q++) {
			const float *s = src + q * srs + 2 * j;
			const __m512 x = _mm512_maskz_loadu_ps((__mmask16)low, s);
			const __m512 y = _mm512_maskz_loadu_ps((__mmask16)high, s + 16);
			_mm512_mask_storeu_ps(dst + q * drs + j, store, _mm512_permutex2var_ps(x, even, y));
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
