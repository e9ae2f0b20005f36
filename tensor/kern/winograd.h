/*
 * Winograd's minimal filtering F(4x4, 3x3): what conv_winograd.c (shapes, blocks, threads, products)
 * and kern/multi/winograd.c (the transforms, compiled once per instruction set) agree on.
 *
 * An output tile of 4x4 pixels comes from an input tile of 6x6 by
 *
 *     Y = A' [ sum_c (G w G') .* (B' X B) ] A
 *
 * 36 products a channel instead of 144 (Lavin and Gray 2016, "Fast algorithms for convolutional
 * neural networks"). The matrices are those of interpolation at 0, +-1/sqrt 2, +-sqrt 2 and
 * infinity: with the customary 0, +-1, +-2 the f32 error is larger.
 *
 * Tiles are numbered in raster order through all samples and held 16 side by side, a lane each.
 * Every step works lane by lane, so a tile's bits depend neither on its lane nor on its neighbours.
 */
#ifndef GR_KERN_WINOGRAD_H
#define GR_KERN_WINOGRAD_H

#include <stdint.h>

enum { GR_WINO_LANES = 16, GR_WINO_POINTS = 36 };

/* Tiles [first, first + count) of images with `down` x `across` tiles. */
typedef struct gr_wino_tiles {
	int64_t down;
	int64_t across;
	int64_t first;
	int64_t count;
} gr_wino_tiles;

/* Planes [sample][channel][row][col] of pixels; rows are dense. */
typedef struct gr_wino_planes {
	int64_t h;
	int64_t w;
	int64_t row;
	int64_t channel;
	int64_t sample;
} gr_wino_planes;

/* Four tiles side by side: pixel of the first, sample's offset in x, or -1 for none. */
typedef struct gr_wino_quad {
	int64_t offset;
	int64_t row;
	int64_t col;
} gr_wino_quad;

/* d[i][j][lane]: pixel (i, j) of 16 tiles; winograd_avx512.c. */
void gr__winograd_load_avx512(const gr_wino_planes *p, const float *x, int64_t r0, int64_t s0,
	const gr_wino_quad quads[4], float (*d)[6][GR_WINO_LANES]);

/* taps[t][i] = w[9 i + order[t]] for i < n, zeros beyond. */
void gr__winograd_taps_avx512(int64_t n, const float *w, const int order[9],
	float (*taps)[GR_WINO_LANES]);

typedef struct gr_winograd_table {
	/* v[point * v_point + c * v_channel + lane] = B' X B of the tile whose first pixel is (4 ty +
	 * r0, 4 tx + s0), zeros outside the image and in the lanes that fill up the last sixteen. */
	void (*input)(const gr_wino_tiles *t, const gr_wino_planes *p, const float *x, int64_t r0,
		int64_t s0, int64_t channels, float *v, int64_t v_point, int64_t v_channel);
	/* The reverse of the way: y = A' M A + bias, of m[point * m_point + k * m_channel + lane]; bias
	 * may be NULL. Pixels past h, w are not written. */
	void (*output)(const gr_wino_tiles *t, const gr_wino_planes *p, const float *m, int64_t m_point,
		int64_t m_channel, int64_t channels, const float *bias, float *y);
	/* u[point * u_point + i] = G w G' for filters i < n, tap (r,s) of filter i at w[9 i + order[3 r +
	 * s]]; lanes that fill up the last sixteen are zero. */
	void (*weights)(int64_t n, const float *w, const int order[9], float *u, int64_t u_point);
	/* For the weight gradient, 16 channels innermost, a row of `tiles` tiles at a time.
	 * v[point * v_point + tile * v_tile + lane] = B' X B of x[i * row + (4 tile + j) * 16 + lane]. */
	void (*input_channels)(int64_t tiles, const float *x, int64_t row, float *v, int64_t v_point,
		int64_t v_tile);
	/* m[point * m_point + (lane / mr) * m_panel + tile * mr + lane % mr] = A Y A' of y as above. */
	void (*gradient_channels)(int64_t tiles, const float *y, int64_t row, int64_t mr, float *m,
		int64_t m_point, int64_t m_panel);
	/* w[lane * 9 + 3 r + s] = G' U G of u[point * u_point + lane], for lanes below n. */
	void (*filters)(int64_t n, const float *u, int64_t u_point, float *w);
} gr_winograd_table;

const gr_winograd_table *gr__kern_winograd(void);

extern const gr_winograd_table gr__k_baseline_winograd_table;
#ifndef GR_ISA_ONLY_BASELINE
extern const gr_winograd_table gr__k_avx2_winograd_table;
extern const gr_winograd_table gr__k_avx512_winograd_table;
#endif

#endif
