/*
 * The small convolutional network that EquiReg trains to be equivariant on the data and less so off
 * them (Tolooshams et al. 2025, arXiv 2505.22973): blocks of a 3 x 3 convolution of stride 2, a
 * batch norm and a ReLU, whose last feature map is the function that a penalty compares; a head that
 * tells which group element was applied, and a projector for the contrastive objective. Images are
 * in [-1,1].
 *
 * Ownership: a gr_mpe_cnn owns its module tree; results belong to the caller's scope. Threads: a
 * network may be evaluated by many while nobody changes or trains it.
 */
#ifndef GRADUS_MPE_CNN_H
#define GRADUS_MPE_CNN_H

#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Zero means the default given here. */
typedef struct gr_mpe_cnn_config {
	size_t size;
	int64_t in_channels;      /* default 3 */
	int64_t width;            /* of the first block, default 64; doubled by each, */
	int64_t max_width;        /* up to this, default 4 width */
	int64_t num_blocks;       /* default 4 */
	int64_t num_classes;      /* group elements that the head tells apart; default: no head */
	int64_t projector_hidden; /* default: no projector, or 256 */
	int64_t projector_out;    /* default: no projector, or 128 */
	gr_dtype dtype;           /* f32 (default) or f64 */
} gr_mpe_cnn_config;

typedef struct gr_mpe_cnn gr_mpe_cnn;

/* Build the network; its parameters have no values until gr_module_init() or gr_module_load().
 * Initial laws: as PyTorch draws convolutions and linear layers. config NULL: the defaults. */
GR_API gr_mpe_cnn *gr_mpe_cnn_new(const gr_mpe_cnn_config *config);
GR_API void gr_mpe_cnn_free(gr_mpe_cnn *n);
/* The parameters: "blocks.0.conv.weight", "blocks.0.bn.weight", "head.weight",
 * "projector.0.weight"; borrowed. */
GR_API gr_module *gr_mpe_cnn_module(gr_mpe_cnn *n);
/* The configuration, defaults filled in; borrowed. */
GR_API const gr_mpe_cnn_config *gr_mpe_cnn_get_config(const gr_mpe_cnn *n);
/* Read a configuration from a JSON object with the names above. */
GR_API GR_MUST_USE gr_status gr_mpe_cnn_config_from_json(gr_mpe_cnn_config *out,
	const gr_json *object);

typedef struct gr_mpe_cnn_forward_opts {
	size_t size;
	bool train;            /* norms by the batch's statistics, which move the running ones */
	gr_tensor **logits;    /* set to the head's scores [N,num_classes], owned by the scope */
	gr_tensor **projected; /* set to the projector's vectors [N,projector_out], not normalised */
} gr_mpe_cnn_forward_opts;
/* x [N,C,H,W] -> the feature map [N,D,ceil(H/16),ceil(W/16)]; opts may be NULL. GR_EARG when a
 * result is wanted that the network has no layer for. */
GR_API gr_tensor *gr_mpe_cnn_forward(const gr_mpe_cnn *n, gr_tensor *x,
	const gr_mpe_cnn_forward_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
