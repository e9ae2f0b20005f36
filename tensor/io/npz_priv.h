/* Writing .npz with a chosen threshold of zip64, so that tests need no file of 4 GiB. */
#ifndef GR_IO_NPZ_PRIV_H
#define GR_IO_NPZ_PRIV_H

#include "gradus/io.h"

/* gr_npz_write() is this with limit = UINT32_MAX: sizes and offsets from `limit` on are written in
 * zip64 fields. */
gr_status gr__npz_write(const char *path, const gr_archive *a, uint64_t limit);

#endif
