/*
 * Image quality and data consistency, one number per image, in double. Images are [N,C,H,W] in
 * [-1,1]; PSNR and SSIM map them to [0,1] by (x + 1) / 2 clamped, without quantisation, so the peak
 * is 1.
 *
 * Each function writes N numbers to `out`. GR_ESHAPE when images do not agree.
 */
#ifndef GRADUS_METRIC_H
#define GRADUS_METRIC_H

#include "gradus/operator.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_psnr_opts {
	size_t size;
	const gr_tensor
		*leave_out; /* [1 or N,1 or C,H,W]: pixels where this is not 0 do not count. With
	                             * gr_operator_support() of inpainting: the missing pixels alone */
} gr_psnr_opts;

/* 10 log10(1 / MSE), MSE over all pixels and channels of one image; +inf when equal, NaN when no
 * pixel counts. */
GR_API GR_MUST_USE gr_status gr_psnr(double *out, const gr_tensor *x, const gr_tensor *reference,
	const gr_psnr_opts *opts);

typedef enum gr_ssim_variant {
	GR_SSIM_WANG2004 = 0, /* Gaussian 11 x 11, sigma 1.5, valid windows, biased variances */
} gr_ssim_variant;

/* K1 = 0.01, K2 = 0.03, range 1; mean over windows, then channels. H, W >= 11. */
GR_API GR_MUST_USE gr_status gr_ssim(double *out, const gr_tensor *x, const gr_tensor *reference,
	gr_ssim_variant variant);

/* ||y - A x|| / sqrt(m), m the measured entries of one image: compare with sigma. Not clamped. */
GR_API GR_MUST_USE gr_status gr_residual_rms(double *out, const gr_operator *A, gr_tensor *x,
	gr_tensor *y);

#ifdef __cplusplus
}
#endif

#endif
