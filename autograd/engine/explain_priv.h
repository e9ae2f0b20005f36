/* A graph while it is being explained, and what was kept of its making. */
#ifndef GRADUS_EXPLAIN_PRIV_H
#define GRADUS_EXPLAIN_PRIV_H

#include "gradus/explain.h"
#include "nodelist_priv.h"

typedef struct gr_story {
	gr_nodelist list; /* oldest first */
	gr_node *root;    /* of y */
	int root_out;
} gr_story;

/* All that y stands on; the caller closes it in any case. */
gr_status gr__story_open(gr_story *s, gr_tensor *y);
void gr__story_close(gr_story *s);
/* Number of a node in the list; -1 when it is not there. */
int64_t gr__story_index(const gr_story *s, const gr_node *n);
/* "w", or "v7" when output 0 of node number 7 has no name; "v7.1" of others. */
void gr__story_label(const gr_story *s, char *buf, size_t size, const gr_node *n, int out);
/* Name of operand i by the op's signature; "x3" style where that has no more. */
void gr__story_operand(char *buf, size_t size, const gr_node *n, int i);
/* "matmul(a=x, b=w)"; what is no node of the graph is "constant". */
void gr__story_call(const gr_story *s, char *buf, size_t size, const gr_node *n);
/* "scale=2, shift=0", for ops whose attributes are two numbers; else "". */
void gr__story_attributes(char *buf, size_t size, const gr_node *n);
/* "f32 [2,3]" */
void gr__story_shape(char *buf, size_t size, const gr_operand *o);
/* Bytes that the rule of n keeps; `names`, when not NULL, is set to "a 32 B, y 8 B". */
uint64_t gr__story_kept(const gr_node *n, char *names, size_t size);
/* The same for the whole graph, where what many rules keep counts once. */
gr_status gr__story_storage(const gr_story *s, uint64_t *bytes);
/* "12.5 KiB" */
void gr__story_bytes(char *buf, size_t size, uint64_t bytes);

/* The tables for a graph too large to be told op by op (explain_summary.c). */
gr_status gr__story_summary(const gr_story *s, int level, FILE *stream);

/* From gr_explain_begin() on: NULL where nothing was kept. Operands have slots -1, -2, ... */
const char *gr__explain_kept_name(const gr_node *n, int out);
gr_tensor *gr__explain_kept_value(const gr_node *n, int slot);
/* Name of operand i, which no gradient flows to: "constant" when it has none. */
const char *gr__explain_constant(const gr_node *n, int i);

#endif
