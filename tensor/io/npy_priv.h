/* The .npy format over any stream, for .npy files and the members of .npz archives. */
#ifndef GR_IO_NPY_PRIV_H
#define GR_IO_NPY_PRIV_H

#include "instream_priv.h"
#include "tensor_int.h"

/* Enough for the header of any tensor. */
#define GR_NPY_HEADER_MAX 512

/* The array that is all of the stream; the caller holds the reference. NULL and an error when the
 * stream is not exactly one array. */
gr_tensor *gr__npy_parse(gr_instream *s);
/* The header for t's shape and type, written to buf; returns its length. */
size_t gr__npy_header(const gr_tensor *t, unsigned char buf[GR_NPY_HEADER_MAX]);
/* t as it is written: contiguous, bf16 (which NumPy lacks) as f32. The caller holds a reference. */
gr_tensor *gr__npy_prepare(const gr_tensor *t);

#endif
