/* Declarations of the library's records, from ops.def. */
#ifndef GRADUS_REGISTRY_PRIV_H
#define GRADUS_REGISTRY_PRIV_H

#include "gradus/op.h"

/* clang-format off */
#define GR_OP(name) extern const gr_op gr_op_##name;
#include "../ops/ops.def"
#undef GR_OP
/* clang-format on */

#endif
