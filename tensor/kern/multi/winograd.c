/*
 * The transforms of F(4x4, 3x3); contracts and the choice of points are in kern/winograd.h.
 *
 * With a = 1/sqrt 2 and b = sqrt 2 (a^2 = 1/2, b^2 = 2, a b = 1):
 *
 *     B' = [ 1   0   -5/2   0    1  0 ]     G = [  1      0     0   ]     A' = [ 1  1    1   1   1   0 ]
 *          [ 0  -b   -2     a    1  0 ]         [ -2/3  -2a/3  -1/3 ]          [ 0  a   -a   b  -b   0 ]
 *          [ 0   b   -2    -a    1  0 ]         [ -2/3   2a/3  -1/3 ]          [ 0  1/2 1/2  2   2   0 ]
 *          [ 0  -a   -1/2   b    1  0 ]         [  1/6   b/6    1/3 ]          [ 0 a/2 -a/2  2b -2b  1 ]
 *          [ 0   a   -1/2  -b    1  0 ]         [  1/6  -b/6    1/3 ]
 *          [ 0   1    0   -5/2   0  1 ]         [  0      0     1   ]
 *
 * Rows of opposite points are sum and difference of an even and an odd part.
 */
#include <string.h>

#include "kern/multi/multi.h"
#include "kern/winograd.h"

#define L GR_WINO_LANES
#define ROOT2 1.41421356237309504880f
#define HALF_ROOT2 0.70710678118654752440f

/* Consecutive lanes whose tiles lie side by side in one image. */
typedef struct run {
	int64_t lane;
	int64_t count;
	int64_t sample;
	int64_t ty;
	int64_t tx;
} run;

/* The runs of `lanes` tiles from `first` on; their number. */
static int find_runs(const gr_wino_tiles *t, int64_t first, int64_t lanes, run *runs)
{
	int n = 0;
	for (int64_t lane = 0; lane < lanes; n++) {
		const int64_t row = (first + lane) / t->across;
		const int64_t tx = (first + lane) % t->across;
		const int64_t rest = t->across - tx < lanes - lane ? t->across - tx : lanes - lane;
		runs[n] = (run){lane, rest, row / t->down, row % t->down, tx};
		lane += rest;
	}
	return n;
}

/* In pieces of constant length, which take no call. */
static inline void copy_short(float *restrict dst, const float *restrict src, int64_t n)
{
	int64_t j = 0;
	for (; j + 16 <= n; j += 16)
		memcpy(dst + j, src + j, 16 * sizeof(float));
	for (; j + 4 <= n; j += 4)
		memcpy(dst + j, src + j, 4 * sizeof(float));
	for (; j < n; j++)
		memcpy(dst + j, src + j, sizeof(float));
}

/* dst[j] = row[col + j] where that is inside [0, w), else 0. */
static inline void copy_clipped(float *dst, int64_t n, const float *row, int64_t col, int64_t w)
{
	const int64_t lo = col < 0 ? -col : 0;
	const int64_t hi = w - col < n ? w - col : n;
	if (lo >= hi) {
		memset(dst, 0, (size_t)n * sizeof(float));
		return;
	}
	for (int64_t j = 0; j < lo; j++)
		dst[j] = 0.0f;
	copy_short(dst + lo, row + col + lo, hi - lo);
	for (int64_t j = hi; j < n; j++)
		dst[j] = 0.0f;
}

/* Pixels of 16 tiles, by column of the tile: d[i][j][lane]. */
typedef float tile6[6][6][L];

/* Every second number, n of each kind. */
static inline void split_pairs(int n, const float *restrict x, float *restrict even,
	float *restrict odd)
{
	for (int l = 0; l < n; l++) {
		even[l] = x[2 * l];
		odd[l] = x[2 * l + 1];
	}
}

/* e_j[lane] = line[4 lane + j] */
static inline void split_line(const float *restrict line, float *restrict e0, float *restrict e1,
	float *restrict e2, float *restrict e3)
{
	float even[2 * L];
	float odd[2 * L];
	split_pairs(2 * L, line, even, odd);
	split_pairs(L, even, e0, e2);
	split_pairs(L, odd, e1, e3);
}

static void load_tiles(const gr_wino_planes *p, const float *x, int64_t r0, int64_t s0,
	const run *runs, int nruns, tile6 d)
{
	float line[4 * L + 4];
	for (int i = 0; i < 6; i++) {
		for (int q = 0; q < nruns; q++) {
			const run *u = &runs[q];
			const int64_t row = 4 * u->ty + r0 + i;
			float *dst = line + 4 * u->lane;
			/* Two more than its tiles are wide; a next run writes over them. */
			if (row < 0 || row >= p->h)
				memset(dst, 0, (size_t)(4 * u->count + 2) * sizeof(float));
			else
				copy_clipped(dst, 4 * u->count + 2, x + u->sample * p->sample + row * p->row,
					4 * u->tx + s0, p->w);
		}
		const run *last = &runs[nruns - 1];
		const int64_t end = 4 * (last->lane + last->count) + 2;
		for (int64_t j = end; j < 4 * L + 2; j++)
			line[j] = 0.0f;
		/* The columns 4 and 5 of a tile are the next one's 0 and 1, except where a run ends. */
		split_line(line, d[i][0], d[i][1], d[i][2], d[i][3]);
		for (int j = 0; j < 2; j++) {
			memcpy(d[i][4 + j], d[i][j] + 1, (L - 1) * sizeof(float));
			d[i][4 + j][L - 1] = line[4 * L + j];
		}
		for (int q = 0; q + 1 < nruns; q++) {
			const run *u = &runs[q];
			const int64_t row = 4 * u->ty + r0 + i;
			for (int j = 0; j < 2; j++) {
				const int64_t col = 4 * (u->tx + u->count) + s0 + j;
				const bool inside = row >= 0 && row < p->h && col >= 0 && col < p->w;
				d[i][4 + j][u->lane + u->count - 1] =
					inside ? x[u->sample * p->sample + row * p->row + col] : 0.0f;
			}
		}
	}
}

#if defined(__AVX512F__)
/* The tiles in fours; quads past the last tile have no offset. */
static void find_quads(const gr_wino_tiles *t, const gr_wino_planes *p, int64_t first,
	int64_t lanes, gr_wino_quad quads[4])
{
	for (int64_t q = 0; q < 4; q++) {
		const int64_t row = (first + 4 * q) / t->across;
		quads[q].offset = 4 * q < lanes ? row / t->down * p->sample : -1;
		quads[q].row = 4 * (row % t->down);
		quads[q].col = 4 * ((first + 4 * q) % t->across);
	}
}
#endif

/* One step of B' along a line of six vectors. */
static inline void input_step(const float *restrict d0, const float *restrict d1,
	const float *restrict d2, const float *restrict d3, const float *restrict d4,
	const float *restrict d5, float *restrict t0, float *restrict t1, float *restrict t2,
	float *restrict t3, float *restrict t4, float *restrict t5)
{
	for (int l = 0; l < L; l++) {
		const float p = d4[l] - 2.0f * d2[l];
		const float q = HALF_ROOT2 * d3[l] - ROOT2 * d1[l];
		const float r = d4[l] - 0.5f * d2[l];
		const float s = ROOT2 * d3[l] - HALF_ROOT2 * d1[l];
		t0[l] = (d0[l] - 2.5f * d2[l]) + d4[l];
		t1[l] = p + q;
		t2[l] = p - q;
		t3[l] = r + s;
		t4[l] = r - s;
		t5[l] = (d1[l] - 2.5f * d3[l]) + d5[l];
	}
}

void GR_K(winograd_input)(const gr_wino_tiles *t, const gr_wino_planes *p, const float *x,
	int64_t r0, int64_t s0, int64_t channels, float *v, int64_t v_point, int64_t v_channel)
{
	for (int64_t at = 0; at < t->count; at += L) {
		run runs[L];
		const int64_t lanes = t->count - at < L ? t->count - at : L;
		const int nruns = find_runs(t, t->first + at, lanes, runs);
#if defined(__AVX512F__)
		gr_wino_quad quads[4];
		const bool fours = t->across % 4 == 0;
		if (fours)
			find_quads(t, p, t->first + at, lanes, quads);
#endif
		for (int64_t c = 0; c < channels; c++) {
			tile6 d;
			tile6 e;
#if defined(__AVX512F__)
			if (fours)
				gr__winograd_load_avx512(p, x + c * p->channel, r0, s0, quads, d);
			else
#endif
				load_tiles(p, x + c * p->channel, r0, s0, runs, nruns, d);
			for (int j = 0; j < 6; j++)
				input_step(d[0][j], d[1][j], d[2][j], d[3][j], d[4][j], d[5][j], e[0][j], e[1][j],
					e[2][j], e[3][j], e[4][j], e[5][j]);
			float *u = v + c * v_channel + at;
			for (int i = 0; i < 6; i++, u += 6 * v_point)
				input_step(e[i][0], e[i][1], e[i][2], e[i][3], e[i][4], e[i][5], u, u + v_point,
					u + 2 * v_point, u + 3 * v_point, u + 4 * v_point, u + 5 * v_point);
		}
	}
}

/* One step of A' along a line of six vectors. */
static inline void output_step(const float *restrict m0, const float *restrict m1,
	const float *restrict m2, const float *restrict m3, const float *restrict m4,
	const float *restrict m5, float *restrict y0, float *restrict y1, float *restrict y2,
	float *restrict y3)
{
	for (int l = 0; l < L; l++) {
		const float p = m1[l] + m2[l];
		const float q = m1[l] - m2[l];
		const float r = m3[l] + m4[l];
		const float s = m3[l] - m4[l];
		y0[l] = (m0[l] + p) + r;
		y1[l] = HALF_ROOT2 * q + ROOT2 * s;
		y2[l] = 0.5f * p + 2.0f * r;
		y3[l] = (0.5f * HALF_ROOT2 * q + 2.0f * ROOT2 * s) + m5[l];
	}
}

/* line[4 lane + j] = e_j[lane] */
static inline void join_line(const float *restrict e0, const float *restrict e1,
	const float *restrict e2, const float *restrict e3, float *restrict line)
{
	for (int l = 0; l < L; l++) {
		line[4 * l] = e0[l];
		line[4 * l + 1] = e1[l];
		line[4 * l + 2] = e2[l];
		line[4 * l + 3] = e3[l];
	}
}

/* Row i of 16 tiles, with the bias, into the rows of the images that they belong to. */
static void store_line(const gr_wino_planes *p, const run *runs, int nruns, int i,
	const float *restrict line, float bias, float *y)
{
	for (int q = 0; q < nruns; q++) {
		const run *u = &runs[q];
		const int64_t row = 4 * u->ty + i;
		if (row >= p->h)
			continue;
		const int64_t rest = p->w - 4 * u->tx;
		const int64_t n = rest < 4 * u->count ? rest : 4 * u->count;
		const float *restrict src = line + 4 * u->lane;
		float *restrict dst = y + u->sample * p->sample + row * p->row + 4 * u->tx;
		for (int64_t j = 0; j < n; j++)
			dst[j] = src[j] + bias;
	}
}

void GR_K(winograd_output)(const gr_wino_tiles *t, const gr_wino_planes *p, const float *m,
	int64_t m_point, int64_t m_channel, int64_t channels, const float *bias, float *y)
{
	for (int64_t at = 0; at < t->count; at += L) {
		run runs[L];
		const int64_t lanes = t->count - at < L ? t->count - at : L;
		const int nruns = find_runs(t, t->first + at, lanes, runs);
		for (int64_t k = 0; k < channels; k++) {
			const float *mk = m + k * m_channel + at;
			const float b = bias != NULL ? bias[k] : 0.0f;
			float e[6][4][L];
			float f[4][L];
			float line[4 * L];
			/* Along the columns of the tile first: e[j][i] is row i, point j. */
			for (int j = 0; j < 6; j++) {
				const float *mj = mk + j * m_point;
				output_step(mj, mj + 6 * m_point, mj + 12 * m_point, mj + 18 * m_point,
					mj + 24 * m_point, mj + 30 * m_point, e[j][0], e[j][1], e[j][2], e[j][3]);
			}
			for (int i = 0; i < 4; i++) {
				output_step(e[0][i], e[1][i], e[2][i], e[3][i], e[4][i], e[5][i], f[0], f[1], f[2],
					f[3]);
				join_line(f[0], f[1], f[2], f[3], line);
				store_line(p, runs, nruns, i, line, b, y + k * p->channel);
			}
		}
	}
}

/* One step of G along a line of three vectors. */
static inline void weight_step(const float *restrict w0, const float *restrict w1,
	const float *restrict w2, float *restrict u0, float *restrict u1, float *restrict u2,
	float *restrict u3, float *restrict u4, float *restrict u5)
{
	for (int l = 0; l < L; l++) {
		const float p = (-2.0f / 3.0f) * w0[l] - (1.0f / 3.0f) * w2[l];
		const float q = (-2.0f / 3.0f * HALF_ROOT2) * w1[l];
		const float r = (1.0f / 6.0f) * w0[l] + (1.0f / 3.0f) * w2[l];
		const float s = (1.0f / 6.0f * ROOT2) * w1[l];
		u0[l] = w0[l];
		u1[l] = p + q;
		u2[l] = p - q;
		u3[l] = r + s;
		u4[l] = r - s;
		u5[l] = w2[l];
	}
}

static inline void load_taps(int64_t n, const float *w, const int order[9], float (*taps)[L])
{
#if defined(__AVX512F__)
	gr__winograd_taps_avx512(n, w, order, taps);
#else
	for (int t = 0; t < 9; t++)
		for (int64_t l = 0; l < L; l++)
			taps[t][l] = l < n ? w[9 * l + order[t]] : 0.0f;
#endif
}

void GR_K(
	winograd_weights)(int64_t n, const float *w, const int order[9], float *u, int64_t u_point)
{
	for (int64_t at = 0; at < n; at += L) {
		float taps[9][L];
		float e[6][3][L];
		load_taps(n - at < L ? n - at : L, w + 9 * at, order, taps);
		for (int s = 0; s < 3; s++)
			weight_step(taps[s], taps[3 + s], taps[6 + s], e[0][s], e[1][s], e[2][s], e[3][s],
				e[4][s], e[5][s]);
		float *to = u + at;
		for (int i = 0; i < 6; i++, to += 6 * u_point)
			weight_step(e[i][0], e[i][1], e[i][2], to, to + u_point, to + 2 * u_point,
				to + 3 * u_point, to + 4 * u_point, to + 5 * u_point);
	}
}

void GR_K(winograd_input_channels)(int64_t tiles, const float *x, int64_t row, float *v,
	int64_t v_point, int64_t v_tile)
{
	for (int64_t t = 0; t < tiles; t++, x += 4 * L, v += v_tile) {
		tile6 e;
		for (int j = 0; j < 6; j++) {
			const float *d = x + j * L;
			input_step(d, d + row, d + 2 * row, d + 3 * row, d + 4 * row, d + 5 * row, e[0][j],
				e[1][j], e[2][j], e[3][j], e[4][j], e[5][j]);
		}
		float *u = v;
		for (int i = 0; i < 6; i++, u += 6 * v_point)
			input_step(e[i][0], e[i][1], e[i][2], e[i][3], e[i][4], e[i][5], u, u + v_point,
				u + 2 * v_point, u + 3 * v_point, u + 4 * v_point, u + 5 * v_point);
	}
}

/* One step of A along a line of four vectors. */
static inline void gradient_step(const float *restrict y0, const float *restrict y1,
	const float *restrict y2, const float *restrict y3, float *restrict m0, float *restrict m1,
	float *restrict m2, float *restrict m3, float *restrict m4, float *restrict m5)
{
	for (int l = 0; l < L; l++) {
		const float p = y0[l] + 0.5f * y2[l];
		const float q = HALF_ROOT2 * (y1[l] + 0.5f * y3[l]);
		const float r = y0[l] + 2.0f * y2[l];
		const float s = ROOT2 * (y1[l] + 2.0f * y3[l]);
		m0[l] = y0[l];
		m1[l] = p + q;
		m2[l] = p - q;
		m3[l] = r + s;
		m4[l] = r - s;
		m5[l] = y3[l];
	}
}

/* Lengths are constants for the compiler, which else calls a function for each piece. */
static inline void store_panels(float *m, int64_t m_panel, int64_t mr, const float *f)
{
	if (mr == 8) {
		memcpy(m, f, 8 * sizeof(float));
		memcpy(m + m_panel, f + 8, 8 * sizeof(float));
		return;
	}
	for (int64_t lane = 0; lane < L; lane += mr, m += m_panel)
		for (int64_t i = 0; i < mr; i++)
			m[i] = f[lane + i];
}

void GR_K(winograd_gradient_channels)(int64_t tiles, const float *y, int64_t row, int64_t mr,
	float *m, int64_t m_point, int64_t m_panel)
{
	for (int64_t t = 0; t < tiles; t++, y += 4 * L, m += mr) {
		float e[6][4][L];
		float f[6][L];
		for (int j = 0; j < 4; j++) {
			const float *g = y + j * L;
			gradient_step(g, g + row, g + 2 * row, g + 3 * row, e[0][j], e[1][j], e[2][j], e[3][j],
				e[4][j], e[5][j]);
		}
		for (int i = 0; i < 6; i++) {
			gradient_step(e[i][0], e[i][1], e[i][2], e[i][3], f[0], f[1], f[2], f[3], f[4], f[5]);
			for (int j = 0; j < 6; j++)
				store_panels(m + (6 * i + j) * m_point, m_panel, mr, f[j]);
		}
	}
}

/* One step of G' along a line of six vectors. */
static inline void filter_step(const float *restrict u0, const float *restrict u1,
	const float *restrict u2, const float *restrict u3, const float *restrict u4,
	const float *restrict u5, float *restrict w0, float *restrict w1, float *restrict w2)
{
	for (int l = 0; l < L; l++) {
		const float p = u1[l] + u2[l];
		const float q = u1[l] - u2[l];
		const float r = u3[l] + u4[l];
		const float s = u3[l] - u4[l];
		w0[l] = u0[l] - (2.0f / 3.0f) * p + (1.0f / 6.0f) * r;
		w1[l] = (1.0f / 6.0f * ROOT2) * s - (2.0f / 3.0f * HALF_ROOT2) * q;
		w2[l] = u5[l] + (1.0f / 3.0f) * (r - p);
	}
}

void GR_K(winograd_filters)(int64_t n, const float *u, int64_t u_point, float *w)
{
	float e[6][3][L];
	float f[3][L];
	for (int j = 0; j < 6; j++) {
		const float *a = u + j * u_point;
		filter_step(a, a + 6 * u_point, a + 12 * u_point, a + 18 * u_point, a + 24 * u_point,
			a + 30 * u_point, e[j][0], e[j][1], e[j][2]);
	}
	for (int r = 0; r < 3; r++) {
		filter_step(e[0][r], e[1][r], e[2][r], e[3][r], e[4][r], e[5][r], f[0], f[1], f[2]);
		for (int64_t l = 0; l < n; l++)
			for (int s = 0; s < 3; s++)
				w[l * 9 + r * 3 + s] = f[s][l];
	}
}

const gr_winograd_table GR_K(winograd_table) = {
	.input = GR_K(winograd_input),
	.output = GR_K(winograd_output),
	.weights = GR_K(winograd_weights),
	.input_channels = GR_K(winograd_input_channels),
	.gradient_channels = GR_K(winograd_gradient_channels),
	.filters = GR_K(winograd_filters),
};
