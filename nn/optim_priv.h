/*
 * What optimisers and averages share: a named list of state tensors beside the parameters, and
 * arithmetic in double over blocks of elements, whatever the type they are stored in.
 */
#ifndef GRADUS_NN_OPTIM_PRIV_H
#define GRADUS_NN_OPTIM_PRIV_H

#include "gradus/optim.h"

#define GR_BLOCK 512

/* Elements begin .. begin+n-1 (n <= GR_BLOCK) of contiguous f32 or f64 data. */
void gr__block_load(double *out, const gr_tensor *t, int64_t begin, int64_t n);
void gr__block_store(gr_tensor *t, const double *in, int64_t begin, int64_t n);

/* The buffers of m (running statistics), none perhaps; freed by gr_params_free. */
gr_status gr__params_buffers(gr_params *out, const gr_module *m);
/* A retained copy of every name and tensor; GR_EARG unless all are contiguous f32 or f64. */
gr_status gr__params_copy(gr_params *out, const gr_params *params, const char *who);
void gr__params_release(gr_params *p);
/* New retained tensors shaped like the parameters: zeros, or copies of their values. */
gr_status gr__params_like(gr_tensor ***out, const gr_params *params, bool copy);
void gr__tensors_release(gr_tensor **t, int n);
/* out[i] in the shape of parameter i, without values, all of one type on one storage: room for one
 * parameter at a time, so that what follows cannot run out of memory. Owned by the scope. */
gr_status gr__params_scratch(gr_tensor **out, const gr_params *params);

/* Add tensors under prefix + name; find them again, shapes and types checked (GR_EFORMAT). */
gr_status gr__state_save(gr_archive *a, const char *prefix, const gr_params *params,
	gr_tensor *const *state, gr_dtype storage);
gr_status gr__state_check(const gr_archive *a, const char *prefix, const gr_params *params);
/* Copy what gr__state_check() accepted. */
gr_status gr__state_load(gr_tensor *const *state, const gr_archive *a, const char *prefix,
	const gr_params *params);

/* Integers as metadata. */
gr_status gr__meta_set_int(gr_archive *a, const char *key, int64_t value);
gr_status gr__meta_get_int(const gr_archive *a, const char *key, int64_t *value);

#endif
