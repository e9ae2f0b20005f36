/*
 * Matrix products. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_MATMUL_H
#define GRADUS_OPS_MATMUL_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a [...,M,K], b [...,K,N] -> [...,M,N]; leading dims broadcast. Any strides. Row i of a gives the
 * same bits in any batch. */
GR_API gr_tensor *gr_matmul(gr_tensor *a, gr_tensor *b);

/* The same plus a bias for every column. a [...,M,K], b [K,N], bias [N] -> [...,M,N] */
GR_API gr_tensor *gr_matmul_bias(gr_tensor *a, gr_tensor *b, gr_tensor *bias);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_matmul(...) (gr_at(__FILE__, __LINE__), gr_matmul(__VA_ARGS__))
#define gr_matmul_bias(...) (gr_at(__FILE__, __LINE__), gr_matmul_bias(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
