/* The .npy format over any stream, for .npy files and the members of .npz archives. */
#ifndef GR_IO_NPY_PRIV_H
#define GR_IO_NPY_PRIV_H

#include "element_priv.h"

/* Enough for the header of any tensor. */
#define GR_NPY_HEADER_MAX 512

typedef struct gr_npy_head {
	gr_spec spec; /* dims as in the file */
	gr_element element;
	bool swap;
	bool fortran;
} gr_npy_head;

/* The header; the rest of the stream is exactly its data. */
gr_status gr__npy_head(gr_instream *s, gr_npy_head *h);
/* The array that is all of the stream; the caller holds the reference. NULL and an error when the
 * stream is not exactly one array. */
gr_tensor *gr__npy_parse(gr_instream *s);
/* The header for t's shape and type, written to buf; returns its length. */
size_t gr__npy_header(const gr_tensor *t, unsigned char buf[GR_NPY_HEADER_MAX]);
/* t as it is written: contiguous, bf16 (which NumPy lacks) as f32. The caller holds a reference. */
gr_tensor *gr__npy_prepare(const gr_tensor *t);

#endif
