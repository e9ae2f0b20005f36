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

/* An option that a spec may set: `offset` of an int64_t or double in gr_operator_opts. */
typedef struct gr_operator_option {
	const char *name;
	size_t offset;
	bool real;
	bool places; /* zero is a value, and giving it sets opts.placed */
} gr_operator_option;

typedef struct gr_operator_row {
	const char *name, *help;
	const gr_operator_option *options; /* ends with a NULL name; NULL for none */
	bool nonlinear;
	bool keyed;   /* draws of its own: needs a key per image */
	bool masking; /* part 0 is the support of y */
	/* Sets out dims and parts from opts, whose defaults for the image size are filled in. */
	gr_status (*build)(gr_operator *A, const gr_operator_opts *opts);
	gr_tensor *(*apply)(const gr_operator *A, gr_tensor *x);
	gr_tensor *(*adjoint)(const gr_operator *A, gr_tensor *y);
} gr_operator_row;

struct gr_operator {
	const gr_operator_row *row;
	int64_t in[3], out[3];
	int64_t factor; /* of a reduction; 0 for operators that are none */
	int64_t n;
	gr_key *keys;
	int parts;
	const char *part_name[GR_OPERATOR_MAX_PARTS];
	gr_constant part[GR_OPERATOR_MAX_PARTS];
};

/* Append a part; its name is static. */
gr_status gr__operator_add_part(gr_operator *A, const char *name, gr_tensor *value);
/* Key of image i for the operator's own draws. */
gr_key gr__operator_draw_key(const gr_operator *A, int64_t i);

/* inverse/operators, one per kind. */
extern const gr_operator_row gr__operator_identity;
extern const gr_operator_row gr__operator_inpaint_box;
extern const gr_operator_row gr__operator_inpaint_random;
extern const gr_operator_row gr__operator_sr_bicubic;
extern const gr_operator_row gr__operator_sr_mean;
extern const gr_operator_row gr__operator_blur_gauss;

#endif
