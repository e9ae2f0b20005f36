/*
 * Networks by the name of their architecture, for programs that learn from a file which one they
 * hold: built from a configuration in JSON, applied to tensors by name. The names of inputs,
 * outputs, cotangents and gradients are those of docs/models.md.
 *
 * Ownership: a gr_model owns its network. Threads: as for the networks.
 */
#ifndef GRADUS_MODEL_H
#define GRADUS_MODEL_H

#include "gradus/checkpoint.h"
#include "gradus/json.h"
#include "gradus/module.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_model gr_model;

/* The architectures: name i, NULL when i is out of range, and a line about it. Static storage. */
GR_API const char *gr_model_arch(int i);
GR_API const char *gr_model_arch_summary(int i);

/* Build one from its configuration, an object whose "arch" is used when `arch` is NULL; without
 * values for its parameters. GR_EARG for a name that is none, GR_EFORMAT for a configuration that
 * it does not understand. *out is the caller's to free, NULL after an error. */
GR_API GR_MUST_USE gr_status gr_model_new(gr_model **out, const char *arch, const gr_json *config);
/* The same for images (for networks on latents, latents) of this size, where the network has one in
 * its parameters, as the table of positions of sit and dit; 0, 0: the configuration's. */
GR_API GR_MUST_USE gr_status gr_model_new_sized(gr_model **out, const char *arch,
	const gr_json *config, int64_t height, int64_t width);
GR_API void gr_model_free(gr_model *m);
/* The parameters; borrowed. */
GR_API gr_module *gr_model_module(gr_model *m);
/* The name it was built by; static storage. */
GR_API const char *gr_model_name(const gr_model *m);

/* Values of all parameters from a file, under any of the names that docs/models.md lists for the
 * network, alone or inside a checkpoint of the whole. With `child`, those below that module only,
 * whose own name the file leaves out (TAESD's "encoder"). */
GR_API GR_MUST_USE gr_status gr_model_load(gr_model *m, const gr_tensorfile *f, const char *child);

/*
 * Apply the network to what `in` holds, and add the results to `out`. A network with an encoder
 * and a decoder does what there are inputs for. With `grad`, the gradient of sum(y r) in the input
 * is added for every cotangent r that is there. GR_EARG when an input is missing.
 */
GR_API GR_MUST_USE gr_status gr_model_run(const gr_model *m, const gr_archive *in, bool grad,
	gr_archive *out);
/* Gradients of sum(y r), for the cotangents r that are there, in the parameters: grads[i] is that of
 * gr_module_param(module, i), NULL where it is frozen. GR_EARG without a cotangent. */
GR_API GR_MUST_USE gr_status gr_model_grad_params(const gr_model *m, const gr_archive *in,
	gr_tensor **grads);
/* Whether an input is there that gradients can be taken in: an index is none. */
GR_API bool gr_model_has_gradient(const gr_model *m, const gr_archive *in);
/* Memory for time, where the network can (gradus/recompute.h); false where it cannot. */
GR_API bool gr_model_set_recompute(gr_model *m, bool on);
/* Decode the latent of an image, without its noise where it has some. x [N,C,H,W] in [-1,1] -> the
 * same; owned by the scope. GR_EUNSUPPORTED for a network that is no autoencoder. */
GR_API gr_tensor *gr_model_reconstruct(const gr_model *m, gr_tensor *x);
/* Add inputs of one sample for images (for networks on latents, latents) of this size, drawn by the
 * key: what gr_model_run() needs. */
GR_API GR_MUST_USE gr_status gr_model_example(const gr_model *m, int64_t height, int64_t width,
	gr_key key, gr_archive *in);

#ifdef __cplusplus
}
#endif

#endif
