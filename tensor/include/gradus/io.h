/*
 * Files: NumPy .npy/.npz, safetensors, PNG. Every reader treats its file as hostile: bounds,
 * overflow, duplicate names, overlapping offsets and truncation give an error that names the file,
 * the offset and the reason. Every writer writes to a temporary name and renames, so a file is
 * whole or absent.
 *
 * Ownership: tensors belong to the caller's scope; a gr_archive owns the tensors it holds.
 */
#ifndef GRADUS_IO_H
#define GRADUS_IO_H

#include "gradus/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A named list of tensors with optional text metadata, in insertion order. */
typedef struct gr_archive gr_archive;

GR_API gr_archive *gr_archive_new(void);
GR_API void gr_archive_free(gr_archive *a);
GR_API int64_t gr_archive_count(const gr_archive *a);
/* Borrowed from the archive; NULL when i or the name is not there (no error recorded). */
GR_API const char *gr_archive_name(const gr_archive *a, int64_t i);
GR_API gr_tensor *gr_archive_tensor(const gr_archive *a, int64_t i);
GR_API gr_tensor *gr_archive_find(const gr_archive *a, const char *name);
/* Retains t. GR_EARG when the name exists. */
GR_API gr_status gr_archive_add(gr_archive *a, const char *name, gr_tensor *t);
GR_API gr_status gr_archive_set_meta(gr_archive *a, const char *key, const char *value);
GR_API const char *gr_archive_meta(const gr_archive *a, const char *key);

/* .npy: f4 f8 i8 u1 f2 (and b1 i4 u2 i2 read as i64/u8), C or Fortran order, versions 1-3. */
GR_API gr_tensor *gr_npy_read(const char *path);
GR_API GR_MUST_USE gr_status gr_npy_write(const char *path, const gr_tensor *t);
/* .npz: zip of .npy, stored or deflated; written stored. */
GR_API GR_MUST_USE gr_status gr_npz_read(gr_archive **out, const char *path);
GR_API GR_MUST_USE gr_status gr_npz_write(const char *path, const gr_archive *a);
/* safetensors: F64 F32 F16 BF16 I64 U8 (I32, I16, I8, BOOL widened to I64/U8), metadata kept. */
GR_API GR_MUST_USE gr_status gr_safetensors_read(gr_archive **out, const char *path);
GR_API GR_MUST_USE gr_status gr_safetensors_write(const char *path, const gr_archive *a);

typedef struct gr_png_opts {
	size_t size;
	double background; /* alpha is composited on this grey, 0..1; default 0 (black) */
	int channels;      /* 1 grey, 3 RGB, 0 as in the file */
	int depth;         /* writing: 8 (default) or 16 bits */
} gr_png_opts;

/* f32 [C,H,W] in 0..1, C 1 or 3 (see opts.channels; RGB to grey by Rec. 601 weights). */
GR_API gr_tensor *gr_png_read(const char *path, const gr_png_opts *opts);
/* x [C,H,W] or [H,W], values clamped to 0..1 and rounded to nearest. */
GR_API GR_MUST_USE gr_status gr_png_write(const char *path, const gr_tensor *x,
	const gr_png_opts *opts);

/* A file that appears under its name only when complete: write to the stream, then commit. */
typedef struct gr_outfile gr_outfile;
GR_API GR_MUST_USE gr_status gr_outfile_open(gr_outfile **out, const char *path);
GR_API FILE *gr_outfile_stream(gr_outfile *f);
/* Flush, fsync, rename; frees f either way. On failure the temporary file is removed. */
GR_API GR_MUST_USE gr_status gr_outfile_commit(gr_outfile *f);
GR_API void gr_outfile_abandon(gr_outfile *f);

/* SHA-256 of a file or buffer as 64 hex digits and a NUL. */
GR_API GR_MUST_USE gr_status gr_sha256_file(const char *path, char hex[65]);
GR_API void gr_sha256_bytes(const void *data, size_t bytes, char hex[65]);

#ifdef __cplusplus
}
#endif

#endif
