/*
 * Progress of a long run on stderr: one live line on a terminal, otherwise a plain line about every
 * ten seconds. Times go here only, never into files that must repeat to the bit.
 */
#ifndef GRADUS_CLI_PROGRESS_H
#define GRADUS_CLI_PROGRESS_H

#include "gradus/base.h"

typedef struct gr_progress {
	int64_t total;
	const char *unit;    /* what is counted per second: "images" */
	int64_t units;       /* so many of them a step */
	int64_t first, done; /* steps before the first update and now */
	double started, shown, last;
	double rate;         /* seconds a step, smoothed */
	double loss, weight; /* smoothed loss times weight, and weight */
	bool live;           /* stderr is a terminal */
} gr_progress;

void gr__progress_start(gr_progress *p, int64_t done, int64_t total, int64_t units,
	const char *unit);
/* After each step. */
void gr__progress_step(gr_progress *p, int64_t done, double loss, double lr);
/* End a live line, so that something else can be printed. */
void gr__progress_end(gr_progress *p);

#endif
