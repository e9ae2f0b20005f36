/*
 * Naive references of the ops for the generated tests: plain loops in double and libm, written
 * without looking at the library's kernels. An op without an entry is compared with nothing.
 */
#ifndef GRADUS_TESTS_REFERENCE_H
#define GRADUS_TESTS_REFERENCE_H

#include "gradus/op.h"

/* Row-major contiguous values, whatever the type of the tensor. */
typedef struct gr_ref_tensor {
	int ndim;
	int64_t dims[GR_MAX_DIMS];
	double *data;
} gr_ref_tensor;

/* out[i] = output i of the op: dims already set, data allocated. */
typedef void (*gr_ref_fn)(const void *attr, int nin, const gr_ref_tensor *in, gr_ref_tensor *out);

typedef struct gr_ref {
	const char *op;
	gr_ref_fn fn;
} gr_ref;

/* Each ends with {NULL, NULL}. */
extern const gr_ref gr_refs_math[];   /* binary, unary, reduce, norm, attention */
extern const gr_ref gr_refs_move[];   /* shape, index, matmul, conv, whole-factor resample */
extern const gr_ref gr_refs_image[];  /* resize, pooling, convolutions composed */
extern const gr_ref gr_refs_order[];  /* sorting, indices of every line, scans */
extern const gr_ref gr_refs_loss[];   /* losses, distances, random numbers */
extern const gr_ref gr_refs_linalg[]; /* Fourier transforms, solves, eigenvalues */

/* The reference of a name; NULL when there is none. */
gr_ref_fn reference_of(const char *name);
/* Values of every case of `op` against `ref`: one line on stderr per failure; their number. */
int reference_check(const gr_op *op, gr_ref_fn ref);

#endif
