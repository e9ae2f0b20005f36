/*
 * Weight gradient of a 3x3 convolution as the adjoint of F(4x4, 3x3) in the filter:
 *
 *     gw[k,c] = G' [ sum_tiles (A gy A') .* (B' x B) ] G
 *
 * Tiles come in chunks of whole rows. Of a chunk, both factors are transformed with channels
 * innermost, m [point][panel of k][tile][mr] and v [point][tile][c]; then for each of the 36 points
 * a product over the chunk's tiles is added to acc [point][k][c]. At the end acc is brought back to
 * 3x3. With few channels the chunks are cut into parts with an accumulator each, so that threads
 * rarely wait for one another. Where all tiles fit one chunk, each task forms the products of some
 * k and brings them back at once, from its cache. Every sum has one order, by shape.
 */
#include "conv_winograd.h"

#include <string.h>

#include "blocks.h"
#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"
#include "winograd.h"

#define L GR_WINO_LANES
/* Tiles of a chunk: the depth of a product. */
#define CHUNK_TILES 96
/* Channels of gy in one product; in a task that also brings its products back. */
#define PRODUCT_CHANNELS 64
#define BACK_CHANNELS 16
/* Parts of the chunks that are summed apart, each by one thread; floats of their accumulators. */
#define MAX_PARTS 8
#define PART_LIMIT ((int64_t)3 << 19)
/* Fewer tiles than this are not worth the accumulator, four times the size of the gradient. */
#define TILES_WANTED 16

typedef struct wgrad_run {
	const gr_conv_geom *g;
	const gr_gemm_kern_f32 *kern;
	const gr_winograd_table *wino;
	const float *gy;
	const float *x;
	float *gw;
	float *acc; /* [part][point][k][c_round]; none with one chunk */
	const int64_t *off;
	int64_t down;
	int64_t across;
	int64_t rows; /* rows of tiles, counted through all samples */
	int64_t most; /* of these in a chunk */
	int64_t parts;
	bool single;     /* one chunk */
	int64_t c_round; /* floats from a tile of v, a filter of acc to the next */
	int64_t m_point; /* from a point to the next */
	int64_t v_point;
	int64_t k_blocks;
	int64_t c_blocks;
	/* Of each task: a row of tiles, [line][pixel][16 channels]; then m, v if parts; of a single
	 * chunk, acc of some k where that is more. */
	gr_slots slots;
} wgrad_run;

typedef struct wgrad_chunk {
	wgrad_run *run;
	int64_t row0;
	int64_t rows;
	int64_t tiles;
	float *m;
	float *v;
	float *acc;
	bool add;
} wgrad_chunk;

static int64_t line_size(const wgrad_run *run)
{
	return 6 * (4 * run->across + 2) * L;
}

static int64_t acc_size(const wgrad_run *run)
{
	return GR_WINO_POINTS * run->g->k * run->c_round;
}

/* Lines [row0, row0 + lines) of up to 16 planes, pixels [col0, col0 + pixels), zeros outside. */
static void load_lines(const wgrad_run *run, const float *planes, int64_t channels, int64_t h,
	int64_t w, int64_t row0, int64_t lines, int64_t col0, int64_t pixels, float *dst)
{
	const int64_t lo = min64(pixels, max64(0, -col0));
	const int64_t hi = max64(lo, min64(pixels, w - col0));
	for (int64_t i = 0; i < lines; i++, dst += pixels * L) {
		const int64_t row = row0 + i;
		if (row < 0 || row >= h || channels < L)
			memset(dst, 0, (size_t)(pixels * L) * sizeof(float));
		if (row < 0 || row >= h)
			continue;
		memset(dst, 0, (size_t)(lo * L) * sizeof(float));
		memset(dst + hi * L, 0, (size_t)((pixels - hi) * L) * sizeof(float));
		run->kern->transpose(channels, hi - lo, planes + row * w + col0 + lo, h * w, dst + lo * L,
			L);
	}
}

/* Sixteen channels of gy or x, one row of tiles of the chunk. */
static void transform(const wgrad_chunk *h, int64_t task, float *lines)
{
	const wgrad_run *run = h->run;
	const gr_conv_geom *g = run->g;
	const int64_t row = task % h->rows;
	const int64_t block = task / h->rows;
	const int64_t sample = (h->row0 + row) / run->down;
	const int64_t ty = (h->row0 + row) % run->down;
	const int64_t tile = row * run->across;
	const int64_t mr = run->kern->mr;
	if (block < run->k_blocks) {
		const int64_t k = block * L;
		const int64_t pixels = 4 * run->across;
		load_lines(run, run->gy + (sample * g->k + k) * g->ho * g->wo, min64(L, g->k - k), g->ho,
			g->wo, 4 * ty, 4, 0, pixels, lines);
		run->wino->gradient_channels(run->across, lines, pixels * L, mr,
			h->m + k * h->tiles + tile * mr, run->m_point, mr * h->tiles);
	} else {
		const int64_t c = (block - run->k_blocks) * L;
		const int64_t pixels = 4 * run->across + 2;
		load_lines(run, run->x + (sample * g->c + c) * g->h * g->w, min64(L, g->c - c), g->h, g->w,
			4 * ty - g->pad_top, 6, -g->pad_left, pixels, lines);
		run->wino->input_channels(run->across, lines, pixels * L, h->v + tile * run->c_round + c,
			run->v_point, run->c_round);
	}
}

static int64_t transforms(const wgrad_chunk *h)
{
	return (h->run->k_blocks + h->run->c_blocks) * h->rows;
}

/* One point, some channels of gy. */
static void product(const wgrad_chunk *h, int64_t task)
{
	const wgrad_run *run = h->run;
	const gr_conv_geom *g = run->g;
	const int64_t k_parts = ceil_div(g->k, PRODUCT_CHANNELS);
	const int64_t point = task / k_parts;
	const int64_t k = task % k_parts * PRODUCT_CHANNELS;
	run->kern->block_off(min64(PRODUCT_CHANNELS, g->k - k), g->c, h->tiles,
		h->m + point * run->m_point + k * h->tiles, h->v + point * run->v_point, run->off,
		h->acc + (point * g->k + k) * run->c_round, run->c_round, NULL, h->add);
}

static int64_t products(const wgrad_run *run)
{
	return GR_WINO_POINTS * ceil_div(run->g->k, PRODUCT_CHANNELS);
}

static void set_chunk(wgrad_chunk *h, int64_t row0, int64_t end)
{
	h->row0 = row0;
	h->rows = min64(h->run->most, end - row0);
	h->tiles = h->rows * h->run->across;
}

/* A part of the chunks, one after another, into an accumulator of its own. */
static void part_task(int64_t part, void *ctx)
{
	wgrad_run *run = ctx;
	float *lines = gr__slots_take(&run->slots);
	wgrad_chunk h = {.run = run, .m = lines + line_size(run)};
	h.v = h.m + GR_WINO_POINTS * run->m_point;
	h.acc = run->acc + part * acc_size(run);
	const int64_t chunks = ceil_div(run->rows, run->most);
	const int64_t begin = part * chunks / run->parts * run->most;
	const int64_t end = min64(run->rows, (part + 1) * chunks / run->parts * run->most);
	for (int64_t row0 = begin; row0 < end; row0 += run->most) {
		set_chunk(&h, row0, end);
		h.add = row0 > begin;
		for (int64_t i = 0; i < transforms(&h); i++)
			transform(&h, i, lines);
		for (int64_t i = 0; i < products(run); i++)
			product(&h, i);
	}
	gr__slots_give(&run->slots, lines);
}

/* Sixteen channels, all rows of the chunk. */
static void transform_task(int64_t block, void *ctx)
{
	const wgrad_chunk *h = ctx;
	float *lines = gr__slots_take(&h->run->slots);
	for (int64_t row = 0; row < h->rows; row++)
		transform(h, block * h->rows + row, lines);
	gr__slots_give(&h->run->slots, lines);
}

static void product_task(int64_t task, void *ctx)
{
	product(ctx, task);
}

/* The chunks one after another, each by all threads: for accumulators too large to have many. */
static void run_chunks(wgrad_run *run, float *m, float *v)
{
	wgrad_chunk h = {.run = run, .m = m, .v = v, .acc = run->acc};
	for (int64_t row0 = 0; row0 < run->rows; row0 += run->most) {
		set_chunk(&h, row0, run->rows);
		h.add = row0 > 0;
		gr__par_for(run->k_blocks + run->c_blocks, transform_task, &h);
		gr__par_for(products(run), product_task, &h);
	}
}

/* All of a single chunk for channels [16 task, 16 task + 16) of gy. */
static void back_task(int64_t task, void *ctx)
{
	const wgrad_chunk *h = ctx;
	wgrad_run *run = h->run;
	const gr_conv_geom *g = run->g;
	const int64_t k0 = task * BACK_CHANNELS;
	const int64_t n = min64(BACK_CHANNELS, g->k - k0);
	const int64_t point_size = BACK_CHANNELS * run->c_round;
	float *acc = gr__slots_take(&run->slots);
	for (int64_t point = 0; point < GR_WINO_POINTS; point++)
		run->kern->block_off(n, g->c, h->tiles, h->m + point * run->m_point + k0 * h->tiles,
			h->v + point * run->v_point, run->off, acc + point * point_size, run->c_round, NULL,
			false);
	for (int64_t k = 0; k < n; k++)
		for (int64_t c = 0; c < g->c; c += L)
			run->wino->filters(min64(L, g->c - c), acc + k * run->c_round + c, point_size,
				run->gw + ((k0 + k) * g->c + c) * 9);
	gr__slots_give(&run->slots, acc);
}

static void run_single(wgrad_run *run, float *m, float *v)
{
	wgrad_chunk h = {.run = run, .m = m, .v = v};
	set_chunk(&h, 0, run->rows);
	gr__par_for(run->k_blocks + run->c_blocks, transform_task, &h);
	gr__par_for(ceil_div(run->g->k, BACK_CHANNELS), back_task, &h);
}

/* Adds the accumulators of the other parts to the first, in order, and brings them back. */
static void filter_task(int64_t k, void *ctx)
{
	const wgrad_run *run = ctx;
	const gr_conv_geom *g = run->g;
	float *row = run->acc + k * run->c_round;
	const int64_t point_size = g->k * run->c_round;
	for (int64_t point = 0; point < GR_WINO_POINTS; point++) {
		float *restrict sum = row + point * point_size;
		for (int64_t part = 1; part < run->parts; part++) {
			const float *restrict acc = sum + part * acc_size(run);
			for (int64_t c = 0; c < g->c; c++)
				sum[c] += acc[c];
		}
	}
	for (int64_t c = 0; c < g->c; c += L)
		run->wino->filters(min64(L, g->c - c), row + c, point_size, run->gw + (k * g->c + c) * 9);
}

static int64_t tile_rows(const gr_conv_geom *g)
{
	return g->n * ceil_div(g->ho, 4);
}

bool gr__conv_winograd_wanted_weights(const gr_conv_geom *g)
{
	return gr_get_precision() == GR_PRECISION_F32 && g->r == 3 && g->s == 3 && g->stride_h == 1 &&
		g->stride_w == 1 && g->dil_h == 1 && g->dil_w == 1 && g->groups == 1 && g->c >= 16 &&
		g->k >= 16 && tile_rows(g) * ceil_div(g->wo, 4) >= TILES_WANTED;
}

static void make_plan(wgrad_run *run)
{
	const gr_conv_geom *g = run->g;
	run->down = ceil_div(g->ho, 4);
	run->across = ceil_div(g->wo, 4);
	run->rows = tile_rows(g);
	run->most = min64(run->rows, max64(1, CHUNK_TILES / run->across));
	run->c_round = spread_stride(g->c, L);
	run->k_blocks = ceil_div(g->k, L);
	run->c_blocks = ceil_div(g->c, L);
	const int64_t chunks = ceil_div(run->rows, run->most);
	const int64_t fit = min64(MAX_PARTS, PART_LIMIT / acc_size(run)) / 2 * 2;
	run->single = chunks == 1;
	run->parts = run->single ? 1 : min64(round_up(chunks, 2), max64(1, fit));
	/* Chunks of equal size, the same number in every part. */
	run->most = ceil_div(run->rows, round_up(chunks, run->parts));
	const int64_t tiles = run->most * run->across;
	run->m_point = spread_stride(tiles * run->k_blocks * L, L);
	run->v_point = spread_stride(tiles * run->c_round, L);
}

static float *floats(int64_t n)
{
	return gr__pool_alloc((size_t)n * sizeof(float));
}

gr_status gr__conv_winograd_weight_grad(const gr_conv_geom *g, const float *gy, const float *x,
	float *gw)
{
	wgrad_run run = {.g = g,
		.kern = gr__gemm_kern_f32(),
		.wino = gr__kern_winograd(),
		.gy = gy,
		.x = x,
		.gw = gw};
	make_plan(&run);
	const int64_t tiles = run.most * run.across;
	const int64_t chunk = GR_WINO_POINTS * (run.m_point + run.v_point);
	const int64_t tasks = run.parts > 1 ? run.parts : (run.k_blocks + run.c_blocks) * run.most;
	const int64_t back = run.single ? GR_WINO_POINTS * BACK_CHANNELS * run.c_round : 0;
	const int64_t slot = max64(line_size(&run) + (run.parts > 1 ? chunk : 0), back);
	float *shared = run.parts > 1 ? NULL : floats(chunk);
	int64_t *off = gr__pool_alloc((size_t)tiles * sizeof(int64_t));
	run.acc = run.single ? NULL : floats(run.parts * acc_size(&run));
	run.off = off;
	const bool fits = (run.parts > 1 || shared != NULL) && (run.single || run.acc != NULL) && off;
	gr_status status = fits ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, tasks, (size_t)slot * sizeof(float));
	if (status == GR_OK) {
		for (int64_t t = 0; t < tiles; t++)
			off[t] = t * run.c_round;
		if (run.single)
			run_single(&run, shared, shared + GR_WINO_POINTS * run.m_point);
		else if (run.parts == 1)
			run_chunks(&run, shared, shared + GR_WINO_POINTS * run.m_point);
		else
			gr__par_for(run.parts, part_task, &run);
		if (!run.single)
			gr__par_for(g->k, filter_task, &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(shared);
	gr__pool_free(run.acc);
	gr__pool_free(off);
	return status;
}
