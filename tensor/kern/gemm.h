/*
 * Matrix products of the CPU device: C = A B (+ C), any element strides, one or a batch.
 *
 * Promise: an element of C is built from row i of A and column j of B by one sequence of fused
 * multiply-adds over k inside a block of GR_GEMM_KC, and the blocks are added in order. So its
 * bits depend on k and the ISA alone, never on m, n, batch, tile position or thread count.
 * Longer sums in f32 are built otherwise where the CPU has tiles, with the same promise on bits:
 * gemm_split.h.
 *
 * The lower half is the contract between this driver, the convolutions and the per-ISA files
 * gemm_base.c, gemm_avx2.c, gemm_avx512.c: a small table of kernels, chosen once per call.
 */
#ifndef GR_KERN_GEMM_H
#define GR_KERN_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#include "gradus/base.h"

/* The block of k: a panel of B of this depth stays in the first-level cache. */
#define GR_GEMM_KC 144

/* What copy_rows of the table below copies. */
typedef struct gr_gemm_rows {
	int64_t planes;
	int64_t rows;
	int64_t cols;
	int64_t lo;
	int64_t hi;
	int64_t step;
	int64_t sps;
	int64_t srs;
	int64_t dps;
	int64_t drs;
} gr_gemm_rows;

/*
 * Written once, for float and double.
 *
 * Packed A: panels of `mr` rows; panel p starts at p * mr * kc, and its element (i, k) is at
 * k * mr + i. Rows past m are never read. Packed B: groups of columns as the ISA likes them;
 * only `pack_b` and `block_panel` of one table know the layout; it takes kc * n elements, n rounded up
 * to whole tiles.
 */
#define GR__GEMM_DECLARE(T, S) \
	gr_status gr__gemm_##S(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, \
		const T *b, int64_t brs, int64_t bcs, T *c, int64_t crs, int64_t ccs, bool accumulate); \
	/* `batch` products; a_bs, b_bs, c_bs are the strides from one to the next. */ \
	gr_status gr__gemm_batch_##S(int64_t batch, int64_t m, int64_t n, int64_t k, const T *a, \
		int64_t a_bs, int64_t ars, int64_t acs, const T *b, int64_t b_bs, int64_t brs, \
		int64_t bcs, T *c, int64_t c_bs, int64_t crs, int64_t ccs, bool accumulate); \
\
	typedef struct gr_gemm_kern_##S { \
		int64_t mr; /* rows of a packed panel of A */ \
		int64_t nr; /* columns of a full tile */ \
		/* C = A B over one k block; A packed, element (k, j) of B at b[off[k] + j]. \
		 * A first block (add false) starts from bias[i], or from 0 if bias is NULL. */ \
		void (*block_off)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b, \
			const int64_t *off, T *c, int64_t crs, const T *bias, bool add); \
		/* The same with packed B. */ \
		void (*block_panel)(int64_t m, int64_t n, int64_t kc, const T *a, const T *b, T *c, \
			int64_t crs, bool add); \
		/* The whole product with nothing packed; rows of B and C have unit stride. */ \
		void (*small)(int64_t m, int64_t n, int64_t k, const T *a, int64_t ars, int64_t acs, \
			const T *b, int64_t brs, T *c, int64_t crs, bool add); \
		void (*pack_b)(int64_t n, int64_t kc, const T *b, int64_t brs, int64_t bcs, T *dst); \
		/* dst[j * drs + i] = src[i * srs + j] for i < rows, j < cols. */ \
		void (*transpose)(int64_t rows, int64_t cols, const T *src, int64_t srs, T *dst, \
			int64_t drs); \
		/* For p < planes, q < rows: dst[p * dps + q * drs + j] is src[p * sps + q * srs + j * step] \
		 * for lo <= j < hi and 0 for other j < cols. */ \
		void (*copy_rows)(const gr_gemm_rows *g, const T *src, T *dst); \
	} gr_gemm_kern_##S; \
\
	extern const gr_gemm_kern_##S gr__gemm_kern_##S##_base; \
	extern const gr_gemm_kern_##S gr__gemm_kern_##S##_avx2; \
	extern const gr_gemm_kern_##S gr__gemm_kern_##S##_avx512; \
\
	const gr_gemm_kern_##S *gr__gemm_kern_##S(void); \
	/* Packs rows [0, m) of A, k in [0, kc), into panels of `kern->mr` rows. */ \
	void gr__gemm_pack_a_##S(const gr_gemm_kern_##S *kern, int64_t m, int64_t kc, const T *a, \
		int64_t ars, int64_t acs, T *dst); \
	/* Pieces shared by the tables: plain loops that any ISA may point to. */ \
	void gr__gemm_transpose_##S(int64_t rows, int64_t cols, const T *src, int64_t srs, T *dst, \
		int64_t drs); \
	void gr__gemm_copy_rows_##S(const gr_gemm_rows *g, const T *src, T *dst);

GR__GEMM_DECLARE(float, f32)
GR__GEMM_DECLARE(double, f64)

/* Eight by eight in registers; lives in gemm_avx2.c and serves the AVX-512 table too. */
void gr__gemm_transpose_f32_avx2(int64_t rows, int64_t cols, const float *src, int64_t srs,
	float *dst, int64_t drs);

#endif
