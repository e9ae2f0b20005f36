/*
 * Weight gradient: for every tap (r,s) a product over pixels,
 *
 *     gw[k,c,r,s] = sum_{n,i,j} gy[n,k,i,j] x[n, c, i stride_h + r dil_h - pad, ...].
 *
 * Pixels come in chunks of some 500. Of a chunk, gy is packed into panels [pixel][mr channels] and
 * x is turned to channels-last with its padding, [row][column][channel], so that the factor of
 * tap (r,s) at a pixel is a run of channels at an offset from the pixel: one table of offsets
 * serves all taps (gemm.h, block_off), each from its own base. With few channels (x_col narrower
 * than a vector or so) the columns are formed instead: [pixel][(c,r,s)], one product in all.
 *
 * The chunks are cut, by shape alone, into at most MAX_PARTS consecutive parts. Each part sums its
 * chunks in order into its own accumulator, and the accumulators are added in order.
 */
#include "conv_priv.h"

#include <stdbool.h>
#include <string.h>

#include "blocks.h"
#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

#define CHUNK_PIXELS 512
/* Depth of one product; a panel of B of this depth stays in the first-level cache. */
#define PIXEL_BLOCK 256
#define MAX_PARTS 8
/* Elements of all accumulators together: more than a few would not stay in the caches. */
#define PART_LIMIT ((int64_t)1 << 20)
/* With at most this many channels x_col is formed. */
#define FEW_CHANNELS 4
/* Channels of x that one task turns at a time. */
#define CHANNEL_BLOCK 256

typedef struct wgrad_plan {
	const gr_conv_geom *g;
	int64_t kg; /* channels of one group */
	int64_t cg;
	int64_t taps;
	bool columns; /* form x_col */
	/* a chunk is nn samples x rows x cols output pixels; more than one of each only from the left */
	int64_t nn;
	int64_t rows;
	int64_t cols;
	int64_t n_chunks;
	int64_t row_chunks;
	int64_t col_chunks;
	int64_t parts;
	int64_t k_part; /* channels of gy, of x in one task */
	int64_t c_part;
	int64_t k_parts;
	int64_t c_parts;
	int64_t in_rows; /* rows and columns of x under a chunk, of one sample */
	int64_t in_cols;
	int64_t pixel; /* elements of the x buffer from one pixel to the next */
	/* elements of the workspace of a task */
	int64_t gy_size;
	int64_t x_size;
	int64_t lines;
} wgrad_plan;

static void make_plan(wgrad_plan *p, const gr_conv_geom *g, int64_t mr, int64_t nr, int64_t line)
{
	p->g = g;
	p->kg = g->k / g->groups;
	p->cg = g->c / g->groups;
	p->taps = g->r * g->s;
	p->columns = p->cg <= FEW_CHANNELS && p->taps > 1;
	p->cols = min64(g->wo, CHUNK_PIXELS);
	p->col_chunks = ceil_div(g->wo, p->cols);
	p->rows = p->col_chunks > 1 ? 1 : min64(g->ho, max64(1, CHUNK_PIXELS / g->wo));
	p->row_chunks = ceil_div(g->ho, p->rows);
	p->rows = ceil_div(g->ho, p->row_chunks);
	const bool whole = p->row_chunks == 1 && p->col_chunks == 1;
	p->nn = whole ? min64(g->n, max64(1, CHUNK_PIXELS / (g->ho * g->wo))) : 1;
	p->n_chunks = ceil_div(g->n, p->nn);
	const int64_t chunks = p->n_chunks * p->row_chunks * p->col_chunks;
	const int64_t fit = max64(1, PART_LIMIT / (g->k * p->cg * p->taps));
	p->parts = min64(min64(chunks, fit), MAX_PARTS);
	const int64_t tasks = p->parts * g->groups;
	const int64_t split = tasks < MAX_PARTS ? ceil_div(MAX_PARTS, tasks) : 1;
	p->k_part = ceil_div(max64(ceil_div(p->kg, split), 4 * mr), mr) * mr;
	p->k_parts = ceil_div(p->kg, p->k_part);
	p->c_part = p->columns ? p->cg : min64(p->cg, CHANNEL_BLOCK);
	p->c_parts = ceil_div(p->cg, p->c_part);
	p->in_rows = (p->rows - 1) * g->stride_h + (g->r - 1) * g->dil_h + 1;
	p->in_cols = (p->cols - 1) * g->stride_w + (g->s - 1) * g->dil_w + 1;
	p->pixel = p->columns ? p->cg * p->taps : p->c_part;
	/* An odd number of lines, lest a tile's run of every pixel fall into the same cache sets. */
	if (p->pixel > nr)
		p->pixel = (ceil_div(p->pixel, line) | 1) * line;
	const int64_t most = p->nn * p->rows * p->cols;
	p->gy_size = ceil_div(ceil_div(min64(p->k_part, p->kg), mr) * mr * most, line) * line;
	p->x_size = (p->columns ? most : p->nn * p->in_rows * p->in_cols) * p->pixel;
	p->lines = p->columns ? p->rows * p->cols * p->cg * p->taps : 0;
}

static void fill_offsets(const wgrad_plan *p, int64_t *off)
{
	const gr_conv_geom *g = p->g;
	int64_t at = 0;
	for (int64_t n = 0; n < p->nn; n++)
		for (int64_t i = 0; i < p->rows; i++)
			for (int64_t j = 0; j < p->cols; j++) {
				const int64_t row = n * p->in_rows + i * g->stride_h;
				off[at] = (p->columns ? at : row * p->in_cols + j * g->stride_w) * p->pixel;
				at++;
			}
}

#define T float
#define FN(name) name##_f32
#include "conv_wgrad_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "conv_wgrad_impl.h"
