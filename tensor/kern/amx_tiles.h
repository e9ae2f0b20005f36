/*
 * AMX tiles, for the files *_amx.c: eight of 16 rows of 64 bytes, and the transposition that pairs of
 * bfloat16 need.
 *
 * Few of the eight should be alive at a time. The CPU has few to rename them to, fewer when its other
 * hardware thread uses them too, and with all of them alive every instruction waits for the one
 * before (docs/design/020-split-products.md).
 */
#ifndef GR_KERN_AMX_TILES_H
#define GR_KERN_AMX_TILES_H

#include <immintrin.h>
#include <stdint.h>

typedef struct tile_config {
	uint8_t palette;
	uint8_t start;
	uint8_t reserved[14];
	uint16_t bytes[16];
	uint8_t rows[16];
} tile_config;

/* Before the first tile of a task; _tile_release() is after the last. */
static inline void tiles_begin(void)
{
	/* In memory: compilers take the instruction to read no more than the first bytes. */
	static const tile_config config = {
		.palette = 1,
		.bytes = {64, 64, 64, 64, 64, 64, 64, 64},
		.rows = {16, 16, 16, 16, 16, 16, 16, 16},
	};
	_tile_loadconfig(&config);
}

/* 16 x 16 transposition of 32-bit elements. */
static inline __attribute__((always_inline)) void transpose16(__m512i v[16])
{
	__m512i t[16];
	for (int i = 0; i < 8; i++) {
		t[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
		t[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
	}
	for (int i = 0; i < 4; i++) {
		v[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
		v[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
		v[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
		v[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(v[i], v[i + 4], 0xdd);
		t[i + 8] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0x88);
		t[i + 12] = _mm512_shuffle_i32x4(v[i + 8], v[i + 12], 0xdd);
	}
	for (int i = 0; i < 4; i++) {
		v[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
		v[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
		v[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
		v[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
	}
}

#endif
