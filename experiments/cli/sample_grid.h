/* Samples from a denoiser as one PNG, to watch a training run; until inverse/sampler.c does it. */
#ifndef GRADUS_CLI_SAMPLE_GRID_H
#define GRADUS_CLI_SAMPLE_GRID_H

#include "gradus/schedule.h"
#include "gradus/unet.h"

typedef struct gr_grid_opts {
	size_t size;
	int64_t channels, side;
	int64_t columns;      /* the grid is columns x columns; default 8 */
	const char *schedule; /* respacing; default "ddim50" */
	gr_key key;           /* of the initial noise */
} gr_grid_opts;

/* Deterministic DDIM (Song et al. 2021, eq. 12 with eta = 0) from an eps-network, then a PNG. A
 * run that is interrupted writes nothing. */
GR_MUST_USE gr_status gr__sample_grid(const char *path, const gr_unet *u, const gr_grid_opts *opts);

#endif
