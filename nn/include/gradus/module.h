/*
 * A tree of named parameters. Layers (gradus/layers.h) hang their parameters on a gr_module;
 * initialisers, files, optimisers and averages walk it by index or by name. Names are joined by
 * '.' and relative to the module that is asked: the root says "in.0.weight", its child "in" says
 * "0.weight". The order is that of registration.
 *
 * A parameter starts as a name, a shape and an initialisation rule. Its values exist from the first
 * gr_module_init() or gr_module_load() on (reading it earlier is GR_ESTATE), so a model can be
 * described, counted and loaded without being drawn first.
 *
 * Ownership: the tree owns its children, parameters and gr_module_alloc() blocks; all of them go
 * with gr_module_free(root). Errors while building are sticky: a failed or NULL parent gives NULL,
 * and gr_module_status() tells at the end. Threads: a tree may be read by many, changed by one.
 */
#ifndef GRADUS_MODULE_H
#define GRADUS_MODULE_H

#include "gradus/autograd.h"
#include "gradus/tensorfile.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gr_module gr_module; /* a node of the tree */
typedef struct gr_param gr_param;   /* a handle on one parameter; as stable as the tree */

typedef enum gr_init_rule {
	GR_INIT_DEFAULT = 0, /* the layer's own rule; for a bare parameter, zeros */
	GR_INIT_ZEROS = 1,
	GR_INIT_ONES = 2,
	GR_INIT_CONSTANT = 3,       /* scale */
	GR_INIT_NORMAL = 4,         /* N(0, scale^2) */
	GR_INIT_UNIFORM = 5,        /* U(-scale, scale) */
	GR_INIT_FAN_IN_UNIFORM = 6, /* U(-b, b), b = scale / sqrt(fan_in): PyTorch's Linear and Conv */
	GR_INIT_XAVIER_UNIFORM = 7, /* U(-b, b), b = scale sqrt(6 / (fan_in + fan_out)) */
	GR_INIT_TRUNC_NORMAL = 8,   /* N(0, scale^2), drawn again beyond two standard deviations */
	GR_INIT_SINCOS_2D = 9,      /* [...,S S,D]: the positions of an S x S grid, see nn/init.c */
} gr_init_rule;

/* NULL means zeros. */
typedef struct gr_param_opts {
	size_t size;
	gr_init_rule init;
	double scale;    /* see the rule; default 1 */
	int64_t fan_in;  /* default for w [K,C,...]: C times the dims that follow */
	int64_t fan_out; /* default: K times the dims that follow; a vector has both equal */
	bool frozen;     /* a constant, whatever gr_module_set_trainable() is told */
	bool buffer;     /* frozen, and no parameter to gr_module_size(): running statistics */
} gr_param_opts;

/* Which parameter a key stands for: all of it, or slice `part` of `parts` along its first dim. */
typedef struct gr_key_place {
	char name[256];
	int part, parts; /* parts 0: all; at most 8 */
} gr_key_place;

typedef struct gr_load_opts {
	size_t size;
	const char *prefix;    /* read only keys that start so, the rest of the key being the name */
	bool allow_missing;    /* parameters that the archive lacks keep what they have */
	bool allow_unexpected; /* keys that no parameter bears are passed over */
	/* Where a key (behind the prefix) belongs, false: it is passed over. NULL: every key is a name.
	 * gr_keymap_place() of gradus/checkpoint.h is such a function. */
	bool (*place)(const void *map, const char *key, gr_key_place *place);
	const void *map;
	FILE *report; /* everything that does not fit, a line each; NULL: the error names the first */
	const char *only; /* a part: parameters whose names do not start so may be missing */
} gr_load_opts;

/* Building. The root; its dtype is f32 until set. */
GR_API gr_module *gr_module_new(void);
/* Frees the whole tree that m belongs to. */
GR_API void gr_module_free(gr_module *m);
/* f32 or f64, for the whole tree; GR_ESTATE once it has parameters. */
GR_API gr_status gr_module_set_dtype(gr_module *m, gr_dtype dtype);
GR_API gr_dtype gr_module_dtype(const gr_module *m);
/* A child; `name` is copied, not empty, and may hold dots ("blocks.0"). */
GR_API gr_module *gr_module_child(gr_module *parent, const char *name);
/* The same, with a printf format for the name. */
GR_API gr_module *gr_module_childf(gr_module *parent, const char *format, ...) GR_PRINTF(2, 3);
/* A parameter of this shape. GR_EARG when the name is taken. */
GR_API gr_param *gr_module_add_param(gr_module *m, const char *name, const gr_param_opts *opts,
	int ndim, const int64_t *dims);
/* A zeroed block that lives as long as the tree: where layers keep themselves. */
GR_API void *gr_module_alloc(gr_module *m, size_t bytes);
/* GR_OK, or the code of the first failure while building; GR_EARG for NULL. */
GR_API GR_MUST_USE gr_status gr_module_status(const gr_module *m);

/* One parameter: its tensor (a watched leaf while trainable, else a constant; borrowed, the same
 * until gr_module_set_trainable; see gr_module_set_storage() for another case), its name from the
 * root, its shape. */
GR_API gr_tensor *gr_param_tensor(const gr_param *p);
GR_API const char *gr_param_name(const gr_param *p);
GR_API const int64_t *gr_param_dims(const gr_param *p);
GR_API int gr_param_ndim(const gr_param *p);

/* Walking m and everything below it; i in 0..count-1. */
GR_API int64_t gr_module_param_count(const gr_module *m);
GR_API const char *gr_module_param_name(const gr_module *m, int64_t i);
GR_API gr_tensor *gr_module_param(const gr_module *m, int64_t i);
/* The handle itself; NULL when i or the name is not there (no error recorded). */
GR_API gr_param *gr_module_param_handle(const gr_module *m, int64_t i);
GR_API gr_param *gr_module_find_handle(const gr_module *m, const char *name);
/* The tensor of that name; GR_EARG when there is none. */
GR_API gr_tensor *gr_module_find(const gr_module *m, const char *name);
/* Numbers in all parameters but buffers. */
GR_API int64_t gr_module_size(const gr_module *m);

/* Draw every parameter by its rule, with the key folded by its name from the root: the values of
 * one do not depend on which others exist. */
GR_API GR_MUST_USE gr_status gr_module_init(gr_module *m, gr_key key);
/* Off: the parameters become constants and nothing is recorded for them (guided sampling wants the
 * gradient of the input only). On is the default. Graphs recorded before keep their leaves. */
GR_API gr_status gr_module_set_trainable(gr_module *m, bool on);
/*
 * Keep weights in f16 or bf16: values that are there and all that follow are rounded to that type,
 * so that matrices and filters (two dims and more) take half the memory; vectors keep the tree's
 * type. From then on the tree is constant (gr_module_set_trainable(m, true) is GR_ESTATE), and
 * gr_param_tensor() gives a widened copy, owned by the scope: layers hold one while they run. A graph
 * keeps those that its rules need, unless stages are recomputed (gradus/recompute.h). The tree's own
 * type widens everything again. GR_EDTYPE; GR_ENUMERIC when a finite value leaves the range of f16.
 */
GR_API GR_MUST_USE gr_status gr_module_set_storage(gr_module *m, gr_dtype storage);
/* Name every parameter, relative to m, in what gr_explain() tells (gradus/explain.h). */
GR_API GR_MUST_USE gr_status gr_module_explain(const gr_module *m);
/*
 * Copy values out of an archive, converted to the tree's dtype. Strict by default: every missing,
 * unexpected, doubled or mis-shaped key is listed in one GR_EFORMAT error, and nothing is changed.
 * Shapes may differ by trailing dims of 1; integers that no parameter bears (counters, positions)
 * are buffers and no weights, and are passed over.
 */
GR_API GR_MUST_USE gr_status gr_module_load(gr_module *m, const gr_archive *a,
	const gr_load_opts *opts);
/* The same from a file that is read tensor by tensor: at most one of them is held beside m. */
GR_API GR_MUST_USE gr_status gr_module_load_file(gr_module *m, const gr_tensorfile *f,
	const gr_load_opts *opts);
/* Add a copy of every parameter to the archive in the given float type (f16 for shipping;
 * GR_ENUMERIC when a finite value leaves its range). */
GR_API GR_MUST_USE gr_status gr_module_save(const gr_module *m, gr_archive *a, gr_dtype storage);

#ifdef __cplusplus
}
#endif

#endif
