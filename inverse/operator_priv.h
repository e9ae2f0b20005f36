/*
 * Operators from inside: a row of the table describes one kind, and an operator is its row plus
 * sizes, keys and constants ("parts"). operator.c checks every argument before a row's functions
 * see it.
 */
#ifndef GRADUS_INVERSE_OPERATOR_PRIV_H
#define GRADUS_INVERSE_OPERATOR_PRIV_H

#include "constant_priv.h"
#include "gradus/operator.h"

#define GR_OPERATOR_MAX_PARTS 4

#define GR_OPERATOR_MAX_MADE_OF 8
#define GR_OPERATOR_PATH 4096

typedef enum gr_option_kind {
	GR_OPTION_COUNT,  /* int64_t above 0 */
	GR_OPTION_PLACE,  /* int64_t, zero is a value, and giving it sets opts.placed */
	GR_OPTION_SEED,   /* int64_t, zero is a value and the default */
	GR_OPTION_REAL,   /* double above 0 */
	GR_OPTION_CHOICE, /* an enum, by the names in `choices` */
	GR_OPTION_PATH,   /* opts.path */
} gr_option_kind;

/* An option that a spec may set: `offset` of a field of gr_operator_opts. */
typedef struct gr_operator_option {
	const char *name;
	size_t offset;
	gr_option_kind kind;
	const char *choices; /* "first|second", numbered from 0 */
} gr_operator_option;

struct gr_spectrum;

typedef struct gr_operator_row {
	const char *name, *help;
	const char *const *examples;       /* specs that the tests go through; ends with NULL */
	const gr_operator_option *options; /* ends with a NULL name; NULL for none */
	bool nonlinear;
	bool keyed;      /* draws of its own: needs a key per image */
	bool masking;    /* part 0 is the support of y */
	bool multiplies; /* A x = part 0 * x */
	/* Sets out dims and parts from opts, whose defaults for the image size are filled in. */
	gr_status (*build)(gr_operator *A, const gr_operator_opts *opts);
	gr_tensor *(*apply)(const gr_operator *A, gr_tensor *x);
	gr_tensor *(*adjoint)(const gr_operator *A, gr_tensor *y); /* NULL: from the derivative */
	/* Its singular values, by a function of spectrum_priv.h; NULL: not known. */
	gr_status (*spectrum)(const gr_operator *A, struct gr_spectrum *sp);
} gr_operator_row;

struct gr_operator {
	const gr_operator_row *row;
	char *name; /* NULL: the row's */
	bool nonlinear;
	bool masks; /* part 0 is the support of y */
	gr_boundary boundary;
	double scale; /* of values, where the row says so */
	int64_t in[3], out[3];
	int draws;      /* apart from those of another operator of the same keys */
	int64_t factor; /* of a reduction; 0 for operators that are none */
	int64_t n;
	gr_key *keys;
	int parts;
	const char *part_name[GR_OPERATOR_MAX_PARTS];
	gr_constant part[GR_OPERATOR_MAX_PARTS];
	void *self; /* what the row's functions need besides */
	void (*free_self)(void *self);
};

/* Row and options of a spec without '+'; a path in it is copied to `path` [GR_OPERATOR_PATH]. */
gr_status gr__operator_read(const gr_operator_row **row, gr_operator_opts *opts, char path[],
	const char *spec);
/* Row, sizes and keys are set, out dims as in dims; nothing is built. NULL on error. */
gr_operator *gr__operator_alloc(const gr_operator_row *row, const gr_operator_opts *opts);
/* A^T y from the derivative of A. */
gr_tensor *gr__operator_transpose(const gr_operator *A, gr_tensor *y);
/* Append a part; its name is static. */
gr_status gr__operator_add_part(gr_operator *A, const char *name, gr_tensor *value);
/* Key of image i for the operator's own draws. */
gr_key gr__operator_draw_key(const gr_operator *A, int64_t i);

/* A x = part 0 * x, its own adjoint. */
gr_tensor *gr__inpaint_apply(const gr_operator *A, gr_tensor *x);

/* Masks see what they keep: s = 1. Parts 0 and 1 are the matrices of a separable operator. */
gr_status gr__inpaint_spectrum(const gr_operator *A, struct gr_spectrum *sp);
gr_status gr__separable_spectrum(const gr_operator *A, struct gr_spectrum *sp);

/* inverse/operators, one per kind. */
extern const gr_operator_row gr__operator_user;
extern const gr_operator_row gr__operator_identity;
extern const gr_operator_row gr__operator_inpaint_box;
extern const gr_operator_row gr__operator_inpaint_random;
extern const gr_operator_row gr__operator_inpaint_box_random;
extern const gr_operator_row gr__operator_inpaint_half;
extern const gr_operator_row gr__operator_inpaint_free;
extern const gr_operator_row gr__operator_inpaint_file;
extern const gr_operator_row gr__operator_sr_bicubic;
extern const gr_operator_row gr__operator_sr_mean;
extern const gr_operator_row gr__operator_sr_blur;
extern const gr_operator_row gr__operator_blur_gauss;
extern const gr_operator_row gr__operator_blur_motion;
extern const gr_operator_row gr__operator_colour;
extern const gr_operator_row gr__operator_cs_hadamard;
extern const gr_operator_row gr__operator_fourier;
extern const gr_operator_row gr__operator_phase;
extern const gr_operator_row gr__operator_hdr;
extern const gr_operator_row gr__operator_pde_sparse;

#endif
