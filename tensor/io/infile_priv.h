/*
 * Input files of the readers: a regular file read by position, never mapped, so that a file that
 * somebody truncates meanwhile is an error and not a SIGBUS.
 */
#ifndef GR_IO_INFILE_PRIV_H
#define GR_IO_INFILE_PRIV_H

#include "fail.h"

typedef struct gr_infile {
	const char *op;   /* the reader, for messages: "npy" */
	const char *path; /* the caller's string */
	uint64_t size;    /* bytes, when it was opened */
	int fd;
} gr_infile;

/* GR_EIO when it cannot be opened or is not a regular file. */
gr_status gr__infile_open(gr_infile *f, const char *op, const char *path);
/* Harmless on a file that is not open. */
void gr__infile_close(gr_infile *f);
/* Bytes offset .. offset+bytes-1; GR_EFORMAT when the file is shorter. */
gr_status gr__infile_read(const gr_infile *f, uint64_t offset, void *dst, size_t bytes);
/* Record "<op>: <path>: byte <offset>: <reason>"; returns `code`. */
gr_status gr__infile_fail(const gr_infile *f, gr_status code, uint64_t offset, const char *format,
	...) GR_PRINTF(4, 5);
/* "'text'" with everything but printable ASCII escaped and the end cut off when it does not fit:
 * text from a file may hold terminal escapes. Returns buf. */
const char *gr__infile_quote(char *buf, size_t size, const char *text, size_t bytes);
/* What a file with these first bytes seems to be ("a zip archive ..."), NULL when unknown. */
const char *gr__infile_guess(const unsigned char *head, size_t bytes);

#endif
