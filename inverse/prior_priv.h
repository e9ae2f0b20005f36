/* A prior from inside: the table, what it works on, its schedule. */
#ifndef GRADUS_INVERSE_PRIOR_PRIV_H
#define GRADUS_INVERSE_PRIOR_PRIV_H

#include "gradus/prior.h"

struct gr_prior {
	gr_prior_table table;
	void *self;
	int64_t dims[3];
	gr_prediction prediction;
	gr_schedule_opts schedule; /* without respacing */
	gr_schedule *base;
};

#endif
