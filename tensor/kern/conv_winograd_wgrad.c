/*
 * Weight gradient of a 3x3 convolution as the adjoint of F(4x4, 3x3) in the filter:
 *
 *     gw[k,c] = G' [ sum_tiles (A gy A') .* (B' x B) ] G
 *
 * Tiles come in chunks of whole rows. Of a chunk, both factors are transformed with channels
 * innermost, m [point][panel of k][tile][mr] and v [point][tile][c]; then for each of the 36 points
 * a product over the chunk's tiles is added to acc [point][k][c]. At the end acc is brought back to
 * 3x3. The tasks of a step write apart from one another and every sum has one order, by shape.
 */
#include "conv_winograd.h"

#include <string.h>

#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"
#include "winograd.h"

#define L GR_WINO_LANES
/* Tiles of a chunk: the depth of a product. */
#define CHUNK_TILES 96
/* Channels of gy in one product. */
#define PRODUCT_CHANNELS 64
/* Fewer tiles than this are not worth the accumulator, four times the size of the gradient. */
#define TILES_WANTED 64

static int64_t min64(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t ceil_div(int64_t a, int64_t b)
{
	return (a + b - 1) / b;
}

/* An odd number of lines, lest all rows of a matrix fall into the same cache sets. */
static int64_t spread(int64_t n)
{
	return (ceil_div(n, L) | 1) * L;
}

typedef struct wgrad_run {
	const gr_conv_geom *g;
	const gr_gemm_kern_f32 *kern;
	const gr_winograd_table *wino;
	const float *gy;
	const float *x;
	float *gw;
	float *m;
	float *v;
	float *acc;
	int64_t *off;
	int64_t down;
	int64_t across;
	int64_t row0; /* of the chunk: rows of tiles, counted through all samples */
	int64_t rows;
	int64_t tiles;
	int64_t c_round; /* floats from a tile of v, a filter of acc to the next */
	int64_t m_point; /* from a point to the next */
	int64_t v_point;
	int64_t k_blocks;
	int64_t c_blocks;
	gr_slots slots; /* of each task: a row of tiles, [line][pixel][16 channels] */
} wgrad_run;

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
static void transform_task(int64_t task, void *ctx)
{
	wgrad_run *run = ctx;
	const gr_conv_geom *g = run->g;
	const int64_t row = task % run->rows;
	const int64_t block = task / run->rows;
	const int64_t sample = (run->row0 + row) / run->down;
	const int64_t ty = (run->row0 + row) % run->down;
	const int64_t tile = row * run->across;
	const int64_t mr = run->kern->mr;
	float *lines = gr__slots_take(&run->slots);
	if (block < run->k_blocks) {
		const int64_t k = block * L;
		const int64_t pixels = 4 * run->across;
		load_lines(run, run->gy + (sample * g->k + k) * g->ho * g->wo, min64(L, g->k - k), g->ho,
			g->wo, 4 * ty, 4, 0, pixels, lines);
		run->wino->gradient_channels(run->across, lines, pixels * L, mr,
			run->m + k * run->tiles + tile * mr, run->m_point, mr * run->tiles);
	} else {
		const int64_t c = (block - run->k_blocks) * L;
		const int64_t pixels = 4 * run->across + 2;
		load_lines(run, run->x + (sample * g->c + c) * g->h * g->w, min64(L, g->c - c), g->h, g->w,
			4 * ty - g->pad_top, 6, -g->pad_left, pixels, lines);
		run->wino->input_channels(run->across, lines, pixels * L, run->v + tile * run->c_round + c,
			run->v_point, run->c_round);
	}
	gr__slots_give(&run->slots, lines);
}

/* One point, some channels of gy. */
static void product_task(int64_t task, void *ctx)
{
	const wgrad_run *run = ctx;
	const gr_conv_geom *g = run->g;
	const int64_t parts = ceil_div(g->k, PRODUCT_CHANNELS);
	const int64_t point = task / parts;
	const int64_t k = task % parts * PRODUCT_CHANNELS;
	run->kern->block_off(min64(PRODUCT_CHANNELS, g->k - k), g->c, run->tiles,
		run->m + point * run->m_point + k * run->tiles, run->v + point * run->v_point, run->off,
		run->acc + (point * g->k + k) * run->c_round, run->c_round, NULL, run->row0 > 0);
}

static void filter_task(int64_t k, void *ctx)
{
	const wgrad_run *run = ctx;
	const gr_conv_geom *g = run->g;
	for (int64_t c = 0; c < g->c; c += L)
		run->wino->filters(min64(L, g->c - c), run->acc + k * run->c_round + c, g->k * run->c_round,
			run->gw + (k * g->c + c) * 9);
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
		.gw = gw,
		.down = ceil_div(g->ho, 4),
		.across = ceil_div(g->wo, 4),
		.c_round = spread(g->c),
		.k_blocks = ceil_div(g->k, L),
		.c_blocks = ceil_div(g->c, L)};
	const int64_t rows = tile_rows(g);
	const int64_t most = min64(rows, max64(1, CHUNK_TILES / run.across));
	const int64_t tiles = most * run.across;
	run.m_point = spread(tiles * run.k_blocks * L);
	run.v_point = spread(tiles * run.c_round);
	run.m = floats(GR_WINO_POINTS * run.m_point);
	run.v = floats(GR_WINO_POINTS * run.v_point);
	run.acc = floats(GR_WINO_POINTS * g->k * run.c_round);
	run.off = gr__pool_alloc((size_t)tiles * sizeof(int64_t));
	const bool fits = run.m != NULL && run.v != NULL && run.acc != NULL && run.off != NULL;
	gr_status status = fits ? GR_OK : GR_EMEM;
	const int64_t tasks = (run.k_blocks + run.c_blocks) * most;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, tasks,
			(size_t)(6 * (4 * run.across + 2) * L) * sizeof(float));
	if (status == GR_OK) {
		for (int64_t t = 0; t < tiles; t++)
			run.off[t] = t * run.c_round;
		for (run.row0 = 0; run.row0 < rows; run.row0 += most) {
			run.rows = min64(most, rows - run.row0);
			run.tiles = run.rows * run.across;
			gr__par_for((run.k_blocks + run.c_blocks) * run.rows, transform_task, &run);
			gr__par_for(GR_WINO_POINTS * ceil_div(g->k, PRODUCT_CHANNELS), product_task, &run);
		}
		gr__par_for(g->k, filter_task, &run);
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.m);
	gr__pool_free(run.v);
	gr__pool_free(run.acc);
	gr__pool_free(run.off);
	return status;
}
