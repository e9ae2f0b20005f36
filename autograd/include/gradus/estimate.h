/*
 * What a computation takes, before it runs. gr_estimate() calls a function in a dry run: shapes are
 * inferred, graphs recorded and walked, blocks counted as the pool would hand them out, workspaces
 * of kernels included, and nothing is computed or touched. So anything can be estimated that a
 * program can do, at the sizes it would have, in little time and memory.
 *
 * Inside, tensors have shapes and no values. Reading one (gr_item, gr_tensor_data_const, ...) is
 * GR_ESTATE; code whose course depends on values asks gr_estimating() first. What a program writes
 * itself, by gr_tensor_data() or gr_from(), is there.
 *
 * Ownership: the function frees what it makes. Tensors that were there before stay as they are.
 * Threads: the dry run is the calling thread's own; the estimate holds for gr_threads() threads.
 */
#ifndef GRADUS_ESTIMATE_H
#define GRADUS_ESTIMATE_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_cost {
	uint64_t
		bytes_peak; /* the most that the function holds at once, beyond what was there before */
	double flops;   /* by the records of the ops; elementwise ones count one an element */
	int64_t ops;    /* calls, those of gradients included */
} gr_cost;

/*
 * The cost of fn(ctx), which runs in a scope of its own; its status is returned. GR_ESTATE when
 * tensors that it made are still held after it, or inside another estimate.
 */
GR_API gr_status gr_estimate(gr_cost *out, gr_status (*fn)(void *ctx), void *ctx);

#ifdef __cplusplus
}
#endif

#endif
