/*
 * Feature networks: differentiable functions of images, in whose values terms and metrics compare
 * them. One evaluation gives what its kind has, and the rest is made of that:
 *
 *     map    [N,D,h,w]  a value for each place
 *     tokens [N,P,D]    the places of the map row by row, P = h w
 *     vector [N,V]      one for the whole image
 *
 * Input is what `domain` says: images in [-1,1], or states of a latent prior. Weights are constants;
 * norms that learn statistics use those learnt.
 *
 * Ownership: a gr_feature is counted; terms retain theirs. Threads: immutable after creation.
 */
#ifndef GRADUS_FEATURE_H
#define GRADUS_FEATURE_H

#include "gradus/prior.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_feature gr_feature;

typedef enum gr_feature_domain {
	GR_FEATURE_OF_IMAGES = 0,
	GR_FEATURE_OF_STATES = 1,
} gr_feature_domain;

/* One evaluation on its way. A kind fills the map, or the tokens, or both, and may fill the vector. */
typedef struct gr_feature_call {
	gr_tensor *x;      /* in: [N,C,H,W] */
	gr_tensor *map;    /* out; from tokens where their number is h w with h / w = H / W */
	gr_tensor *tokens; /* out; the map's places where only that is there */
	gr_tensor *vector; /* out; else all numbers of the map */
} gr_feature_call;

/* A kind of feature network; `self` is what gr_feature_new() was given. */
typedef struct gr_feature_table {
	const char *name;
	gr_feature_domain domain;
	gr_status (*apply)(void *self, gr_feature_call *call);
	void (*free)(void *self); /* optional */
} gr_feature_table;

/* What the values of images are for the network. */
typedef enum gr_feature_range {
	GR_FEATURE_SIGNED = 0,   /* -1 to 1, as they come */
	GR_FEATURE_IMAGENET = 1, /* of [0,1], less ImageNet's mean, over its deviation; 3 channels */
} gr_feature_range;

/* Images are brought into the range, then resampled: bicubic with a = -0.75, no antialias. Neither
 * clamps. */
typedef struct gr_feature_opts {
	size_t size;
	gr_feature_range range;
	int64_t height, width; /* resample images of another size to this; default: as they come */
} gr_feature_opts;

/* A network of a user's own; owns self from here on, also when it fails (NULL). opts may be NULL. */
GR_API gr_feature *gr_feature_new(const gr_feature_table *table, void *self,
	const gr_feature_opts *opts);
/* One more, one fewer owner. Both accept NULL; retain returns f. */
GR_API gr_feature *gr_feature_retain(gr_feature *f);
GR_API void gr_feature_release(gr_feature *f);

/*
 * The network in a folder (docs/priors.md, "Format"), trained on images in [-1,1]:
 *     dino            tokens: the patches' of the last layer, normed; vector: the class token
 *     mpe_cnn         map: of the last block; vector: its mean over places
 *     autoencoder_kl  map: the scaled mode of the encoder's posterior
 * With `resize`, images of another size are resampled to that of the folder. GR_EIO, GR_EFORMAT
 * naming file and member; GR_EUNSUPPORTED for other models.
 */
GR_API GR_MUST_USE gr_status gr_feature_open(gr_feature **out, const char *folder, bool resize);
/* The image itself, a map of its channels. */
GR_API gr_feature *gr_feature_pixels_new(void);
/* The encoder of a latent prior: images to states; the decoder: states to images; the decoder and
 * then the encoder: states to states; or the other way round: images to images. The prior is
 * borrowed. GR_EUNSUPPORTED when it has neither. */
GR_API gr_feature *gr_feature_encoder_new(const gr_prior *prior);
GR_API gr_feature *gr_feature_decoder_new(const gr_prior *prior);
GR_API gr_feature *gr_feature_decode_encode_new(const gr_prior *prior);
GR_API gr_feature *gr_feature_encode_decode_new(const gr_prior *prior);

GR_API const char *gr_feature_name(const gr_feature *f);
GR_API gr_feature_domain gr_feature_get_domain(const gr_feature *f);

/* Evaluate, for any of the three; recorded where the caller records. GR_ESHAPE where tokens make no
 * map. */
GR_API gr_tensor *gr_feature_map(const gr_feature *f, gr_tensor *x);
GR_API gr_tensor *gr_feature_tokens(const gr_feature *f, gr_tensor *x);
GR_API gr_tensor *gr_feature_vector(const gr_feature *f, gr_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
