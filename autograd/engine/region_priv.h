/*
 * The nodes of a checkpointed call, recorded anew (engine/checkpoint.c), for the walks that stand in
 * for them.
 */
#ifndef GRADUS_REGION_PRIV_H
#define GRADUS_REGION_PRIV_H

#include "nodelist_priv.h"

/*
 * Run the function of n->region again, recorded. y[i], owned by the scope, is what output i of n was
 * made from; the list, which the caller closes in any case, holds the nodes that this run made.
 * GR_ESTATE when the run is not what the first one was.
 */
gr_status gr__region_replay(const gr_node *n, gr_nodelist *list, gr_tensor **y);

#endif
