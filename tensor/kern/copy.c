/*
 * Copies between views of any strides and types: contiguous runs, fills, transposes by tiles, and
 * conversions (the rules of rounding stand in multi/convert.c).
 *
 * The dims are walked in the order of the destination, merged where both sides allow. The last two
 * are handed to a loop of multi/convert.c; the ones before are the tasks.
 */
#include <stdlib.h>
#include <string.h>

#include "kern_table.h"
#include "par.h"

/* Elements that a conversion of strided data passes through buffers on the stack. */
#define CONVERT_RUN 512

typedef struct copy_ctx {
	const gr_copy_table *kern;
	char *dst;
	const char *src;
	size_t dst_bytes, src_bytes;
	int dst_log, src_log; /* of the sizes */
	void (*convert)(int64_t n, void *dst, const void *src);
	bool transpose; /* src has unit stride along rows, dst along cols */
	gr_walk outer;  /* dims before the last two; strides of dst */
	int64_t outer_src[GR_MAX_DIMS];
	int64_t rows, cols;
	int64_t drs, dcs, srs, scs;
	int64_t row_tiles, tile; /* rows are split too */
} copy_ctx;

static int log_of(size_t bytes)
{
	return bytes == 8 ? 3 : bytes == 4 ? 2 : bytes == 2 ? 1 : 0;
}

static void convert_rows(const copy_ctx *c, int64_t rows, char *dst, const char *src)
{
	uint64_t from[CONVERT_RUN];
	uint64_t to[CONVERT_RUN];
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = 0; j < c->cols; j += CONVERT_RUN) {
			int64_t n = c->cols - j < CONVERT_RUN ? c->cols - j : CONVERT_RUN;
			char *d = dst + (i * c->drs + j * c->dcs) * (int64_t)c->dst_bytes;
			const char *s = src + (i * c->srs + j * c->scs) * (int64_t)c->src_bytes;
			const void *in = s;
			if (c->scs != 1) {
				c->kern->strided[c->src_log](1, n, from, 0, 1, s, 0, c->scs);
				in = from;
			}
			c->convert(n, c->dcs == 1 ? (void *)d : (void *)to, in);
			if (c->dcs != 1)
				c->kern->strided[c->dst_log](1, n, d, 0, c->dcs, to, 0, 1);
		}
	}
}

/* Units: (outer index, tile of rows). */
static void copy_task(int64_t begin, int64_t end, void *ctx)
{
	const copy_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		int64_t idx[GR_MAX_DIMS];
		int64_t o = u / c->row_tiles;
		int64_t r = (u - o * c->row_tiles) * c->tile;
		int64_t rows = c->rows - r < c->tile ? c->rows - r : c->tile;
		int64_t d = gr__walk_seek(&c->outer, o, idx) + r * c->drs;
		int64_t s = r * c->srs;
		for (int i = 0; i < c->outer.ndim; i++)
			s += idx[i] * c->outer_src[i];
		char *dst = c->dst + d * (int64_t)c->dst_bytes;
		const char *src = c->src + s * (int64_t)c->src_bytes;
		if (c->convert != NULL)
			convert_rows(c, rows, dst, src);
		else if (c->transpose)
			c->kern->transpose[c->dst_log](rows, c->cols, dst, c->drs, src, c->scs);
		else
			c->kern->strided[c->dst_log](rows, c->cols, dst, c->drs, c->dcs, src, c->srs, c->scs);
	}
}

/* Takes dim d out of the walk. */
static void take(gr_walk2 *w, int d, int64_t *n, int64_t *a, int64_t *b)
{
	*n = w->dims[d];
	*a = w->a[d];
	*b = w->b[d];
	w->ndim--;
	for (; d < w->ndim; d++) {
		w->dims[d] = w->dims[d + 1];
		w->a[d] = w->a[d + 1];
		w->b[d] = w->b[d + 1];
	}
}

/* The dim along which src is nearest in memory, if that is not the last one: a transpose. */
static int row_dim(const gr_walk2 *w, bool same_type, bool *transpose)
{
	int last = w->ndim - 1;
	*transpose = false;
	if (same_type && w->a[last] == 1 && w->b[last] != 0 && w->b[last] != 1) {
		for (int d = 0; d < last; d++) {
			if (w->b[d] == 1 && w->dims[d] >= 4) {
				*transpose = true;
				return d;
			}
		}
	}
	return last - 1;
}

static void plan(copy_ctx *c, gr_walk2 *w, bool same_type)
{
	c->rows = 1;
	c->cols = 1;
	c->dcs = 1;
	c->scs = 1;
	if (w->ndim > 0) {
		int rows = row_dim(w, same_type, &c->transpose);
		take(w, w->ndim - 1, &c->cols, &c->dcs, &c->scs);
		if (rows >= 0) {
			take(w, rows, &c->rows, &c->drs, &c->srs);
		} else if (c->cols > GR_GRAIN) {
			/* One long run: cut it into rows, so that threads can share it. */
			int64_t cols = c->cols;
			c->rows = cols / (GR_GRAIN / 2);
			c->cols = GR_GRAIN / 2;
			c->drs = c->cols * c->dcs;
			c->srs = c->cols * c->scs;
			c->row_tiles = cols - c->rows * c->cols; /* what is left, done by the caller */
		}
	}
	c->outer.ndim = w->ndim;
	memcpy(c->outer.dims, w->dims, sizeof(w->dims));
	memcpy(c->outer.strides, w->a, sizeof(w->a));
	memcpy(c->outer_src, w->b, sizeof(w->b));
}

gr_status gr__copy(gr_tensor *dst, const gr_tensor *src)
{
	if (dst->size == 0)
		return GR_OK;
	int64_t strides[GR_MAX_DIMS];
	int lead = dst->ndim - src->ndim;
	for (int d = 0; d < dst->ndim; d++) {
		bool here = d >= lead && src->dims[d - lead] != 1;
		strides[d] = here ? src->strides[d - lead] : 0;
	}
	gr_walk2 w;
	gr__walk2_init(&w, dst->ndim, dst->dims, dst->strides, strides);
	copy_ctx c = {.kern = gr__kern_copy(),
		.dst = dst->data,
		.src = src->data,
		.dst_bytes = gr_dtype_bytes(dst->dtype),
		.src_bytes = gr_dtype_bytes(src->dtype)};
	c.dst_log = log_of(c.dst_bytes);
	c.src_log = log_of(c.src_bytes);
	c.convert = c.kern->convert[dst->dtype][src->dtype];
	plan(&c, &w, c.convert == NULL);
	int64_t left = c.row_tiles;
	int64_t units = 1;
	for (int d = 0; d < c.outer.ndim; d++)
		units *= c.outer.dims[d];
	c.tile = GR_GRAIN / c.cols;
	c.tile = c.tile < 16 ? 16 : c.tile;
	if (c.rows * c.cols > GR_GRAIN && c.cols >= GR_GRAIN / 16)
		c.tile = c.transpose ? 16 : 1;
	c.tile = c.tile < c.rows ? c.tile : c.rows;
	c.row_tiles = (c.rows + c.tile - 1) / c.tile;
	int64_t grain = GR_GRAIN / (c.tile * c.cols);
	gr__par_range(units * c.row_tiles, grain > 1 ? grain : 1, copy_task, &c);
	if (left > 0) {
		c.dst += c.rows * c.drs * (int64_t)c.dst_bytes;
		c.src += c.rows * c.srs * (int64_t)c.src_bytes;
		c.rows = 1;
		c.cols = left;
		c.row_tiles = 1;
		copy_task(0, 1, &c);
	}
	return GR_OK;
}

gr_status gr__fill(gr_tensor *dst, double value)
{
	gr_tensor src = {.data = (char *)&value, .size = 1, .dtype = GR_F64};
	/* Converted once, then broadcast as dst's own type. */
	uint64_t bits = 0;
	if (dst->dtype != GR_F64) {
		gr__kern_copy()->convert[dst->dtype][GR_F64](1, &bits, &value);
		src.data = (char *)&bits;
		src.dtype = dst->dtype;
	}
	return gr__copy(dst, &src);
}
