/*
 * Errors, options, threads and memory: what every other Gradus header stands on.
 *
 * Errors are sticky and first-wins, one record per thread. A tensor op that fails records a code
 * and a message (operation, shapes, call site) and returns NULL; given NULL it returns NULL and
 * leaves the first record alone, so a whole expression is checked once, by gr_scope_end() or
 * gr_failed(). Functions that do I/O or own long-lived state return gr_status. The library never
 * exits, prints or aborts unless gr_on_error() was told to.
 *
 * Threads: error records and scopes belong to the calling thread; everything else states its rule.
 */
#ifndef GRADUS_BASE_H
#define GRADUS_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GR_API __attribute__((visibility("default")))
#define GR_MUST_USE __attribute__((warn_unused_result))
#define GR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define GR_API
#define GR_MUST_USE
#define GR_PRINTF(fmt, args)
#endif

/* clang-format off */
/* The one list of errors: name, value, text. Values are appended only. */
#define GR_ERRORS(X) \
	X(OK, 0, "ok") \
	X(ESHAPE, -1, "shapes do not fit") \
	X(EDTYPE, -2, "wrong data type") \
	X(EARG, -3, "invalid argument") \
	X(EMEM, -4, "out of memory") \
	X(EIO, -5, "input or output failed") \
	X(EFORMAT, -6, "malformed file") \
	X(ENUMERIC, -7, "numerical failure") \
	X(ESTATE, -8, "operation not possible in this state") \
	X(EUNSUPPORTED, -9, "not supported")

typedef enum gr_error {
#define GR_ERROR_ENUM(name, value, text) GR_##name = value,
	GR_ERRORS(GR_ERROR_ENUM)
#undef GR_ERROR_ENUM
} gr_error;
/* clang-format on */

/* GR_OK or a negative gr_error. */
typedef int gr_status;

typedef enum gr_error_policy {
	GR_RETURN = 0, /* default: record and return */
	GR_ABORT = 1,  /* report on stderr at the origin and abort() */
} gr_error_policy;

/*
 * Options: pass GR_OPTS(gr_conv_opts, .stride = 2) or NULL. The struct's first member `size` is
 * filled in, every field left out is zero, and zero always means the documented default.
 */
#ifdef __cplusplus
#define GR_OPTS(type, ...) (&(const type &)type{sizeof(type), __VA_ARGS__})
#else
#define GR_OPTS(type, ...) (&(const type){.size = sizeof(type), __VA_ARGS__})
#endif

/* Text of a code, "unknown error" for others; static storage. */
GR_API const char *gr_error_text(gr_status code);
/* True when this thread has an error recorded. */
GR_API bool gr_failed(void);
/* Code of this thread's recorded error, GR_OK when there is none. */
GR_API gr_status gr_error_code(void);
/* Full message of the recorded error, "" when none; borrowed until the next gr_ call. */
GR_API const char *gr_error_message(void);
/* Forget this thread's recorded error. */
GR_API void gr_error_clear(void);
/* Record an error from a user's program (first wins, as inside the library); returns `code`. */
GR_API gr_status gr_error_set(gr_status code, const char *format, ...) GR_PRINTF(2, 3);
/* What happens at the origin of an error, for the whole process; returns the former policy. */
GR_API gr_error_policy gr_on_error(gr_error_policy policy);
/* Remember the call site for error messages and traces; called by the op macros. */
GR_API void gr_at(const char *file, int line);

/* Library version "major.minor.patch"; static storage. */
GR_API const char *gr_version(void);

/* Kernels in use: "baseline", "avx2", "avx512" or "amx". GRADUS_ISA forces one at start-up. */
GR_API const char *gr_isa_name(void);
/*
 * How f32 is multiplied. F32 (default): convolutions 3x3 by Winograd's F(4x4, 3x3) where that is
 * faster, with two to five times the rounding error of summing directly; long sums of products on
 * AMX tiles, in parts, where there are such, no less exactly. BF16: operands of convolutions rounded
 * to bfloat16, f32 sums, several times faster on CPUs with AMX; for training. DIRECT: no such
 * algorithm. f64 is always summed directly.
 */
typedef enum gr_precision {
	GR_PRECISION_F32 = 0,
	GR_PRECISION_BF16 = 1,
	GR_PRECISION_DIRECT = 2,
} gr_precision;

/* For the whole process. Not while another thread runs an op. */
GR_API gr_status gr_set_precision(gr_precision precision);
GR_API gr_precision gr_get_precision(void);
/* Of the names "f32", "bf16", "direct"; GR_EARG for others. */
GR_API gr_status gr_precision_named(gr_precision *out, const char *name);
/* Number of threads that kernels may use (default: GRADUS_THREADS, else the machine's cores). */
GR_API int gr_threads(void);
/* Set it; n >= 1. Results do not depend on it. Not while another thread runs an op. */
GR_API gr_status gr_set_threads(int n);
/* Set by a signal handler (async-signal-safe); long loops stop cleanly at their next step. */
GR_API void gr_interrupt(void);
GR_API bool gr_interrupted(void);

typedef struct gr_memory {
	uint64_t system_allocs; /* calls to the system allocator so far */
	uint64_t pool_allocs;   /* blocks handed out so far */
	uint64_t bytes_in_use;  /* held by live blocks now */
	uint64_t bytes_peak;    /* its maximum since start or gr_memory_reset_peak(), see below */
	uint64_t bytes_cached;  /* kept for reuse */
	uint64_t tensors_live;  /* tensor headers alive now */
} gr_memory;

/* Allocator statistics of the process; inside gr_estimate(), its bytes in use and their peak. Exact,
 * but for the peak where several threads allocate: up to 128 KiB more for each beyond the first. */
GR_API gr_memory gr_memory_stats(void);
GR_API void gr_memory_reset_peak(void);
/* True inside gr_estimate(): nothing is computed, and what would read values must do without. */
GR_API bool gr_estimating(void);
/* Return cached blocks to the system. */
GR_API void gr_memory_trim(void);
/*
 * Limit on bytes in use, 0 for none (default: GRADUS_MEMORY_LIMIT, as gr_memory_named() reads it);
 * held, where several threads allocate, with up to 128 KiB to spare for each beyond the first.
 * What does not fit fails with GR_EMEM; the message names the operation, the bytes that it asked
 * for, those in use and their peak.
 */
GR_API void gr_memory_set_limit(uint64_t bytes);
/* Bytes of "4096", "512K", "512M" or "2G"; GR_EARG for anything else. */
GR_API gr_status gr_memory_named(uint64_t *out, const char *text);
/* A 64-byte aligned block from the pool, zeroed; NULL and GR_EMEM recorded when it does not fit. */
GR_API void *gr_alloc(size_t bytes);
/* Give a block of gr_alloc() back; accepts NULL. */
GR_API void gr_free(void *p);
/* A copy of a string in a block of its own. */
GR_API char *gr_strdup(const char *s);
/* Testing: let the n-th block from now fail once (1 = the next); 0 switches this off. */
GR_API void gr_memory_fail_at(uint64_t n);

#ifdef __cplusplus
}
#endif

#endif
