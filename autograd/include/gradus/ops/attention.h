/*
 * Scaled dot-product attention. Results belong to the scope; NULL on error.
 */
#ifndef GRADUS_OPS_ATTENTION_H
#define GRADUS_OPS_ATTENTION_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* q [...,L,D], k [...,M,D], v [...,M,E] -> softmax(scale q k^T) v [...,L,E]; scale 0 means
 * 1/sqrt(D). Leading dims (batch, heads) equal in all three. */
GR_API gr_tensor *gr_attention(gr_tensor *q, gr_tensor *k, gr_tensor *v, double scale);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_attention(...) (gr_at(__FILE__, __LINE__), gr_attention(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
