/*
 * Files: NumPy .npy/.npz, safetensors, PNG. Every reader treats its file as hostile: bounds,
 * overflow, duplicate names, overlapping offsets and truncation give an error that names the file,
 * the offset and the reason: GR_EIO when the file cannot be read, GR_EFORMAT when it is malformed,
 * GR_EUNSUPPORTED when it is valid but nothing a tensor can hold. Every writer writes to a
 * temporary name and renames, so a file is whole or absent; what it cannot write is GR_EIO. Equal
 * input gives equal bytes.
 *
 * Ownership: tensors belong to the caller's scope; a gr_archive owns the tensors it holds.
 * Threads: everything here may run in many threads; one archive or output file in one at a time.
 */
#ifndef GRADUS_IO_H
#define GRADUS_IO_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A named list of tensors with optional text metadata, both in insertion order. */
typedef struct gr_archive gr_archive;

/* NULL and GR_EMEM when there is no memory. */
GR_API gr_archive *gr_archive_new(void);
GR_API void gr_archive_free(gr_archive *a);
GR_API int64_t gr_archive_count(const gr_archive *a);
/* Borrowed from the archive; NULL when i or the name is not there (no error recorded). */
GR_API const char *gr_archive_name(const gr_archive *a, int64_t i);
GR_API gr_tensor *gr_archive_tensor(const gr_archive *a, int64_t i);
GR_API gr_tensor *gr_archive_find(const gr_archive *a, const char *name);
/* Retains t. GR_EARG when the name exists, is not UTF-8 or has more than 1024 bytes. */
GR_API gr_status gr_archive_add(gr_archive *a, const char *name, gr_tensor *t);
/* Text about the whole: UTF-8, copied; an existing key gets the new value. */
GR_API gr_status gr_archive_set_meta(gr_archive *a, const char *key, const char *value);
/* Borrowed; NULL when the key or i is not there. */
GR_API const char *gr_archive_meta(const gr_archive *a, const char *key);
GR_API int64_t gr_archive_meta_count(const gr_archive *a);
GR_API const char *gr_archive_meta_name(const gr_archive *a, int64_t i);

/*
 * .npy: f4 f8 f2 i8 u1, the other integers read as i64, b1 as u8; either byte order, C or Fortran
 * order (the result is contiguous), versions 1-3. bf16, which NumPy lacks, is written as f4.
 */
GR_API gr_tensor *gr_npy_read(const char *path);
GR_API GR_MUST_USE gr_status gr_npy_write(const char *path, const gr_tensor *t);
/* .npz: zip of .npy, stored or deflated; written stored, without metadata. *out is the caller's to
 * free, NULL after an error. */
GR_API GR_MUST_USE gr_status gr_npz_read(gr_archive **out, const char *path);
GR_API GR_MUST_USE gr_status gr_npz_write(const char *path, const gr_archive *a);
/* safetensors: F64 F32 F16 BF16 I64 U8, the other integers read as i64, BOOL as u8; metadata kept.
 * *out as above. */
GR_API GR_MUST_USE gr_status gr_safetensors_read(gr_archive **out, const char *path);
GR_API GR_MUST_USE gr_status gr_safetensors_write(const char *path, const gr_archive *a);

typedef struct gr_png_opts {
	size_t size;
	double background; /* reading: alpha is composited on this grey, 0..1; default 0 (black) */
	int channels;      /* 1 grey, 3 RGB, 0 as in the file or tensor */
	int depth;         /* writing: 8 (default) or 16 bits */
} gr_png_opts;

/*
 * f32 [C,H,W] in 0..1, C 1 or 3 (see opts.channels; RGB to grey by Rec. 601 weights). Any kind of
 * PNG; samples are taken as they are: gamma, colour profile and orientation are ignored.
 */
GR_API gr_tensor *gr_png_read(const char *path, const gr_png_opts *opts);
/* x [C,H,W] or [H,W], floats, C 1 or 3; values clamped to 0..1 (NaN to 0), rounded to nearest. */
GR_API GR_MUST_USE gr_status gr_png_write(const char *path, const gr_tensor *x,
	const gr_png_opts *opts);

/*
 * A file that appears under its name only when complete: write to the stream, then commit. The
 * stream can be positioned; a write that fails is reported by the commit. What exists under the
 * name is replaced (a symbolic link itself, not its target), so ask first where that matters.
 */
typedef struct gr_outfile gr_outfile;
GR_API GR_MUST_USE gr_status gr_outfile_open(gr_outfile **out, const char *path);
GR_API FILE *gr_outfile_stream(gr_outfile *f);
/* Flush, fsync, rename; frees f either way. On failure the temporary file is removed. */
GR_API GR_MUST_USE gr_status gr_outfile_commit(gr_outfile *f);
/* Remove the temporary file and free f; accepts NULL. */
GR_API void gr_outfile_abandon(gr_outfile *f);

/* SHA-256 of a file or buffer as 64 hex digits and a NUL. */
GR_API GR_MUST_USE gr_status gr_sha256_file(const char *path, char hex[65]);
GR_API void gr_sha256_bytes(const void *data, size_t bytes, char hex[65]);

#ifdef __cplusplus
}
#endif

#endif
