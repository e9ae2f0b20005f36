/*
 * Compositions: public functions made of other ops. Each opens a scope, so that its temporaries
 * die with the call, and ends with gr__compose_leave().
 */
#ifndef GRADUS_OPS_COMPOSE_PRIV_H
#define GRADUS_OPS_COMPOSE_PRIV_H

#include "gradus/op.h"

/* Closes the scope that the function opened; y goes to the caller's. Returns y. */
gr_tensor *gr__compose_leave(gr_tensor *y);
/* What a record's compose returns for its only output. */
gr_status gr__compose_out(gr_tensor **out, gr_tensor *y);

/* True when none of n operands is NULL; else false, with an error recorded. */
bool gr__compose_given(const char *op, int n, gr_tensor *const *in);
/* An options struct read up to the size that the caller knows; false, with an error recorded, when
 * it has no size. `into` is zeroed first. */
bool gr__compose_opts(const char *op, void *into, size_t size, const void *opts);

#endif
