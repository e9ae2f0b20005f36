/* Shared parts of the elementwise records; see ew_priv.h. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "ew_priv.h"

gr_status gr__ew_call(gr_op_call *c, gr_ew_kind kind, double s0, double s1)
{
	const gr_tensor *in[3] = {c->in[0], c->nin > 1 ? c->in[1] : NULL, c->nin > 2 ? c->in[2] : NULL};
	return gr__ew(kind, c->out[0], in, s0, s1);
}

gr_tensor *gr__ew_const(const gr_op *op, gr_ew_kind kind, gr_tensor *a, gr_tensor *b, double s0,
	double s1)
{
	if (a == NULL)
		return NULL;
	gr_spec spec = gr__tensor_spec(a);
	gr_tensor *out = gr__scope_own(gr__tensor_new(op->name, &spec));
	if (out == NULL)
		return NULL;
	gr_status status = gr__ew(kind, out, (const gr_tensor *[]){a, b}, s0, s1);
	if (status != GR_OK)
		gr__fail(status, op->name, "%s in the gradient", gr_error_text(status));
	return status == GR_OK ? out : NULL;
}

gr_tensor *gr__ew_masked(gr_tensor *mask, gr_tensor *g)
{
	return gr_where(mask, g, gr_scalar(gr_tensor_dtype(g), 0.0));
}
