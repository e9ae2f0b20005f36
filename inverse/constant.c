/* Constants in both float types: see constant_priv.h. */
#include "constant_priv.h"

gr_status gr__constant_set(gr_constant *c, gr_tensor *value)
{
	gr__constant_clear(c);
	gr_scope_begin();
	gr_tensor *v = gr_contiguous(gr_stop_gradient(value));
	c->f64 = gr_tensor_retain(gr_cast(v, GR_F64));
	c->f32 = gr_tensor_retain(gr_cast(v, GR_F32));
	gr_status status = gr_scope_end();
	if (!status && (!c->f32 || !c->f64))
		status = gr_error_set(GR_EARG, "constant: no value given");
	if (status)
		gr__constant_clear(c);
	return status;
}

void gr__constant_clear(gr_constant *c)
{
	gr_tensor_release(c->f32);
	gr_tensor_release(c->f64);
	c->f32 = NULL;
	c->f64 = NULL;
}

gr_tensor *gr__constant_get(const gr_constant *c, gr_dtype dtype)
{
	return dtype == GR_F64 ? c->f64 : c->f32;
}
