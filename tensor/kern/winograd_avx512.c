/*
 * F(4x4, 3x3) in vectors: what load_tiles() of multi/winograd.c does, for images whose rows hold a
 * multiple of four tiles, so that 16 pixels always lie in one row, and load_taps().
 */
#include "winograd.h"

#if defined(__AVX512F__)

#include <immintrin.h>

/* row[col, col + 16), zeros outside [0, w). */
static __m512 load_clipped(const float *row, int64_t col, int64_t w)
{
	const int64_t lo = col < 0 ? -col : 0;
	const int64_t hi = w - col < 16 ? w - col : 16;
	if (lo >= hi)
		return _mm512_setzero_ps();
	const __mmask16 mask = (__mmask16)((1u << hi) - (1u << lo));
	return _mm512_maskz_loadu_ps(mask, row + col);
}

static void split(__m512 a, __m512 b, __m512 *even, __m512 *odd)
{
	const __m512i evens =
		_mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
	const __m512i odds =
		_mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
	*even = _mm512_permutex2var_ps(a, evens, b);
	*odd = _mm512_permutex2var_ps(a, odds, b);
}

void gr__winograd_load_avx512(const gr_wino_planes *p, const float *x, int64_t r0, int64_t s0,
	const gr_wino_quad quads[4], float (*d)[6][GR_WINO_LANES])
{
	for (int i = 0; i < 6; i++) {
		__m512 here[4];
		__m512 next[4];
		for (int q = 0; q < 4; q++) {
			const int64_t row = quads[q].row + r0 + i;
			const int64_t col = quads[q].col + s0;
			here[q] = _mm512_setzero_ps();
			next[q] = _mm512_setzero_ps();
			if (quads[q].offset < 0 || row < 0 || row >= p->h)
				continue;
			const float *line = x + quads[q].offset + row * p->row;
			here[q] = load_clipped(line, col, p->w);
			next[q] = load_clipped(line, col + 4, p->w);
			/* The same pixels of the channel after next: planes are too far apart for the CPU. */
			_mm_prefetch((const char *)(line + col + 4 * p->channel), _MM_HINT_T0);
		}
		__m512 even[2];
		__m512 odd[2];
		__m512 e[6];
		split(here[0], here[1], &even[0], &odd[0]);
		split(here[2], here[3], &even[1], &odd[1]);
		split(even[0], even[1], &e[0], &e[2]);
		split(odd[0], odd[1], &e[1], &e[3]);
		split(next[0], next[1], &even[0], &odd[0]);
		split(next[2], next[3], &even[1], &odd[1]);
		__m512 unused;
		split(even[0], even[1], &e[4], &unused);
		split(odd[0], odd[1], &e[5], &unused);
		for (int j = 0; j < 6; j++)
			_mm512_storeu_ps(d[i][j], e[j]);
	}
}

void gr__winograd_taps_avx512(int64_t n, const float *w, const int order[9],
	float (*taps)[GR_WINO_LANES])
{
	const __m512i ninths =
		_mm512_set_epi32(135, 126, 117, 108, 99, 90, 81, 72, 63, 54, 45, 36, 27, 18, 9, 0);
	const __mmask16 mask = (__mmask16)((1u << n) - 1u);
	for (int t = 0; t < 9; t++)
		_mm512_storeu_ps(taps[t],
			_mm512_mask_i32gather_ps(_mm512_setzero_ps(), mask, ninths, w + order[t], 4));
}

#endif
