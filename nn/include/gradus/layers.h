/*
 * Layers: a struct that holds handles on its parameters and one or two functions that apply it.
 * gr_<layer>_new(parent, name, opts) makes a child module `name` with the parameters it lists; the
 * struct is owned by the tree and freed with it. Parameter names, shapes and initial laws are those
 * of the PyTorch layer of that name, so that public checkpoints load as they are.
 *
 * Initialisation unless said otherwise: weight and bias from U(-b, b), b = 1 / sqrt(fan_in), as
 * PyTorch draws Linear and Conv. With `init` given, the weight follows that rule (scale
 * `init_scale`, default 1) and the bias is zero.
 *
 * Forward functions follow the rules of ops: the result belongs to the caller's scope, temporaries
 * are freed at once, NULL in gives NULL out. Threads: a layer may be applied by many.
 */
#ifndef GRADUS_LAYERS_H
#define GRADUS_LAYERS_H

#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = x w^T + b. weight [out,in], bias [out]. */
typedef struct gr_linear gr_linear;
typedef struct gr_linear_opts {
	size_t size;
	int64_t in, out; /* required */
	bool no_bias;
	gr_init_rule init;
	double init_scale;
} gr_linear_opts;
GR_API gr_linear *gr_linear_new(gr_module *parent, const char *name, const gr_linear_opts *opts);
/* x [...,in] -> [...,out] */
GR_API gr_tensor *gr_linear_forward(const gr_linear *l, gr_tensor *x);

/* Convolution. weight [out, in/groups, kernel, kernel_w], bias [out]. */
typedef struct gr_conv gr_conv;
typedef struct gr_conv_layer_opts {
	size_t size;
	int64_t in, out;  /* required */
	int64_t kernel;   /* default 3 */
	int64_t stride;   /* default 1 */
	int64_t pad;      /* default (kernel - 1) / 2; -1 for none */
	int64_t pad_end;  /* zeros beyond `pad` at the bottom and right, default 0 */
	int64_t dilation; /* default 1 */
	int64_t groups;   /* default 1 */
	bool no_bias;
	bool is_1d; /* weight [out,in,1] as in PyTorch's Conv1d, applied to each pixel; kernel is 1 */
	gr_init_rule init;
	double init_scale;
	int64_t kernel_w; /* width of a kernel that is not square, padded by default for itself */
} gr_conv_layer_opts;
GR_API gr_conv *gr_conv_new(gr_module *parent, const char *name, const gr_conv_layer_opts *opts);
/* x [N,in,H,W] -> [N,out,H',W'] */
GR_API gr_tensor *gr_conv_forward(const gr_conv *l, gr_tensor *x);

/* Spectral convolution: a learned factor for each low frequency, see nn/spectral.c. weight
 * [out,in,modes,modes_w/2+1,2], complex, drawn from N(0, init_scale^2 / (2 in)), bias [out] zeros. */
typedef struct gr_spectral gr_spectral;
typedef struct gr_spectral_opts {
	size_t size;
	int64_t in, out, modes; /* required; modes: frequencies of the rows, of both signs */
	int64_t modes_w;        /* of the columns, default modes; modes_w/2 + 1 of one sign are kept */
	bool no_bias;
	double init_scale;
} gr_spectral_opts;
GR_API gr_spectral *gr_spectral_new(gr_module *parent, const char *name,
	const gr_spectral_opts *opts);
/* x [N,in,H,W] -> [N,out,out_h,out_w], resampled on the way; 0, 0: of the same size */
GR_API gr_tensor *gr_spectral_forward(const gr_spectral *l, gr_tensor *x, int64_t out_h,
	int64_t out_w);

/* Group normalisation. weight [C] ones, bias [C] zeros. */
typedef struct gr_groupnorm gr_groupnorm;
typedef struct gr_groupnorm_opts {
	size_t size;
	int64_t channels; /* required */
	int64_t groups;   /* default 32 */
	double eps;       /* default 1e-5 */
	bool silu;        /* SiLU of the result, in the same pass */
} gr_groupnorm_opts;
GR_API gr_groupnorm *gr_groupnorm_new(gr_module *parent, const char *name,
	const gr_groupnorm_opts *opts);
/* x [N,C,...] -> like x */
GR_API gr_tensor *gr_groupnorm_forward(const gr_groupnorm *l, gr_tensor *x);
/* The norm, then times (1 + scale) plus shift per sample and channel, then SiLU if asked for.
 * x [N,C,...], scale and shift [N,C] -> like x */
GR_API gr_tensor *gr_groupnorm_modulate(const gr_groupnorm *l, gr_tensor *x, gr_tensor *scale,
	gr_tensor *shift);

/* Batch normalisation per channel. weight [C] ones, bias [C] zeros, and as buffers running_mean [C]
 * zeros, running_var [C] ones. */
typedef struct gr_batchnorm gr_batchnorm;
typedef struct gr_batchnorm_opts {
	size_t size;
	int64_t channels; /* required */
	double eps;       /* default 1e-5 */
	double momentum;  /* share of a new batch in the running statistics; default 0.1 */
} gr_batchnorm_opts;
GR_API gr_batchnorm *gr_batchnorm_new(gr_module *parent, const char *name,
	const gr_batchnorm_opts *opts);
/* By the running statistics, as in evaluation. x [N,C,...] -> like x */
GR_API gr_tensor *gr_batchnorm_forward(const gr_batchnorm *l, gr_tensor *x);
/* By those of the batch, which then move the running ones (with the unbiased variance): training.
 * Not for stages that run again for their gradient, which would move them twice. */
GR_API gr_tensor *gr_batchnorm_train(const gr_batchnorm *l, gr_tensor *x);

/* Layer normalisation over the last axis. weight [D] ones, bias [D] zeros. */
typedef struct gr_layernorm gr_layernorm;
typedef struct gr_layernorm_opts {
	size_t size;
	int64_t dim;    /* required */
	double eps;     /* default 1e-5 */
	bool no_affine; /* no parameters */
} gr_layernorm_opts;
GR_API gr_layernorm *gr_layernorm_new(gr_module *parent, const char *name,
	const gr_layernorm_opts *opts);
/* x [...,D] -> like x */
GR_API gr_tensor *gr_layernorm_forward(const gr_layernorm *l, gr_tensor *x);
/* The norm, then times (1 + scale) plus shift per sample. x [N,L,D], scale and shift [N,D] -> like
 * x */
GR_API gr_tensor *gr_layernorm_modulate(const gr_layernorm *l, gr_tensor *x, gr_tensor *scale,
	gr_tensor *shift);

/* Multi-head self-attention on tokens. qkv.weight [3D,D] (all q, all k, all v; heads consecutive in
 * each), qkv.bias [3D], proj.weight [D,D], proj.bias [D]. */
typedef struct gr_multihead gr_multihead;
typedef struct gr_multihead_opts {
	size_t size;
	int64_t dim;   /* required */
	int64_t heads; /* default 1; divides dim */
	bool no_qkv_bias;
	gr_init_rule init;
	double init_scale;
	bool no_proj_bias;
	bool qk_norm; /* layer norms q_norm, k_norm [D/heads] of each head's queries and keys */
	double scale; /* of the logits, default 1 / sqrt(D/heads) */
} gr_multihead_opts;
GR_API gr_multihead *gr_multihead_new(gr_module *parent, const char *name,
	const gr_multihead_opts *opts);
/* x [N,L,D] -> [N,L,D] */
GR_API gr_tensor *gr_multihead_forward(const gr_multihead *l, gr_tensor *x);
/* x [N,L,D] -> [N,heads,L,D/heads], a view, and back. */
GR_API gr_tensor *gr_split_heads(gr_tensor *x, int64_t heads);
GR_API gr_tensor *gr_merge_heads(gr_tensor *x);

/* Attention of tokens to a context, each with its own width. to_q.weight [inner,dim], to_k.weight and
 * to_v.weight [inner,context], without biases; to_out.0.weight [dim,inner], to_out.0.bias [dim]. */
typedef struct gr_crossattention gr_crossattention;
typedef struct gr_crossattention_opts {
	size_t size;
	int64_t dim;     /* required: width of the tokens */
	int64_t context; /* width of the context, default dim */
	int64_t inner;   /* width of q, k and v, default dim */
	int64_t heads;   /* default 1; divides inner */
	bool qkv_bias;
} gr_crossattention_opts;
GR_API gr_crossattention *gr_crossattention_new(gr_module *parent, const char *name,
	const gr_crossattention_opts *opts);
/* x [N,L,dim], context [N,M,context], or NULL for x itself -> [N,L,dim] */
GR_API gr_tensor *gr_crossattention_forward(const gr_crossattention *l, gr_tensor *x,
	gr_tensor *context);

typedef enum gr_activation {
	GR_ACT_GELU = 0,       /* x Phi(x), by erf */
	GR_ACT_GELU_TANH = 1,  /* its approximation by tanh */
	GR_ACT_GELU_QUICK = 2, /* x sigmoid(1.702 x), as in CLIP */
	GR_ACT_SILU = 3,
	GR_ACT_RELU = 4,
} gr_activation;
GR_API gr_tensor *gr_activate(gr_tensor *x, gr_activation how);

typedef enum gr_gate {
	GR_GATE_NONE = 0,
	GR_GATE_FIRST = 1,  /* act(first half) * second half: SwiGLU with SiLU */
	GR_GATE_SECOND = 2, /* first half * act(second half): GEGLU with GELU */
} gr_gate;

/* Two linear layers around an activation: fc1.weight [hidden,dim], fc1.bias, fc2.weight
 * [dim,hidden], fc2.bias; with a gate fc1 has 2 hidden rows. */
typedef struct gr_mlp gr_mlp;
typedef struct gr_mlp_opts {
	size_t size;
	int64_t dim;    /* required */
	int64_t hidden; /* default 4 dim */
	gr_activation activation;
	gr_gate gate;
	bool no_bias;
	const char *first_name, *second_name; /* default "fc1", "fc2" */
	gr_init_rule init;
	double init_scale;
} gr_mlp_opts;
GR_API gr_mlp *gr_mlp_new(gr_module *parent, const char *name, const gr_mlp_opts *opts);
/* x [...,dim] -> [...,dim] */
GR_API gr_tensor *gr_mlp_forward(const gr_mlp *l, gr_tensor *x);

/* Images to tokens: proj.weight [dim,in,patch,patch], proj.bias [dim], one token a patch, row by
 * row. */
typedef struct gr_patch gr_patch;
typedef struct gr_patch_opts {
	size_t size;
	int64_t in, dim, patch; /* required */
	bool no_bias;
	gr_init_rule init;
	double init_scale;
} gr_patch_opts;
GR_API gr_patch *gr_patch_new(gr_module *parent, const char *name, const gr_patch_opts *opts);
/* x [N,in,H,W], H and W multiples of patch -> [N,H/patch W/patch,dim] */
GR_API gr_tensor *gr_patch_forward(const gr_patch *l, gr_tensor *x);

/* A table of rows. weight [count,dim], drawn from N(0, init_scale^2) unless `init` is given. */
typedef struct gr_embedding gr_embedding;
typedef struct gr_embedding_opts {
	size_t size;
	int64_t count, dim; /* required */
	gr_init_rule init;
	double init_scale;
} gr_embedding_opts;
GR_API gr_embedding *gr_embedding_new(gr_module *parent, const char *name,
	const gr_embedding_opts *opts);
/* index i64 [...] -> [...,dim]; GR_EARG for an index out of range */
GR_API gr_tensor *gr_embedding_forward(const gr_embedding *l, gr_tensor *index);

typedef struct gr_timestep_opts {
	size_t size;
	double max_period; /* default 10000 */
	bool sin_first;    /* sines before cosines; default cosines first, as in ADM */
	bool divide_by_h1; /* w_i = P^(-i/(h-1)), as in DDPM; default P^(-i/h) */
} gr_timestep_opts;
/* Sinusoidal embedding, h = dim/2, P = max_period: [cos(t w_i)], [sin(t w_i)], w_i = P^(-i/h); an
 * odd dim ends with a zero. t [N] of any type, fractions allowed -> [N,dim] in dtype */
GR_API gr_tensor *gr_timestep_embedding(gr_tensor *t, int64_t dim, gr_dtype dtype,
	const gr_timestep_opts *opts);

/* Twice the size: each pixel 2 x 2 times, then (unless no_conv) a 3 x 3 convolution `conv`. */
typedef struct gr_upsample gr_upsample;
/* Half the size: a 3 x 3 convolution `op` of stride 2, or with no_conv the mean of 2 x 2. */
typedef struct gr_downsample gr_downsample;
typedef struct gr_resample_opts {
	size_t size;
	int64_t channels; /* required */
	int64_t out;      /* default: channels; not with no_conv */
	bool no_conv;
	bool pad_end_only;     /* down: one zero column right and row below, as in LDM's autoencoder;
	                          default one zero on every side */
	const char *conv_name; /* default: "conv" up, "op" down */
} gr_resample_opts;
GR_API gr_upsample *gr_upsample_new(gr_module *parent, const char *name,
	const gr_resample_opts *opts);
GR_API gr_downsample *gr_downsample_new(gr_module *parent, const char *name,
	const gr_resample_opts *opts);
/* x [N,C,H,W] -> [N,out,2H,2W] */
GR_API gr_tensor *gr_upsample_forward(const gr_upsample *l, gr_tensor *x);
/* x [N,C,H,W] -> [N,out,H/2,W/2], H and W even */
GR_API gr_tensor *gr_downsample_forward(const gr_downsample *l, gr_tensor *x);

#ifdef __cplusplus
}
#endif

#endif
