/* Reductions: the blocks and the tree over them, for float and double. See kern/reduce.c. */
#include "kern/multi/multi.h"

/* Lanes of a block; part of the promise on bits, so the same for every type and ISA. */
#define GR_LANES 32
_Static_assert(GR_LANES == 32, "the folds of reduce_impl.h begin at 16");

#define GR_REAL 32
#include "reduce_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "reduce_impl.h"
#undef GR_REAL
