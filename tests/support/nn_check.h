/*
 * What the tests of layers and models share: comparing tensors, and derivatives of a forward
 * function along random directions.
 */
#ifndef GRADUS_TESTS_NN_CHECK_H
#define GRADUS_TESTS_NN_CHECK_H

#include "gradus/layers.h"
#include "gradus/ops.h"

/* |a - b| / |b| in the Euclidean norm; infinity when the shapes differ or a value is not finite. */
double nn_distance(const gr_tensor *a, const gr_tensor *b);
/* The same shape and type, and the same bytes. */
bool nn_same_bits(gr_tensor *a, gr_tensor *b);
/* N(0,1) with a key of the given number. */
gr_tensor *nn_normal(uint64_t key, gr_dtype dtype, int ndim, const int64_t *dims);

typedef gr_tensor *(*nn_forward)(const void *layer, gr_tensor *x);

/* L(x, params) = sum(r y), y = forward(layer, x) for a random r, in double. The largest relative
 * difference between <dL, d> and a central difference along a random direction d, over x and each
 * parameter of m in turn (m may be NULL). */
double nn_gradient_error(gr_module *m, nn_forward forward, const void *layer, gr_tensor *x);

#endif
