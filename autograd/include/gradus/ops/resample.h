/*
 * Changing the resolution of images: by a whole factor, and by linear or cubic resampling to any
 * size. Results belong to the scope; NULL on error.
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

typedef enum gr_resize_mode {
	GR_RESIZE_LINEAR = 0,
	GR_RESIZE_CUBIC = 1,
} gr_resize_mode;

/* The conventions are PyTorch's unless `mirror`; tensor/kern/resize.c states the weights. */
typedef struct gr_resize_opts {
	size_t size;
	gr_resize_mode mode;     /* default linear */
	bool align_corners;      /* first and last pixel stay where they are; scale is not read */
	bool antialias;          /* when reducing, widen the kernel by the scale */
	bool mirror;             /* pixels beyond the edge mirror those inside; default: see there */
	double scale_h, scale_w; /* input pixels per output pixel, default in / out */
	double cubic_a;          /* default -0.75, with antialias -0.5 */
} gr_resize_opts;

/* x [...,H,W] -> [...,h,w]; opts NULL is bilinear. */
GR_API gr_tensor *gr_resize2d(gr_tensor *x, int64_t h, int64_t w, const gr_resize_opts *opts);
/* One axis: x [...,n,...] -> [...,length,...], by scale_h. */
GR_API gr_tensor *gr_resize(gr_tensor *x, int axis, int64_t length, const gr_resize_opts *opts);
/* Adjoint of the resize that takes an axis of `length` to g's length there. */
GR_API gr_tensor *gr_resize_adjoint(gr_tensor *g, int axis, int64_t length,
	const gr_resize_opts *opts);
/* The weights of one axis, f64 [length, n]. */
GR_API gr_tensor *gr_resize_matrix(int64_t n, int64_t length, const gr_resize_opts *opts);

/* Every call remembers where it was made, for messages and traces. */
#ifndef GR_NO_CALL_SITE
#define gr_avg_pool2d(...) (gr_at(__FILE__, __LINE__), gr_avg_pool2d(__VA_ARGS__))
#define gr_upsample_nearest2d(...) (gr_at(__FILE__, __LINE__), gr_upsample_nearest2d(__VA_ARGS__))
#define gr_resize2d(...) (gr_at(__FILE__, __LINE__), gr_resize2d(__VA_ARGS__))
#define gr_resize(...) (gr_at(__FILE__, __LINE__), gr_resize(__VA_ARGS__))
#define gr_resize_adjoint(...) (gr_at(__FILE__, __LINE__), gr_resize_adjoint(__VA_ARGS__))
#define gr_resize_matrix(...) (gr_at(__FILE__, __LINE__), gr_resize_matrix(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
