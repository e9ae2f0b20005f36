/*
 * Strided walks: the elements of a view in row-major order, with dims merged wherever the strides
 * allow, so that kernels see as few and as long inner loops as possible.
 */
#ifndef GR_KERN_ITER_H
#define GR_KERN_ITER_H

#include "gradus/tensor.h"

/* Dims of size 1 are gone; ndim 0 is one element; any dim 0 makes ndim 1, dims[0] 0. */
typedef struct gr_walk {
	int ndim;
	int64_t dims[GR_MAX_DIMS];
	int64_t strides[GR_MAX_DIMS];
} gr_walk;

/* The order of elements is that of dims and strides as given. */
void gr__walk_init(gr_walk *w, int ndim, const int64_t *dims, const int64_t *strides);
/* The walk over t broadcast (aligned at the last dim, as in numpy) to ndim dims. */
void gr__walk_broadcast(gr_walk *w, const gr_tensor *t, int ndim, const int64_t *dims);

/* Offset, in elements, of element number `pos`; idx receives its index. */
static inline int64_t gr__walk_seek(const gr_walk *w, int64_t pos, int64_t *idx)
{
	int64_t offset = 0;
	for (int d = w->ndim - 1; d > 0; d--) {
		int64_t q = pos / w->dims[d];
		idx[d] = pos - q * w->dims[d];
		offset += idx[d] * w->strides[d];
		pos = q;
	}
	if (w->ndim > 0) {
		idx[0] = pos;
		offset += pos * w->strides[0];
	}
	return offset;
}

/* The step from the end of a run along dim d + 1 to the next index of dim d and of those before. */
static inline int64_t gr__walk_carry(const gr_walk *w, int d, int64_t *idx)
{
	int64_t offset = 0;
	for (; d >= 0; d--) {
		offset += w->strides[d];
		if (++idx[d] < w->dims[d])
			return offset;
		offset -= w->dims[d] * w->strides[d];
		idx[d] = 0;
	}
	return offset;
}

/* Two views walked together, in an order that suits the first. */
typedef struct gr_walk2 {
	int ndim;
	int64_t dims[GR_MAX_DIMS];
	int64_t a[GR_MAX_DIMS];
	int64_t b[GR_MAX_DIMS];
} gr_walk2;

/* Dims are sorted by falling stride of `a`, then merged. The visiting order is not row-major. */
void gr__walk2_init(gr_walk2 *w, int ndim, const int64_t *dims, const int64_t *a, const int64_t *b);

#endif
