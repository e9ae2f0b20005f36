/*
 * Attention, a block of query rows at a time: scores of the rows with all keys, their softmax, and
 * the product with the values never leave the cache. Memory beyond the results is linear in the
 * tokens: keys (and values, for the gradient) laid out by column, and some rows of scores a task.
 *
 * The gradient forms the scores again. It sums over the queries in parts, each with an accumulator
 * of its own, added in order; blocks and parts depend on the shape of one problem, so its bits do
 * not depend on how many there are, nor on threads.
 */
#include <string.h>

#include "blocks.h"
#include "gemm.h"
#include "kern_table.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

/* Scores of a block, between MIN_ROWS and MAX_ROWS rows of them; blocks of a part; parts. */
#define BLOCK_SCORES ((int64_t)1 << 16)
#define MIN_ROWS 8
#define MAX_ROWS 64
#define MIN_BLOCKS 2
#define MAX_PARTS 4
/* With as many problems, a task takes all parts of one. */
#define MANY_PROBLEMS 16
/* Tokens that a task lays out anew. */
#define TURN_TOKENS 256

typedef struct attention_plan {
	int64_t B;      /* problems */
	int64_t L;      /* queries */
	int64_t M;      /* keys */
	int64_t D;      /* width of q, k */
	int64_t E;      /* width of v, y */
	int64_t column; /* elements from a column of keys to the next */
	int64_t rows;   /* of a block */
	int64_t blocks;
	int64_t parts;
	bool split; /* a task is one part of a problem */
} attention_plan;

static attention_plan plan_of(const gr_tensor *q, const gr_tensor *k, const gr_tensor *v)
{
	attention_plan p = {.L = q->dims[q->ndim - 2],
		.M = k->dims[k->ndim - 2],
		.D = k->dims[k->ndim - 1],
		.E = v->dims[v->ndim - 1]};
	p.B = k->size / (p.M * p.D);
	p.column = spread_stride(p.M, 64 / (int64_t)gr_dtype_bytes(q->dtype));
	p.rows = min64(MAX_ROWS, max64(MIN_ROWS, BLOCK_SCORES / p.M));
	p.blocks = ceil_div(p.L, p.rows);
	p.parts = min64(MAX_PARTS, ceil_div(p.blocks, MIN_BLOCKS));
	p.split = p.B < MANY_PROBLEMS;
	return p;
}

static void fill_zero(gr_tensor *t)
{
	if (t != NULL)
		memset(t->data, 0, (size_t)t->size * gr_dtype_bytes(t->dtype));
}

#define T float
#define FN(name) name##_f32
#include "attention_impl.h"
#undef T
#undef FN

#define T double
#define FN(name) name##_f64
#include "attention_impl.h"

gr_status gr__attention(gr_tensor *y, const gr_tensor *q, const gr_tensor *k, const gr_tensor *v,
	double scale)
{
	if (y->size == 0)
		return GR_OK;
	return y->dtype == GR_F64 ? forward_f64(y, q, k, v, scale) : forward_f32(y, q, k, v, scale);
}

gr_status gr__attention_backward(gr_tensor *const grads[3], const gr_tensor *q, const gr_tensor *k,
	const gr_tensor *v, const gr_tensor *g, double scale)
{
	if (g->size == 0) {
		for (int i = 0; i < 3; i++)
			fill_zero(grads[i]);
		return GR_OK;
	}
	return g->dtype == GR_F64 ? backward_f64(grads, q, k, v, g, scale)
							  : backward_f32(grads, q, k, v, g, scale);
}
