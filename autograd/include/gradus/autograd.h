/*
 * Reverse-mode differentiation. gr_watch(x) makes a leaf; every op of gradus/ops.h that meets a
 * tracked tensor records one node; gr_grad() walks the nodes once, newest first, and returns the
 * gradients (they are never stored in tensors). Rules are themselves differentiable, so a gradient
 * taken with create_graph can be differentiated again.
 *
 * Ownership: results belong to the caller's scope. A graph lives as long as a tensor that stands
 * on it. Threads: one graph belongs to the thread that records it.
 */
#ifndef GRADUS_AUTOGRAD_H
#define GRADUS_AUTOGRAD_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A leaf: a new tensor on x's storage, tracked. Only f32 and f64 can be watched. */
GR_API gr_tensor *gr_watch(gr_tensor *x);
/* True when gradients flow to t. */
GR_API bool gr_is_tracked(const gr_tensor *t);
/* The same values, a constant to every gradient. */
GR_API gr_tensor *gr_stop_gradient(gr_tensor *x);
/* Switch recording on or off for this thread; returns the former state. Off costs nothing. */
GR_API bool gr_set_recording(bool on);

/* A function of tensors: sets the y that it was asked for, owned by the scope, from the x. An error
 * is recorded and returned. */
typedef gr_status (*gr_tensor_fn)(gr_tensor **y, gr_tensor *const *x, void *payload);

typedef struct gr_grad_opts {
	size_t size;
	gr_tensor *cotangent; /* in y's shape; default: 1, and y must then have one element */
	bool keep_graph;      /* do not consume the graph of y */
	bool create_graph;    /* record the gradient's own graph; implies keep_graph */
	bool allow_unused;    /* an x that y does not depend on has gradient 0, not an error */
} gr_grad_opts;

/*
 * grads[i] = d<y, cotangent>/dx[i], in x[i]'s shape, i < n. Without create_graph the graph of y is
 * consumed: what its nodes saved is freed as the walk passes. Errors: GR_EARG (an x that is not
 * tracked or, unless allowed, not reached), GR_ESHAPE (cotangent), GR_ESTATE (graph consumed
 * already, or a saved tensor overwritten since).
 */
GR_API GR_MUST_USE gr_status gr_grad(gr_tensor **grads, gr_tensor *y, int n, gr_tensor *const *x,
	const gr_grad_opts *opts);

/*
 * Look at gradients, or change them: fn is called by every walk that has the whole gradient of t,
 * before it goes on below, and returns what goes on: `grad` itself, or another tensor of its shape
 * and type; NULL stops the walk with the error recorded. It may take gradients itself. Hooks of one
 * tensor are called in the order of their coming, and stay as long as what t stands on; fn NULL
 * removes them all. Errors: GR_EARG (t is not tracked).
 */
typedef gr_tensor *(*gr_gradient_fn)(gr_tensor *grad, void *payload);
GR_API GR_MUST_USE gr_status gr_on_gradient(gr_tensor *t, gr_gradient_fn fn, void *payload);

/* One recorded graph, many cotangents: J^T c for each c, the graph kept until freed. */
typedef struct gr_pullback gr_pullback;
GR_API gr_pullback *gr_pullback_new(gr_tensor *y, int n, gr_tensor *const *x);
GR_API GR_MUST_USE gr_status gr_pullback_apply(gr_pullback *p, gr_tensor *cotangent,
	gr_tensor **grads);
GR_API void gr_pullback_free(gr_pullback *p);

/* Leaves remember where they were made, as the calls of ops do. */
#ifndef GR_NO_CALL_SITE
#define gr_watch(...) (gr_at(__FILE__, __LINE__), gr_watch(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
