/*
 * Values of parameters. A parameter is one storage seen by two headers: `value`, a constant, and
 * while it is trainable `leaf`, watched. gr_param_tensor() hands out the leaf if there is one, so
 * that freezing a module costs nothing and its forward records nothing for it.
 */
#include "module_priv.h"

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

gr_status gr__param_assign(gr_param *p, const gr_tensor *src)
{
	if (src == NULL)
		return gr_error_code() == GR_OK ? GR_EARG : gr_error_code();
	if (p->value != NULL)
		return gr_param_update(p->value, src);

	gr_status status = gr_scope_begin();
	if (status == GR_OK) {
		gr_tensor *value = gr_empty(gr_module_dtype(p->owner), p->ndim, p->dims);
		status = value == NULL ? gr_error_code() : gr_param_update(value, src);
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
	return p->leaf != NULL ? p->leaf : p->value;
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
