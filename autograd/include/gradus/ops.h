/*
 * Every differentiable op, by family. Each returns a tensor owned by the innermost scope, or NULL
 * with an error recorded; any op given NULL returns NULL.
 */
#ifndef GRADUS_OPS_H
#define GRADUS_OPS_H

#include "gradus/ops/attention.h"
#include "gradus/ops/binary.h"
#include "gradus/ops/conv.h"
#include "gradus/ops/fft.h"
#include "gradus/ops/index.h"
#include "gradus/ops/linalg.h"
#include "gradus/ops/loss.h"
#include "gradus/ops/matmul.h"
#include "gradus/ops/norm.h"
#include "gradus/ops/random.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/resample.h"
#include "gradus/ops/shape.h"
#include "gradus/ops/unary.h"

#endif
