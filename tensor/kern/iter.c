/* Merging dims of strided views; the rules are in iter.h. */
#include "iter.h"

#include "tensor_int.h"

static void set_empty(int *ndim, int64_t *dims)
{
	*ndim = 1;
	dims[0] = 0;
}

void gr__walk_init(gr_walk *w, int ndim, const int64_t *dims, const int64_t *strides)
{
	w->ndim = 0;
	for (int d = 0; d < ndim; d++) {
		if (dims[d] == 0) {
			set_empty(&w->ndim, w->dims);
			w->strides[0] = 1;
			return;
		}
		if (dims[d] == 1)
			continue;
		int last = w->ndim - 1;
		if (last >= 0 && w->strides[last] == strides[d] * dims[d]) {
			w->dims[last] *= dims[d];
			w->strides[last] = strides[d];
		} else {
			w->dims[w->ndim] = dims[d];
			w->strides[w->ndim++] = strides[d];
		}
	}
}

void gr__walk_broadcast(gr_walk *w, const gr_tensor *t, int ndim, const int64_t *dims)
{
	int64_t strides[GR_MAX_DIMS];
	int lead = ndim - t->ndim;
	for (int d = 0; d < ndim; d++) {
		bool here = d >= lead && t->dims[d - lead] != 1;
		strides[d] = here ? t->strides[d - lead] : 0;
	}
	gr__walk_init(w, ndim, dims, strides);
}

static int64_t magnitude(int64_t x)
{
	return x < 0 ? -x : x;
}

void gr__walk2_init(gr_walk2 *w, int ndim, const int64_t *dims, const int64_t *a, const int64_t *b)
{
	int order[GR_MAX_DIMS];
	int n = 0;
	for (int d = 0; d < ndim; d++) {
		if (dims[d] == 0) {
			set_empty(&w->ndim, w->dims);
			w->a[0] = 1;
			w->b[0] = 1;
			return;
		}
		if (dims[d] == 1)
			continue;
		int at = n++;
		while (at > 0 && magnitude(a[order[at - 1]]) < magnitude(a[d])) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = d;
	}
	w->ndim = 0;
	for (int i = 0; i < n; i++) {
		int d = order[i];
		int last = w->ndim - 1;
		if (last >= 0 && w->a[last] == a[d] * dims[d] && w->b[last] == b[d] * dims[d]) {
			w->dims[last] *= dims[d];
			w->a[last] = a[d];
			w->b[last] = b[d];
		} else {
			w->dims[w->ndim] = dims[d];
			w->a[w->ndim] = a[d];
			w->b[w->ndim++] = b[d];
		}
	}
}
