/* Hooks of a node: see gr_on_gradient(). */
#ifndef GRADUS_HOOK_PRIV_H
#define GRADUS_HOOK_PRIV_H

#include "node.h"

/* Show n->grad, complete, to the hooks of n, which may replace it. */
gr_status gr__hooks_run(gr_node *n);

#endif
