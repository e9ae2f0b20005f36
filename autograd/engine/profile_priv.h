/* A profile from inside: what profile.c collects and profile_report.c prints. */
#ifndef GRADUS_PROFILE_H
#define GRADUS_PROFILE_H

#include "gradus/trace.h"
#include "observe.h"

#define GR_PROFILE_ROWS 1024
#define GR_PROFILE_DEPTH 64

/* One op, composition or rule; times in seconds since the profile began. */
typedef struct gr_event {
	const gr_op *op;
	const gr_op *rule; /* the op whose rule ran it; of a rule itself: NULL */
	bool is_rule;
	const char *file;
	int line;
	double begin, seconds, flops, bytes;
	const char *algorithm;
	uint64_t memory; /* bytes in use at its end */
	char shapes[104];
} gr_event;

/* An event that has not ended. */
typedef struct gr_frame {
	double begin, flops, bytes; /* of what it ran */
	gr_node *rule;
} gr_frame;

struct gr_profile {
	gr_observer base;
	bool running;
	double start, stop; /* of the clock */
	gr_frame frames[GR_PROFILE_DEPTH];
	int depth;
	gr_event *events;
	int64_t count, capacity, limit, dropped;
	gr_profile_row rows[GR_PROFILE_ROWS];
	int nrows;
};

#endif
