/* What the records of linear algebra share: checks of shapes, transposes, masks of triangles. */
#ifndef GRADUS_OPS_LINALG_PRIV_H
#define GRADUS_OPS_LINALG_PRIV_H

#include "gradus/op.h"

/* From infer: floats of one type, operand 0 a batch of matrices, `square` if asked for, and operand
 * 1, if there is one, [...,N,K] with the same batch. Asks for contiguous operands. */
gr_status gr__linalg_check(gr_op_call *c, bool square);
/* t with its last two dims exchanged. */
gr_tensor *gr__linalg_turn(gr_tensor *t);
/* Masks [n,n]: 1 on a triangle with its diagonal; 1 below the diagonal and 1/2 on it. */
gr_tensor *gr__linalg_triangle(gr_dtype dtype, int64_t n, bool upper);
gr_tensor *gr__linalg_half_lower(gr_dtype dtype, int64_t n);
/* (t + t^T) / 2 */
gr_tensor *gr__linalg_symmetric(gr_tensor *t);

#endif
