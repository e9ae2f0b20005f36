/*
 * f32 matrix products on AMX tiles, which multiply bfloat16: every operand x is the sum of three of
 * them, x = h + m + l to its last bit, and of the nine products of parts the six that f32 can see
 * are summed in f32,
 *
 *     x y = hh + (hm + mh) + (hl + mm + lh) + ...,     |what is left out| < 2^-23 |x y|.
 *
 * Six tile products take less time than one by vectors (docs/design/020-split-products.md).
 *
 * Promise: an element of C is built from row i of A and column j of B in an order that depends on k
 * alone, never on m, n, batch, tile position or thread count; exchanging A and B along with the
 * roles of C's strides gives the same bits. Elements whose sum is infinite or NaN are computed
 * again by vectors, since an infinity has no parts. Operands and products below 2^-100 lose their
 * last bits, and those below 2^-126 are 0.
 */
#ifndef GR_KERN_GEMM_SPLIT_H
#define GR_KERN_GEMM_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "gradus/base.h"

/* `batch` products C = A B (+ C), any element strides; *_bs lead from one to the next. */
typedef struct gr_gemm_split {
	int64_t batch;
	int64_t m;
	int64_t n;
	int64_t k;
	const float *a;
	int64_t a_bs;
	int64_t ars;
	int64_t acs;
	const float *b;
	int64_t b_bs;
	int64_t brs;
	int64_t bcs;
	float *c;
	int64_t c_bs;
	int64_t crs;
	int64_t ccs;
	bool add;
} gr_gemm_split;

/* Whether products over k run here: by k, the instruction set and the precision alone. */
bool gr__gemm_split_wanted(int64_t k);
/* GR_OK or GR_EMEM; m, n, k, batch > 0. */
gr_status gr__gemm_split(const gr_gemm_split *p);

/*
 * gemm_split_amx.c. An operand is packed in tiles of GR_SPLIT_LANES rows of A or columns of B (the
 * lanes) by GR_SPLIT_DEPTH of k, each with its parts h, m, l: [lanes / 16][k / 32][part][512]
 * bfloat16. The last 32 of k are filled up with zeros, the last 16 lanes with anything.
 */
enum { GR_SPLIT_LANES = 16, GR_SPLIT_DEPTH = 32, GR_SPLIT_PARTS = 3 };
enum { GR_SPLIT_TILE = GR_SPLIT_PARTS * GR_SPLIT_LANES * GR_SPLIT_DEPTH };

/* Element (lane, k) at x[lane * lane_stride + k * k_stride]. */
void gr__split_pack_rows(int64_t lanes, int64_t k, const float *x, int64_t lane_stride,
	int64_t k_stride, uint16_t *to);
void gr__split_pack_columns(int64_t lanes, int64_t k, const float *x, int64_t lane_stride,
	int64_t k_stride, uint16_t *to);
/* Tiles may be used between the two, by one thread. */
void gr__split_begin(void);
void gr__split_end(void);
/* sums [16][16] (+)= the products over `depths` x 32 of k, summed by themselves. `far` is the one of
 * a and b that is not in the nearest cache; its tiles are fetched ahead, at last that at `next`. */
void gr__split_product(int64_t depths, const uint16_t *a, const uint16_t *b, float *sums, bool add,
	const uint16_t *far, const uint16_t *next);
/* C (+)= sums, m x n of them; false, with nothing done, if one is infinite or NaN. */
bool gr__split_store(int64_t m, int64_t n, const float *sums, float *c, int64_t crs, int64_t ccs,
	bool add);

#endif
