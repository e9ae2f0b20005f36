/*
 * Tiled implicit GEMM: y = W x_col, where x_col [C R S, pixels] is never formed.
 *
 * One task computes a tile of some 500 pixels for some output channels of one group of one
 * sample. For a block of input channels it copies the rows it needs once per horizontal tap s,
 * shifted by s and padded with zeros, so that
 *
 *     x_col[(c,r,s), pixel] = buffer[c][s][row of the pixel + r][column of the pixel]
 *
 * is contiguous over the pixels of the whole tile, whatever the image's width: a vertical tap is
 * an offset of whole rows. With stride sh rows of equal remainder mod sh lie together. The
 * micro-kernel takes a table of these offsets (gemm.h, block_off), which makes the buffer R times
 * smaller than x_col and its life short: it fits the second-level cache.
 *
 * The order of summation, (c,r,s) in blocks of channels, depends on C, R, S alone.
 */
#include "conv_priv.h"

#include <string.h>

#include "blocks.h"
#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

/* Pixels of a tile; multiply-adds of the whole below which no threads are woken. */
#define TILE_PIXELS 512
#define SERIAL_WORK ((int64_t)1 << 16)
/* Packing a weight costs about as much as this many multiply-adds. */
#define PACK_COST 8
/* Output channels are divided among tasks only when there are fewer tasks than this. */
#define FEW_TASKS 8

static void for_tasks(int64_t n, int64_t work, void (*fn)(int64_t i, void *ctx), void *ctx)
{
	if (n > 1 && work > SERIAL_WORK) {
		gr__par_for(n, fn, ctx);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		fn(i, ctx);
}

typedef struct conv_plan {
	const gr_conv_low *l;
	int64_t blocks;
	int64_t cb;       /* input channels of a block */
	int64_t co_round; /* output channels rounded up to whole panels */
	int64_t rows;     /* a tile is rows x cols output pixels */
	int64_t cols;
	int64_t row_tiles;
	int64_t col_tiles;
	int64_t co_part; /* output channels of a task */
	int64_t co_parts;
	int64_t aside;    /* elements of y computed aside: tiles that are not runs of pixels in y */
	int64_t r_min;    /* lowest row offset of a tap */
	int64_t span;     /* input rows of a tile */
	int64_t q_rows;   /* of these, rows of one remainder mod sh */
	int64_t s_stride; /* buffer strides */
	int64_t c_stride;
} conv_plan;

/* Depends on the shape of one sample alone where it touches the order of summation. */
static void make_plan(conv_plan *p, const gr_conv_low *l, int64_t mr, int64_t line)
{
	const int64_t taps = max64(1, l->nr * l->ns);
	const int64_t blocks = max64(1, ceil_div(l->ci * taps, GR_GEMM_KC));
	p->l = l;
	/* Without taps in the order of a matrix product: conv_pointwise.c gives the same bits. */
	p->cb = taps == 1 ? min64(max64(1, l->ci), GR_GEMM_KC) : max64(1, ceil_div(l->ci, blocks));
	p->blocks = ceil_div(l->ci, p->cb);
	p->co_round = ceil_div(l->co, mr) * mr;
	p->cols = min64(l->wo, TILE_PIXELS);
	p->col_tiles = ceil_div(l->wo, p->cols);
	p->rows = p->col_tiles > 1 ? 1 : min64(l->ho, max64(1, TILE_PIXELS / l->wo));
	p->row_tiles = ceil_div(l->ho, p->rows);
	p->rows = ceil_div(l->ho, p->row_tiles);
	const int64_t tasks = l->n * l->groups * p->row_tiles * p->col_tiles;
	const int64_t parts =
		tasks < FEW_TASKS ? min64(ceil_div(FEW_TASKS, tasks), ceil_div(l->co, 4 * mr)) : 1;
	p->co_part = ceil_div(ceil_div(l->co, parts), mr) * mr;
	p->co_parts = ceil_div(l->co, p->co_part);
	const bool runs = l->y_col == 1 && (p->rows == 1 || l->y_row == p->cols);
	p->aside = runs ? 0 : ceil_div(p->co_part * p->rows * p->cols, line) * line;
	p->r_min = min64(0, (l->nr - 1) * l->dr);
	p->span = (p->rows - 1) * l->sh + max64(0, l->nr - 1) * (l->dr < 0 ? -l->dr : l->dr) + 1;
	p->q_rows = ceil_div(p->span, l->sh);
	p->s_stride = l->sh * p->q_rows * p->cols;
	p->c_stride = spread_stride(l->ns * p->s_stride, line);
}

static void fill_offsets(const conv_plan *p, int64_t *off)
{
	const gr_conv_low *l = p->l;
	for (int64_t c = 0; c < p->cb; c++)
		for (int64_t r = 0; r < l->nr; r++)
			for (int64_t s = 0; s < l->ns; s++) {
				const int64_t row = r * l->dr - p->r_min;
				const int64_t q = row % l->sh * p->q_rows + row / l->sh;
				*off++ = c * p->c_stride + s * p->s_stride + q * p->cols;
			}
}

/* Whether some tap reads rows of this remainder mod sh. */
static bool phase_used(const conv_plan *p, int64_t phase)
{
	for (int64_t r = 0; r < p->l->nr; r++)
		if ((r * p->l->dr - p->r_min) % p->l->sh == phase)
			return true;
	return false;
}

#define T float
#define FN(name) name##_f32
#include "conv_forward_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "conv_forward_impl.h"
