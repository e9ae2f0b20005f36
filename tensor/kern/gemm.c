/*
 * Driver of the matrix products: picks, by shape alone, between the kernels that read operands
 * where they lie (small or thin products) and packing into cache-sized panels, and cuts C into
 * tiles for gr__par_for(). See gemm.h for the promise, gemm_tile_impl.h for the arithmetic.
 */
#include "gemm.h"

#include "blocks.h"
#include "gemm_split.h"
#include "isa.h"
#include "par.h"
#include "pool.h"
#include "slots.h"

/* Multiply-adds below which packing does not pay, and below which a fork does not. */
#define DIRECT_WORK ((int64_t)1 << 19)
#define SERIAL_WORK ((int64_t)1 << 16)
/* A batch of products with more work than this each is a loop around threaded products. */
#define BATCH_WORK ((int64_t)1 << 25)
/* Tile of C in one task: rows, and columns in units of the kernel's full tile. */
#define TILE_M 128
#define TILE_NR 8
/* Elements of packed operands held at once; more of k than that goes in turns. */
#define PACK_LIMIT ((int64_t)1 << 26)
/* Elements of B that a small product copies to have rows of unit stride (larger ones are packed),
 * and those it copies to the stack. */
#define COPY_B 8192
#define STACK_B 1024

static void for_tasks(int64_t n, int64_t work, void (*fn)(int64_t i, void *ctx), void *ctx)
{
	if (n > 1 && work > SERIAL_WORK) {
		gr__par_for(n, fn, ctx);
		return;
	}
	for (int64_t i = 0; i < n; i++)
		fn(i, ctx);
}

/* How a product is computed; a function of its shape and strides. */
typedef enum path {
	DIRECT, /* operands read where they are */
	COPIED, /* the same, after B has been given rows of unit stride */
	THIN,   /* A packed; B packed by the task that reads it, since no other does */
	PACKED, /* A and B packed */
} path;

#define T float
#define FN(name) name##_f32
#define GEMM_TABLE(isa) gr__gemm_kern_f32_##isa
#define SPLIT_WANTED(k) gr__gemm_split_wanted(k)
#include "gemm_impl.h"
#undef T
#undef FN
#undef GEMM_TABLE
#undef SPLIT_WANTED

#define T double
#define FN(name) name##_f64
#define GEMM_TABLE(isa) gr__gemm_kern_f64_##isa
#define SPLIT_WANTED(k) false
#include "gemm_impl.h"
