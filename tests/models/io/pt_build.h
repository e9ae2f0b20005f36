/*
 * Checkpoints made by hand for the tests: pickles opcode by opcode, the zip archives and legacy
 * streams around them, in a temporary folder per test.
 */
#ifndef PT_BUILD_H
#define PT_BUILD_H

#include "gradus/checkpoint.h"

/* Fixtures of a test: make the folder, remove it with its files. */
void pt_begin(void);
void pt_end(void);
/* Path of a file in it; the string serves until the fourth call after this. */
const char *pt_path(const char *name);
void pt_file(const char *path, const void *data, size_t bytes);

/* Bytes being put together. */
typedef struct pt_bytes {
	unsigned char *data;
	size_t count, room;
} pt_bytes;

void pt_free(pt_bytes *b);
void pt_put(pt_bytes *b, const void *data, size_t bytes);
/* Opcodes without payload, as a string: "}q" cannot, "}(" can. */
void pt_ops(pt_bytes *b, const char *ops);
void pt_byte(pt_bytes *b, int byte);
void pt_u16(pt_bytes *b, uint64_t v);
void pt_u32(pt_bytes *b, uint64_t v);
void pt_u64(pt_bytes *b, uint64_t v);
void pt_text(pt_bytes *b, const char *text);
/* An integer as LONG1 of 8 bytes. */
void pt_int(pt_bytes *b, int64_t v);
void pt_global(pt_bytes *b, const char *module, const char *name);
/* A tuple of integers. */
void pt_ints(pt_bytes *b, int n, const int64_t *v);
/* A persistent id: of `count` elements of "FloatStorage" under the key. */
void pt_storage(pt_bytes *b, const char *type, const char *key, int64_t count);

/* A call of _rebuild_tensor_v2. */
typedef struct pt_tensor_of {
	const char *type; /* default "FloatStorage" */
	const char *key;  /* default "0" */
	int64_t count;    /* of the storage; default 4 */
	int64_t offset;
	int ndim;
	int64_t dims[20];
	int64_t strides[20];
} pt_tensor_of;
void pt_tensor(pt_bytes *b, const pt_tensor_of *t);

/* A whole pickle: protocol 2, {name: tensor}. */
void pt_state_dict(pt_bytes *b, const char *name, const pt_tensor_of *t);

/* A member of a zip archive that is being written. */
typedef struct pt_member {
	const char *name;
	const void *data;
	size_t bytes;
	int method, flags; /* as in its headers */
} pt_member;
void pt_zip(pt_bytes *out, const pt_member *members, int count);
/* The archive of a checkpoint: top/data.pkl and top/data/0, floats 0 1 2 ... of `count`. */
void pt_checkpoint(pt_bytes *out, const pt_bytes *pickle, int count);
/* What stands before the object of a legacy stream, little-endian. */
void pt_legacy_head(pt_bytes *out);

/* Open a file of these bytes; true when that worked and everything that is readable was read. */
bool pt_opens(const pt_bytes *file, const gr_checkpoint_opts *opts);

#endif
