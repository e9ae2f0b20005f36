/*
 * The derivation of a gradient, told from the graph and from the mathematics in the op records: as
 * text, as a drawing (Graphviz), and as a page for a browser that steps forward through the values
 * and back through the adjoints.
 *
 * A graph holds no names and only the values that rules read. Between gr_explain_begin() and
 * gr_explain_end() the calling thread keeps both:
 *
 *     gr_explain_begin(true);
 *     gr_tensor *w = gr_explain_name(gr_watch(w0), "w");
 *     gr_tensor *y = loss(w);
 *     status = gr_explain_html(y, NULL, stream);
 *     gr_explain_end();
 *
 * Without it leaves are numbered, and a page has shapes but no forward values. Nothing here
 * consumes a graph.
 */
#ifndef GRADUS_EXPLAIN_H
#define GRADUS_EXPLAIN_H

#include <stdio.h>

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_explain_opts {
	size_t size;
	const char *title;    /* of the drawing and the page */
	gr_tensor *cotangent; /* page: where the way back begins; default 1, y has one element then */
	int64_t max_nodes;    /* text: with more, a summary and the newest of them; default 48 */
	int64_t max_values;   /* page: larger tensors are told by statistics; default 64 */
	int level;            /* parts of a name that make a layer in the summary: "a.b" has 2 */
} gr_explain_opts;

/* What y was made of and how its gradient goes back, oldest op first and then newest first: shapes,
 * bytes that rules keep, call sites. GR_EARG when y is not tracked, GR_EIO. */
GR_API GR_MUST_USE gr_status gr_explain(gr_tensor *y, const gr_explain_opts *opts, FILE *stream);
/* The same graph for Graphviz's dot. */
GR_API GR_MUST_USE gr_status gr_explain_dot(gr_tensor *y, const gr_explain_opts *opts,
	FILE *stream);
/* One HTML page that needs nothing else. Takes the gradient to all leaves of y, and keeps the
 * graph. Errors: those of gr_grad, GR_EIO. */
GR_API GR_MUST_USE gr_status gr_explain_html(gr_tensor *y, const gr_explain_opts *opts,
	FILE *stream);

/* Keep names from now on, and with `values` the operands and results of all that is recorded: for
 * graphs that fit in memory twice. GR_ESTATE when it has begun. */
GR_API GR_MUST_USE gr_status gr_explain_begin(bool values);
/* Forget them. */
GR_API void gr_explain_end(void);
/* Name a tensor; returns it. Outside of begin and end it does nothing. */
GR_API gr_tensor *gr_explain_name(gr_tensor *t, const char *name);

#ifdef __cplusplus
}
#endif

#endif
