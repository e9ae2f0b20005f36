/*
 * Softmax, its logarithm and its gradient over contiguous rows. A row's bits depend on that row:
 * the sum runs in GR_LANES lanes folded in halves.
 */
#include "kern/multi/multi.h"
#include "kern/multi/vmath.h"

#define GR_LANES 32

#define GR_REAL 32
#include "softmax_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "softmax_impl.h"
#undef GR_REAL
