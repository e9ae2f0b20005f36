/*
 * Blocks of the U-Nets, for unet.c.
 */
#ifndef GRADUS_MODELS_UNET_PRIV_H
#define GRADUS_MODELS_UNET_PRIV_H

#include "gradus/layers.h"
#include "gradus/unet.h"

/* What every block of one forward pass shares. */
typedef struct unet_pass {
	gr_tensor *emb;            /* SiLU of the time and class embedding, [N,E] */
	gr_tensor *context;        /* of the transformers, [N,M,K]; NULL: the tokens themselves */
	const gr_key *dropout_key; /* NULL: no dropout */
	double dropout;
	uint64_t site; /* dropout places passed so far */
} unet_pass;

typedef enum unet_resample {
	UNET_SAME = 0,
	UNET_UP = 1,
	UNET_DOWN = 2,
} unet_resample;

#define UNET_TRANSFORMER_DEPTH_MAX 16

typedef struct unet_res unet_res;
typedef struct unet_attention unet_attention;
typedef struct unet_transformer unet_transformer;

/* A residual block in -> out, child `name` of parent. */
unet_res *gr__unet_res_new(gr_module *parent, const char *name, const gr_unet_config *config,
	int64_t in, int64_t out, unet_resample resample);
/* x [N,in,H,W] -> [N,out,H',W'] */
gr_tensor *gr__unet_res_forward(const unet_res *b, gr_tensor *x, unet_pass *pass);

/* An attention block of the given width. */
unet_attention *gr__unet_attention_new(gr_module *parent, const char *name,
	const gr_unet_config *config, int64_t width, int64_t heads);
/* x [N,C,H,W] -> [N,C,H,W] */
gr_tensor *gr__unet_attention_forward(const unet_attention *b, gr_tensor *x);

/* A SpatialTransformer of the given width, its tokens `inner` wide. */
unet_transformer *gr__unet_transformer_new(gr_module *parent, const char *name,
	const gr_unet_config *config, int64_t width, int64_t heads, int64_t inner);
/* x [N,C,H,W] -> [N,C,H,W] */
gr_tensor *gr__unet_transformer_forward(const unet_transformer *b, gr_tensor *x,
	const unet_pass *pass);

#endif
