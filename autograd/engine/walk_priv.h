/* The backward walk, shared by gr_grad and gr_pullback, and what a walk needs of a node. */
#ifndef GRADUS_WALK_H
#define GRADUS_WALK_H

#include "node.h"

/* gr_grad with every option given, through nodes made at number `floor` or later; 0 is all. */
gr_status gr__walk(gr_tensor **grads, gr_tensor *y, int n, gr_tensor *const *x,
	const gr_grad_opts *opts, uint64_t floor);
/* What the node saved, as its rule may read it: GR_ESTATE when one was overwritten. in[nin] is
 * borrowed, out[nout] owned by the scope. */
gr_status gr__walk_saved(gr_node *n, gr_tensor **in, gr_tensor **out);
/* Record and return GR_ESTATE: the node was consumed. */
gr_status gr__walk_consumed(const gr_node *n);

#endif
