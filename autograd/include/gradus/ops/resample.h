/*
 * Changing the resolution of images [...,H,W] by a whole factor. Results belong to the scope; NULL
 * on error. (Bicubic and other separable resampling is gr_matmul by a matrix: inverse/operators.)
 */
#ifndef GRADUS_OPS_RESAMPLE_H
#define GRADUS_OPS_RESAMPLE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Mean over f x f blocks; H and W must be multiples of f. */
GR_API gr_tensor *gr_avg_pool2d(gr_tensor *x, int64_t f);
/* Each pixel f x f times. */
GR_API gr_tensor *gr_upsample_nearest2d(gr_tensor *x, int64_t f);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_avg_pool2d(...) (gr_at(__FILE__, __LINE__), gr_avg_pool2d(__VA_ARGS__))
#define gr_upsample_nearest2d(...) (gr_at(__FILE__, __LINE__), gr_upsample_nearest2d(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
