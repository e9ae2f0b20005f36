/* Blocks of reductions in type T; the tree is described in kern/reduce.c. */
#include "real.h"

#define GR_REDUCE_FOLD(H, MERGE) \
	for (int l = 0; l < H; l++) { \
		T a = acc[l]; \
		T v = acc[l + H]; \
		acc[l] = MERGE; \
	}

/* Lanes of one block, folded in halves; what is left stands in acc[0]. */
#define GR_REDUCE_BODY(NAME, FIRST, NEXT, MERGE) \
	/* The same for fewer elements than lanes: a lane without a partner stays as it is. */ \
	static T GR_TS(few_##NAME)(int m, const T *x) \
	{ \
		T acc[GR_LANES]; \
		for (int l = 0; l < m; l++) { \
			T v = x[l]; \
			acc[l] = FIRST; \
		} \
		for (int h = GR_LANES / 2; h >= 1; h /= 2) { \
			for (int l = 0; l < h && l + h < m; l++) { \
				T a = acc[l]; \
				T v = acc[l + h]; \
				acc[l] = MERGE; \
			} \
			m = m < h ? m : h; \
		} \
		return acc[0]; \
	} \
	/* n >= 1 contiguous elements */ \
	static T GR_TS(block_##NAME)(int64_t n, const T *x) \
	{ \
		if (n < GR_LANES) \
			return GR_TS(few_##NAME)((int)n, x); \
		T acc[GR_LANES]; \
		for (int l = 0; l < GR_LANES; l++) { \
			T v = x[l]; \
			acc[l] = FIRST; \
		} \
		int64_t i = GR_LANES; \
		for (; i + GR_LANES <= n; i += GR_LANES) { \
			for (int l = 0; l < GR_LANES; l++) { \
				T a = acc[l]; \
				T v = x[i + l]; \
				acc[l] = NEXT; \
			} \
		} \
		for (int l = 0; l < n - i; l++) { \
			T a = acc[l]; \
			T v = x[i + l]; \
			acc[l] = NEXT; \
		} \
		GR_REDUCE_FOLD(16, MERGE) \
		GR_REDUCE_FOLD(8, MERGE) \
		GR_REDUCE_FOLD(4, MERGE) \
		GR_REDUCE_FOLD(2, MERGE) \
		GR_REDUCE_FOLD(1, MERGE) \
		return acc[0]; \
	} \
	/* n rows of `width` elements side by side; row r starts at x[rows[r]] */ \
	static void GR_TS(rows_##NAME)(int64_t n, const int64_t *rows, const T *x, int64_t width, \
		int64_t stride, T *out, int64_t ostride) \
	{ \
		T acc[GR_LANES][GR_REDUCE_TILE]; \
		int m = n < GR_LANES ? (int)n : GR_LANES; \
		for (int64_t r = 0; r < n; r++) { \
			const T *row = x + rows[r]; \
			T *lane = acc[r % GR_LANES]; \
			if (r < GR_LANES) { \
				for (int64_t j = 0; j < width; j++) { \
					T v = row[j * stride]; \
					lane[j] = FIRST; \
				} \
			} else if (stride == 1) { \
				for (int64_t j = 0; j < width; j++) { \
					T a = lane[j]; \
					T v = row[j]; \
					lane[j] = NEXT; \
				} \
			} else { \
				for (int64_t j = 0; j < width; j++) { \
					T a = lane[j]; \
					T v = row[j * stride]; \
					lane[j] = NEXT; \
				} \
			} \
		} \
		for (int h = GR_LANES / 2; h >= 1; h /= 2) { \
			for (int l = 0; l < h && l + h < m; l++) { \
				for (int64_t j = 0; j < width; j++) { \
					T a = acc[l][j]; \
					T v = acc[l + h][j]; \
					acc[l][j] = MERGE; \
				} \
			} \
			m = m < h ? m : h; \
		} \
		for (int64_t j = 0; j < width; j++) \
			out[j * ostride] = acc[0][j]; \
	} \
	/* The tree over n partial results, in place. */ \
	static T GR_TS(tree_##NAME)(int64_t n, T * p) \
	{ \
		while (n > 1) { \
			int64_t half = n / 2; \
			for (int64_t i = 0; i < half; i++) { \
				T a = p[2 * i]; \
				T v = p[2 * i + 1]; \
				p[i] = MERGE; \
			} \
			if (n % 2 != 0) \
				p[half] = p[n - 1]; \
			n = half + n % 2; \
		} \
		return p[0]; \
	}

/* A NaN wins over every number and stays. */
#define GR_NAN_MAX (a >= v || a != a ? a : v)
#define GR_NAN_MIN (a <= v || a != a ? a : v)
GR_REDUCE_BODY(sum, v, a + v, a + v)
GR_REDUCE_BODY(sumsq, (v * v), a + v * v, a + v)
GR_REDUCE_BODY(max, v, GR_NAN_MAX, GR_NAN_MAX)
GR_REDUCE_BODY(min, v, GR_NAN_MIN, GR_NAN_MIN)
#undef GR_REDUCE_BODY
#undef GR_REDUCE_FOLD
#undef GR_NAN_MAX
#undef GR_NAN_MIN

typedef struct GR_TS(reduce_fns) {
	T (*block)(int64_t n, const T *x);
	void (*rows)(int64_t n, const int64_t *rows, const T *x, int64_t width, int64_t stride, T *out,
		int64_t ostride);
	T (*tree)(int64_t n, T *p);
} GR_TS(reduce_fns);

static const GR_TS(reduce_fns) GR_TS(fns)[GR_REDUCE_COUNT] = {
	[GR_REDUCE_SUM] = {GR_TS(block_sum), GR_TS(rows_sum), GR_TS(tree_sum)},
	[GR_REDUCE_MEAN] = {GR_TS(block_sum), GR_TS(rows_sum), GR_TS(tree_sum)},
	[GR_REDUCE_MAX] = {GR_TS(block_max), GR_TS(rows_max), GR_TS(tree_max)},
	[GR_REDUCE_MIN] = {GR_TS(block_min), GR_TS(rows_min), GR_TS(tree_min)},
	[GR_REDUCE_SUMSQ] = {GR_TS(block_sumsq), GR_TS(rows_sumsq), GR_TS(tree_sumsq)},
};

/* The n <= GR_REDUCE_BLOCK reduced elements from `pos` on: in place where adjacent, else in buf. */
static const T *GR_TS(reduce_read)(const gr_walk *w, const T *x, int64_t pos, int64_t n, T *buf)
{
	if (w->ndim == 0)
		return x;
	int64_t idx[GR_MAX_DIMS];
	int inner = w->ndim - 1;
	int64_t length = w->dims[inner];
	int64_t stride = w->strides[inner];
	const T *src = x + gr__walk_seek(w, pos, idx);
	if (stride == 1 && idx[inner] + n <= length)
		return src;
	int64_t done = 0;
	int64_t run = length - idx[inner];
	src -= idx[inner] * stride;
	int64_t at = idx[inner];
	while (done < n) {
		run = run < n - done ? run : n - done;
		for (int64_t i = 0; i < run; i++)
			buf[done + i] = src[(at + i) * stride];
		done += run;
		at = 0;
		run = length;
		if (done < n)
			src += gr__walk_carry(w, inner - 1, idx);
	}
	return buf;
}

void GR_KT(reduce_along)(const gr_reduce_job *job, int64_t begin, int64_t end)
{
	T buf[GR_REDUCE_BLOCK];
	T *partial = job->partial;
	T (*block)(int64_t, const T *) = GR_TS(fns)[job->kind].block;
	int64_t idx[GR_MAX_DIMS];
	int64_t kept = -1;
	const T *x = NULL;
	for (int64_t u = begin; u < end; u++) {
		int64_t k = u / job->nblocks;
		int64_t pos = (u - k * job->nblocks) * GR_REDUCE_BLOCK;
		int64_t n = job->nreduced - pos;
		n = n < GR_REDUCE_BLOCK ? n : GR_REDUCE_BLOCK;
		if (k != kept)
			x = (const T *)job->x + gr__walk_seek(&job->kept, k, idx);
		kept = k;
		partial[u] = block(n, GR_TS(reduce_read)(&job->reduced, x, pos, n, buf));
	}
}

void GR_KT(reduce_across)(const gr_reduce_job *job, int64_t begin, int64_t end)
{
	int64_t rows[GR_REDUCE_BLOCK];
	int64_t idx[GR_MAX_DIMS];
	int64_t known = -1;
	for (int64_t u = begin; u < end; u++) {
		int64_t block = u % job->nblocks;
		int64_t tile = u / job->nblocks % job->row_tiles;
		int64_t row = u / job->nblocks / job->row_tiles;
		int64_t pos = block * GR_REDUCE_BLOCK;
		int64_t n = job->nreduced - pos;
		n = n < GR_REDUCE_BLOCK ? n : GR_REDUCE_BLOCK;
		if (block != known) {
			const gr_walk *w = &job->reduced;
			int64_t offset = gr__walk_seek(w, pos, idx);
			for (int64_t r = 0; r < n; r++) {
				rows[r] = offset;
				offset += gr__walk_carry(w, w->ndim - 1, idx);
			}
			known = block;
		}
		int64_t k = row * job->row + tile * GR_REDUCE_TILE;
		int64_t width = job->row - tile * GR_REDUCE_TILE;
		width = width < GR_REDUCE_TILE ? width : GR_REDUCE_TILE;
		int64_t kidx[GR_MAX_DIMS];
		const T *x = (const T *)job->x + gr__walk_seek(&job->kept, k, kidx);
		T *out = (T *)job->partial + k * job->nblocks + block;
		GR_TS(fns)[job->kind].rows(n, rows, x, width, job->row_stride, out, job->nblocks);
	}
}

void GR_KT(reduce_finish)(const gr_reduce_job *job, int64_t begin, int64_t end)
{
	T *out = job->out;
	T (*tree)(int64_t, T *) = GR_TS(fns)[job->kind].tree;
	if (job->nblocks > 1) {
		for (int64_t k = begin; k < end; k++)
			out[k] = tree(job->nblocks, (T *)job->partial + k * job->nblocks);
	}
	if (job->kind == GR_REDUCE_MEAN) {
		for (int64_t k = begin; k < end; k++)
			out[k] /= (T)job->nreduced;
	}
}

void GR_KT(argmax)(const gr_argmax_job *job, int64_t begin, int64_t end)
{
	int64_t idx[GR_MAX_DIMS];
	for (int64_t k = begin; k < end; k++) {
		const T *x = (const T *)job->x + gr__walk_seek(&job->kept, k, idx);
		int64_t best = 0;
		for (int64_t i = 1; i < job->n; i++) {
			T a = x[best * job->stride];
			T v = x[i * job->stride];
			if (!(v <= a) && a == a)
				best = i;
		}
		job->out[k] = best;
	}
}

void GR_KT(add)(int64_t n, void *dst, const void *src)
{
	T *restrict d = dst;
	const T *restrict s = src;
	for (int64_t i = 0; i < n; i++)
		d[i] += s[i];
}
