/*
 * Files for the tests of readers and writers: a temporary directory for each test, whole files at
 * once, and the two attacks that every reader must survive: truncation and flipped bits.
 */
#ifndef IO_FILES_H
#define IO_FILES_H

#include "gradus/io.h"

/* Fixtures of a test: make the directory, remove it with its files. */
void io_begin(void);
void io_end(void);
/* Path of a file in it; the string serves until the fourth call after this. */
const char *io_path(const char *name);
void io_put(const char *path, const void *data, size_t bytes);
/* All of a file; free() it. */
unsigned char *io_get(const char *path, size_t *bytes);
/* Number of files in the directory. */
int io_count(void);

/* The recorded error has this code and names the file; forgets it. `what` is for the report. */
void io_expect(gr_status code, const char *path, const char *what);
/* Reads a file and frees what it held; true when that worked. */
typedef bool (*io_reader)(const char *path);
/* Of a valid file: every shorter prefix is GR_EFORMAT; no flipped bit does worse than an error. */
void io_attack(const void *data, size_t bytes, io_reader reader);
/* Let allocation n fail for n = 1, 2, ... until the reader works: each failure is GR_EMEM and holds
 * no memory afterwards. */
void io_starve(const char *path, io_reader reader);

/* A tensor 0, 1, 2, ... of the shape; permuted, every second along its first axis and flipped along
 * its last when `strided`. Owned by the scope. */
gr_tensor *io_counted(gr_dtype dtype, int ndim, const int64_t *dims, bool strided);
/* Same type, shape and values. */
void io_assert_equal(const gr_tensor *a, const gr_tensor *b, const char *what);

/* Shapes that every writer must survive; dims of length ndim. */
typedef struct io_shape {
	int ndim;
	int64_t dims[8];
} io_shape;
extern const io_shape io_shapes[];
extern const int io_shape_count;

#endif
