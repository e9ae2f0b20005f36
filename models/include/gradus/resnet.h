/*
 * Residual networks for classification (He et al., "Deep residual learning for image recognition",
 * 2016; torchvision resnet.py, whose bottlenecks have their stride in the 3 x 3 convolution):
 * ResNet-18 to 152 and ResNeXt by options. Parameter names and shapes are torchvision's; the batch
 * norms use their running statistics.
 *
 * Images are what the caller normalised (ImageNet's mean and deviation for the public weights).
 *
 * Ownership: a gr_resnet owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_RESNET_H
#define GRADUS_RESNET_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_RESNET_STAGES 4

typedef enum gr_resnet_block {
	GR_RESNET_BOTTLENECK = 0, /* 1 x 1, 3 x 3, 1 x 1 to four times the width */
	GR_RESNET_BASIC = 1,      /* 3 x 3, 3 x 3 */
} gr_resnet_block;

/* Zero means the default given here, ResNet-50's. */
typedef struct gr_resnet_config {
	size_t size;
	gr_resnet_block block;
	int num_stages;          /* entries of layers, all or none; default 3, 4, 6, 3 */
	int64_t layers[8];       /* blocks of each of the four stages */
	int64_t in_channels;     /* default 3 */
	int64_t width;           /* of the stem, default 64; stage k has 2^k times as much */
	int64_t groups;          /* of the 3 x 3 convolutions of bottlenecks, default 1 */
	int64_t width_per_group; /* their width over that of the stage, in 64ths; default 64 */
	int64_t num_classes;     /* of the last layer, fc; default none, the trunk alone */
	gr_dtype dtype;          /* f32 (default) or f64 */
} gr_resnet_config;

typedef struct gr_resnet gr_resnet;

/* Build the network; its parameters have no values until gr_module_init() or gr_resnet_load().
 * Initial laws: as PyTorch draws convolutions. config NULL: the defaults. */
GR_API gr_resnet *gr_resnet_new(const gr_resnet_config *config);
GR_API void gr_resnet_free(gr_resnet *r);
/* The parameters; borrowed. */
GR_API gr_module *gr_resnet_module(gr_resnet *r);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_resnet_config *gr_resnet_get_config(const gr_resnet *r);
/* Read a configuration from a JSON object with the names above, "block" being "bottleneck" or
 * "basic". */
GR_API GR_MUST_USE gr_status gr_resnet_config_from_json(gr_resnet_config *out,
	const gr_json *object);
/* All values from a file; its last layer, fc, is passed over where the network has none. */
GR_API GR_MUST_USE gr_status gr_resnet_load(gr_resnet *r, const gr_tensorfile *f);

typedef struct gr_resnet_forward_opts {
	size_t size;
	gr_tensor **pooled; /* set to the means over pixels [N,D], owned by the scope */
	gr_tensor **logits; /* set to [N,num_classes], or NULL for a trunk */
	int stages;         /* stages to apply, default 4 */
} gr_resnet_forward_opts;
/* x [N,C,H,W] -> the last stage's features [N,D,ceil(H/32),ceil(W/32)]; opts may be NULL */
GR_API gr_tensor *gr_resnet_forward(const gr_resnet *r, gr_tensor *x,
	const gr_resnet_forward_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
