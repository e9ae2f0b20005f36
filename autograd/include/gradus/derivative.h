/*
 * Derivatives beyond gr_grad: tangents through a recorded graph, products with a Hessian, and whole
 * Jacobians and Hessians of small functions.
 *
 * Forward mode needs no rules of its own: linear ops apply themselves to the tangent, bilinear ops
 * once to each, elementwise ops apply their gradient's rule, and any other op uses that rule twice,
 * since it is linear in its cotangent and so its own gradient there is the product wanted.
 *
 * Ownership: results belong to the caller's scope. Threads: as for every graph.
 */
#ifndef GRADUS_DERIVATIVE_H
#define GRADUS_DERIVATIVE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_jvp_opts {
	size_t size;
	bool create_graph; /* record the tangents' own graph */
	bool allow_unused; /* a y that depends on no x has tangent 0, not an error */
} gr_jvp_opts;

/*
 * dy[j] = sum_i dy[j]/dx[i] dx[i], in y[j]'s shape, j < m: how y changes as x moves along dx. x[i]
 * is tracked, dx[i] of its shape and type, or NULL for 0. The graph is not consumed. Errors: GR_EARG
 * (an x that is not tracked; a y that depends on none, unless allowed), GR_ESHAPE, GR_ESTATE (graph
 * consumed, or a saved tensor overwritten since).
 */
GR_API GR_MUST_USE gr_status gr_jvp(gr_tensor **dy, int m, gr_tensor *const *y, int n,
	gr_tensor *const *x, gr_tensor *const *dx, const gr_jvp_opts *opts);

/*
 * hv[i] = sum_k d2<y, cotangent>/dx[i]dx[k] v[k], in x[i]'s shape; v[k] NULL for 0. Options and
 * errors are those of gr_grad, whose gradient is differentiated again; what that does not depend on
 * has product 0.
 */
GR_API GR_MUST_USE gr_status gr_hvp(gr_tensor **hv, gr_tensor *y, int n, gr_tensor *const *x,
	gr_tensor *const *v, const gr_grad_opts *opts);

/* dy/dx: y [...], x [***] -> [...,***], at most GR_MAX_DIMS together; a row for each element of y or
 * a column for each of x, whichever is fewer. A constant; the graph is not consumed. Errors: NULL,
 * as gr_grad. */
GR_API gr_tensor *gr_jacobian(gr_tensor *y, gr_tensor *x);
/* d2y/dx2: y of one element, x [***] -> [***,***]. Likewise. */
GR_API gr_tensor *gr_hessian(gr_tensor *y, gr_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
