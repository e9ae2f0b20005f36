/*
 * What every op promises, checked on the cases of its record: the rule against finite differences
 * to first and second order, forward against reverse mode, and the same results from any layout,
 * with any mask of wanted gradients, on any number of threads and after any failed allocation.
 * The library's ops are held to this by the suite (docs/ops.md), a user's op by the same call:
 *
 *     if (gr_op_check(NULL, &my_op, NULL) != GR_OK)
 *         puts(gr_error_message());
 *
 * Values are not compared with anything: a record cannot say twice what its op computes.
 *
 * Threads: a check sets the number of threads, lets allocations fail and reads the statistics of
 * memory, all of which belong to the process. Not while another thread runs an op.
 */
#ifndef GRADUS_GRADCHECK_H
#define GRADUS_GRADCHECK_H

#include "gradus/op.h"

#ifdef __cplusplus
extern "C" {
#endif

/* clang-format off */
/* The one list of promises: name, value, name in text, meaning. Values are appended only. */
#define GR_PROMISES(X) \
	X(RECORD, 0, "record", "the record is complete") \
	X(FLAGS, 1, "flags", "linear, bilinear, a view, without gradient: as the flags say") \
	X(VJP, 2, "vjp", "the rule is the derivative of forward") \
	X(JVP, 3, "jvp", "forward mode is the adjoint of reverse mode") \
	X(SECOND, 4, "second", "the rule's own rule is its derivative") \
	X(FUSED, 5, "fused", "the fused rule does what the rule does") \
	X(WANT, 6, "want", "a gradient does not depend on which others are wanted") \
	X(LAYOUT, 7, "layout", "transposed, stepped and flipped operands give the same") \
	X(BROADCAST, 8, "broadcast", "operands of stride 0 give the same") \
	X(THREADS, 9, "threads", "any number of threads gives the same bits") \
	X(MEMORY, 10, "memory", "any allocation may fail: one error, no leak")
/* clang-format on */

typedef enum gr_promise {
#define GR_PROMISE_ENUM(name, value, word, text) GR_PROMISE_##name = value,
	GR_PROMISES(GR_PROMISE_ENUM)
#undef GR_PROMISE_ENUM
		GR_PROMISE_COUNT
} gr_promise;

typedef enum gr_verdict {
	GR_UNTESTED = 0, /* nothing to test: no gradient, no fused rule, or not asked for */
	GR_KEPT = 1,
	GR_BROKEN = 2,
} gr_verdict;

typedef struct gr_promise_report {
	gr_verdict verdict;
	int cases;    /* on which it was tested */
	double error; /* the relative error that came nearest to its bound; 0 with bits compared */
	double bound;
	char why[512]; /* what broke it first, "" otherwise */
} gr_promise_report;

typedef struct gr_op_report {
	gr_promise_report promise[GR_PROMISE_COUNT];
} gr_op_report;

typedef struct gr_check_opts {
	size_t size;
	uint32_t promises;     /* bit 1 << GR_PROMISE_...; default all */
	const char *case_name; /* one case; default all */
	int threads;           /* up to so many are compared with one; default 4 */
} gr_check_opts;

/*
 * Check `op`, which need not be registered. GR_OK when every promise is kept; otherwise an error
 * that names op, case and reason of the first that is not. `report` may be NULL.
 */
GR_API GR_MUST_USE gr_status gr_op_check(gr_op_report *report, const gr_op *op,
	const gr_check_opts *opts);
/* "vjp", "second", ...; and what it means in a sentence. Static storage, NULL for others. */
GR_API const char *gr_promise_name(gr_promise promise);
GR_API const char *gr_promise_text(gr_promise promise);

typedef struct gr_gradcheck_opts {
	size_t size;
	int outputs; /* of the function, 1..GR_OP_MAX_OUT; default 1 */
	void *payload;
	double tolerance; /* relative; default 1e-6 */
	double step;      /* of the differences, in units of x; default 1e-3 */
	int directions;   /* random ones in each input; default 3 */
	bool first_order; /* leave second derivatives out */
} gr_gradcheck_opts;

/*
 * The derivatives of fn at x[0..n-1], f64: gradients and Hessian products against differences,
 * tangents against gradients, along random directions in each input. GR_ENUMERIC names the input
 * where they part; a kink within the step parts them, too. Other errors: those of the function;
 * GR_EARG; GR_EDTYPE (not f64).
 */
GR_API GR_MUST_USE gr_status gr_gradcheck(gr_tensor_fn fn, int n, gr_tensor *const *x,
	const gr_gradcheck_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
