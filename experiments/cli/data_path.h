/* Names of datasets that Debian packages, for --data. */
#ifndef GRADUS_CLI_DATA_PATH_H
#define GRADUS_CLI_DATA_PATH_H

#include "gradus/dataset.h"

/*
 * Open `data`: "fashion" and "fashion-test" are Fashion-MNIST's 60,000 training and 10,000 test
 * images with labels (package dataset-fashion-mnist), centred on 32 x 32 zeros unless image_size says
 * otherwise; "emoji" and "emoji-test" are drawings of a font (data_emoji.h); an .npz file
 * holds fields (data_npz.h); anything else is a path as gr_dataset_open() takes it. A hint is added to the error
 * when the package is missing.
 */
gr_status gr__data_open(gr_dataset **out, const char *data, int64_t image_size, int64_t limit);
/* Images first..first+n-1 in [-1,1], as [n,C,H,W]; owned by the scope. */
gr_tensor *gr__data_images(gr_dataset *d, int64_t first, int64_t n);

#endif
