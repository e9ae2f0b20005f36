/*
 * How layers and models bracket their forward passes: gr_scope_begin(), ops, and
 * `return gr__block_leave(y)`, so that every temporary that no rule saved is freed at once.
 */
#ifndef GRADUS_INTERNAL_BLOCK_H
#define GRADUS_INTERNAL_BLOCK_H

#include "gradus/tensor.h"

/* Give y to the parent scope and end this one; returns y, NULL stays NULL. */
gr_tensor *gr__block_leave(gr_tensor *y);

/* One link of a chain of layers: apply(layer, x, shared). */
typedef gr_tensor *gr_block_apply(const void *layer, gr_tensor *x, const void *shared);

/* y = apply(layer, h, shared) in a scope of its own. Takes over the caller's reference to h and
 * returns one to y: along a chain each result is freed as soon as the next one is there, which a
 * scope around the whole pass would not do. */
gr_tensor *gr__block_advance(gr_tensor *h, gr_block_apply *apply, const void *layer,
	const void *shared);

#endif
