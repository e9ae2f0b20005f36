/*
 * Copies between views of any strides and types: contiguous runs, fills, transposes by tiles, and
 * conversions (the rules of rounding stand in multi/convert.c).
 *
 * The dims are walked in the order of the destination, merged where both sides allow. The last two
 * are handed to a loop of multi/convert.c; the ones before are the tasks.
 */
#include <string.h>

#include "dry.h"
#include "kern_table.h"
#include "par.h"

/* Elements that a conversion of strided data passes through buffers on the stack. */
#define CONVERT_RUN 512

typedef struct copy_ctx {
	const gr_copy_table *kern;
	char *dst;
	const char *src;
	int64_t dst_bytes, src_bytes; /* of an element */
	int dst_log, src_log;
	void (*convert)(int64_t n, void *dst, const void *src);
	bool transpose; /* src has unit stride along rows, dst along cols */
	gr_walk2 outer; /* the dims before the last two; a is dst, b is src */
	int64_t rows, cols;
	int64_t drs, dcs, srs, scs;
	int64_t row_tile, col_tile;   /* rows and cols of a task */
	int64_t row_tiles, col_tiles; /* how many there are */
} copy_ctx;

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void convert_rows(const copy_ctx *c, int64_t rows, int64_t cols, char *dst, const char *src)
{
	uint64_t from[CONVERT_RUN];
	uint64_t to[CONVERT_RUN];
	for (int64_t i = 0; i < rows; i++) {
		for (int64_t j = 0; j < cols; j += CONVERT_RUN) {
			int64_t n = smaller(cols - j, CONVERT_RUN);
			char *d = dst + (i * c->drs + j * c->dcs) * c->dst_bytes;
			const char *s = src + (i * c->srs + j * c->scs) * c->src_bytes;
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

/* Tasks: (outer index, tile of rows, tile of cols). */
static void copy_task(int64_t begin, int64_t end, void *ctx)
{
	const copy_ctx *c = ctx;
	for (int64_t u = begin; u < end; u++) {
		int64_t i = u / c->col_tiles % c->row_tiles * c->row_tile;
		int64_t j = u % c->col_tiles * c->col_tile;
		int64_t rows = smaller(c->rows - i, c->row_tile);
		int64_t cols = smaller(c->cols - j, c->col_tile);
		int64_t d = i * c->drs + j * c->dcs;
		int64_t s = i * c->srs + j * c->scs;
		int64_t o = u / c->col_tiles / c->row_tiles;
		for (int k = c->outer.ndim - 1; k >= 0; k--) {
			int64_t at = o % c->outer.dims[k];
			o /= c->outer.dims[k];
			d += at * c->outer.a[k];
			s += at * c->outer.b[k];
		}
		char *dst = c->dst + d * c->dst_bytes;
		const char *src = c->src + s * c->src_bytes;
		if (c->convert != NULL)
			convert_rows(c, rows, cols, dst, src);
		else if (c->transpose)
			c->kern->transpose[c->dst_log](rows, cols, dst, c->drs, src, c->scs);
		else
			c->kern->strided[c->dst_log](rows, cols, dst, c->drs, c->dcs, src, c->srs, c->scs);
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

/* The dim along which src is nearest in memory, where that is not the last one: a transpose. */
static int transposed_dim(const gr_walk2 *w)
{
	int last = w->ndim - 1;
	if (w->a[last] != 1 || w->b[last] == 0 || w->b[last] == 1)
		return -1;
	for (int d = 0; d < last; d++) {
		if (w->b[d] == 1 && w->dims[d] >= 4)
			return d;
	}
	return -1;
}

/* Splits the walk into rows, cols and the dims outside, and those into tasks of about GR_GRAIN. */
static int64_t plan(copy_ctx *c, const gr_walk2 *w)
{
	c->outer = *w;
	c->rows = 1;
	c->cols = 1;
	c->dcs = 1;
	c->scs = 1;
	int row = c->outer.ndim - 2;
	if (c->outer.ndim > 0) {
		int other = c->convert == NULL ? transposed_dim(w) : -1;
		c->transpose = other >= 0;
		row = c->transpose ? other : row;
		take(&c->outer, c->outer.ndim - 1, &c->cols, &c->dcs, &c->scs);
	}
	if (row >= 0)
		take(&c->outer, row, &c->rows, &c->drs, &c->srs);
	c->col_tile = smaller(c->cols, c->transpose ? GR_GRAIN / 128 : GR_GRAIN);
	c->row_tile = smaller(c->rows, (GR_GRAIN + c->col_tile - 1) / c->col_tile);
	c->col_tiles = (c->cols + c->col_tile - 1) / c->col_tile;
	c->row_tiles = (c->rows + c->row_tile - 1) / c->row_tile;
	int64_t tasks = c->col_tiles * c->row_tiles;
	for (int d = 0; d < c->outer.ndim; d++)
		tasks *= c->outer.dims[d];
	return tasks;
}

gr_status gr__copy(gr_tensor *dst, const gr_tensor *src)
{
	if (dst->size == 0)
		return GR_OK;
	if (dst->size <= GR_GRAIN && src->size == dst->size && src->dtype == dst->dtype &&
		gr_is_contiguous(dst) && gr_is_contiguous(src) && !gr__is_dry()) {
		memcpy(dst->data, src->data, (size_t)dst->size * gr_dtype_bytes(dst->dtype));
		return GR_OK;
	}
	int64_t strides[GR_MAX_DIMS];
	int lead = dst->ndim - src->ndim;
	for (int d = 0; d < dst->ndim; d++) {
		bool here = d >= lead && src->dims[d - lead] != 1;
		strides[d] = here ? src->strides[d - lead] : 0;
	}
	gr_walk2 w;
	gr__walk2_init(&w, dst->ndim, dst->dims, dst->strides, strides);
	size_t dst_bytes = gr_dtype_bytes(dst->dtype);
	size_t src_bytes = gr_dtype_bytes(src->dtype);
	copy_ctx c = {.kern = gr__kern_copy(),
		.dst = dst->data,
		.src = src->data,
		.dst_bytes = (int64_t)dst_bytes,
		.src_bytes = (int64_t)src_bytes,
		.dst_log = gr__size_log(dst_bytes),
		.src_log = gr__size_log(src_bytes)};
	c.convert = c.kern->convert[dst->dtype][src->dtype];
	int64_t tasks = plan(&c, &w);
	int64_t grain = GR_GRAIN / (c.row_tile * c.col_tile);
	gr__par_range(tasks, grain > 1 ? grain : 1, copy_task, &c);
	return GR_OK;
}

gr_status gr__fill(gr_tensor *dst, double value)
{
	/* Converted once, then broadcast as dst's own type. */
	uint64_t bits = 0;
	gr_tensor src = {.data = (char *)&bits, .size = 1, .dtype = dst->dtype};
	if (dst->dtype == GR_F64)
		memcpy(&bits, &value, sizeof(value));
	else
		gr__kern_copy()->convert[dst->dtype][GR_F64](1, &bits, &value);
	return gr__copy(dst, &src);
}
