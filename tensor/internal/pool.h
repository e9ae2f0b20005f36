/*
 * Memory. mem.c is the only file that calls the system allocator (counted, limited, made to fail
 * on demand); pool.c caches blocks in size classes above it, so that a loop in steady state makes
 * no system allocation, and each thread keeps a few small ones (base/share.h). Blocks of 2 MiB and more come from huge-page-advised maps.
 * All functions are safe in every thread.
 */
#ifndef GRADUS_INTERNAL_POOL_H
#define GRADUS_INTERNAL_POOL_H

#include <stdatomic.h>

#include "gradus/base.h"

/* System allocation, 64-byte aligned; NULL when it fails (no error is recorded). */
void *gr__mem_alloc(size_t bytes);
void gr__mem_free(void *p, size_t bytes);
/* The same for memory that a dry run will hardly touch: large blocks take address space alone. */
void *gr__mem_alloc_dry(size_t bytes);
void gr__mem_free_dry(void *p, size_t bytes);
/* Whether such a block comes as zeros. */
bool gr__mem_is_zero_dry(size_t bytes);
/* True when fault injection says that this request fails; counts the request. */
bool gr__mem_inject_now(void);
extern atomic_uint_fast64_t gr__mem_fail_countdown; /* 0: none is to fail */
static inline bool gr__mem_inject(void)
{
	return atomic_load_explicit(&gr__mem_fail_countdown, memory_order_relaxed) != 0 &&
		gr__mem_inject_now();
}
uint64_t gr__mem_system_allocs(void);

/* A 64-byte aligned block of at least `bytes` (uninitialised); NULL when it does not fit. */
void *gr__pool_alloc(size_t bytes);
/* Accepts NULL. */
void gr__pool_free(void *p);
/* Set a fresh block to zero. */
void gr__pool_zero(void *p, size_t bytes);
/* Usable size of a block: at least what was asked for. */
size_t gr__pool_block_size(const void *p);
/* realloc on pool blocks, for growing arrays; on failure NULL, the old block stays. */
void *gr__pool_grow(void *p, size_t bytes);
/* A copy of a string in a pool block. */
char *gr__pool_strdup(const char *s);

/* One tensor header more or, with -1, less. */
void gr__pool_count_tensor(int n);

#endif
