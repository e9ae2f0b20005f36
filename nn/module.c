/*
 * The tree itself: nodes, names, registration, walking. Values of parameters are param.c's matter,
 * their laws init.c's, files state.c's.
 *
 * Nodes, names, parameters and layer structs are blocks chained on the root; parameters are listed
 * there too, in order of registration. A walk below an inner node picks from that list.
 */
#include "module_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 256

/* A block's header; 64 bytes keep what follows on the pool's alignment. */
struct gr_module_block {
	_Alignas(64) gr_module_block *next;
};

gr_status gr__module_fail(gr_module *m, gr_status code, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (m != NULL && m->root->status == GR_OK)
		m->root->status = code;
	return gr_error_set(code, "%s", text);
}

gr_module *gr_module_new(void)
{
	gr_module *m = gr_alloc(sizeof *m);
	if (m == NULL)
		return NULL;
	*m = (gr_module){.root = m, .name = "", .dtype = GR_F32};
	return m;
}

void gr_module_free(gr_module *m)
{
	if (m == NULL)
		return;
	gr_module *root = m->root;
	for (int64_t i = 0; i < root->count; i++)
		gr__param_clear(root->params[i]);
	gr_module_block *next;
	for (gr_module_block *b = root->blocks; b != NULL; b = next) {
		next = b->next;
		gr_free(b);
	}
	gr_free(root->params);
	gr_free(root);
}

gr_status gr_module_status(const gr_module *m)
{
	return m == NULL ? GR_EARG : m->root->status;
}

gr_status gr_module_set_dtype(gr_module *m, gr_dtype dtype)
{
	if (m == NULL)
		return GR_EARG;
	if (dtype != GR_F32 && dtype != GR_F64)
		return gr__module_fail(m, GR_EDTYPE, "module: parameters are f32 or f64, not %s",
			gr_dtype_name(dtype));
	if (m->root->count > 0)
		return gr__module_fail(m, GR_ESTATE,
			"module: the type is set before the first parameter is added");
	m->root->dtype = dtype;
	return GR_OK;
}

gr_dtype gr_module_dtype(const gr_module *m)
{
	return m == NULL ? GR_F32 : m->root->dtype;
}

void *gr_module_alloc(gr_module *m, size_t bytes)
{
	if (m == NULL)
		return NULL;
	gr_module_block *b = gr_alloc(sizeof *b + bytes);
	if (b == NULL) {
		if (m->root->status == GR_OK)
			m->root->status = GR_EMEM;
		return NULL;
	}
	b->next = m->root->blocks;
	m->root->blocks = b;
	return b + 1;
}

/* "parent.name" in a block of the tree. */
static const char *join_name(gr_module *m, const char *name)
{
	size_t length = strlen(name);
	if (length == 0) {
		gr__module_fail(m, GR_EARG, "module: empty name below '%s'", m->name);
		return NULL;
	}
	if (m->below + length >= NAME_MAX_BYTES) {
		gr__module_fail(m, GR_EARG, "module: name too long below '%s'", m->name);
		return NULL;
	}
	char *full = gr_module_alloc(m, m->below + length + 1);
	if (full != NULL)
		snprintf(full, m->below + length + 1, "%s%s%s", m->name, m->below > 0 ? "." : "", name);
	return full;
}

gr_module *gr_module_child(gr_module *parent, const char *name)
{
	if (parent == NULL || name == NULL)
		return NULL;
	const char *full = join_name(parent, name);
	gr_module *m = full == NULL ? NULL : gr_module_alloc(parent, sizeof *m);
	if (m == NULL)
		return NULL;
	*m = (gr_module){.root = parent->root,
		.parent = parent,
		.name = full,
		.below = strlen(full) + 1};
	return m;
}

gr_module *gr_module_childf(gr_module *parent, const char *format, ...)
{
	char name[NAME_MAX_BYTES];
	va_list args;
	va_start(args, format);
	vsnprintf(name, sizeof name, format, args);
	va_end(args);
	return gr_module_child(parent, name);
}

static gr_status reserve_params(gr_module *root)
{
	if (root->count < root->room)
		return GR_OK;
	int64_t room = root->room == 0 ? 64 : 2 * root->room;
	gr_param **grown = gr_alloc((size_t)room * sizeof *grown);
	if (grown == NULL)
		return root->status = GR_EMEM;
	if (root->count > 0)
		memcpy(grown, root->params, (size_t)root->count * sizeof *grown);
	gr_free(root->params);
	root->params = grown;
	root->room = room;
	return GR_OK;
}

/* The number of values; -1 for a bad shape. */
static int64_t shape_size(int ndim, const int64_t *dims)
{
	if (ndim < 0 || ndim > GR_MAX_DIMS || (ndim > 0 && dims == NULL))
		return -1;
	int64_t size = 1;
	for (int i = 0; i < ndim; i++) {
		if (dims[i] < 0 || (dims[i] > 0 && size > INT64_MAX / 16 / dims[i]))
			return -1;
		size *= dims[i];
	}
	return size;
}

/* fan_in, fan_out of w [K,C,...], see gr_param_opts. */
static void fill_fans(gr_param *p)
{
	int64_t field = 1;
	for (int i = 2; i < p->ndim; i++)
		field *= p->dims[i];
	int64_t out = p->ndim > 0 ? p->dims[0] : 1;
	int64_t in = p->ndim > 1 ? p->dims[1] : out;
	if (p->fan_in == 0)
		p->fan_in = in * field;
	if (p->fan_out == 0)
		p->fan_out = out * field;
}

gr_param *gr_module_add_param(gr_module *m, const char *name, const gr_param_opts *opts, int ndim,
	const int64_t *dims)
{
	if (m == NULL || name == NULL)
		return NULL;
	const char *full = join_name(m, name);
	if (full == NULL)
		return NULL;
	gr_module *root = m->root;
	int64_t size = shape_size(ndim, dims);
	if (size < 0) {
		gr__module_fail(m, GR_ESHAPE, "module: parameter '%s' has an impossible shape", full);
		return NULL;
	}
	if (gr_module_find_handle(root, full) != NULL) {
		gr__module_fail(m, GR_EARG, "module: there is a parameter '%s' already", full);
		return NULL;
	}
	gr_param *p = gr_module_alloc(m, sizeof *p);
	if (p == NULL || reserve_params(root) != GR_OK)
		return NULL;
	*p = (gr_param){.owner = m, .name = full, .storage = root->dtype, .size = size, .ndim = ndim};
	p->rule = opts == NULL || opts->init == GR_INIT_DEFAULT ? GR_INIT_ZEROS : opts->init;
	p->scale = opts == NULL || opts->scale == 0.0 ? 1.0 : opts->scale;
	p->fan_in = opts == NULL ? 0 : opts->fan_in;
	p->fan_out = opts == NULL ? 0 : opts->fan_out;
	p->buffer = opts != NULL && opts->buffer;
	p->frozen = p->buffer || (opts != NULL && opts->frozen);
	p->trainable = !p->frozen;
	if (ndim > 0)
		memcpy(p->dims, dims, (size_t)ndim * sizeof *dims);
	fill_fans(p);
	root->params[root->count++] = p;
	return p;
}

static bool is_below(const gr_param *p, const gr_module *m)
{
	if (m == m->root)
		return true;
	for (const gr_module *at = p->owner; at != NULL; at = at->parent)
		if (at == m)
			return true;
	return false;
}

int64_t gr_module_param_count(const gr_module *m)
{
	if (m == NULL)
		return 0;
	int64_t count = 0;
	for (int64_t i = 0; i < m->root->count; i++)
		count += is_below(m->root->params[i], m);
	return count;
}

gr_param *gr_module_param_handle(const gr_module *m, int64_t i)
{
	if (m == NULL || i < 0 || i >= m->root->count)
		return NULL;
	if (m == m->root)
		return m->params[i];
	for (int64_t k = 0; k < m->root->count; k++)
		if (is_below(m->root->params[k], m) && i-- == 0)
			return m->root->params[k];
	return NULL;
}

gr_param *gr_module_find_handle(const gr_module *m, const char *name)
{
	if (m == NULL || name == NULL)
		return NULL;
	for (int64_t i = 0; i < m->root->count; i++) {
		gr_param *p = m->root->params[i];
		if (is_below(p, m) && strcmp(p->name + m->below, name) == 0)
			return p;
	}
	return NULL;
}

const char *gr_module_param_name(const gr_module *m, int64_t i)
{
	const gr_param *p = gr_module_param_handle(m, i);
	return p == NULL ? NULL : p->name + m->below;
}

gr_tensor *gr_module_param(const gr_module *m, int64_t i)
{
	return gr_param_tensor(gr_module_param_handle(m, i));
}

gr_tensor *gr_module_find(const gr_module *m, const char *name)
{
	const gr_param *p = gr_module_find_handle(m, name);
	if (p == NULL && m != NULL && name != NULL)
		gr_error_set(GR_EARG, "module: no parameter '%s' below '%s'", name, m->name);
	return gr_param_tensor(p);
}

int64_t gr_module_size(const gr_module *m)
{
	int64_t size = 0;
	for (int64_t i = 0; m != NULL && i < m->root->count; i++)
		if (is_below(m->root->params[i], m) && !m->root->params[i]->buffer)
			size += m->root->params[i]->size;
	return size;
}
