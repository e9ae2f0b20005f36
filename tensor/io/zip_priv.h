/*
 * Reading zip archives (APPNOTE 6.3, with zip64): the directory, checked as a whole before any
 * member is read, and streams of the members' contents.
 */
#ifndef GR_IO_ZIP_PRIV_H
#define GR_IO_ZIP_PRIV_H

#include "instream_priv.h"

/* Signatures. */
#define GR_ZIP_LOCAL 0x04034b50u
#define GR_ZIP_CENTRAL 0x02014b50u
#define GR_ZIP_END 0x06054b50u
#define GR_ZIP_END64 0x06064b50u
#define GR_ZIP_LOCATOR64 0x07064b50u

/* Longest name of a member: that of a tensor and ".npy". */
#define GR_ZIP_NAME_MAX 1028

typedef struct gr_zip_entry {
	const char *name; /* UTF-8, ends with a NUL */
	uint64_t local;   /* where its local header starts */
	uint64_t data;    /* where its data start */
	uint64_t stored;  /* bytes in the file */
	uint64_t bytes;   /* bytes of content */
	uint32_t crc;
	bool deflated;
} gr_zip_entry;

typedef struct gr_zip {
	const gr_infile *file;
	gr_zip_entry *entries; /* in the order of the directory */
	size_t count;
	unsigned char *directory; /* holds the names */
} gr_zip;

/* Read and check the directory: names are unique, members do not overlap, sizes are plausible. */
gr_status gr__zip_open(gr_zip *z, const gr_infile *f);
void gr__zip_close(gr_zip *z);
/* The content of member i, from its start, with its CRC counted. */
gr_status gr__zip_stream(const gr_zip *z, size_t i, gr_instream *s);
/* Finish the stream of member i, whose content was read to its end: compares the CRC. */
gr_status gr__zip_finish(const gr_zip *z, size_t i, gr_instream *s);
/* What is wrong with a member's name; NULL when nothing is. Names are never used as paths here, but
 * other programs may unpack what we write. */
const char *gr__zip_name_fault(const char *name, size_t bytes);

#endif
