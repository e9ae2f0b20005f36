/*
 * Elementwise functions: reads operands of any strides chunk by chunk and runs the block loops of
 * ew_impl.h over them. Bits of an element depend on its inputs alone (see real.h).
 */
#include "kern/multi/multi.h"
#include "kern/multi/vmath.h"

#define GR_REAL 32
#include "ew_impl.h"
#undef GR_REAL
#define GR_REAL 64
#include "ew_impl.h"
#undef GR_REAL
