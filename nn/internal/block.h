/*
 * How layers and models bracket their forward passes: gr_scope_begin(), ops, and
 * `return gr__block_leave(y)`, so that every temporary that no rule saved is freed at once.
 */
#ifndef GRADUS_INTERNAL_BLOCK_H
#define GRADUS_INTERNAL_BLOCK_H

#include "gradus/tensor.h"

/* Give y to the parent scope and end this one; returns y, NULL stays NULL. */
gr_tensor *gr__block_leave(gr_tensor *y);

#endif
