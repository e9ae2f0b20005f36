/*
 * Convolution as Winograd's F(4x4, 3x3); see winograd.h for the method. With tiles transformed into
 * v and filters into u, each of the 36 points is a product
 *
 *     m[point][k][tile] = sum_c u[point][k][c] v[point][c][tile]
 *
 * by the kernels of gemm.h, whose results are transformed into pixels. What is formed once and kept
 * in memory, and what each task forms for itself in its second-level cache, depends on the size:
 *
 * - few tiles: v of all of them comes first; then each task takes some output channels, transforms
 *   their filters and multiplies. Filters grow to four times their size, and small images would
 *   wait for memory.
 * - many tiles: u of all filters comes first; then each task takes a block of tiles.
 *
 * Both ways give the same bits: the order of summation over c, that of gemm.h, depends on C alone.
 */
#include "conv_winograd.h"

#include "blocks.h"
#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"
#include "winograd.h"

/* Tiles of a block; input channels of a task that transforms them. */
#define BLOCK_TILES 48
#define INPUT_CHANNELS 32
/* Output channels whose products are formed together, as long as their filters fit in
 * FILTER_LIMIT floats. */
#define MOST_CHANNELS 32
#define FILTER_LIMIT ((int64_t)288 << 10)
/* Tiles are few when their transforms are no more floats than this. */
#define FEW_TILES_LIMIT ((int64_t)1 << 20)
/* Floats of u formed at a time: more output channels wait for another round. */
#define ROUND_LIMIT ((int64_t)1 << 22)

typedef struct winograd_run {
	const gr_conv_low *l;
	const gr_gemm_kern_f32 *kern;
	const gr_winograd_table *wino;
	const float *x;
	const float *w;
	const float *bias;
	float *y;
	int64_t group;
	int64_t down;
	int64_t across;
	int64_t tiles;
	int64_t block; /* tiles of a block */
	int64_t blocks;
	int64_t chunks; /* of INPUT_CHANNELS */
	int64_t part;   /* output channels whose products are formed together */
	int64_t k0;     /* output channels of this round: [k0, k0 + kn) */
	int64_t kn;
	bool few;          /* tiles */
	bool lanes_are_in; /* input channels are adjacent in w, and in u; else output channels are */
	int order[9];      /* where in a filter its taps are: backwards for the input gradient */
	float *shared;     /* v [block][point][c][tile] of few tiles, u of this round of many */
	int64_t u_row;     /* floats from a row of u to the next: [point][k][c] or [point][c][k] */
	int64_t u_point;   /* and from a point to the next */
	int64_t v_point;
	int64_t m_point;
	gr_slots slots; /* of each task: m and its own u or v */
} winograd_run;

static gr_wino_tiles tiles_of(const winograd_run *run, int64_t block)
{
	const int64_t first = block * run->block;
	return (gr_wino_tiles){.down = run->down,
		.across = run->across,
		.first = first,
		.count = min64(run->block, run->tiles - first)};
}

/* Channels [c, c + channels) of a block into v. */
static void transform_tiles(const winograd_run *run, int64_t block, int64_t c, int64_t channels,
	float *v)
{
	const gr_conv_low *l = run->l;
	const gr_wino_tiles tiles = tiles_of(run, block);
	const gr_wino_planes in = {.h = l->hi,
		.w = l->wi,
		.row = l->wi,
		.channel = l->hi * l->wi,
		.sample = l->groups * l->ci * l->hi * l->wi};
	run->wino->input(&tiles, &in, run->x + (run->group * l->ci + c) * in.channel,
		l->r0 + min64(0, 2 * l->dr), l->s0 + min64(0, 2 * l->ds), channels, v + c * run->block,
		run->v_point, run->block);
}

/* Rows [begin, end) of u, that is of output or input channels, for `lanes` of the other kind. */
static void transform_filters(const winograd_run *run, int64_t k, int64_t begin, int64_t end,
	int64_t lanes, float *u)
{
	const gr_conv_low *l = run->l;
	const float *w = run->w + run->group * l->w_group + k * l->w_o;
	const int64_t step = run->lanes_are_in ? l->w_o : l->w_c;
	for (int64_t i = begin; i < end; i++)
		run->wino->weights(lanes, w + i * step, run->order, u + i * run->u_row, run->u_point);
}

/* Output channels [k, k + kb) of the pixels of a block, from its v and from u of these channels. */
static void multiply(const winograd_run *run, int64_t block, int64_t k, int64_t kb, const float *u,
	const float *v, float *m)
{
	const gr_conv_low *l = run->l;
	const gr_wino_tiles tiles = tiles_of(run, block);
	const int64_t channel = run->group * l->co + k;
	const gr_wino_planes out = {.h = l->ho,
		.w = l->wo,
		.row = l->y_row,
		.channel = l->y_plane,
		.sample = l->groups * l->co * l->y_plane};
	const int64_t ars = run->lanes_are_in ? run->u_row : 1;
	const int64_t acs = run->lanes_are_in ? 1 : run->u_row;
	for (int64_t p = 0; p < GR_WINO_POINTS; p++)
		run->kern->small(kb, round_up(tiles.count, GR_WINO_LANES), l->ci, u + p * run->u_point, ars,
			acs, v + p * run->v_point, run->block, m + p * run->m_point, run->block, false);
	run->wino->output(&tiles, &out, m, run->m_point, run->block, kb,
		run->bias != NULL ? run->bias + channel : NULL, run->y + channel * l->y_plane);
}

/* --- few tiles --- */

static void few_input_task(int64_t task, void *ctx)
{
	const winograd_run *run = ctx;
	const int64_t block = task / run->chunks;
	const int64_t c = task % run->chunks * INPUT_CHANNELS;
	transform_tiles(run, block, c, min64(INPUT_CHANNELS, run->l->ci - c),
		run->shared + block * GR_WINO_POINTS * run->v_point);
}

static void few_product_task(int64_t task, void *ctx)
{
	winograd_run *run = ctx;
	const int64_t k = task * run->part;
	const int64_t kb = min64(run->part, run->l->co - k);
	float *u = gr__slots_take(&run->slots);
	float *m = u + GR_WINO_POINTS * run->u_point;
	if (run->lanes_are_in)
		transform_filters(run, k, 0, kb, run->l->ci, u);
	else
		transform_filters(run, k, 0, run->l->ci, kb, u);
	for (int64_t b = 0; b < run->blocks; b++)
		multiply(run, b, k, kb, u, run->shared + b * GR_WINO_POINTS * run->v_point, m);
	gr__slots_give(&run->slots, u);
}

static void run_few(winograd_run *run)
{
	gr__par_for(run->blocks * run->chunks, few_input_task, run);
	gr__par_for(ceil_div(run->l->co, run->part), few_product_task, run);
}

/* --- many tiles --- */

static void many_filter_task(int64_t task, void *ctx)
{
	const winograd_run *run = ctx;
	const int64_t rows = run->lanes_are_in ? run->kn : run->l->ci;
	const int64_t begin = task * GR_WINO_LANES;
	transform_filters(run, run->k0, begin, min64(begin + GR_WINO_LANES, rows),
		run->lanes_are_in ? run->l->ci : run->kn, run->shared);
}

static void many_product_task(int64_t block, void *ctx)
{
	winograd_run *run = ctx;
	float *v = gr__slots_take(&run->slots);
	float *m = v + GR_WINO_POINTS * run->v_point;
	transform_tiles(run, block, 0, run->l->ci, v);
	for (int64_t k = 0; k < run->kn; k += run->part)
		multiply(run, block, run->k0 + k, min64(run->part, run->kn - k),
			run->shared + k * (run->lanes_are_in ? run->u_row : 1), v, m);
	gr__slots_give(&run->slots, v);
}

static void run_many(winograd_run *run, int64_t round)
{
	const gr_conv_low *l = run->l;
	for (run->k0 = 0; run->k0 < l->co; run->k0 += round) {
		run->kn = min64(round, l->co - run->k0);
		gr__par_for(ceil_div(run->lanes_are_in ? run->kn : l->ci, GR_WINO_LANES), many_filter_task,
			run);
		gr__par_for(run->blocks, many_product_task, run);
	}
}

/*
 * A tile of a quarter of the work has its price in transforms, and in filters four times as large:
 * it takes some channels, and some tiles that share the filters.
 */
bool gr__conv_winograd_wanted(const gr_conv_low *l)
{
	const bool shape = l->nr == 3 && l->ns == 3 && l->sh == 1 && l->sw == 1 && l->y_col == 1 &&
		l->w_s == 1 && l->w_r == 3 && (l->w_c == 9 || l->w_o == 9) && (l->dr == 1 || l->dr == -1) &&
		(l->ds == 1 || l->ds == -1);
	return shape && gr_get_precision() == GR_PRECISION_F32 && l->ci >= 16 && l->co >= 16 &&
		ceil_div(l->ho, 4) * ceil_div(l->wo, 4) >= 16;
}

/* Everything here depends on the shape alone. `round`: output channels whose u is formed at a time. */
static void make_plan(winograd_run *run, int64_t *round)
{
	const gr_conv_low *l = run->l;
	run->down = ceil_div(l->ho, 4);
	run->across = ceil_div(l->wo, 4);
	run->tiles = l->n * run->down * run->across;
	run->block = min64(BLOCK_TILES, round_up(run->tiles, GR_WINO_LANES));
	run->blocks = ceil_div(run->tiles, run->block);
	run->chunks = ceil_div(l->ci, INPUT_CHANNELS);
	run->lanes_are_in = l->w_c == 9;
	for (int t = 0; t < 9; t++)
		run->order[t] = 3 * (l->dr < 0 ? 2 - t / 3 : t / 3) + (l->ds < 0 ? 2 - t % 3 : t % 3);
	run->v_point = spread_stride(l->ci * run->block, GR_WINO_LANES);
	run->few = run->blocks * GR_WINO_POINTS * run->v_point <= FEW_TILES_LIMIT;
	run->part = run->few ? MOST_CHANNELS : 2 * MOST_CHANNELS;
	while (
		run->few && run->part > GR_WINO_LANES && GR_WINO_POINTS * run->part * l->ci > FILTER_LIMIT)
		run->part -= GR_WINO_LANES;
	run->part = min64(run->part, round_up(l->co, GR_WINO_LANES));
	const int64_t most = round_up(ROUND_LIMIT / (GR_WINO_POINTS * l->ci) + 1, run->part);
	*round = run->few ? run->part : min64(round_up(l->co, run->part), most);
	run->u_row = spread_stride(run->lanes_are_in ? l->ci : *round, GR_WINO_LANES);
	run->u_point = spread_stride((run->lanes_are_in ? *round : l->ci) * run->u_row, GR_WINO_LANES);
	run->m_point = spread_stride(run->part * run->block, GR_WINO_LANES);
}

gr_status gr__conv_winograd_run(const gr_conv_low *l, const float *x, const float *w,
	const float *bias, float *y)
{
	if (l->n * l->groups * l->co * l->ho * l->wo == 0)
		return GR_OK;
	winograd_run run = {.l = l,
		.kern = gr__gemm_kern_f32(),
		.wino = gr__kern_winograd(),
		.x = x,
		.w = w,
		.bias = bias,
		.y = y};
	int64_t round;
	make_plan(&run, &round);
	const int64_t shared = run.few ? run.blocks * run.v_point : run.u_point;
	const int64_t own = run.m_point + (run.few ? run.u_point : run.v_point);
	run.shared = gr__pool_alloc((size_t)(GR_WINO_POINTS * shared) * sizeof(float));
	gr_status status = run.shared != NULL ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, run.few ? ceil_div(l->co, run.part) : run.blocks,
			(size_t)(GR_WINO_POINTS * own) * sizeof(float));
	if (status == GR_OK) {
		for (run.group = 0; run.group < l->groups; run.group++) {
			if (run.few)
				run_few(&run);
			else
				run_many(&run, round);
		}
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.shared);
	return status;
}
