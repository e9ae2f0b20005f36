/*
 * Tests made from records: a subject is one op with one of its cases, and each check below is one
 * promise that every op makes. A check returns true or leaves its reason in the subject. They serve
 * the library's ops (test_ops_generated.c) and any record that a program registers.
 *
 *     gen.c       inputs from a case, layouts, running an op, comparing
 *     gen_value.c references, the record and its flags
 *     gen_math.c  finite differences, second order, forward mode
 *     gen_life.c  fused rules, layouts, want masks, threads, failing allocations
 */
#ifndef GRADUS_TESTS_GENERATOR_H
#define GRADUS_TESTS_GENERATOR_H

#include "gradus/op.h"
#include "reference.h"

/* Ways to hold the same values. */
enum gen_layout {
	GEN_CONTIGUOUS,
	GEN_TRANSPOSED, /* dims stored in reverse order */
	GEN_STEPPED,    /* every second element of each axis, NaN between */
	GEN_FLIPPED,    /* negative strides */
	GEN_LAYOUTS
};

typedef struct gen {
	const gr_op *op;
	const gr_case *c;
	gr_ref_fn ref; /* NULL when there is none */
	int nin;
	gr_operand shape[GR_OP_MAX_IN];
	int64_t size[GR_OP_MAX_IN];
	double *value[GR_OP_MAX_IN]; /* row-major; exact in float too */
	uint32_t diff;               /* inputs that gradients flow to */
	char why[768];
} gen;

/* One run of an op on watched inputs. */
typedef struct gen_run {
	gr_tensor *in[GR_OP_MAX_IN];
	gr_tensor *out[GR_OP_MAX_OUT];
	gr_tensor *cot[GR_OP_MAX_OUT]; /* random, NULL for outputs that are not floats */
	gr_tensor *grad[GR_OP_MAX_IN]; /* NULL for inputs without one */
} gen_run;

/* False when the case cannot be built; gen_end frees either way. */
bool gen_begin(gen *g, const gr_op *op, const gr_case *c);
void gen_end(gen *g);
/* Record the reason (first wins, as in the library); always false. */
bool gen_fail(gen *g, const char *format, ...) GR_PRINTF(2, 3);
/* Can the case be differentiated? */
bool gen_has_gradient(const gen *g);

/* Deterministic numbers in -1..1, a stream per purpose and index, exact in float. */
void gen_random(const gen *g, const char *purpose, int index, double *out, int64_t n);
/* Row-major values as a tensor of that shape, in a layout. */
gr_tensor *gen_tensor(gr_dtype dtype, int ndim, const int64_t *dims, const double *value,
	enum gen_layout layout);
/* The inputs of the case in float type `dtype`, not yet watched. */
bool gen_inputs(gen *g, gr_dtype dtype, enum gen_layout layout, gr_tensor **in);
/* Watch the inputs of r->in whose bit is in `watch` and run the op. */
bool gen_forward(gen *g, gen_run *r, uint32_t watch);
/* Random cotangents of r->out. */
bool gen_cotangents(gen *g, gen_run *r, enum gen_layout layout);
/* r->grad of <out, cot> for the inputs in `watch`; only output `only` unless it is -1. */
bool gen_gradient(gen *g, gen_run *r, uint32_t watch, int only, bool create_graph);

/* |a - b| <= tolerance max|b|; NaN and infinities must match. */
bool gen_close(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b, double tolerance);
bool gen_same_bits(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b);
/* Is an output or input of this type one that gradients can flow through? */
bool gen_is_float(const gr_tensor *t);

/* The checks. */
bool gen_check_record(gen *g);
bool gen_check_forward(gen *g);
bool gen_check_vjp(gen *g);
bool gen_check_second_order(gen *g);
bool gen_check_jvp(gen *g);
bool gen_check_fused(gen *g);
bool gen_check_flags(gen *g);
bool gen_check_layout(gen *g);
bool gen_check_broadcast(gen *g);
bool gen_check_want(gen *g);
bool gen_check_threads(gen *g);
bool gen_check_allocation(gen *g);

#endif
