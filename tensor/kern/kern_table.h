/*
 * The tables between the drivers in kern/ (which shape the work and split it over threads) and the
 * loops in kern/multi/, compiled once per instruction set. One table per float type; one for copies
 * and conversions. Jobs carry plain pointers, so that the drivers are written once for all types.
 */
#ifndef GR_KERN_TABLE_H
#define GR_KERN_TABLE_H

#include "iter.h"
#include "kern.h"

/* Elements of work below which a second thread costs more than it gives. */
#define GR_GRAIN 32768

#define GR_EW_MAX_IN 4

typedef struct gr_ew_job {
	gr_ew_kind kind;
	int nin;
	void *out; /* contiguous */
	const void *in[GR_EW_MAX_IN];
	gr_walk walk[GR_EW_MAX_IN]; /* over the inputs, in out's order */
	double s0, s1;
} gr_ew_job;

/* Elements of a block of a reduction; see reduce.c for the tree. */
#define GR_REDUCE_BLOCK 1024
/* Kept elements that are reduced side by side where they are adjacent in memory. */
#define GR_REDUCE_TILE 256

typedef struct gr_reduce_job {
	gr_reduce_kind kind;
	const void *x;
	gr_walk kept, reduced;
	int64_t nkept, nreduced;
	int64_t nblocks; /* of the reduced elements */
	int64_t row;     /* across: kept elements of the innermost kept dim, their stride */
	int64_t row_stride;
	int64_t row_tiles; /* across: tiles of a row */
	void *partial;     /* [nkept, nblocks] */
	void *out;         /* [nkept]; the same buffer as partial when nblocks is 1 */
} gr_reduce_job;

typedef struct gr_argmax_job {
	const void *x;
	gr_walk kept;
	int64_t n, stride;
	int64_t *out;
} gr_argmax_job;

typedef struct gr_norm_job {
	int64_t channels, groups, pixels; /* x [N,C,P] */
	double eps;
	bool silu;
	bool per_sample;
	const void *x, *w, *b, *dy;
	void *y, *dx, *stats;
	void *dw, *db; /* [N,C] */
} gr_norm_job;

typedef struct gr_kern_table {
	/* Elements begin..end-1 of out. */
	void (*ew)(const gr_ew_job *job, int64_t begin, int64_t end);
	/* Units (kept element, block): partial results. */
	void (*reduce_along)(const gr_reduce_job *job, int64_t begin, int64_t end);
	/* Units (row, tile of the row, block): the same results, tile by tile. */
	void (*reduce_across)(const gr_reduce_job *job, int64_t begin, int64_t end);
	/* Kept elements begin..end-1: the tree over the blocks, then the mean's factor. */
	void (*reduce_finish)(const gr_reduce_job *job, int64_t begin, int64_t end);
	void (*argmax)(const gr_argmax_job *job, int64_t begin, int64_t end);
	/* Rows of length d. */
	void (*softmax)(int64_t rows, int64_t d, void *y, const void *x);
	void (*log_softmax)(int64_t rows, int64_t d, void *y, const void *x);
	void (*softmax_backward)(int64_t rows, int64_t d, void *dx, const void *y, const void *dy);
	/* Groups begin..end-1 of [N * G]: statistics and result. */
	void (*group_norm)(const gr_norm_job *job, int64_t begin, int64_t end);
	void (*group_norm_backward)(const gr_norm_job *job, int64_t begin, int64_t end);
	void (*layer_norm)(int64_t rows, int64_t d, void *y, void *stats, const void *x, const void *w,
		const void *b, double eps);
	/* dw and db of these rows alone (overwritten); any of dx, dw, db may be NULL. */
	void (*layer_norm_backward)(int64_t rows, int64_t d, void *dx, void *dw, void *db,
		const void *dy, const void *x, const void *w, const void *stats);
	/* dst[i] += src[i] */
	void (*add)(int64_t n, void *dst, const void *src);
	void (*pool_mean)(int64_t rows, int64_t w_out, int64_t f, double scale, void *y, const void *x);
	void (*repeat)(int64_t rows, int64_t w_in, int64_t f, double scale, void *y, const void *x);
} gr_kern_table;

#define GR_DTYPES 6

typedef struct gr_copy_table {
	/* Contiguous conversions, convert[to][from]. */
	void (*convert[GR_DTYPES][GR_DTYPES])(int64_t n, void *dst, const void *src);
	/* By the logarithm of the element size, 0..3: dst[i, j] = src[i, j], strides in elements. */
	void (*strided[4])(int64_t rows, int64_t cols, void *dst, int64_t drs, int64_t dcs,
		const void *src, int64_t srs, int64_t scs);
	/* The same where dst has unit stride along j and src along i. */
	void (*transpose[4])(int64_t rows, int64_t cols, void *dst, int64_t drs, const void *src,
		int64_t scs);
} gr_copy_table;

/* Place of an element size, 1 2 4 or 8, in `strided` and `transpose`. */
static inline int gr__size_log(size_t bytes)
{
	return bytes == 8 ? 3 : bytes == 4 ? 2 : bytes == 2 ? 1 : 0;
}

/* Tables of the instruction set in use; dtype is GR_F32 or GR_F64. */
const gr_kern_table *gr__kern(gr_dtype dtype);
const gr_copy_table *gr__kern_copy(void);

/* Filled by kern/multi/table.c; [0] is float, [1] double. */
extern const gr_kern_table gr__k_baseline_table[2];
extern const gr_copy_table gr__k_baseline_copy_table;
#ifndef GR_ISA_ONLY_BASELINE
extern const gr_kern_table gr__k_avx2_table[2];
extern const gr_copy_table gr__k_avx2_copy_table;
extern const gr_kern_table gr__k_avx512_table[2];
extern const gr_copy_table gr__k_avx512_copy_table;
#endif

#endif
