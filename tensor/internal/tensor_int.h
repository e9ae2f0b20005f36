/*
 * The inside of a tensor, for the tensor and autograd layers.
 *
 * A header (gr_tensor) is one view of a storage; both are reference-counted with atomics. `node`
 * and `node_out` belong to the autograd layer: the tensor layer only carries them and calls the
 * hook of gr__tensor_set_node_hook() when the header dies.
 */
#ifndef GRADUS_INTERNAL_TENSOR_H
#define GRADUS_INTERNAL_TENSOR_H

#include <stdatomic.h>

#include "gradus/tensor.h"
#include "fail.h"

typedef struct gr_storage {
	atomic_int refs;
	atomic_uint version; /* bumped by gr_param_update() */
	size_t bytes;
	void *data;   /* 64-byte aligned pool block */
	unsigned dry; /* number of the dry run that made it, 0: none */
	bool blank;   /* made in a dry run and not written since: there are no values to read */
} gr_storage;

struct gr_tensor {
	gr_storage *storage;
	char *data; /* element [0,...,0] */
	int64_t size;
	int64_t dims[GR_MAX_DIMS];
	int64_t strides[GR_MAX_DIMS]; /* in elements */
	int ndim;
	gr_dtype dtype;
	atomic_int refs;
	int node_out;
	void *node;
};

/* Drop one reference; true when it was the last. Who holds the only one needs no atomic write:
 * nobody else can add to it. */
static inline bool gr__drop_ref(atomic_int *refs)
{
	if (atomic_load_explicit(refs, memory_order_acquire) == 1)
		return true;
	return atomic_fetch_sub_explicit(refs, 1, memory_order_acq_rel) == 1;
}

/* Shape and type of a tensor to be. */
typedef struct gr_spec {
	gr_dtype dtype;
	int ndim;
	int64_t dims[GR_MAX_DIMS];
} gr_spec;

/* All of these return a tensor that the caller holds one reference to (no scope), or NULL with an
 * error recorded. */
gr_tensor *gr__tensor_new(const char *op, const gr_spec *spec);
gr_tensor *gr__tensor_of(const char *op, gr_dtype dtype, int ndim, const int64_t *dims);
/* A new header on t's storage: same values, no node. */
gr_tensor *gr__tensor_alias(const gr_tensor *t);
/* A contiguous copy, or another reference to t when it is contiguous already. */
gr_tensor *gr__tensor_contiguous(gr_tensor *t);
gr_tensor *gr__tensor_cast(const gr_tensor *t, gr_dtype dtype);

/* Set a fresh storage to zero. */
void gr__storage_zero(gr_storage *s);

/* Hand a held reference to the innermost scope; returns t (NULL stays NULL). */
gr_tensor *gr__scope_own(gr_tensor *t);

void gr__tensor_set_node_hook(void (*release)(void *node));
gr_spec gr__tensor_spec(const gr_tensor *t);
/* Number of elements; -1 when a dim is negative or the product overflows. */
int64_t gr__spec_size(const gr_spec *spec);
/* "[2,3]" into buf, which it returns. */
char *gr__dims_print(char *buf, size_t size, int ndim, const int64_t *dims);

/* Views: as above, the caller holds the reference; NULL with an error recorded. Axis < 0 counts
 * from the end. `op` names the operation in messages. */
gr_tensor *gr__view_slice(const gr_tensor *t, int axis, int64_t start, int64_t stop, int64_t step);
gr_tensor *gr__view_permute(const gr_tensor *t, const int *perm);
gr_tensor *gr__view_flip(const gr_tensor *t, int axis);
gr_tensor *gr__view_expand(const gr_tensor *t, int ndim, const int64_t *dims);
/* NULL and no error when strides do not allow it without a copy; dims must have t's size. */
gr_tensor *gr__view_reshape(const gr_tensor *t, int ndim, const int64_t *dims);
/* The shape that numpy-style broadcasting of a and b gives; false when they do not fit. */
bool gr__broadcast_dims(int *ndim, int64_t *dims, const gr_tensor *a, const gr_tensor *b);
/* Resolve one -1 in dims against `size`; GR_ESHAPE when it does not fit. */
gr_status gr__resolve_dims(int ndim, int64_t *dims, int64_t size);

#endif
