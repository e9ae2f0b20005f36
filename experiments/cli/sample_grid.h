/* Samples from a network in training as one PNG, to watch it learn. */
#ifndef GRADUS_CLI_SAMPLE_GRID_H
#define GRADUS_CLI_SAMPLE_GRID_H

#include "gradus/prior.h"
#include "gradus/unet.h"

typedef struct gr_grid_opts {
	size_t size;
	int64_t columns;          /* the grid is columns x columns; default 8 */
	gr_key key;               /* of the initial noise; the same key, the same noise */
	gr_prediction prediction; /* what the network was taught; default eps */
} gr_grid_opts;

/* Deterministic DDIM in 50 steps from a network, which stays the caller's. A run that is
 * interrupted writes nothing. */
GR_MUST_USE gr_status gr__sample_grid(const char *path, gr_unet *net, const gr_grid_opts *opts);

#endif
