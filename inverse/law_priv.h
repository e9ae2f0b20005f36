/* A law from inside: what every kind has, and the functions of a kind (see gradus/law.h). */
#ifndef GRADUS_INVERSE_LAW_PRIV_H
#define GRADUS_INVERSE_LAW_PRIV_H

#include "gradus/law.h"
#include "gradus/ops.h"

typedef struct gr_law_table {
	const char *name;
	/* Rows [R,D] in f64 times C_k. */
	gr_tensor *(*covariance)(const gr_law *law, int64_t k, gr_tensor *rows);
	/* Rows of N(0, I) to rows of N(0, C_k). */
	gr_tensor *(*colour)(const gr_law *law, int64_t k, gr_tensor *rows);
	/* Of x_t [N,D] in f64, differentiable: [N,D]; [N] without the constant -D/2 log 2 pi. */
	gr_tensor *(*eps)(const gr_law *law, gr_tensor *x_t, double alpha_bar);
	gr_tensor *(*log_density)(const gr_law *law, gr_tensor *x_t, double alpha_bar);
	/* [N,K]; NULL for laws of one component. */
	gr_tensor *(*responsibilities)(const gr_law *law, gr_tensor *x_t, double alpha_bar);
	void (*free)(void *self);
} gr_law_table;

struct gr_law {
	const gr_law_table *table;
	int64_t K, D;
	int64_t height, width; /* of a field; 0 for laws of any shape */
	gr_tensor *weights;    /* [K], f64, retained */
	gr_tensor *means;      /* [K,D], f64, retained */
	void *self;
};

/* A law of that kind, which owns self from here on, also when it fails (NULL): weights [K], or NULL
 * for equal ones, and means [K,D] are copied and checked. */
gr_law *gr__law_new(const gr_law_table *table, void *self, gr_tensor *weights, gr_tensor *means);

#endif
