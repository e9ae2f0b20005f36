/*
 * Dry runs: shapes, graphs and blocks as in a real run, and no arithmetic. While one is on,
 * on this thread,
 *
 *	- the pool counts its blocks apart, and large ones are address space that nobody touches;
 *	- gr__par_for() runs no task, so that a kernel allocates its workspace and computes nothing;
 *	- tensors have no values unless the program itself writes them (gr_tensor_data(), gr_from());
 *	  reading others is an error.
 *
 * gr_estimate() (autograd) is the way in. Off, a dry run costs a test of a static word.
 */
#ifndef GRADUS_INTERNAL_DRY_H
#define GRADUS_INTERNAL_DRY_H

#include <stdatomic.h>

#include "gradus/base.h"

typedef struct gr_dry {
	uint64_t bytes_in_use, bytes_peak;
	int64_t storages; /* of tensors made in this run and alive */
	unsigned run;     /* its number: a block or a storage may outlive it */
} gr_dry;

extern atomic_int gr__dry_threads;    /* that are in a dry run */
extern _Thread_local gr_dry *gr__dry; /* NULL: this one is not */

static inline bool gr__is_dry(void)
{
	return atomic_load_explicit(&gr__dry_threads, memory_order_relaxed) != 0 && gr__dry != NULL;
}

/* GR_ESTATE inside another one. */
gr_status gr__dry_begin(gr_dry *d);
void gr__dry_end(void);

/* Count a block of this run, and forget one of run number `run`. */
void gr__dry_take(uint64_t bytes);
void gr__dry_give(uint64_t bytes, unsigned run);

#endif
