/*
 * Driver of the split products: k in equal blocks; of each, the narrower operand is packed whole, or
 * so much of it as a second-level cache holds, and tasks multiply it with strips of the wider one,
 * each packed by the task that uses it. See gemm_split.h for the arithmetic.
 */
#include "gemm_split.h"

#include "blocks.h"
#include "gemm.h"
#include "isa.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

#if defined(GR_ISA_ONLY_BASELINE)

bool gr__gemm_split_wanted(int64_t k)
{
	(void)k;
	return false;
}

/* Never called. */
gr_status gr__gemm_split(const gr_gemm_split *product)
{
	(void)product;
	return GR_OK;
}

#else

/* From so many of k on; below, packing costs more than it saves. */
#define LEAST_K 320
/* Most of k in a block, and elements of the narrow operand in one. */
#define MOST_DEPTH 768
#define NARROW_SIZE (288 * 768)
/* Lanes of a strip of the wide operand; less with few of them, so that every thread has some. */
#define STRIP_LANES 64
#define LEAST_STRIP 32
#define FEW_STRIPS 8
/* Lanes of a task that packs the narrow operand. */
#define PACK_LANES 32
/* Tiles of k that are summed by themselves, and stay in the first-level cache while so many tiles of
 * lanes pass by. */
#define NEAR_DEPTHS 6
#define NEAR_TILES 8
/* A batch of products with more work than this each is a loop around threaded products. */
#define BATCH_WORK ((int64_t)1 << 24)
/* Multiply-adds below which no threads are woken. */
#define SERIAL_WORK ((int64_t)1 << 18)

/* Rows of A or columns of B. */
typedef struct operand {
	void (*pack)(int64_t lanes, int64_t k, const float *x, int64_t lane_stride, int64_t k_stride,
		uint16_t *to);
	int64_t lanes;
	const float *x;
	int64_t lane_stride;
	int64_t k_stride;
} operand;

/* Some lanes of an operand, over the block of k at hand. */
typedef struct lane_block {
	int64_t from;
	int64_t count;
	uint16_t *packed;
} lane_block;

typedef struct split_run {
	operand narrow;
	operand wide;
	bool rows_narrow; /* A is the narrow operand */
	float *c;
	int64_t crs;
	int64_t ccs;
	int64_t k;
	bool add;
	bool serial;   /* a task of a batch */
	int64_t depth; /* of k in a block, a multiple of 32 */
	int64_t most;  /* lanes of the narrow operand in a block */
	int64_t strip; /* of the wide one in a task */
	gr_slots *slots;
	int64_t k0; /* of the block at hand */
	int64_t kn;
	lane_block held; /* of the narrow operand */
} split_run;

bool gr__gemm_split_wanted(int64_t k)
{
	return k >= LEAST_K && gr__isa() == GR_ISA_AMX && gr_get_precision() != GR_PRECISION_DIRECT;
}

static int64_t packed_size(int64_t lanes, int64_t k)
{
	return ceil_div(lanes, GR_SPLIT_LANES) * ceil_div(k, GR_SPLIT_DEPTH) * GR_SPLIT_TILE;
}

static void pack(const split_run *r, const operand *o, const lane_block *l)
{
	o->pack(l->count, r->kn, o->x + l->from * o->lane_stride + r->k0 * o->k_stride, o->lane_stride,
		o->k_stride, l->packed);
}

static void pack_task(int64_t task, void *ctx)
{
	const split_run *r = ctx;
	const int64_t lane = task * PACK_LANES;
	const lane_block l = {r->held.from + lane, min64(PACK_LANES, r->held.count - lane),
		r->held.packed + packed_size(lane, r->kn)};
	pack(r, &r->narrow, &l);
}

/*
 * C (+)= A B over the block of k for m rows and n columns, by vectors: of the elements whose sums of
 * parts are not finite, what f32 makes of them; the others stay as they are in `sums`.
 */
static void repair(const split_run *r, int64_t i0, int64_t m, int64_t j0, int64_t n,
	const float *sums)
{
	const operand *a = r->rows_narrow ? &r->narrow : &r->wide;
	const operand *b = r->rows_narrow ? &r->wide : &r->narrow;
	enum { SIDE = GR_SPLIT_LANES };
	float rows[SIDE * SIDE];
	float columns[SIDE * SIDE];
	float whole[SIDE * SIDE];
	for (int64_t k = 0; k < r->kn; k += SIDE) {
		const int64_t depth = min64(SIDE, r->kn - k);
		for (int64_t l = 0; l < depth; l++) {
			const int64_t at = r->k0 + k + l;
			for (int64_t i = 0; i < m; i++)
				rows[i * SIDE + l] = a->x[(i0 + i) * a->lane_stride + at * a->k_stride];
			for (int64_t j = 0; j < n; j++)
				columns[l * SIDE + j] = b->x[(j0 + j) * b->lane_stride + at * b->k_stride];
		}
		gr__gemm_kern_f32()->small(m, n, depth, rows, SIDE, 1, columns, SIDE, whole, SIDE, k > 0);
	}
	for (int64_t i = 0; i < m; i++)
		for (int64_t j = 0; j < n; j++) {
			float *at = r->c + (i0 + i) * r->crs + (j0 + j) * r->ccs;
			const float sum = sums[i * SIDE + j];
			const float kept = sum - sum == 0.0f ? sum : whole[i * SIDE + j];
			*at = r->add || r->k0 > 0 ? *at + kept : kept;
		}
}

/* The sums of a tile, lane `w` of the wide and `v` of the narrow operand being its first, to C. */
static void store(const split_run *r, int64_t w, int64_t v, const float *sums)
{
	const int64_t nw = min64(GR_SPLIT_LANES, r->wide.lanes - w);
	const int64_t nv = min64(GR_SPLIT_LANES, r->narrow.lanes - v);
	const int64_t i0 = r->rows_narrow ? v : w;
	const int64_t j0 = r->rows_narrow ? w : v;
	const int64_t m = r->rows_narrow ? nv : nw;
	const int64_t n = r->rows_narrow ? nw : nv;
	float *c = r->c + i0 * r->crs + j0 * r->ccs;
	if (!gr__split_store(m, n, sums, c, r->crs, r->ccs, r->add || r->k0 > 0))
		repair(r, i0, m, j0, n, sums);
}

/* Sums of a tile of wide lanes, a part in k of which stays near, with some tiles of narrow ones. */
static void near_tiles(const split_run *r, const uint16_t *wide, const uint16_t *narrow,
	int64_t tiles, float *sums)
{
	const int64_t all = ceil_div(r->kn, GR_SPLIT_DEPTH);
	for (int64_t d = 0; d < all; d += NEAR_DEPTHS) {
		const uint16_t *w = wide + d * GR_SPLIT_TILE;
		const uint16_t *v = narrow + d * GR_SPLIT_TILE;
		const uint16_t *after = d + NEAR_DEPTHS < all ? v + NEAR_DEPTHS * GR_SPLIT_TILE : narrow;
		for (int64_t t = 0; t < tiles; t++) {
			const uint16_t *next = t + 1 < tiles ? v + all * GR_SPLIT_TILE : after;
			gr__split_product(min64(NEAR_DEPTHS, all - d), r->rows_narrow ? v : w,
				r->rows_narrow ? w : v, sums + t * GR_SPLIT_LANES * GR_SPLIT_LANES, d > 0, v, next);
			v = next;
		}
	}
}

static void strip_task(int64_t task, void *ctx)
{
	const split_run *r = ctx;
	_Alignas(64) float sums[NEAR_TILES * GR_SPLIT_LANES * GR_SPLIT_LANES];
	lane_block l = {.from = task * r->strip};
	l.count = min64(r->strip, r->wide.lanes - l.from);
	l.packed = r->slots != NULL ? gr__slots_take(r->slots)
								: r->held.packed + packed_size(r->most, r->depth);
	pack(r, &r->wide, &l);
	gr__split_begin();
	for (int64_t w = 0; w < l.count; w += GR_SPLIT_LANES)
		for (int64_t v = 0; v < r->held.count; v += NEAR_TILES * GR_SPLIT_LANES) {
			const int64_t tiles = min64(NEAR_TILES, ceil_div(r->held.count - v, GR_SPLIT_LANES));
			near_tiles(r, l.packed + packed_size(w, r->kn), r->held.packed + packed_size(v, r->kn),
				tiles, sums);
			for (int64_t t = 0; t < tiles; t++)
				store(r, l.from + w, r->held.from + v + t * GR_SPLIT_LANES,
					sums + t * GR_SPLIT_LANES * GR_SPLIT_LANES);
		}
	gr__split_end();
	if (r->slots != NULL)
		gr__slots_give(r->slots, l.packed);
}

static void for_tasks(const split_run *r, int64_t n, void (*fn)(int64_t i, void *ctx), void *ctx)
{
	if (!r->serial && r->held.count * r->wide.lanes * r->kn > SERIAL_WORK) {
		gr__par_for(n, fn, ctx);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		fn(i, ctx);
}

static void run_blocks(split_run *r, uint16_t *space)
{
	r->held.packed = space;
	for (int64_t v = 0; v < r->narrow.lanes; v += r->most) {
		r->held.from = v;
		r->held.count = min64(r->most, r->narrow.lanes - v);
		for (r->k0 = 0; r->k0 < r->k; r->k0 += r->depth) {
			r->kn = min64(r->depth, r->k - r->k0);
			for_tasks(r, ceil_div(r->held.count, PACK_LANES), pack_task, r);
			for_tasks(r, ceil_div(r->wide.lanes, r->strip), strip_task, r);
		}
	}
}

/* Blocks of equal size, at most `most`, in whole `unit`s. */
static int64_t block_of(int64_t n, int64_t most, int64_t unit)
{
	return round_up(ceil_div(n, ceil_div(n, most)), unit);
}

static split_run make_plan(const gr_gemm_split *p)
{
	const operand a = {gr__split_pack_rows, p->m, p->a, p->ars, p->acs};
	const operand b = {gr__split_pack_columns, p->n, p->b, p->bcs, p->brs};
	split_run r = {.rows_narrow = p->m <= p->n,
		.c = p->c,
		.crs = p->crs,
		.ccs = p->ccs,
		.k = p->k,
		.add = p->add};
	r.narrow = r.rows_narrow ? a : b;
	r.wide = r.rows_narrow ? b : a;
	r.depth = block_of(p->k, MOST_DEPTH, GR_SPLIT_DEPTH);
	r.most = block_of(r.narrow.lanes, NARROW_SIZE / r.depth, GR_SPLIT_LANES);
	r.strip = r.wide.lanes < FEW_STRIPS * STRIP_LANES ? LEAST_STRIP : STRIP_LANES;
	return r;
}

static size_t bytes_of(const split_run *r, int64_t lanes)
{
	return (size_t)packed_size(lanes, r->depth) * sizeof(uint16_t);
}

static gr_status run_threaded(const gr_gemm_split *p)
{
	split_run r = make_plan(p);
	uint16_t *space = gr__pool_alloc(bytes_of(&r, r.most));
	if (space == NULL)
		return GR_EMEM;
	gr_slots slots;
	const int64_t tasks = ceil_div(r.wide.lanes, r.strip);
	const gr_status status = gr__slots_open(&slots, tasks, bytes_of(&r, r.strip));
	if (status == GR_OK) {
		r.slots = &slots;
		run_blocks(&r, space);
		gr__slots_close(&slots);
	}
	gr__pool_free(space);
	return status;
}

typedef struct batch_run {
	const gr_gemm_split *p;
	gr_slots slots;
} batch_run;

static gr_gemm_split product_at(const gr_gemm_split *p, int64_t i)
{
	gr_gemm_split q = *p;
	q.batch = 1;
	q.a += i * p->a_bs;
	q.b += i * p->b_bs;
	q.c += i * p->c_bs;
	return q;
}

static void batch_task(int64_t i, void *ctx)
{
	batch_run *g = ctx;
	const gr_gemm_split q = product_at(g->p, i);
	split_run r = make_plan(&q);
	r.serial = true;
	uint16_t *space = gr__slots_take(&g->slots);
	run_blocks(&r, space);
	gr__slots_give(&g->slots, space);
}

static gr_status run_batch(const gr_gemm_split *p)
{
	batch_run g = {.p = p};
	const split_run r = make_plan(p);
	if (gr__slots_open(&g.slots, p->batch, bytes_of(&r, r.most) + bytes_of(&r, r.strip)) != GR_OK)
		return GR_EMEM;
	if (p->batch * p->m * p->n * p->k > SERIAL_WORK) {
		gr__par_for(p->batch, batch_task, &g);
	} else {
		for (int64_t i = 0; i < p->batch; i++)
			batch_task(i, &g);
	}
	gr__slots_close(&g.slots);
	return GR_OK;
}

gr_status gr__gemm_split(const gr_gemm_split *product)
{
	gr_gemm_split p = *product;
	if (p.ccs != 1 && p.crs == 1) { /* C^T = B^T A^T */
		p.m = product->n;
		p.n = product->m;
		p.a = product->b;
		p.a_bs = product->b_bs;
		p.ars = product->bcs;
		p.acs = product->brs;
		p.b = product->a;
		p.b_bs = product->a_bs;
		p.brs = product->acs;
		p.bcs = product->ars;
		p.crs = product->ccs;
		p.ccs = 1;
	}
	if (p.batch > 1 && p.m * p.n * p.k <= BATCH_WORK)
		return run_batch(&p);
	gr_status status = GR_OK;
	for (int64_t i = 0; i < p.batch && status == GR_OK; i++) {
		const gr_gemm_split q = product_at(&p, i);
		status = run_threaded(&q);
	}
	return status;
}

#endif
