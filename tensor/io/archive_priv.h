/* Limits of an archive, which readers check before they build one. */
#ifndef GR_IO_ARCHIVE_PRIV_H
#define GR_IO_ARCHIVE_PRIV_H

/* Longest name of a tensor, in bytes. */
#define GR_ARCHIVE_NAME_MAX 1024
/* Most tensors, and most metadata entries, of an archive. */
#define GR_ARCHIVE_COUNT_MAX 1000000

#endif
