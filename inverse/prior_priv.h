/* A prior from inside: the table, what it works on, its schedule. */
#ifndef GRADUS_INVERSE_PRIOR_PRIV_H
#define GRADUS_INVERSE_PRIOR_PRIV_H

#include "gradus/noise_field.h"

struct gr_prior {
	gr_prior_table table;
	void *self;
	int64_t dims[3], image_dims[3];
	int64_t classes;
	bool conditional; /* guidance is set */
	gr_class_opts guidance;
	gr_prediction prediction;
	gr_schedule_opts schedule; /* without respacing */
	gr_schedule *base;
	gr_noise_field *noise; /* NULL: white */
};

/* N(0, I), or what the prior was given for it, in its shape: [n,C,H,W], sample i by keys[i]. */
gr_tensor *gr__prior_noise(const gr_prior *p, int64_t n, const gr_key *keys, gr_dtype dtype);

/* A prediction of the class that is set, with guidance. */
gr_status gr__prior_predict_class(const gr_prior *p, gr_prior_call *call);

/* What networks are told of each sample's level A, in `dtype`: *scale [N,1,1,1] makes of x_t the state
 * of the linear path, 1 / (sqrt(A) + sqrt(1-A)), and *level [N] is its time, sqrt(1-A) times that;
 * with `ve` the state x_0 + sigma eps, 1 / sqrt(A), and sigma. */
gr_status gr__prior_levels(const gr_prior *p, const gr_prior_call *call, bool ve, gr_dtype dtype,
	gr_tensor **scale, gr_tensor **level);

#endif
