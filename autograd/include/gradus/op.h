/*
 * An op as data: one gr_op record holds everything the library knows about it, and dispatch,
 * generated tests, documentation and traces come from the record. A user's program registers its
 * own with gr_op_register() and gets the same checks.
 */
#ifndef GRADUS_OP_H
#define GRADUS_OP_H

#include "gradus/autograd.h"

#ifdef __cplusplus
extern "C" {
#endif

#define GR_OP_MAX_IN 16
#define GR_OP_MAX_OUT 4

typedef struct gr_op gr_op;

/* What an op is, beyond its rule. */
enum {
	GR_OP_LINEAR = 1,      /* linear in every input together */
	GR_OP_BILINEAR = 2,    /* linear in each of its two inputs */
	GR_OP_ELEMENTWISE = 4, /* output element i depends on input elements i, after broadcasting */
	GR_OP_VIEW = 8,        /* the output shares storage with the input */
	GR_OP_RANDOM = 16,     /* reads a key from its attributes */
	GR_OP_NONDIFF = 32,    /* gradient zero everywhere or undefined: never recorded */
	GR_OP_VARIADIC = 64,   /* nin is the least number of inputs */
	GR_OP_SURROGATE = 128, /* its rule is stated, on purpose not the derivative of forward */
};

/* Which inputs and outputs a rule reads; the rest are freed early. */
#define GR_SAVE_IN(i) (1u << (i))
#define GR_SAVE_OUT(i) (1u << (16 + (i)))
#define GR_SAVE_NOTHING (1u << 31)

/* Shape and type of an operand. */
typedef struct gr_operand {
	gr_dtype dtype;
	int ndim;
	int64_t dims[GR_MAX_DIMS];
} gr_operand;

/* One call on its way through infer and forward. */
typedef struct gr_op_call {
	const gr_op *op;
	const void *attr; /* op->attr_size bytes, or NULL */
	int nin, nout;
	/* Inputs; in forward, those of `contiguous` are contiguous copies if need be. */
	gr_tensor *const *in;
	gr_tensor **out;     /* forward: allocated, contiguous, uninitialised; view ops set out[0] */
	uint32_t contiguous; /* infer: inputs that forward wants contiguous */
	gr_operand result[GR_OP_MAX_OUT]; /* infer: what the outputs will be */
} gr_op_call;

/* One rule at work: gradients of the inputs from those of the outputs. */
typedef struct gr_vjp {
	const gr_op *op;
	const void *attr;
	int nin, nout;
	gr_tensor **in;   /* saved inputs; NULL where saves and reads leave them out */
	gr_tensor **out;  /* saved outputs, likewise */
	gr_tensor **gout; /* cotangents, one per output, in its shape */
	gr_tensor **gin;  /* to be set where wanted: in the output's broadcast shape or the input's */
	uint32_t want;    /* bit i: gin[i] is needed */
	const gr_operand *shape; /* of every input, saved or not */
} gr_vjp;

/* A small input for the generated tests. Shapes end at their last non-zero dim; values are drawn
 * from lo..hi (0,0 means -1..1). Inputs whose bit is set in `indices` are i64 in 0..index_max-1. */
typedef struct gr_case {
	const char *name;
	int64_t dims[GR_OP_MAX_IN][GR_MAX_DIMS];
	double lo, hi;
	const void *attr;
	int nin; /* for variadic ops; default op->nin */
	uint32_t indices;
	int64_t index_max;
	bool no_gradient; /* value only: a kink or a pole lies in the domain */
	double diagonal;  /* added to the diagonals of input 0, [...,N,N]: makes it definite */
	uint32_t masks;   /* inputs whose bit is set are drawn as 0 or 1, and held fixed */
} gr_case;

struct gr_op {
	const char *name, *sig, *math, *doc; /* sig: argument names and shapes, "x[N,C] w[K,C]" */
	/* The rule as mathematics: "dx = g w" for each input, g the cotangent of y (u where an input is
	 * called g); "none: why" where nothing can be differentiated. */
	const char *dmath;
	int nin, nout;
	unsigned flags;
	uint32_t saves;
	/* What the gradient of input i < 3 reads of that, 0 standing for all of it: only what tracked
	 * inputs need is kept. A frozen weight lets go of the activation that it met. */
	uint32_t reads[3];
	size_t attr_size; /* attributes are plain bytes: no pointers */
	gr_status (*infer)(gr_op_call *c);
	gr_status (*forward)(gr_op_call *c);
	gr_status (*vjp)(gr_vjp *v);       /* in differentiable ops */
	gr_status (*vjp_fused)(gr_vjp *v); /* optional kernel, when no higher derivative is recorded */
	double (*flops)(const gr_op_call *c); /* optional */
	const gr_case *cases;
	int ncases;
	/* A composition has this alone: a named function of other ops, listed and tested like them.
	 * Only what it calls is recorded. It sets out[0..nout-1], owned by the scope. */
	gr_status (*compose)(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out);
};

/* Run an op on nin inputs; out[0..nout-1] owned by the scope. */
GR_API gr_status gr_apply(const gr_op *op, int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out);
/* The same for ops with one output. */
GR_API gr_tensor *gr_apply1(const gr_op *op, int nin, gr_tensor *const *in, const void *attr);
/* Fail from infer or forward with the op's name, operands and call site in the message. */
GR_API gr_status gr_op_fail(const gr_op_call *c, gr_status code, const char *format, ...)
	GR_PRINTF(3, 4);

/* Infer rules to share. */
GR_API gr_status gr_infer_same(gr_op_call *c);      /* output like input 0, floats */
GR_API gr_status gr_infer_broadcast(gr_op_call *c); /* numpy broadcasting of all inputs, floats */

/* The registry: the library's ops in the order of ops.def, then the user's. */
GR_API gr_status gr_op_register(const gr_op *op);
GR_API int gr_op_count(void);
GR_API const gr_op *gr_op_get(int i);
GR_API const gr_op *gr_op_find(const char *name);

#ifdef __cplusplus
}
#endif

#endif
