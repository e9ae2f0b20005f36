/*
 * Memory for time: gr_checkpoint() runs a function of tensors and keeps nothing of what its ops
 * save; a walk that comes by runs the function again. Gradients are those of a plain run to the bit,
 * first derivatives; higher ones agree to rounding. Calls nest.
 *
 * The function may use anything: tensors that it captures (parameters, results of earlier ops) get
 * their gradients like its inputs, and live as long as the graph. It must do the same each time: no counters, no files, no
 * gr_param_update(). Random numbers come from keys (gradus/rng.h) and so repeat. A run whose results
 * are not those of the first, and a tensor that it reads and that was overwritten meanwhile, are
 * errors of the walk, GR_ESTATE, never other gradients.
 *
 * Ownership: results belong to the caller's scope. Threads: as for every graph.
 */
#ifndef GRADUS_RECOMPUTE_H
#define GRADUS_RECOMPUTE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_RECOMPUTE_MAX_OUT 4

typedef struct gr_recompute_opts {
	size_t size;
	int outputs;   /* of the function, 1..GR_RECOMPUTE_MAX_OUT; default 1 */
	void *payload; /* for the function; what it points to must live as long as the graph, unless */
	size_t payload_bytes; /* so many bytes of it are copied: every run gets them as they are now */
	void (*payload_free)(void *payload); /* called with `payload` once, when no run can follow */
} gr_recompute_opts;

/*
 * y[0..outputs-1] = fn(x[0..n-1]), its graph made again when it is needed. Results of the function
 * that are constants, inputs or captured tensors are handed through as they are. With recording off
 * the function just runs. Errors: those of the function; GR_EARG; GR_ESTATE (the function overwrites
 * a tensor that it reads).
 */
GR_API GR_MUST_USE gr_status gr_checkpoint(gr_tensor **y, gr_tensor_fn fn, int n,
	gr_tensor *const *x, const gr_recompute_opts *opts);

#ifndef GR_NO_CALL_SITE
#define gr_checkpoint(...) (gr_at(__FILE__, __LINE__), gr_checkpoint(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

#endif
