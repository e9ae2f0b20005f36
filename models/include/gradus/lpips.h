/*
 * LPIPS, the learned perceptual distance of images (Zhang et al., "The unreasonable effectiveness of
 * deep features as a perceptual metric", 2018; richzhang/PerceptualSimilarity): features of a
 * network for classification, normalised pixel by pixel, compared with learned weights per channel.
 * 0 for equal images, larger for images that look less alike; differentiable in both.
 *
 * Images are RGB in [-1,1]; those in [0,1] need 2x - 1 first. The scaling layer, (x - shift) / scale
 * with shift (-.030,-.088,-.188) and scale (.458,.448,.450), is part of the network.
 *
 * Ownership: a gr_lpips owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_LPIPS_H
#define GRADUS_LPIPS_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gr_lpips_net {
	GR_LPIPS_ALEX = 0,
	GR_LPIPS_VGG = 1,     /* VGG-16 */
	GR_LPIPS_SQUEEZE = 2, /* SqueezeNet 1.1 */
} gr_lpips_net;

typedef struct gr_lpips_config {
	size_t size;
	gr_lpips_net net; /* default alex */
	bool no_scaling;  /* version 0.0 of the metric, which lacks the scaling layer */
	bool baseline;    /* reference: lpips = false; every channel counts 1, there are no heads */
	bool spatial;     /* a map in the size of the images, not its mean */
	int64_t shrink;   /* divides every width, for small networks; default 1 */
	gr_dtype dtype;   /* f32 (default) or f64 */
} gr_lpips_config;

typedef struct gr_lpips gr_lpips;

/* Build the network; its parameters have no values until gr_module_init() or gr_lpips_load().
 * Initial laws: as PyTorch draws convolutions. config NULL: the defaults. */
GR_API gr_lpips *gr_lpips_new(const gr_lpips_config *config);
GR_API void gr_lpips_free(gr_lpips *l);
/* The parameters, under the names of the reference's whole: "net.slice1.0.weight",
 * "lin0.model.1.weight"; borrowed. */
GR_API gr_module *gr_lpips_module(gr_lpips *l);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_lpips_config *gr_lpips_get_config(const gr_lpips *l);

/* Read a configuration from a JSON object under the reference's names: net ("alex", "vgg",
 * "squeeze"), version ("0.1", "0.0"), lpips, spatial; and shrink. */
GR_API GR_MUST_USE gr_status gr_lpips_config_from_json(gr_lpips_config *out, const gr_json *object);

/* Values from a file of the classifier ("features.0.weight", torchvision's), from one of the heads
 * ("lin0.model.1.weight"), or from one of both; what the file has no part of stays as it is. */
GR_API GR_MUST_USE gr_status gr_lpips_load(gr_lpips *l, const gr_tensorfile *f);

/* x, y [N,3,H,W] -> [N], or with `spatial` [N,1,H,W] */
GR_API gr_tensor *gr_lpips_distance(const gr_lpips *l, gr_tensor *x, gr_tensor *y);

#ifdef __cplusplus
}
#endif

#endif
