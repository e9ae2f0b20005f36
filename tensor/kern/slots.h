/*
 * Workspace of parallel tasks: one block cut into as many slots as tasks can run at a time. It is
 * taken from the pool before the tasks start, so that they cannot run out of memory, and what the
 * pool is asked for does not depend on how they happened to overlap.
 */
#ifndef GR_KERN_SLOTS_H
#define GR_KERN_SLOTS_H

#include <stdatomic.h>

#include "gradus/base.h"

enum { GR_SLOTS_MAX = 64 };

typedef struct gr_slots {
	char *base;
	size_t bytes; /* of one slot, a multiple of 64 */
	int64_t count;
	atomic_flag busy[GR_SLOTS_MAX];
} gr_slots;

/* Slots of `bytes` bytes for `tasks` tasks; bytes may be 0. GR_OK or GR_EMEM. */
gr_status gr__slots_open(gr_slots *s, int64_t tasks, size_t bytes);
/* A free slot (NULL if bytes is 0); waits for one where there are more threads than slots. */
void *gr__slots_take(gr_slots *s);
void gr__slots_give(gr_slots *s, const void *slot);
void gr__slots_close(gr_slots *s);

#endif
