/*
 * Convolution as Winograd's F(4x4, 3x3); see winograd.h for the method.
 *
 * One task takes a block of tiles and some output channels. It transforms its tiles of all input
 * channels into v [point][channel][tile], then, 64 output channels at a time, forms for each of the
 * 36 points the product
 *
 *     m[point][k][tile] = sum_c u[point][k][c] v[point][c][tile]
 *
 * with the kernels of gemm.h and transforms m into pixels. Neither v nor m leaves the second-level
 * cache by much. The filters are transformed beforehand, into panels as the kernels read them.
 *
 * The order of summation over c is that of gemm.h: blocks of channels that depend on C alone.
 */
#include "conv_winograd.h"

#include "blocks.h"
#include "gemm.h"
#include "par.h"
#include "pool.h"
#include "slots.h"
#include "winograd.h"

/* Tiles of a task; output channels of a group of products. */
#define BLOCK_TILES 48
#define BLOCK_CHANNELS 64
/* Output channels are divided among tasks only when there are fewer tasks than this. */
#define FEW_TASKS 4
/* Input channels whose taps are gathered together: rows of 72, whole vectors. */
#define GATHER_CHANNELS 8
/* Floats of transformed filters at a time: more output channels wait for another round. */
#define FILTER_LIMIT ((int64_t)1 << 22)

typedef struct winograd_run {
	const gr_conv_low *l;
	const gr_gemm_kern_f32 *kern;
	const gr_winograd_table *wino;
	const float *x;
	const float *w;
	const float *bias;
	float *y;
	float *u; /* [block of c][point][panel of k][c][mr] */
	const int64_t *off;
	int64_t group;
	int64_t k0; /* output channels of this round: [k0, k0 + kn), panels rounded up to k_round */
	int64_t kn;
	int64_t k_round;
	int64_t cb; /* input channels of a product */
	int64_t down;
	int64_t across;
	int64_t tiles;
	int64_t block; /* tiles of a task */
	int64_t parts; /* tasks that share a block */
	int64_t k_part;
	int64_t u_point; /* floats from a point to the next */
	int64_t v_point;
	int64_t m_point;
	gr_slots slots; /* of each task: v, m */
} winograd_run;

/* Taps [c][tap][mr] of n filters and some channels; the taps of a filter and channel lie together. */
static void gather_taps(const winograd_run *run, const float *w, int64_t n, int64_t channels,
	float *taps)
{
	const gr_conv_low *l = run->l;
	const int64_t mr = run->kern->mr;
	if (l->w_c == 9) {
		run->kern->transpose(n, 9 * channels, w, l->w_o, taps, mr);
		return;
	}
	for (int64_t c = 0; c < channels; c++)
		run->kern->transpose(n, 9, w + c * l->w_c, l->w_o, taps + 9 * c * mr, mr);
}

/* Panel `task` of the filters, as many channels at a time as fill the lanes. */
static void transform_filters(int64_t task, void *ctx)
{
	const winograd_run *run = ctx;
	const gr_conv_low *l = run->l;
	const int64_t mr = run->kern->mr;
	const int64_t k0 = task * mr;
	const int64_t n = min64(mr, run->kn - k0);
	const int64_t most = GR_WINO_LANES / mr;
	const float *w = run->w + run->group * l->w_group + (run->k0 + k0) * l->w_o;
	float gathered[9 * GATHER_CHANNELS * GR_WINO_LANES] = {0};
	float taps[9 * GR_WINO_LANES] = {0};
	int order[9]; /* taps that step backwards are taken in reverse */
	for (int t = 0; t < 9; t++)
		order[t] = 3 * (l->dr < 0 ? 2 - t / 3 : t / 3) + (l->ds < 0 ? 2 - t % 3 : t % 3);
	for (int64_t c = 0; c < l->ci; c += most) {
		const int64_t block = c / run->cb * run->cb;
		const int64_t cb = min64(run->cb, l->ci - block);
		const int64_t at = c % GATHER_CHANNELS;
		const int64_t channels = min64(most, l->ci - c);
		if (at == 0)
			gather_taps(run, w + c * l->w_c, n, min64(GATHER_CHANNELS, l->ci - c), gathered);
		for (int64_t i = 0; i < channels; i++)
			for (int64_t t = 0; t < 9; t++) {
				const float *src = gathered + (9 * (at + i) + t) * mr;
				float *dst = taps + order[t] * GR_WINO_LANES + i * mr;
				for (int64_t j = 0; j < mr; j++)
					dst[j] = src[j];
			}
		run->wino->weights(channels * mr, taps,
			run->u + block / run->cb * GR_WINO_POINTS * run->u_point + k0 * cb + (c - block) * mr,
			run->u_point);
	}
}

static void block_task(int64_t task, void *ctx)
{
	winograd_run *run = ctx;
	const gr_conv_low *l = run->l;
	const int64_t part = task % run->parts * run->k_part;
	const int64_t first = task / run->parts * run->block;
	const gr_wino_tiles tiles = {.down = run->down,
		.across = run->across,
		.first = first,
		.count = min64(run->block, run->tiles - first)};
	const int64_t n = round_up(tiles.count, GR_WINO_LANES);
	const int64_t end = min64(part + run->k_part, run->kn);
	const gr_wino_planes in = {.h = l->hi,
		.w = l->wi,
		.row = l->wi,
		.channel = l->hi * l->wi,
		.sample = l->groups * l->ci * l->hi * l->wi};
	const gr_wino_planes out = {.h = l->ho,
		.w = l->wo,
		.row = l->y_row,
		.channel = l->y_plane,
		.sample = l->groups * l->co * l->y_plane};
	float *v = gr__slots_take(&run->slots);
	float *m = v + GR_WINO_POINTS * run->v_point;
	run->wino->input(&tiles, &in, run->x + run->group * l->ci * in.channel,
		l->r0 + min64(0, 2 * l->dr), l->s0 + min64(0, 2 * l->ds), l->ci, v, run->v_point,
		run->block);
	for (int64_t k = part; k < end; k += BLOCK_CHANNELS) {
		const int64_t kb = min64(BLOCK_CHANNELS, end - k);
		for (int64_t p = 0; p < GR_WINO_POINTS; p++)
			for (int64_t c0 = 0; c0 < l->ci; c0 += run->cb) {
				const int64_t cb = min64(run->cb, l->ci - c0);
				const float *u =
					run->u + (c0 / run->cb * GR_WINO_POINTS + p) * run->u_point + k * cb;
				run->kern->block_off(kb, n, cb, u, v + p * run->v_point + c0 * run->block, run->off,
					m + p * run->m_point, run->block, NULL, c0 > 0);
			}
		const int64_t channel = run->group * l->co + run->k0 + k;
		run->wino->output(&tiles, &out, m, run->m_point, run->block, kb,
			run->bias != NULL ? run->bias + channel : NULL, run->y + channel * l->y_plane);
	}
	gr__slots_give(&run->slots, v);
}

/*
 * A tile of a quarter of the work has its price in transforms, and in filters four times as large:
 * it takes some channels, and some tiles that share the filters.
 */
bool gr__conv_winograd_wanted(const gr_conv_low *l)
{
	const bool shape = l->nr == 3 && l->ns == 3 && l->sh == 1 && l->sw == 1 && l->y_col == 1 &&
		l->w_s == 1 && l->w_r == 3 && (l->dr == 1 || l->dr == -1) && (l->ds == 1 || l->ds == -1);
	return shape && gr_get_precision() == GR_PRECISION_F32 && l->ci >= 16 && l->co >= 16 &&
		ceil_div(l->ho, 4) * ceil_div(l->wo, 4) >= 16;
}

static void make_plan(winograd_run *run)
{
	const gr_conv_low *l = run->l;
	run->down = ceil_div(l->ho, 4);
	run->across = ceil_div(l->wo, 4);
	run->tiles = l->n * run->down * run->across;
	run->cb = round_up(ceil_div(l->ci, ceil_div(l->ci, GR_GEMM_KC)), GATHER_CHANNELS);
	const int64_t blocks = max64(ceil_div(run->tiles, BLOCK_TILES),
		min64(FEW_TASKS, ceil_div(run->tiles, 2 * GR_WINO_LANES)));
	run->block = round_up(ceil_div(run->tiles, blocks), GR_WINO_LANES);
	run->v_point = spread_stride(l->ci * run->block, GR_WINO_LANES);
	run->m_point = spread_stride(BLOCK_CHANNELS * run->block, GR_WINO_LANES);
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
	make_plan(&run);
	const int64_t blocks = ceil_div(run.tiles, run.block);
	const int64_t per_channel = GR_WINO_POINTS * l->ci;
	const int64_t round =
		min64(l->co, max64(BLOCK_CHANNELS, round_up(FILTER_LIMIT / per_channel, BLOCK_CHANNELS)));
	run.parts = min64(ceil_div(FEW_TASKS, blocks), ceil_div(round, BLOCK_CHANNELS / 2));
	run.k_part = round_up(ceil_div(round, run.parts), run.kern->mr);
	run.parts = ceil_div(round, run.k_part);
	run.u_point = spread_stride(run.cb * round_up(round, run.kern->mr), GR_WINO_LANES);
	run.u = gr__pool_alloc(
		(size_t)(ceil_div(l->ci, run.cb) * GR_WINO_POINTS * run.u_point) * sizeof(float));
	int64_t *off = gr__pool_alloc((size_t)run.cb * sizeof(int64_t));
	run.off = off;
	gr_status status = run.u != NULL && off != NULL ? GR_OK : GR_EMEM;
	if (status == GR_OK)
		status = gr__slots_open(&run.slots, blocks * run.parts,
			(size_t)(GR_WINO_POINTS * (run.v_point + run.m_point)) * sizeof(float));
	if (status == GR_OK) {
		for (int64_t c = 0; c < run.cb; c++)
			off[c] = c * run.block;
		for (run.group = 0; run.group < l->groups; run.group++)
			for (run.k0 = 0; run.k0 < l->co; run.k0 += round) {
				run.kn = min64(round, l->co - run.k0);
				run.k_round = round_up(run.kn, run.kern->mr);
				gr__par_for(run.k_round / run.kern->mr, transform_filters, &run);
				gr__par_for(blocks * run.parts, block_task, &run);
			}
		gr__slots_close(&run.slots);
	}
	gr__pool_free(run.u);
	gr__pool_free(off);
	return status;
}
