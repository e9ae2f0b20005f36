/*
 * bfloat16 convolutions on AMX tiles: 16 x 32 by 32 x 16 products summed in f32.
 *
 * Images are padded once and turned to bfloat16; positions are then flat, p = i wp + j over a
 * padded plane, and tap (r,s) reads position p + off(r,s). So a tile of operands is 16 rows of 64
 * bytes at some address, whatever the tap, and no columns are ever formed. Positions in the padding
 * are computed like the others and left out when results are stored.
 *
 *     forward: y[o, p] = sum_{c,r,s} w[o,c,r,s] x[c, p + off(r,s)]
 *         A = weights [16 o][32 c] of one tap, packed;  B = x as [c / 2][position][2]
 *     weight gradient: gw[k,c,r,s] = sum_{n,p} gy[k,p] x[c, p + off(r,s)]
 *         A = gy as [k][position], 0 in the padding;  B = x as [position / 2][c][2], once from
 *         position 0 and once from position 1, since a tap may start at an odd one
 *
 * Sums run over blocks of 32 channels, then taps (forward), and over positions, then samples
 * (weight gradient): fixed by shape, the same for a sample in any batch.
 */
#include "conv_bf16.h"

#include <stdint.h>
#include <string.h>

#include "amx_tiles.h"
#include "blocks.h"
#include "isa.h"
#include "par.h"
#include "pool.h"

#define T 16 /* rows of a tile, and f32 columns */
#define PAIRS 16
#define DEPTH 32 /* bfloat16 per tile row */
/* Positions of one task of the forward pass. */
#define TASK_POSITIONS 512
/* From this many samples on, one is a task. */
#define FEW_SAMPLES 8
/* Parts of a batch that weight gradients are summed in. */
#define MAX_PARTS 8

bool gr__amx_usable(void)
{
	return gr__isa() == GR_ISA_AMX;
}

/* The padded plane that all taps of a convolution read. */
typedef struct plane {
	int64_t top, left;             /* rows and columns before the image */
	int64_t wp, size;              /* width; positions, with room for a tile beyond the last */
	int64_t flat;                  /* positions of the output: ho wp, up to the last row's end */
	int64_t step_r, step_s, first; /* off(r,s) = first + r step_r + s step_s */
} plane;

static plane make_plane(int64_t ho, int64_t wo, int64_t nr, int64_t ns, int64_t r0, int64_t s0,
	int64_t dr, int64_t ds)
{
	int64_t r_low = r0 + (dr < 0 ? (nr - 1) * dr : 0), r_high = r0 + (dr > 0 ? (nr - 1) * dr : 0);
	int64_t s_low = s0 + (ds < 0 ? (ns - 1) * ds : 0), s_high = s0 + (ds > 0 ? (ns - 1) * ds : 0);
	plane p = {.top = -r_low, .left = -s_low, .wp = wo + s_high - s_low};
	p.flat = (ho - 1) * p.wp + wo;
	p.size = round_up((ho + r_high - r_low) * p.wp + 4 * DEPTH, DEPTH);
	p.step_r = dr * p.wp;
	p.step_s = ds;
	p.first = (r0 - r_low) * p.wp + s0 - s_low;
	return p;
}

/* One channel [h][w] of an image into a padded f32 plane; `to` holds zeros around it already. */
static void pad_channel(float *to, const plane *p, const float *x, int64_t h, int64_t w)
{
	int64_t rows = p->size / p->wp;
	int64_t from_col = max64(0, -p->left), to_col = min64(w, p->wp - p->left);
	for (int64_t i = max64(0, -p->top); i < h && i + p->top < rows; i++)
		memcpy(to + (i + p->top) * p->wp + p->left + from_col, x + i * w + from_col,
			(size_t)max64(0, to_col - from_col) * sizeof(float));
}

/* Forward */

typedef struct forward {
	const gr_conv_low *l;
	plane p;
	const float *x, *w, *bias;
	float *y;
	uint16_t *wt; /* [ob][cb][r][s][16][32] */
	uint32_t *xt; /* [n][cp][p.size] pairs of channels, when tasks are parts of samples */
	int64_t ob, cb, cp;
	int64_t tasks; /* per sample */
	bool failed;
} forward;

/* out[i] = (a[i], b[i]) as bfloat16. */
static void interleave(uint32_t *out, const float *a, const float *b, int64_t n)
{
	for (int64_t i = 0; i < n; i += 16) {
		__m512i lo = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(a + i)));
		__m512i hi = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(b + i)));
		_mm512_storeu_si512(out + i, _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16)));
	}
}

/* Channels 2c and 2c+1 of sample n to `to`; rows [2][p.size] holds zeros where no pixel goes. */
static void convert_pair(const forward *f, uint32_t *to, float *rows, int64_t n, int64_t c)
{
	const gr_conv_low *l = f->l;
	const int64_t pixels = l->hi * l->wi;
	for (int64_t k = 0; k < 2; k++) {
		if (2 * c + k < l->ci)
			pad_channel(rows + k * f->p.size, &f->p, f->x + (n * l->ci + 2 * c + k) * pixels, l->hi,
				l->wi);
		else
			memset(rows + k * f->p.size, 0, (size_t)f->p.size * sizeof *rows);
	}
	interleave(to, rows, rows + f->p.size, f->p.size);
}

static void note_failure(bool *failed)
{
	__atomic_store_n(failed, true, __ATOMIC_RELAXED);
}

/* Pairs begin..end-1 of sample n into xt [cp][p.size]. */
static void convert_sample(forward *f, uint32_t *xt, int64_t n, int64_t begin, int64_t end)
{
	float *rows = gr__pool_alloc(2 * (size_t)f->p.size * sizeof *rows);
	if (rows == NULL) {
		note_failure(&f->failed);
		return;
	}
	memset(rows, 0, 2 * (size_t)f->p.size * sizeof *rows);
	for (int64_t c = begin; c < end; c++)
		convert_pair(f, xt + c * f->p.size, rows, n, c);
	gr__pool_free(rows);
}

static void convert_block(int64_t i, void *ctx)
{
	forward *f = ctx;
	const int64_t n = i / f->cb, cb = i % f->cb;
	convert_sample(f, f->xt + n * f->cp * f->p.size, n, cb * PAIRS, (cb + 1) * PAIRS);
}

static uint16_t to_bf16(float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	if ((bits & 0x7fffffffu) > 0x7f800000u)
		return (uint16_t)(bits >> 16 | 0x40u);
	return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* Block i of 16 output channels. */
static void pack_weights(int64_t i, void *ctx)
{
	forward *f = ctx;
	const gr_conv_low *l = f->l;
	uint16_t *to = f->wt + i * f->cb * l->nr * l->ns * T * DEPTH;
	for (int64_t cb = 0; cb < f->cb; cb++) {
		for (int64_t tap = 0; tap < l->nr * l->ns; tap++) {
			const float *w = f->w + tap / l->ns * l->w_r + tap % l->ns * l->w_s;
			for (int64_t o = i * T; o < (i + 1) * T; o++) {
				for (int64_t c = cb * DEPTH; c < (cb + 1) * DEPTH; c++)
					*to++ = o < l->co && c < l->ci ? to_bf16(w[o * l->w_o + c * l->w_c]) : 0;
			}
		}
	}
}

/* 16 output channels at 32 positions into sums [16][32]; few tiles are alive, see amx_tiles.h. */
static void forward_tile(const forward *f, const uint32_t *x, int64_t ob, float *sums)
{
	const gr_conv_low *l = f->l;
	const size_t x_row = (size_t)f->p.size * sizeof(uint32_t);
	const uint16_t *a = f->wt + ob * f->cb * l->nr * l->ns * T * DEPTH;
	_tile_zero(0);
	_tile_zero(1);
	for (int64_t cb = 0; cb < f->cb; cb++) {
		const uint32_t *xc = x + cb * PAIRS * f->p.size;
		for (int64_t r = 0; r < l->nr; r++) {
			for (int64_t s = 0; s < l->ns; s++, a += T * DEPTH) {
				const uint32_t *b = xc + f->p.first + r * f->p.step_r + s * f->p.step_s;
				_tile_loadd(2, a, 64);
				_tile_loadd(3, b, x_row);
				_tile_dpbf16ps(0, 2, 3);
				_tile_loadd(3, b + T, x_row);
				_tile_dpbf16ps(1, 2, 3);
			}
		}
	}
	_tile_stored(0, sums, 128);
	_tile_stored(1, sums + T, 128);
}

/* Sums of positions p.. p+31 to the rows of y they belong to. */
static void store_tile(const forward *f, const float *sums, int64_t n, int64_t ob, int64_t p)
{
	const gr_conv_low *l = f->l;
	const int64_t end = min64(p + 32, f->p.flat);
	const int64_t channels = min64(l->co - ob * T, T);
	for (int64_t q = p; q < end;) {
		int64_t i = q / f->p.wp, j = q % f->p.wp;
		int64_t row_end = min64((i + 1) * f->p.wp, end);
		int64_t run = min64(row_end - q, l->wo - j);
		for (int64_t o = 0; o < channels && run > 0; o++) {
			float *y = f->y + (n * l->co + ob * T + o) * l->y_plane + i * l->y_row + j;
			const float *from = sums + o * 32 + (q - p);
			const float bias = f->bias != NULL ? f->bias[ob * T + o] : 0.0f;
			for (int64_t k = 0; k < run; k++)
				y[k] = from[k] + bias;
		}
		q = row_end;
	}
}

/* Positions first..last-1 of sample n. */
static void forward_range(const forward *f, const uint32_t *x, int64_t n, int64_t first,
	int64_t last)
{
	_Alignas(64) float sums[T * 32];
	tiles_begin();
	for (int64_t from = first; from < last; from += TASK_POSITIONS) {
		for (int64_t ob = 0; ob < f->ob; ob++) {
			for (int64_t p = from; p < min64(from + TASK_POSITIONS, last); p += 32) {
				forward_tile(f, x + p, ob, sums);
				store_tile(f, sums, n, ob, p);
			}
		}
	}
	_tile_release();
}

static void forward_part(int64_t i, void *ctx)
{
	const forward *f = ctx;
	const int64_t n = i / f->tasks, first = i % f->tasks * TASK_POSITIONS;
	forward_range(f, f->xt + n * f->cp * f->p.size, n, first,
		min64(first + TASK_POSITIONS, f->p.flat));
}

/* A sample at a time: what is converted is still in the cache when it is read. */
static void forward_sample(int64_t n, void *ctx)
{
	forward *f = ctx;
	uint32_t *xt = gr__pool_alloc((size_t)(f->cp * f->p.size) * sizeof *xt);
	if (xt == NULL) {
		note_failure(&f->failed);
		return;
	}
	convert_sample(f, xt, n, 0, f->cp);
	forward_range(f, xt, n, 0, f->p.flat);
	gr__pool_free(xt);
}

/* The same bits as forward_sample(), for batches too small to share among threads. */
static void forward_parts(forward *f)
{
	const gr_conv_low *l = f->l;
	f->xt = gr__pool_alloc((size_t)(l->n * f->cp * f->p.size) * sizeof *f->xt);
	if (f->xt == NULL) {
		f->failed = true;
		return;
	}
	gr__par_for(l->n * f->cb, convert_block, f);
	if (!f->failed)
		gr__par_for(l->n * f->tasks, forward_part, f);
	gr__pool_free(f->xt);
}

gr_status gr__conv_amx_run(const gr_conv_low *l, const float *x, const float *w, const float *bias,
	float *y)
{
	if (l->n == 0 || l->ho == 0 || l->wo == 0)
		return GR_OK;
	forward f = {.l = l, .x = x, .w = w, .bias = bias, .y = y};
	f.p = make_plane(l->ho, l->wo, l->nr, l->ns, l->r0, l->s0, l->dr, l->ds);
	f.ob = round_up(l->co, T) / T;
	f.cb = round_up(l->ci, DEPTH) / DEPTH;
	f.cp = f.cb * PAIRS;
	f.tasks = (f.p.flat + TASK_POSITIONS - 1) / TASK_POSITIONS;
	f.wt = gr__pool_alloc((size_t)(f.ob * f.cb * l->nr * l->ns * T * DEPTH) * sizeof *f.wt);
	if (f.wt == NULL)
		return GR_EMEM;
	gr__par_for(f.ob, pack_weights, &f);
	if (l->n < FEW_SAMPLES)
		forward_parts(&f);
	else
		gr__par_for(l->n, forward_sample, &f);
	gr__pool_free(f.wt);
	return f.failed ? GR_EMEM : GR_OK;
}

/* Weight gradient */

typedef struct wgrad {
	const gr_conv_geom *g;
	plane p;
	const float *gy, *x;
	float *gw;
	float *sums; /* [parts][kb][cb][taps][32 k][32 c] */
	int64_t kb, cb, taps, parts;
	int64_t c32, flat; /* channels up to a multiple of 32; flat positions likewise */
	bool failed;
} wgrad;

/* One sample, turned for the tiles. */
typedef struct wgrad_sample {
	uint16_t *gt;   /* [32 kb][flat] */
	uint32_t *xt;   /* [2][p.size / 2][c32] pairs of positions, from position 0 and from 1 */
	uint16_t *rows; /* [16][p.size] and a tile row more */
	float *one;     /* [p.size], zero where no pixel goes */
} wgrad_sample;

/* gy of sample n to flat positions with zeros between the rows. */
static void convert_gy(const wgrad *f, const wgrad_sample *w, int64_t n)
{
	const gr_conv_geom *g = f->g;
	memset(w->gt, 0, (size_t)(f->kb * 32 * f->flat) * sizeof *w->gt);
	for (int64_t k = 0; k < g->k; k++) {
		const float *from = f->gy + (n * g->k + k) * g->ho * g->wo;
		uint16_t *to = w->gt + k * f->flat;
		for (int64_t row = 0; row < g->ho; row++) {
			for (int64_t j = 0; j < g->wo; j += 16) {
				__mmask16 m = (__mmask16)((1u << min64(16, g->wo - j)) - 1u);
				__m512 v = _mm512_maskz_loadu_ps(m, from + row * g->wo + j);
				_mm256_mask_storeu_epi16(to + row * f->p.wp + j, m, (__m256i)_mm512_cvtneps_pbh(v));
			}
		}
	}
}

/* Channels c0..c0+15 of sample n: padded, rounded, then transposed to pairs of positions. */
static void convert_x(const wgrad *f, const wgrad_sample *w, int64_t n, int64_t c0)
{
	const gr_conv_geom *g = f->g;
	const int64_t size = f->p.size, half = size / 2;
	for (int64_t c = 0; c < T; c++) {
		uint16_t *row = w->rows + c * size;
		if (c0 + c >= g->c) {
			memset(row, 0, (size_t)size * sizeof *row);
			continue;
		}
		pad_channel(w->one, &f->p, f->x + (n * g->c + c0 + c) * g->h * g->w, g->h, g->w);
		for (int64_t q = 0; q < size; q += 16)
			_mm256_storeu_si256((__m256i *)(void *)(row + q),
				(__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(w->one + q)));
	}
	for (int64_t parity = 0; parity < 2; parity++) {
		uint32_t *to = w->xt + parity * half * f->c32 + c0;
		for (int64_t q = 0; q < half; q += 16) {
			__m512i v[16];
			for (int64_t c = 0; c < T; c++)
				v[c] = _mm512_loadu_si512(w->rows + c * size + 2 * q + parity);
			transpose16(v);
			for (int64_t k = 0; k < 16; k++)
				_mm512_storeu_si512(to + (q + k) * f->c32, v[k]);
		}
	}
}

/* sums [16 k][32 c] of one sample for one tap, beginning from what is there. */
static void wgrad_tile(const wgrad *f, const uint16_t *a, const uint32_t *b, float *sums)
{
	const size_t a_row = (size_t)f->flat * sizeof *a, b_row = (size_t)f->c32 * sizeof *b;
	_tile_loadd(0, sums, 128);
	_tile_loadd(1, sums + T, 128);
	for (int64_t q = 0; q < f->flat; q += DEPTH) {
		const uint32_t *bq = b + q / 2 * f->c32;
		_tile_loadd(2, a + q, a_row);
		_tile_loadd(3, bq, b_row);
		_tile_dpbf16ps(0, 2, 3);
		_tile_loadd(3, bq + T, b_row);
		_tile_dpbf16ps(1, 2, 3);
	}
	_tile_stored(0, sums, 128);
	_tile_stored(1, sums + T, 128);
}

static bool sample_room(const wgrad *f, wgrad_sample *w)
{
	const size_t size = (size_t)f->p.size;
	w->gt = gr__pool_alloc((size_t)(f->kb * 32 * f->flat) * sizeof *w->gt);
	w->xt = gr__pool_alloc(size * (size_t)f->c32 * sizeof *w->xt);
	w->rows = gr__pool_alloc((T * size + DEPTH) * sizeof *w->rows);
	w->one = gr__pool_alloc(size * sizeof *w->one);
	if (w->gt == NULL || w->xt == NULL || w->rows == NULL || w->one == NULL)
		return false;
	memset(w->rows + T * size, 0, DEPTH * sizeof *w->rows);
	memset(w->one, 0, size * sizeof *w->one);
	return true;
}

/* Add sample n to the sums of a part. */
static void wgrad_add(const wgrad *f, const wgrad_sample *w, float *sums, int64_t n)
{
	const int64_t half = f->p.size / 2;
	convert_gy(f, w, n);
	for (int64_t c0 = 0; c0 < f->c32; c0 += T)
		convert_x(f, w, n, c0);
	for (int64_t k = 0; k < f->kb; k++) {
		for (int64_t c = 0; c < f->cb; c++) {
			for (int64_t tap = 0; tap < f->taps; tap++, sums += 32 * 32) {
				int64_t off =
					f->p.first + tap / f->g->s * f->p.step_r + tap % f->g->s * f->p.step_s;
				const uint32_t *b = w->xt + (off % 2 * half + off / 2) * f->c32 + c * 32;
				wgrad_tile(f, w->gt + k * 32 * f->flat, b, sums);
				wgrad_tile(f, w->gt + (k * 32 + T) * f->flat, b, sums + T * 32);
			}
		}
	}
}

static int64_t part_begin(const wgrad *f, int64_t part)
{
	return part * f->g->n / f->parts;
}

static void wgrad_part(int64_t part, void *ctx)
{
	wgrad *f = ctx;
	const int64_t count = f->kb * f->cb * f->taps * 32 * 32;
	float *sums = f->sums + part * count;
	memset(sums, 0, (size_t)count * sizeof *sums);
	wgrad_sample w = {0};
	if (sample_room(f, &w)) {
		tiles_begin();
		for (int64_t n = part_begin(f, part); n < part_begin(f, part + 1); n++)
			wgrad_add(f, &w, sums, n);
		_tile_release();
	} else {
		note_failure(&f->failed);
	}
	gr__pool_free(w.gt);
	gr__pool_free(w.xt);
	gr__pool_free(w.rows);
	gr__pool_free(w.one);
}

/* Row k of gw: the parts in order. */
static void wgrad_gather(int64_t k, void *ctx)
{
	const wgrad *f = ctx;
	const gr_conv_geom *g = f->g;
	const int64_t count = f->kb * f->cb * f->taps * 32 * 32;
	for (int64_t c = 0; c < g->c; c++) {
		for (int64_t tap = 0; tap < f->taps; tap++) {
			const float *from =
				f->sums + (((k / 32 * f->cb + c / 32) * f->taps + tap) * 32 + k % 32) * 32 + c % 32;
			float total = 0.0f;
			for (int64_t part = 0; part < f->parts; part++)
				total += from[part * count];
			f->gw[(k * g->c + c) * f->taps + tap] = total;
		}
	}
}

gr_status gr__conv_amx_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw)
{
	if (g->n == 0 || g->ho == 0 || g->wo == 0) {
		memset(gw, 0, (size_t)(g->k * g->c * g->r * g->s) * sizeof *gw);
		return GR_OK;
	}
	wgrad f = {.g = g, .gy = gy, .x = x, .gw = gw, .taps = g->r * g->s};
	f.p = make_plane(g->ho, g->wo, g->r, g->s, -g->pad_top, -g->pad_left, g->dil_h, g->dil_w);
	f.kb = (g->k + 31) / 32;
	f.cb = (g->c + 31) / 32;
	f.c32 = f.cb * 32;
	f.flat = round_up(f.p.flat, DEPTH);
	f.parts = min64(g->n, MAX_PARTS);
	f.sums = gr__pool_alloc((size_t)(f.parts * f.kb * f.cb * f.taps * 32 * 32) * sizeof *f.sums);
	if (f.sums == NULL)
		return GR_EMEM;
	gr__par_for(f.parts, wgrad_part, &f);
	if (!f.failed)
		gr__par_for(g->k, wgrad_gather, &f);
	gr__pool_free(f.sums);
	return f.failed ? GR_EMEM : GR_OK;
}
