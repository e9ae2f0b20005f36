/*
 * Watching ops run: where the first NaN comes from, and where the time goes. Both look at the ops
 * and the rules of the calling thread from the moment they are switched on; while they are off an
 * op does nothing for them.
 *
 * The environment can ask for both in a program that knows nothing of them: GRADUS_CHECK_FINITE=1
 * is gr_set_check_finite() on every thread; GRADUS_TRACE=FILE profiles the first thread that runs
 * an op, and writes gr_profile_write_trace() to FILE when the process ends by exit().
 */
#ifndef GRADUS_TRACE_H
#define GRADUS_TRACE_H

#include <stdio.h>

#include "gradus/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Switch the check of this thread on or off; returns the former state. While it is on, the first op
 * that makes a NaN or an infinity out of finite operands fails with GR_ENUMERIC, and so does the
 * first rule on the way back; the message names op, shapes, ranges of the operands and call site,
 * the rule's mathematics, and inside a composition or a rule also the op that began it. An op that
 * meets a NaN made before says which operand holds it. Infinities that a program put there itself,
 * such as a mask's, may pass; a NaN that comes of them may not.
 */
GR_API bool gr_set_check_finite(bool on);

/* A profile: every op and rule of one thread with its time, work and memory. The caller frees it. */
typedef struct gr_profile gr_profile;

typedef struct gr_profile_opts {
	size_t size;
	int64_t max_events; /* that a trace may hold, 200,000 by default; totals count them all */
} gr_profile_opts;

/* One line of the totals: all calls of an op, or all runs of its rule. */
typedef struct gr_profile_row {
	const gr_op *op;
	bool backward;         /* its rule, with everything that the rule ran */
	bool composed;         /* made of other ops, which have rows of their own: not in sums */
	const char *algorithm; /* that the kernel chose by shape, NULL where there is no choice */
	int64_t calls;
	double seconds;
	double flops; /* as far as records tell their work; 0: they do not */
	double bytes; /* of operands and results; views move none */
} gr_profile_row;

/* Begin to profile this thread; NULL with GR_EMEM. Profiles may overlap. */
GR_API gr_profile *gr_profile_begin(const gr_profile_opts *opts);
/* Stop, on the thread that began; accepts NULL, and a profile that has stopped. */
GR_API void gr_profile_end(gr_profile *p);
/* Ends it first where need be. */
GR_API void gr_profile_free(gr_profile *p);

/* The totals, the longest first; row i is borrowed, NULL out of range. */
GR_API int gr_profile_count(const gr_profile *p);
GR_API const gr_profile_row *gr_profile_get(const gr_profile *p, int i);
/* The totals as a table for people: forward, backward, compositions. */
GR_API void gr_profile_print(const gr_profile *p, FILE *stream);
/*
 * Every event in the Trace Event Format of chrome://tracing and ui.perfetto.dev: ops inside the
 * rule or composition that ran them, with shapes, call site, work, algorithm; and the bytes in use.
 * GR_EIO.
 */
GR_API GR_MUST_USE gr_status gr_profile_write_trace(const gr_profile *p, const char *path);

#ifdef __cplusplus
}
#endif

#endif
