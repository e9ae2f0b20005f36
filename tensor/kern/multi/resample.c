/* Pooling and repeating pixels, for float and double. */
#include <string.h>

#include "kern/multi/multi.h"

#define GR_REAL 32
#include "resample_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "resample_impl.h"
#undef GR_REAL
