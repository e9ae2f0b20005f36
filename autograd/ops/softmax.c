/*
 * Softmax and its logarithm over the last axis. g is the cotangent of the output y; sums run over
 * the last axis.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradus/ops/binary.h"
#include "gradus/ops/norm.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/unary.h"
#include "ew_priv.h"

static gr_status softmax_infer(gr_op_call *c)
{
	gr_status status = gr_infer_same(c);
	if (status != GR_OK)
		return status;
	if (c->in[0]->ndim == 0)
		return gr_op_fail(c, GR_ESHAPE, "x has no last axis; hint: gr_unsqueeze it");
	c->contiguous = 1;
	return GR_OK;
}

static double softmax_flops(const gr_op_call *c)
{
	return 5.0 * (double)c->in[0]->size;
}

/* y_i = exp(x_i) / Z, Z = sum_j exp(x_j);  dy_i/dx_j = y_i ([i = j] - y_j), so
 * dx = y (g - sum(g y)) */
static gr_status softmax_vjp(gr_vjp *v)
{
	gr_tensor *g = v->gout[0], *y = v->out[0];
	gr_tensor *mean = gr_sum(gr_mul(g, y), GR_AXES(-1), true);
	v->gin[0] = gr_mul(y, gr_sub(g, mean));
	return GR_OK;
}

static gr_status softmax_vjp_fused(gr_vjp *v)
{
	gr_tensor *y = v->out[0];
	gr_tensor *g = gr__tensor_contiguous(v->gout[0]);
	if (g == NULL)
		return GR_EMEM;
	gr_spec spec = gr__tensor_spec(y);
	gr_tensor *dx = gr__scope_own(gr__tensor_new("softmax", &spec));
	gr_status status = dx != NULL ? gr__softmax_backward(dx, y, g) : GR_EMEM;
	gr_tensor_release(g);
	v->gin[0] = dx;
	return status;
}

static gr_status softmax_forward(gr_op_call *c)
{
	return gr__softmax(c->out[0], c->in[0]);
}

static const gr_case softmax_cases[] = {
	GR_EW_CASE("matrix", -3.0, 3.0, NULL, {3, 4}),
	GR_EW_CASE("vector", -3.0, 3.0, NULL, {7}),
	GR_EW_CASE("one", -3.0, 3.0, NULL, {3, 1}),
	GR_EW_CASE("empty", -3.0, 3.0, NULL, {0, 3}),
	GR_EW_CASE("odd", -3.0, 3.0, NULL, {3, 1, 37}),
	GR_EW_CASE("long", -3.0, 3.0, NULL, {2, 1031}),
	GR_EW_CASE("heads", -3.0, 3.0, NULL, {2, 3, 4, 5}),
	GR_EW_KINK("large", 700.0, 1400.0, NULL, {3, 5}),
};
const gr_op gr_op_softmax = {
	.name = "softmax",
	.sig = "x[...,D]",
	.math = "y_i = exp(x_i) / sum_j exp(x_j)",
	.dmath = "dx = y (g - sum(g y))",
	.doc = "Over the last axis, without overflow for any x.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_OUT(0),
	.infer = softmax_infer,
	.forward = softmax_forward,
	.vjp = softmax_vjp,
	.vjp_fused = softmax_vjp_fused,
	.flops = softmax_flops,
	GR_EW_CASES(softmax_cases),
};

/* y_i = x_i - log Z;  dy_i/dx_j = [i = j] - exp(y_j), so dx = g - exp(y) sum(g) */
static gr_status log_softmax_vjp(gr_vjp *v)
{
	gr_tensor *total = gr_sum(v->gout[0], GR_AXES(-1), true);
	v->gin[0] = gr_sub(v->gout[0], gr_mul(gr_exp(v->out[0]), total));
	return GR_OK;
}

static gr_status log_softmax_forward(gr_op_call *c)
{
	return gr__log_softmax(c->out[0], c->in[0]);
}

const gr_op gr_op_log_softmax = {
	.name = "log_softmax",
	.sig = "x[...,D]",
	.math = "y_i = x_i - log sum_j exp(x_j)",
	.dmath = "dx = g - exp(y) sum(g)",
	.doc = "Over the last axis, without overflow for any x.",
	.nin = 1,
	.nout = 1,
	.saves = GR_SAVE_OUT(0),
	.infer = softmax_infer,
	.forward = log_softmax_forward,
	.vjp = log_softmax_vjp,
	.flops = softmax_flops,
	GR_EW_CASES(softmax_cases),
};

gr_tensor *gr_softmax(gr_tensor *x)
{
	return gr_apply1(&gr_op_softmax, 1, &x, NULL);
}

gr_tensor *gr_log_softmax(gr_tensor *x)
{
	return gr_apply1(&gr_op_log_softmax, 1, &x, NULL);
}
