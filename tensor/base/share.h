/*
 * What a thread holds of the pool, so that small blocks come and go without the pool's lock: free
 * blocks of the small classes, and bytes that it may put in use before it has to ask again.
 *
 * The pool counts granted bytes as in use. A grant never takes that sum beyond the peak or the limit,
 * so neither can be passed unnoticed: the thread that would pass it asks the pool, gives back what it
 * was granted and did not use, and is counted exactly. What others were granted and do not use
 * (gr_memory_stats() subtracts it) is the only inexactness, of peak and limit, GR_SHARE_CREDIT for
 * each further thread that allocates.
 *
 * A thread's share goes back to the pool when it ends.
 */
#ifndef GRADUS_SHARE_H
#define GRADUS_SHARE_H

#include <stdatomic.h>

#include "gradus/base.h"

/* Classes below this one, blocks up to 2 KiB, are kept by threads, so many bytes in all. */
#define GR_SHARE_CLASSES 41
#define GR_SHARE_KEPT ((int64_t)1 << 20)
/* Bytes granted at a time; from twice as many unused ones on, some are given back. */
#define GR_SHARE_GRANT ((int64_t)64 << 10)
#define GR_SHARE_CREDIT (2 * GR_SHARE_GRANT)

typedef struct gr_block {
	struct gr_block *next;
	size_t payload; /* size of the class */
	size_t asked;
	int class;
	unsigned dry; /* number of the dry run that it belongs to, 0: none */
} gr_block;

typedef struct gr_share {
	struct gr_share *next; /* in the pool's list, under its lock */
	gr_block *free[GR_SHARE_CLASSES];
	int64_t most;    /* bytes kept: 0 before the thread is in the pool's list */
	int64_t granted; /* written by the thread under the lock */
	/* Written by the thread alone, read by others for statistics. Negative where it frees what others
	 * had allocated. */
	_Atomic int64_t used, cached, allocs, tensors;
} gr_share;

extern _Thread_local gr_share gr__share;

static inline int64_t gr__share_get(const _Atomic int64_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

/* Of the thread's own counters: no other writes them, so that two moves do. */
static inline void gr__share_add(_Atomic int64_t *counter, int64_t n)
{
	atomic_store_explicit(counter, gr__share_get(counter) + n, memory_order_relaxed);
}

/* Bytes that it may put in use. */
static inline int64_t gr__share_credit(const gr_share *s)
{
	return s->granted - gr__share_get(&s->used);
}

static inline gr_block *gr__share_pop(gr_share *s, int class)
{
	gr_block *b = s->free[class];
	s->free[class] = b->next;
	gr__share_add(&s->cached, -(int64_t)b->payload);
	return b;
}

static inline void gr__share_push(gr_share *s, gr_block *b)
{
	b->next = s->free[b->class];
	s->free[b->class] = b;
	gr__share_add(&s->cached, (int64_t)b->payload);
}

/* A block of a small class; NULL: ask the pool. */
static inline gr_block *gr__share_take(gr_share *s, int class, size_t payload)
{
	if (s->free[class] == NULL || gr__share_credit(s) < (int64_t)payload)
		return NULL;
	gr__share_add(&s->used, (int64_t)payload);
	gr__share_add(&s->allocs, 1);
	return gr__share_pop(s, class);
}

/* False: give it to the pool. */
static inline bool gr__share_give(gr_share *s, gr_block *b)
{
	if (gr__share_get(&s->cached) >= s->most || gr__share_credit(s) >= GR_SHARE_CREDIT)
		return false;
	gr__share_add(&s->used, -(int64_t)b->payload);
	gr__share_push(s, b);
	return true;
}

#endif
