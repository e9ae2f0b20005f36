/*
 * Nodes of the graph. A node stands for one call of an op (or, with op NULL, for a leaf) and holds
 * edges to the nodes of its inputs, what its rule will read, and where it was called. Tensors hold
 * a reference to the node that made them; a saved output is a header of its own without one, so
 * that nothing refers to itself.
 */
#ifndef GRADUS_INTERNAL_NODE_H
#define GRADUS_INTERNAL_NODE_H

#include <string.h>

#include "gradus/op.h"
#include "tensor_int.h"

typedef struct gr_node gr_node;
typedef struct gr_hook gr_hook;     /* see engine/hook.c */
typedef struct gr_region gr_region; /* a function to be run again, see engine/checkpoint.c */

/* Output `out` of `node`; node NULL where no gradient flows. */
typedef struct gr_edge {
	gr_node *node;
	int out;
} gr_edge;

typedef struct gr_saved {
	gr_tensor *tensor; /* NULL when not saved */
	unsigned version;  /* of its storage when it was saved */
} gr_saved;

struct gr_node {
	const gr_op *op;
	uint64_t seq; /* later calls have higher numbers: the order of the walk */
	atomic_int refs;
	int nin, nout;
	int line;
	const char *file;
	/* All of these stand behind the node in its block. */
	gr_edge *edges;        /* [nin] */
	gr_saved *saved_in;    /* [nin] */
	gr_saved *saved_out;   /* [nout] */
	gr_operand *in_shape;  /* [nin] */
	gr_operand *out_shape; /* [nout] */
	void *attr;
	gr_region *region; /* of a checkpointed call, which has edges to all that it reads; else NULL */
	gr_hook *hooks;    /* called with its cotangents; NULL for nearly all */
	bool consumed;     /* a one-shot walk has passed and freed what was saved */
	/* Owned by the walk in progress. */
	bool needed;    /* a gradient asked for lies below */
	int uses;       /* in a sweep forward: consumers to come */
	uint64_t visit; /* number of the last walk that met this node */
	gr_node *next_dead;
	gr_tensor **grad; /* [nout] */
};

/* A leaf for a tensor of this shape; one reference. NULL when out of memory. */
gr_node *gr__node_leaf(const gr_tensor *t);
/* The node of a finished call; `saved` inputs and outputs are retained. */
gr_node *gr__node_record(const gr_op_call *c);
/* The node of a checkpointed call; takes over `region`. The caller sets out_shape. */
gr_node *gr__node_region(const gr_op *op, int nin, const gr_edge *edges, int nout,
	gr_region *region);
gr_node *gr__node_retain(gr_node *n);
void gr__node_release(gr_node *n);
/* Free what the rule would read. */
void gr__node_consume(gr_node *n);
void gr__node_clear_grads(gr_node *n);
/* Tie output `out` of n to t; gr__node_hand() passes the caller's reference on. */
void gr__node_attach(gr_tensor *t, gr_node *n, int out);
void gr__node_hand(gr_tensor *t, gr_node *n, int out);

/* No node has this number yet; those made from now on have it or a higher one. */
uint64_t gr__node_next_seq(void);
void gr__region_free(gr_region *r);
void gr__hooks_free(gr_node *n);

bool gr__recording(void);

static inline gr_operand gr__operand(const gr_tensor *t)
{
	gr_operand o = {.dtype = t->dtype, .ndim = t->ndim};
	memcpy(o.dims, t->dims, sizeof o.dims);
	return o;
}

#endif
