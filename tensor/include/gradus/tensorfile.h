/*
 * The tensors of a file, listed without their data and read one at a time, so that loading a
 * network needs the network and its largest tensor. Safetensors (one file, or a set of them by its
 * index), .npz and .npy open here; readers in other layers (gradus/checkpoint.h) list what they
 * found in files of their own by gr_tensorfile_begin() and gr_tensorfile_add().
 *
 * Files are hostile: what lists without an error lies inside the file, and all tensors together
 * have at most four times its bytes and 64 MiB, however often they repeat a byte. Errors are those
 * of gradus/io.h. Nothing is mapped: a file that changes meanwhile gives wrong values or an error.
 *
 * Ownership: names and dims are borrowed from the gr_tensorfile; tensors belong to the caller's
 * scope. Threads: one gr_tensorfile in one thread at a time.
 */
#ifndef GRADUS_TENSORFILE_H
#define GRADUS_TENSORFILE_H

#include "gradus/io.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_tensorfile gr_tensorfile;

typedef struct gr_tensor_info {
	const char *name;
	const char *type; /* in the file, by the names of safetensors: "F16", "I32" */
	gr_dtype dtype;   /* of the tensor that is read: small integers become i64, BOOL u8 */
	int ndim;
	const int64_t *dims;
	int64_t count;       /* elements */
	uint64_t bytes;      /* of the elements in the file's type */
	const char *refused; /* why it cannot be read; NULL when it can */
} gr_tensor_info;

/* By content, not by name: safetensors, the index of a sharded set, .npz, .npy. *out is the
 * caller's to close, NULL after an error. */
GR_API GR_MUST_USE gr_status gr_tensorfile_open(gr_tensorfile **out, const char *path);
/* Accepts NULL. */
GR_API void gr_tensorfile_close(gr_tensorfile *f);
/* "safetensors", "NumPy archive", ...; static storage. */
GR_API const char *gr_tensorfile_format(const gr_tensorfile *f);
/* Where in the file the tensors were found ("/state_dict"), "" when there is no choice. */
GR_API const char *gr_tensorfile_root(const gr_tensorfile *f);
GR_API int64_t gr_tensorfile_count(const gr_tensorfile *f);
/* False when i is out of range. */
GR_API bool gr_tensorfile_info(const gr_tensorfile *f, int64_t i, gr_tensor_info *info);
/* Number of the tensor of that name, -1 when there is none. */
GR_API int64_t gr_tensorfile_find(const gr_tensorfile *f, const char *name);
/* Tensor i, contiguous, in info.dtype. GR_EUNSUPPORTED with the reason when it is refused. */
GR_API gr_tensor *gr_tensorfile_read(const gr_tensorfile *f, int64_t i);
/* Everything, with the metadata of safetensors. */
GR_API GR_MUST_USE gr_status gr_tensorfile_read_all(gr_archive **out, const gr_tensorfile *f);
/* An archive that holds only the file's metadata; borrowed. */
GR_API const gr_archive *gr_tensorfile_meta(const gr_tensorfile *f);

/* --- for readers of further formats --- */

/* A member of a zip archive. */
typedef struct gr_tensorfile_member {
	const char *name;
	uint64_t offset; /* of its data in the file */
	uint64_t bytes;  /* of its content */
	bool deflated;
} gr_tensorfile_member;

/* A tensor as a strided part of a storage, begin..end-1 of the file's bytes. Row-major when
 * `strides` is NULL. The numbers may come from the file as they are: all are checked. */
typedef struct gr_tensor_place {
	size_t size;
	const char *name;
	const char *type; /* by the names of safetensors; anything else is listed as refused */
	int ndim;
	const int64_t *dims;
	const int64_t *strides; /* in elements */
	int64_t offset;         /* of the first element, in elements */
	uint64_t begin, end;
	bool big_endian;
	const char *refused; /* static text; NULL: readable if the type is */
} gr_tensor_place;

/* A file without tensors yet; `op` starts its messages. `op` and formats are static strings. */
GR_API GR_MUST_USE gr_status gr_tensorfile_begin(gr_tensorfile **out, const char *op,
	const char *format, const char *path);
GR_API void gr_tensorfile_set_format(gr_tensorfile *f, const char *format);
GR_API uint64_t gr_tensorfile_bytes(const gr_tensorfile *f);
/* Bytes offset..offset+bytes-1 of the file. */
GR_API GR_MUST_USE gr_status gr_tensorfile_fetch(const gr_tensorfile *f, uint64_t offset, void *dst,
	size_t bytes);
/* Read the directory of a zip archive; members are numbered in its order. */
GR_API GR_MUST_USE gr_status gr_tensorfile_unzip(gr_tensorfile *f);
GR_API bool gr_tensorfile_member_at(const gr_tensorfile *f, int64_t i, gr_tensorfile_member *m);
GR_API bool gr_tensorfile_member_find(const gr_tensorfile *f, const char *name,
	gr_tensorfile_member *m);
/* Read all of member i and compare its CRC-32. */
GR_API GR_MUST_USE gr_status gr_tensorfile_member_check(const gr_tensorfile *f, int64_t i);
GR_API GR_MUST_USE gr_status gr_tensorfile_add(gr_tensorfile *f, const gr_tensor_place *place);
GR_API GR_MUST_USE gr_status gr_tensorfile_set_root(gr_tensorfile *f, const char *root);
/* Record "<op>: <path>: byte <offset>: <reason>"; returns `code`. */
GR_API gr_status gr_tensorfile_fail(const gr_tensorfile *f, gr_status code, uint64_t offset,
	const char *format, ...) GR_PRINTF(4, 5);
/* "'text'" with everything but printable ASCII escaped, cut to size: what comes from a file may
 * hold terminal escapes. Returns buf; size >= 16. */
GR_API const char *gr_quote(char *buf, size_t size, const char *text, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
