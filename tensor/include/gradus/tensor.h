/*
 * Strided tensors: a header (dims, strides, offset) over a reference-counted, 64-byte-aligned
 * storage. At most 8 dims; strides count elements, 0 for a broadcast dim, negative for a flip.
 *
 * Ownership: every function that returns a gr_tensor * returns one owned by the innermost scope of
 * the calling thread, freed at gr_scope_end() (a root scope always exists). A struct that keeps a
 * tensor calls gr_tensor_retain() and later gr_tensor_release(). No function frees its argument.
 *
 * Errors: NULL and a recorded error (gradus/base.h). Threads: a tensor may be read by many
 * threads; scopes belong to one.
 */
#ifndef GRADUS_TENSOR_H
#define GRADUS_TENSOR_H

#include <stdio.h>

#include "gradus/base.h"
#include "gradus/rng.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_MAX_DIMS 8

typedef struct gr_tensor gr_tensor;

/* Complex values are f32 or f64 with a trailing dim of 2. f16 and bf16 are for storage: cast. */
typedef enum gr_dtype {
	GR_F32 = 0,
	GR_F64 = 1,
	GR_I64 = 2,
	GR_U8 = 3,
	GR_F16 = 4,
	GR_BF16 = 5,
} gr_dtype;

/* Two arguments, ndim and dims: gr_zeros(GR_F32, GR_DIMS(2, 3)). GR_SCALAR has no dims. */
/* clang-format off */
#define GR_DIMS(...) \
	(int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]){__VA_ARGS__}
/* clang-format on */
#define GR_SCALAR 0, NULL

/* Scopes. gr_scope_end() frees the scope's tensors and returns the recorded error code, if any. */
GR_API gr_status gr_scope_begin(void);
GR_API gr_status gr_scope_end(void);
/* Give t to the parent scope, so that it outlives this one; returns t. */
GR_API gr_tensor *gr_escape(gr_tensor *t);

/* One more, one fewer reference. Both accept NULL; retain returns t. */
GR_API gr_tensor *gr_tensor_retain(gr_tensor *t);
GR_API void gr_tensor_release(gr_tensor *t);

/* Creation, shape dims[0..ndim-1], contiguous. */
GR_API gr_tensor *gr_empty(gr_dtype dtype, int ndim, const int64_t *dims);
GR_API gr_tensor *gr_zeros(gr_dtype dtype, int ndim, const int64_t *dims);
GR_API gr_tensor *gr_full(gr_dtype dtype, int ndim, const int64_t *dims, double value);
GR_API gr_tensor *gr_scalar(gr_dtype dtype, double value);
/* start, start + step, ...: shape [n]. */
GR_API gr_tensor *gr_arange(gr_dtype dtype, int64_t n, double start, double step);
/* A copy of `data`, which holds the elements row-major in the given type. */
GR_API gr_tensor *gr_from(gr_dtype dtype, const void *data, int ndim, const int64_t *dims);
/* The same for C doubles or floats, converted to `dtype`. */
GR_API gr_tensor *gr_from_f64(gr_dtype dtype, const double *data, int ndim, const int64_t *dims);
GR_API gr_tensor *gr_from_f32(gr_dtype dtype, const float *data, int ndim, const int64_t *dims);

/* Random tensors; element i depends on key and i alone (gradus/rng.h). */
GR_API gr_tensor *gr_random_normal(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims);
GR_API gr_tensor *gr_random_uniform(gr_key key, gr_dtype dtype, int ndim, const int64_t *dims,
	double low, double high);
/* A permutation of 0..n-1 as i64 [n]. */
GR_API gr_tensor *gr_random_permutation(gr_key key, int64_t n);

/* Reading the header. Given NULL: 0, NULL or GR_F32. */
GR_API gr_dtype gr_tensor_dtype(const gr_tensor *t);
GR_API int gr_tensor_ndim(const gr_tensor *t);
/* Length of dim i; negative i counts from the end; 0 when out of range. */
GR_API int64_t gr_tensor_dim(const gr_tensor *t, int i);
GR_API const int64_t *gr_tensor_dims(const gr_tensor *t);
GR_API const int64_t *gr_tensor_strides(const gr_tensor *t);
GR_API int64_t gr_tensor_size(const gr_tensor *t);
GR_API bool gr_is_contiguous(const gr_tensor *t);
GR_API bool gr_is_same_shape(const gr_tensor *a, const gr_tensor *b);
GR_API size_t gr_dtype_bytes(gr_dtype dtype);
GR_API const char *gr_dtype_name(gr_dtype dtype);
/* Pointer to element [0,...,0]; valid while t is. The first is for writing to freshly created
 * tensors, the second for reading; inside gr_estimate() it is NULL and GR_ESTATE for values that
 * only an op would have written, and all that follows fails alike. */
GR_API void *gr_tensor_data(gr_tensor *t);
GR_API const void *gr_tensor_data_const(const gr_tensor *t);

/* Values. gr_item: the only element of t; gr_tensor_at: element idx[0..ndim-1]. */
GR_API double gr_item(const gr_tensor *t);
GR_API double gr_tensor_at(const gr_tensor *t, const int64_t *idx);
/* All elements row-major, converted; `out` holds gr_tensor_size(t) values. */
GR_API gr_status gr_tensor_to_f64(const gr_tensor *t, double *out);
GR_API gr_status gr_tensor_to_f32(const gr_tensor *t, float *out);

/*
 * The one function that writes to existing storage: dst <- src, same shape, converted to dst's
 * type. Bumps the storage's version, so that a backward pass that needs the old value fails. With dst
 * as src it does that alone, for who has written through gr_tensor_data().
 */
GR_API gr_status gr_param_update(gr_tensor *dst, const gr_tensor *src);

/* Write "f32 [2,3]" to buf; returns buf. */
GR_API char *gr_tensor_describe(const gr_tensor *t, char *buf, size_t size);
/* Print values, rows summarised beyond 6 per dim. */
GR_API void gr_tensor_print(FILE *stream, const char *label, const gr_tensor *t);

#ifdef __cplusplus
}
#endif

#endif
