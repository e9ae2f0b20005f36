/* What `gradus data pde` writes, as a dataset. */
#ifndef GRADUS_CLI_DATA_NPZ_H
#define GRADUS_CLI_DATA_NPZ_H

#include "gradus/dataset.h"

/* The moments by which fields are normalised: of a and of u. */
typedef struct npz_moments {
	double mean[2], std[2];
} npz_moments;

/* Pairs (a, u) as images [2,S,S] of values 1/2 + (x - mean) / (4 std), so that 2 v - 1, what objectives
 * make of images, has deviation 1/2. moments may be NULL. GR_EIO; GR_EFORMAT naming the array. */
gr_status gr__data_npz(gr_dataset **out, npz_moments *moments, const char *path,
	const gr_dataset_opts *opts);

#endif
