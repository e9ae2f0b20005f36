/*
 * The inside of the parameter tree. Everything that is not a tensor (nodes, names, parameters,
 * layer structs) is a block in one list on the root, so that freeing the tree is one walk.
 */
#ifndef GRADUS_NN_MODULE_PRIV_H
#define GRADUS_NN_MODULE_PRIV_H

#include "gradus/module.h"

struct gr_param {
	const gr_module *owner;
	const char *name; /* from the root */
	gr_tensor *value; /* a constant; NULL until initialised or loaded */
	gr_dtype storage; /* of value: the tree's type, or a narrower one */
	gr_tensor *leaf;  /* value, watched; NULL while not trainable */
	bool trainable, frozen, buffer;
	gr_init_rule rule;
	double scale;
	int64_t fan_in, fan_out;
	int64_t size;
	int ndim;
	int64_t dims[GR_MAX_DIMS];
};

typedef struct gr_module_block gr_module_block;

struct gr_module {
	gr_module *root;
	const gr_module *parent;
	const char *name; /* from the root, "" for the root itself */
	size_t below;     /* length of "name.": where names relative to this module start */
	/* The rest is used in the root only. */
	gr_dtype dtype;
	bool constant;    /* for good: some values are kept in a narrower type */
	gr_status status; /* of the first failure while building */
	gr_module_block *blocks;
	gr_param **params; /* in order of registration */
	int64_t count, room;
};

/* Record a failure while building: in the tree and in the thread's error. */
gr_status gr__module_fail(gr_module *m, gr_status code, const char *format, ...) GR_PRINTF(3, 4);

/* param.c: values of one parameter <- src, converted; makes them if there are none yet. */
gr_status gr__param_assign(gr_param *p, const gr_tensor *src);
/* GR_ENUMERIC when a finite value of `from` is none in `rounded`, a copy in a narrower type. */
gr_status gr__param_check_range(const char *name, const gr_tensor *from, const gr_tensor *rounded);
/* Release the tensors of one parameter. */
void gr__param_clear(gr_param *p);

/* init.c: fresh values by the parameter's rule, owned by the scope. */
gr_tensor *gr__init_draw(const gr_param *p, gr_dtype dtype, gr_key key);

#endif
