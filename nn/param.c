/*
 * Values of parameters. A parameter is one storage seen by two headers: `value`, a constant, and
 * while it is trainable `leaf`, watched. gr_param_tensor() hands out the leaf if there is one, so
 * that freezing a module costs nothing and its forward records nothing for it. A value may be kept in
 * a narrower type, in a constant tree only; then a copy in the tree's type is handed out.
 */
#include "module_priv.h"

#include <math.h>

#include "gradus/ops.h"

static gr_status watch_value(gr_param *p)
{
	gr_status status = gr_scope_begin();
	if (status == GR_OK) {
		p->leaf = gr_tensor_retain(gr_watch(p->value));
		status = p->leaf == NULL ? gr_error_code() : GR_OK;
	}
	gr_scope_end();
	return status;
}

/* Is there an infinity or NaN in a contiguous f16, bf16 or f32? Infinities are what overflow leaves. */
static bool has_special(const gr_tensor *t)
{
	const int64_t size = gr_tensor_size(t);
	const unsigned exponent = gr_tensor_dtype(t) == GR_F16 ? 0x7C00u : 0x7F80u;
	const float *single = gr_tensor_data_const(t);
	const uint16_t *half = gr_tensor_data_const(t);
	bool found = false;
	if (gr_tensor_dtype(t) == GR_F32)
		for (int64_t i = 0; i < size; i++)
			found |= !isfinite(single[i]);
	else
		for (int64_t i = 0; i < size; i++)
			found |= (half[i] & exponent) == exponent;
	return found;
}

gr_status gr__param_check_range(const char *name, const gr_tensor *from, const gr_tensor *rounded)
{
	const gr_dtype to = gr_tensor_dtype(rounded);
	const int64_t size = gr_tensor_size(rounded);
	if (size == 0 || to == GR_F64 || gr_estimating() || !has_special(rounded))
		return GR_OK;
	double *before = gr_alloc(2 * (size_t)size * sizeof *before);
	if (before == NULL)
		return GR_EMEM;
	double *after = before + size;
	gr_status status = gr_tensor_to_f64(from, before);
	if (status == GR_OK)
		status = gr_tensor_to_f64(rounded, after);
	for (int64_t i = 0; i < size && status == GR_OK; i++)
		if (isfinite(before[i]) && !isfinite(after[i]))
			status = gr_error_set(GR_ENUMERIC, "module: %g in '%s' does not fit %s", before[i],
				name, gr_dtype_name(to));
	gr_free(before);
	return status;
}

/* p->value <- src, rounded to the type of values. */
static gr_status copy_value(gr_param *p, gr_tensor *value, const gr_tensor *src)
{
	gr_status status = gr_param_update(value, src);
	return status != GR_OK || p->storage == gr_module_dtype(p->owner)
		? status
		: gr__param_check_range(p->name, src, value);
}

gr_status gr__param_assign(gr_param *p, const gr_tensor *src)
{
	if (src == NULL)
		return gr_error_code() == GR_OK ? GR_EARG : gr_error_code();
	if (p->value != NULL)
		return copy_value(p, p->value, src);

	gr_status status = gr_scope_begin();
	if (status == GR_OK) {
		gr_tensor *value = gr_empty(p->storage, p->ndim, p->dims);
		status = value == NULL ? gr_error_code() : copy_value(p, value, src);
		if (status == GR_OK)
			p->value = gr_tensor_retain(value);
	}
	gr_scope_end();
	if (status == GR_OK && p->trainable)
		status = watch_value(p);
	return status;
}

void gr__param_clear(gr_param *p)
{
	gr_tensor_release(p->leaf);
	gr_tensor_release(p->value);
	p->leaf = NULL;
	p->value = NULL;
}

gr_tensor *gr_param_tensor(const gr_param *p)
{
	if (p == NULL)
		return NULL;
	if (p->value == NULL)
		gr_error_set(GR_ESTATE,
			"module: parameter '%s' has no values yet; hint: gr_module_init() or gr_module_load()",
			p->name);
	if (p->leaf != NULL)
		return p->leaf;
	const gr_dtype dtype = gr_module_dtype(p->owner);
	return p->storage == dtype || p->value == NULL ? p->value : gr_cast(p->value, dtype);
}

const char *gr_param_name(const gr_param *p)
{
	return p == NULL ? NULL : p->name;
}

const int64_t *gr_param_dims(const gr_param *p)
{
	return p == NULL ? NULL : p->dims;
}

int gr_param_ndim(const gr_param *p)
{
	return p == NULL ? 0 : p->ndim;
}

gr_status gr_module_set_trainable(gr_module *m, bool on)
{
	if (m == NULL)
		return GR_EARG;
	if (on && m->root->constant)
		return gr_error_set(GR_ESTATE,
			"module: weights kept in a narrower type cannot be trained; see gr_module_set_storage");
	gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		p->trainable = on && !p->frozen;
		if (!p->trainable) {
			gr_tensor_release(p->leaf);
			p->leaf = NULL;
		} else if (p->value != NULL && p->leaf == NULL) {
			gr_status status = watch_value(p);
			if (status != GR_OK)
				return status;
		}
	}
	return GR_OK;
}

/* The values of one parameter in another type, with their memory. */
static gr_status restore(gr_param *p, gr_dtype storage)
{
	gr_tensor *old = p->value;
	const gr_dtype before = p->storage;
	p->storage = storage;
	if (old == NULL || before == storage)
		return GR_OK;
	p->value = NULL;
	gr_status status = gr__param_assign(p, old);
	if (status == GR_OK) {
		gr_tensor_release(old);
	} else {
		p->value = old;
		p->storage = before;
	}
	return status;
}

gr_status gr_module_set_storage(gr_module *m, gr_dtype storage)
{
	if (m == NULL)
		return GR_EARG;
	const gr_dtype own = gr_module_dtype(m);
	if (storage != own && storage != GR_F16 && storage != GR_BF16)
		return gr_error_set(GR_EDTYPE, "module: weights are kept in %s, f16 or bf16, not in %s",
			gr_dtype_name(own), gr_dtype_name(storage));
	gr_status status = gr_module_set_trainable(m->root, false);
	gr_param *p;
	m->root->constant = m->root->constant || storage != own;
	for (int64_t i = 0; status == GR_OK && (p = gr_module_param_handle(m, i)) != NULL; i++)
		status = restore(p, p->ndim >= 2 ? storage : own);
	if (status == GR_OK && storage == own && m == m->root)
		m->root->constant = false;
	return status;
}

gr_status gr_module_init(gr_module *m, gr_key key)
{
	if (m == NULL)
		return GR_EARG;
	if (m->root->status != GR_OK)
		return gr_error_set(m->root->status, "module: cannot initialise, building it had failed");
	gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		gr_status status = gr_scope_begin();
		if (status == GR_OK) {
			gr_key own = gr_key_fold_name(key, p->name);
			status = gr__param_assign(p, gr__init_draw(p, gr_module_dtype(m), own));
		}
		gr_scope_end();
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}
