/*
 * The Inception network of FID (Heusel et al. 2017): TensorFlow's of 2015-12-05 as ported to
 * PyTorch (mseitzer/pytorch-fid src/pytorch_fid/inception.py, file pt_inception-2015-12-05), whose
 * pools differ from torchvision's Inception v3. Parameter names and shapes are the file's.
 *
 * Images are RGB in [0,1]; they are resized (bilinear, no antialiasing) to 299 x 299 and mapped to
 * [-1,1] by the network.
 *
 * Ownership: a gr_inception owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes it.
 */
#ifndef GRADUS_INCEPTION_H
#define GRADUS_INCEPTION_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_inception_config {
	size_t size;
	bool no_resize;  /* reference: resize_input = false; images come in the size they have */
	bool no_scaling; /* reference: normalize_input = false; images are in [-1,1] already */
	bool no_logits;  /* without the last layer, fc */
	int64_t shrink;  /* divides every width, for small networks; default 1 */
	gr_dtype dtype;  /* f32 (default) or f64 */
} gr_inception_config;

typedef struct gr_inception gr_inception;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions. config NULL: the defaults. */
GR_API gr_inception *gr_inception_new(const gr_inception_config *config);
GR_API void gr_inception_free(gr_inception *n);
/* The parameters; borrowed. */
GR_API gr_module *gr_inception_module(gr_inception *n);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_inception_config *gr_inception_get_config(const gr_inception *n);
/* Read a configuration from a JSON object: resize_input, normalize_input, logits, shrink. */
GR_API GR_MUST_USE gr_status gr_inception_config_from_json(gr_inception_config *out,
	const gr_json *object);

/* x [N,3,H,W] -> the "pool3" features [N,2048], and in *logits, unless it is NULL, [N,1008] */
GR_API gr_tensor *gr_inception_forward(const gr_inception *n, gr_tensor *x, gr_tensor **logits);

#ifdef __cplusplus
}
#endif

#endif
