/*
 * Measurement operators A: y = A x + sigma e. An operator is made by name for images of one size
 * and applies itself as an expression of differentiable ops, so gradients pass through it. Images
 * are [N,C,H,W] with values in [-1,1].
 *
 * An operator with randomness of its own (a mask drawn per image) is bound to one key per image of
 * the batch, gr_measurement_key() of gradus/noise.h: what is drawn depends on the seed and on the
 * image, not on the batch. Particles of one measurement repeat its key.
 *
 * Ownership: the caller frees the operator; tensors it returns belong to the caller's scope, parts
 * to the operator. Threads: immutable after creation.
 */
#ifndef GRADUS_OPERATOR_H
#define GRADUS_OPERATOR_H

#include "gradus/autograd.h"
#include "gradus/io.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_operator gr_operator;

typedef enum gr_side {
	GR_SIDE_LEFT = 0,
	GR_SIDE_RIGHT = 1,
	GR_SIDE_TOP = 2,
	GR_SIDE_BOTTOM = 3,
} gr_side;

/* How a line goes on beyond its edges. */
typedef enum gr_boundary {
	GR_BOUNDARY_REFLECT = 0,  /* 3 2 | 1 2 3 | 2 1 */
	GR_BOUNDARY_ZERO = 1,     /* 0 0 | 1 2 3 | 0 0 */
	GR_BOUNDARY_CIRCULAR = 2, /* 2 3 | 1 2 3 | 1 2 */
} gr_boundary;

typedef enum gr_pattern {
	GR_PATTERN_COLUMNS = 0,
	GR_PATTERN_POINTS = 1,
} gr_pattern;

/* What a Fourier magnitude is taken of: images mapped to [0,1], or as they are. */
typedef enum gr_range {
	GR_RANGE_UNIT = 0,
	GR_RANGE_SIGNED = 1,
} gr_range;

typedef struct gr_operator_opts {
	size_t size;
	int64_t channels, height, width; /* of the images; default 3, 32, 32 */
	int64_t n;                       /* images of the batch that `keys` holds, 0 for no keys */
	const gr_key *keys;              /* n measurement keys; copied */
	/* inpaint_box, inpaint_box_random */
	int64_t box;       /* side of the square hole; default half of each side of the image */
	bool placed;       /* put it at top, left instead of the centre */
	int64_t top, left; /* its first row and column, when placed */
	/* inpaint_random, inpaint_free, pde_sparse */
	double missing; /* fraction of the pixels that is not measured; default 0.7, 0.3, 0.97 */
	/* sr_bicubic, sr_mean, sr_blur */
	int64_t factor; /* default 4 */
	/* blur_gauss, sr_blur; taps also blur_motion */
	int64_t taps;         /* odd; default 9 */
	double blur_sigma;    /* standard deviation of the kernel in pixels; default 1.5 */
	gr_boundary boundary; /* of blurs */
	double intensity;     /* blur_motion: in (0,1]; default 0.5 */
	int64_t seed;         /* of what all images share: motion kernel, rows, frequencies */
	double ratio;         /* cs_hadamard, fourier: fraction that is measured; default 0.25 */
	gr_pattern pattern;   /* fourier */
	double oversampling;  /* phase; default 2 */
	gr_range range;       /* phase */
	double scale;         /* hdr; default 2 */
	const char *path;     /* inpaint_file: a PNG or .npy of the image's size; no default */
	gr_side side;         /* inpaint_half: the half that is missing */
	int64_t margin;       /* inpaint_box_random: least distance from the edges; default 1/16 side */
} gr_operator_opts;

/*
 * The operator that `spec` names: a name of the table below, optionally with options that replace
 * those of `opts`, as "sr_bicubic" or "inpaint_box:box=8,top=0,left=4". "a+b" is b after a, "a&b"
 * measures by a and by b ('+' binds stronger); same kinds draw apart. NULL: GR_EARG (unknown name
 * or option, a value that does not fit the image, keys missing), GR_EMEM, errors of files.
 */
GR_API gr_operator *gr_operator_new(const char *spec, const gr_operator_opts *opts);
/* Accepts NULL. */
GR_API void gr_operator_free(gr_operator *A);

/* The table of names: i in 0..count-1, NULL beyond. Help is one line with the options. */
GR_API int gr_operator_count(void);
GR_API const char *gr_operator_list_name(int i);
GR_API const char *gr_operator_list_help(int i);
/* Specs of row i that the self-tests go through: k = 0, 1, ... until NULL. */
GR_API const char *gr_operator_list_example(int i, int k);

/*
 * parts[n-1] ... parts[0] x; all measurements of one x, [N,1,1,m]. 2 to 8 parts, which become the
 * new operator's own, also on failure; all are bound to the same number of keys. GR_EARG, GR_ESHAPE
 * (they do not fit).
 */
GR_API gr_operator *gr_operator_compose(int n, gr_operator *const *parts);
GR_API gr_operator *gr_operator_stack(int n, gr_operator *const *parts);
/* Part i, borrowed; NULL beyond, and for operators that are not made of others. */
GR_API const gr_operator *gr_operator_made_of(const gr_operator *A, int i);

/* The kernel of blur_motion: f64 [taps,taps], sum 1; taps odd, intensity in (0,1]. */
GR_API gr_tensor *gr_motion_kernel(gr_key key, int64_t taps, double intensity);

/*
 * An operator of a user's own: `apply` writes A x in differentiable ops, x [N,C,H,W] in f32 or f64
 * -> [N,C',H',W'], without mixing images of the batch. Its adjoint is the gradient of <A x, y>
 * unless `adjoint` is given. `apply` is called once here, for the sizes of its result. Owns self if
 * opts->free is set, also on failure. NULL: GR_EARG, GR_ESHAPE, and what apply records.
 */
typedef gr_tensor *(*gr_operator_fn)(void *self, gr_tensor *x);

typedef struct gr_operator_user_opts {
	size_t size;
	int64_t channels, height, width; /* of the images; default 3, 32, 32 */
	bool nonlinear;
	gr_operator_fn adjoint; /* A^T y, y [N,C',H',W'] -> [N,C,H,W] */
	void (*free)(void *self);
	int64_t n; /* keys, as in gr_operator_opts; gr_measure() needs them */
	const gr_key *keys;
} gr_operator_user_opts;

GR_API gr_operator *gr_operator_user(const char *name, gr_operator_fn apply, void *self,
	const gr_operator_user_opts *opts);

/*
 * Whether A keeps what every operator promises, at random images of its size. Linear: A(ax + by) =
 * a Ax + b Ay, <Ax, y> = <x, A^T y> to 1e-12 in f64 and 1e-5 in f32, the adjoint differentiable
 * with derivative A. Nonlinear: its gradient against a central difference. All: no image of a batch
 * sees another, to the bit. GR_ENUMERIC names the promise that is broken, and by how much.
 */
GR_API GR_MUST_USE gr_status gr_operator_check(const gr_operator *A, gr_key key);

/* A x: x [N,C,H,W] in f32 or f64 -> [N,C',H',W']. For operators that draw a mask per image N is
 * the number of keys. */
GR_API gr_tensor *gr_operator_apply(const gr_operator *A, gr_tensor *x);
/* A^T y: y [N,C',H',W'] -> [N,C,H,W]. GR_EUNSUPPORTED when A is not linear. */
GR_API gr_tensor *gr_operator_adjoint(const gr_operator *A, gr_tensor *y);

/*
 * A^+ y, the pseudo-inverse: y [N,C',H',W'] -> [N,C,H,W], in double inside. Singular values up to
 * `smallest` times the largest count as 0; 0: 1e-4. GR_EUNSUPPORTED, saying why, when A is not linear
 * or its singular values are not known: those of blur_motion unless its boundary is circular, of
 * cs_hadamard unless H W is a power of two, and of operators made of others or of a user's own unless all are alike. They are found at each call.
 */
GR_API gr_tensor *gr_operator_pinv(const gr_operator *A, gr_tensor *y, double smallest);

/* Name without options. */
GR_API const char *gr_operator_name(const gr_operator *A);
GR_API bool gr_is_linear_operator(const gr_operator *A);
/* Three sizes each: C, H, W of the images and C', H', W' of the measurements. */
GR_API const int64_t *gr_operator_in_dims(const gr_operator *A);
GR_API const int64_t *gr_operator_out_dims(const gr_operator *A);
/* Number of keys bound, 0 for none; key of image i. */
GR_API int64_t gr_operator_batch(const gr_operator *A);
GR_API gr_key gr_operator_key(const gr_operator *A, int64_t i);

/*
 * Which entries of y are measured: 1 or 0, [1 or N,1 or C',H',W'] of the given float type. NULL,
 * and no error, when all are (every operator without a mask). Entries that are not measured
 * are 0 in A x and carry no noise.
 */
GR_API gr_tensor *gr_operator_support(const gr_operator *A, gr_dtype dtype);

/*
 * What A is made of, exactly as used, in f64: masks, kernels, matrices. Name and tensor of part i;
 * NULL, and no error, beyond the last one.
 */
GR_API int gr_operator_part_count(const gr_operator *A);
GR_API const char *gr_operator_part_name(const gr_operator *A, int i);
GR_API gr_tensor *gr_operator_part(const gr_operator *A, int i);
/* Add all parts to an archive, with the operator's name as metadata "operator". */
GR_API GR_MUST_USE gr_status gr_operator_export(const gr_operator *A, gr_archive *archive);

#ifdef __cplusplus
}
#endif

#endif
