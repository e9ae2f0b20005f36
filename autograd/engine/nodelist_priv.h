/*
 * The nodes that some tensors stand on, in the order of their making, for whoever walks a graph. A
 * list in use owns the marks of its nodes (visit, needed, uses, grad). Lists nest: where a function that
 * a walk calls walks in turn, nodes that both meet get their marks back when the inner list closes.
 */
#ifndef GRADUS_NODELIST_PRIV_H
#define GRADUS_NODELIST_PRIV_H

#include "node.h"

/* What a node held for the list around this one. */
typedef struct gr_kept_marks {
	gr_node *node;
	uint64_t visit;
	bool needed;
	int uses;
	gr_tensor *grad[GR_OP_MAX_OUT];
} gr_kept_marks;

typedef struct gr_nodelist {
	gr_node **nodes; /* oldest first; `needed` false, the rest 0 to begin with */
	int64_t count, room;
	uint64_t number;           /* `visit` of its nodes */
	struct gr_nodelist *outer; /* in use on this thread when this one was opened */
	gr_kept_marks *kept;
	int64_t kept_count;
} gr_nodelist;

/* Everything below the roots (NULL ones are passed over), themselves included, that was made at
 * number `floor` or later; 0 is everything. The caller keeps the roots alive, and closes the list
 * whatever this returns. */
gr_status gr__nodelist_open(gr_nodelist *l, int n, gr_node *const *roots, uint64_t floor);
/* The cotangents left in its nodes are the caller's to release before. */
void gr__nodelist_close(gr_nodelist *l);

#endif
