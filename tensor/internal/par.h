/*
 * Threads. gr__par_for() is the only place that starts them: it runs fn(i, ctx) for i in 0..n-1,
 * each i by exactly one thread, in no stated order; a call inside a task runs serially. Tiles must
 * be a pure function of shape, so that results do not depend on the number of threads. In a dry run
 * (dry.h) it runs nothing.
 */
#ifndef GRADUS_INTERNAL_PAR_H
#define GRADUS_INTERNAL_PAR_H

#include "gradus/base.h"

void gr__par_for(int64_t n, void (*fn)(int64_t i, void *ctx), void *ctx);

/* Split 0..n-1 into runs of `grain` and call fn(begin, end, ctx) on each. */
void gr__par_range(int64_t n, int64_t grain, void (*fn)(int64_t begin, int64_t end, void *ctx),
	void *ctx);

#endif
