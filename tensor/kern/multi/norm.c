/* Group and layer norm, forward and backward, for float and double. See kern/norm.c. */
#include "kern/multi/multi.h"
#include "kern/multi/vmath.h"

#define GR_LANES 32

#define GR_REAL 32
#include "norm_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "norm_impl.h"
#undef GR_REAL
