/*
 * The rows of the table of architectures (gradus/model.h), for registry.c and the files that fill
 * it: registry_denoisers.c, registry_coders.c, registry_features.c. A row says how a network is
 * built from JSON and which passes it has: a pass takes one input (the one that gradients are taken
 * in) and whatever else it reads from the archive, and gives one output; what it finds on its way
 * goes to the archive of results.
 */
#ifndef GRADUS_MODELS_REGISTRY_PRIV_H
#define GRADUS_MODELS_REGISTRY_PRIV_H

#include "gradus/checkpoint.h"
#include "gradus/json.h"
#include "gradus/module.h"

#define MODEL_PASSES_MAX 2

typedef gr_tensor *model_forward(const void *net, const gr_archive *in, gr_tensor *x,
	gr_archive *out);

typedef struct model_pass {
	const char *x, *y, *r, *grad; /* r NULL: x is an index, there is no gradient in it */
	model_forward *forward;
	bool optional; /* x may be NULL, if no pass has an input */
} model_pass;

typedef struct architecture {
	const char *name, *summary;
	void *(*build)(const gr_json *config);
	/* The same for images of this size, where the size is the network's; NULL: it is not. */
	void *(*build_sized)(const gr_json *config, int64_t h, int64_t w);
	void (*free)(void *net);
	gr_module *(*module)(void *net);
	/* Inputs of one sample of this size. */
	gr_status (*example)(const void *net, int64_t h, int64_t w, gr_key key, gr_archive *in);
	model_pass passes[MODEL_PASSES_MAX];
	/* Values from a file whose keys may be other than the names; NULL: they are not. */
	gr_status (*load)(void *net, const gr_tensorfile *f);
	gr_tensor *(*reconstruct)(const void *net, gr_tensor *x); /* NULL: it is no autoencoder */
	bool many_files; /* load takes a part of the values if the file has no more */
	void (*set_recompute)(void *net, bool on); /* NULL: it cannot */
} architecture;

/* registry_denoisers.c */
extern const architecture gr__arch_adm, gr__arch_ldm_unet, gr__arch_sit, gr__arch_dit,
	gr__arch_ddpm, gr__arch_song_unet, gr__arch_dhariwal_unet, gr__arch_uno, gr__arch_fno,
	gr__arch_edm;
/* registry_coders.c */
extern const architecture gr__arch_autoencoder_kl, gr__arch_vqmodel, gr__arch_taesd;
/* registry_features.c */
extern const architecture gr__arch_dinov2, gr__arch_dino, gr__arch_lpips, gr__arch_clip_text,
	gr__arch_inception, gr__arch_resnet, gr__arch_mpe_cnn;

/* Build by `new` from the configuration that `from_json` reads. */
#define DEFINE_NETWORK(name) \
	static void *name##_build(const gr_json *config) \
	{ \
		gr_##name##_config c; \
		return gr_##name##_config_from_json(&c, config) == GR_OK ? gr_##name##_new(&c) : NULL; \
	} \
	DEFINE_NETWORK_LIFE(name)

/* The rest of it, for a network whose build says more. */
#define DEFINE_NETWORK_LIFE(name) \
	static void name##_free(void *net) \
	{ \
		gr_##name##_free(net); \
	} \
	static gr_module *name##_module(void *net) \
	{ \
		return gr_##name##_module(net); \
	}

/* What gr_##name##_load() reads. */
#define DEFINE_NETWORK_LOAD(name) \
	static gr_status name##_load(void *net, const gr_tensorfile *f) \
	{ \
		return gr_##name##_load(net, f); \
	}

#define NETWORK(name) .build = name##_build, .free = name##_free, .module = name##_module

/* The passes of a network from x to y, and of an encoder and a decoder. */
#define MODEL_ONE(forward) \
	{ \
		{ \
			"x", "y", "r", "grad_x", forward, false \
		} \
	}
#define MODEL_CODER(latent, encode, decode) \
	{ \
		{"x", latent, "r_" latent, "grad_x", encode, false}, \
		{ \
			"z", "y", "r", "grad_z", decode, false \
		} \
	}

/* registry.c: an input that the network cannot do without. */
gr_tensor *gr__registry_need(const gr_archive *in, const char *name);
/* Inputs of an example: drawn from N(0, 1) with the key folded by the name; one number. */
gr_status gr__registry_normal(gr_archive *in, const char *name, gr_key key, int ndim,
	const int64_t *dims);
gr_status gr__registry_index(gr_archive *in, const char *name, double value);

#endif
