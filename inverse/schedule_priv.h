/* A schedule from inside: what schedule.c (tables), schedule_steps.c (the steps that are kept) and
 * prior.c (levels between base steps) share. */
#ifndef GRADUS_INVERSE_SCHEDULE_PRIV_H
#define GRADUS_INVERSE_SCHEDULE_PRIV_H

#include "gradus/schedule.h"

#define SCHEDULE_MAX_STEPS 1000000

struct gr_schedule {
	gr_schedule_kind kind;
	int64_t base_steps;
	int64_t count;
	double *time;      /* [count], owns all: base steps, fractional for levels between two */
	double *alpha_bar; /* [count], as all below */
	double *beta;
	double *log_variance;
};

/* All steps of a process, not respaced. */
typedef struct schedule_base {
	gr_schedule_kind kind;
	int64_t steps;
	const double *alpha_bar; /* [steps], falling */
} schedule_base;

/* Room for `count` steps. */
gr_status gr__schedule_alloc(gr_schedule *s, int64_t count);
/* Allocate s and fill time and alpha_bar with the steps that `text` keeps, the least noisy first;
 * *levels: they are levels of noise, not a subset of the base steps. */
gr_status gr__schedule_steps(gr_schedule *s, bool *levels, const schedule_base *base,
	const char *text);

/* A at base step t in 0..steps-1, and the base step at which A is alpha_bar, the first or last one
 * beyond the process. Between steps log A is linear; of a flow its time is. */
double gr__schedule_alpha_bar(const schedule_base *base, double t);
double gr__schedule_time(const schedule_base *base, double alpha_bar);

/* A at time u in [0,1] of the linear path, and back: sqrt(1-A) / (sqrt(A) + sqrt(1-A)) = u. */
double gr__alpha_bar_of_flow(double u);
double gr__flow_of_alpha_bar(double alpha_bar);

#endif
