/* The readers behind gr_dataset_open(), one file each. */
#ifndef GRADUS_NN_DATASET_PRIV_H
#define GRADUS_NN_DATASET_PRIV_H

#include "gradus/dataset.h"

/* Image i [C,H,W] and its label. */
gr_status gr__dataset_get(gr_dataset *d, int64_t i, float *image, int64_t *label);

gr_status gr__dataset_idx(gr_dataset **out, const char *images, const char *labels,
	const gr_dataset_opts *opts);
/* n files of 3073-byte records. */
gr_status gr__dataset_cifar(gr_dataset **out, const char *const *paths, int n,
	const gr_dataset_opts *opts);
gr_status gr__dataset_png(gr_dataset **out, const char *folder, const gr_dataset_opts *opts);
gr_status gr__dataset_npy(gr_dataset **out, const char *path, const gr_dataset_opts *opts);

#endif
