/*
 * The content of one array inside a file: a range of bytes, stored or deflated, read from start to
 * end. The readers of arrays need not know which.
 */
#ifndef GR_IO_INSTREAM_PRIV_H
#define GR_IO_INSTREAM_PRIV_H

#include "infile_priv.h"

typedef struct gr_inflater gr_inflater;

typedef struct gr_instream {
	const gr_infile *file;
	const char *member; /* name inside an archive, for messages (may be hostile); NULL if none */
	uint64_t pos;       /* next byte of the file */
	uint64_t end;       /* end of the range in the file */
	uint64_t done;      /* bytes of content given out */
	uint64_t left;      /* bytes of content that must still come */
	uint32_t crc;       /* CRC-32 of what was given out, when want_crc */
	bool want_crc;
	gr_inflater *inflater; /* NULL: stored */
} gr_instream;

/* Content = the bytes begin .. begin+bytes-1 of the file, which the caller checked to be there. */
void gr__instream_stored(gr_instream *s, const gr_infile *f, uint64_t begin, uint64_t bytes);
/* Content = `bytes` bytes that inflate from `stored` bytes at begin. */
gr_status gr__instream_deflated(gr_instream *s, const gr_infile *f, uint64_t begin, uint64_t stored,
	uint64_t bytes);
/* The next bytes; GR_EFORMAT when fewer are left or the deflated data are wrong. */
gr_status gr__instream_read(gr_instream *s, void *dst, size_t bytes);
/* Check that content and deflated data end together; call it when left is 0. */
gr_status gr__instream_finish(gr_instream *s);
void gr__instream_close(gr_instream *s);
/* Like gr__infile_fail(), at byte `offset` of the content; names the member. */
gr_status gr__instream_fail(const gr_instream *s, gr_status code, uint64_t offset,
	const char *format, ...) GR_PRINTF(4, 5);

#endif
