/*
 * A subject is one op with one of its cases; each check is one promise that every op makes. A check
 * returns true or leaves its reason in the subject.
 *
 *     gradcheck.c          gr_op_check: every case, every promise, a report
 *     gradcheck_subject.c  inputs from a case, layouts, running an op, comparing
 *     gradcheck_record.c   the record and its flags
 *     gradcheck_rule.c     finite differences, second order, forward mode
 *     gradcheck_life.c     fused rules, layouts, want masks, threads, failing allocations
 */
#ifndef GRADUS_GRADCHECK_PRIV_H
#define GRADUS_GRADCHECK_PRIV_H

#include "gradus/gradcheck.h"

/* Ways to hold the same values. */
enum gr_layout {
	GR_LAYOUT_CONTIGUOUS,
	GR_LAYOUT_TRANSPOSED, /* dims stored in reverse order */
	GR_LAYOUT_STEPPED,    /* every second element of each axis, NaN between */
	GR_LAYOUT_FLIPPED,    /* negative strides */
	GR_LAYOUT_COUNT
};

typedef struct gr_subject {
	const gr_op *op;
	const gr_case *c;
	int nin;
	int threads; /* up to so many */
	gr_operand shape[GR_OP_MAX_IN];
	int64_t size[GR_OP_MAX_IN];
	double *value[GR_OP_MAX_IN]; /* row-major; exact in float too */
	uint32_t diff;               /* inputs that gradients flow to */
	bool untested;               /* the check had nothing to test */
	double error, bound;         /* of the comparison nearest to its bound */
	char why[768];
} gr_subject;

/* One run of an op on watched inputs. */
typedef struct gr_subject_run {
	gr_tensor *in[GR_OP_MAX_IN];
	gr_tensor *out[GR_OP_MAX_OUT];
	gr_tensor *cot[GR_OP_MAX_OUT]; /* random, NULL for outputs that are not floats */
	gr_tensor *grad[GR_OP_MAX_IN]; /* NULL for inputs without one */
} gr_subject_run;

/* False when the case cannot be built; gr__subject_end frees either way. */
bool gr__subject_begin(gr_subject *s, const gr_op *op, const gr_case *c);
void gr__subject_end(gr_subject *s);
/* Record the reason (first wins, as in the library); always false. */
bool gr__subject_fail(gr_subject *s, const char *format, ...) GR_PRINTF(2, 3);
/* The inputs to watch: none when the case is not to be differentiated. */
uint32_t gr__subject_watch(const gr_subject *s);
/* True when there are none, so that a check of derivatives has nothing to test. */
bool gr__subject_skips(gr_subject *s);

/* Deterministic numbers in -1..1, a stream per purpose and index, exact in float. */
void gr__subject_random(const gr_subject *s, const char *purpose, int index, double *out,
	int64_t n);
/* Row-major values as a tensor of that shape, in a layout. */
gr_tensor *gr__subject_tensor(gr_dtype dtype, int ndim, const int64_t *dims, const double *value,
	enum gr_layout layout);
/* The inputs of the case in float type `dtype`, not yet watched. */
bool gr__subject_inputs(gr_subject *s, gr_dtype dtype, enum gr_layout layout, gr_tensor **in);
/* Watch the inputs of r->in whose bit is in `watch` and run the op. */
bool gr__subject_forward(gr_subject *s, gr_subject_run *r, uint32_t watch);
/* Random cotangents of r->out. */
bool gr__subject_cotangents(gr_subject *s, gr_subject_run *r, enum gr_layout layout);
/* r->grad of <out, cot> for the inputs in `watch`; only output `only` unless it is -1. */
bool gr__subject_gradient(gr_subject *s, gr_subject_run *r, uint32_t watch, int only,
	bool create_graph);

/* An error and what it may be, both relative; false when it is beyond (or NaN). */
bool gr__subject_met(gr_subject *s, double error, double bound);
/* |a - b| <= tolerance max|b|; NaN and infinities must match. */
bool gr__subject_close(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance);
bool gr__subject_same_bits(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b);
/* Is an output or input of this type one that gradients can flow through? */
bool gr__subject_is_float(const gr_tensor *t);

/* What is missing in a record or its cases; NULL when nothing is. */
const char *gr__record_fault(const gr_op *op);

/* The checks, in the order of GR_PROMISES. */
bool gr__check_flags(gr_subject *s);
bool gr__check_vjp(gr_subject *s);
bool gr__check_jvp(gr_subject *s);
bool gr__check_second(gr_subject *s);
bool gr__check_fused(gr_subject *s);
bool gr__check_want(gr_subject *s);
bool gr__check_layout(gr_subject *s);
bool gr__check_broadcast(gr_subject *s);
bool gr__check_threads(gr_subject *s);
bool gr__check_memory(gr_subject *s);

#endif
