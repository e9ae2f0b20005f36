/*
 * Discrete Fourier transforms. With complex numbers as pairs of reals the transform is a real
 * linear map, and its adjoint is the transform with the other sign; so fft is closed under
 * differentiation by itself, and rfft with rfft_adjoint. Inverses and two dims are compositions.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "kern.h"
#include "move_priv.h"
#include "node.h"

#define MOST_LENGTH ((int64_t)1 << 28)

static gr_status check_length(const gr_op_call *c, int64_t n)
{
	if (n >= 1 && n <= MOST_LENGTH)
		return GR_OK;
	return gr_op_fail(c, GR_ESHAPE, "lines of %" PRId64 " have no transform; hint: 1 to 2^28", n);
}

static gr_status check_complex(const gr_op_call *c)
{
	const gr_tensor *x = c->in[0];

	if (x->ndim < 2 || x->dims[x->ndim - 1] != 2)
		return gr_op_fail(c, GR_ESHAPE, "a complex tensor has a last dim of 2, and one before it");
	return GR_OK;
}

/* axis, inverse, length, scale */
#define FFT(...) (&(const gr_fft_attr){__VA_ARGS__})

/* --- fft ----------------------------------------------------------------------------------- */

static gr_status fft_infer(gr_op_call *c)
{
	const gr_fft_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	gr_status status = gr_infer_same(c);

	if (status == GR_OK)
		status = check_complex(c);
	if (status != GR_OK)
		return status;
	int axes = x->ndim - 1;
	if (a->axis < -axes || a->axis >= axes)
		return gr_op_fail(c, GR_EARG, "axis %" PRId64 " is out of range for %d complex dims",
			a->axis, axes);
	c->contiguous = 1;
	return check_length(c, x->dims[gr__shape_axis(a->axis, axes)]);
}

static gr_status fft_forward(gr_op_call *c)
{
	const gr_fft_attr *a = c->attr;
	int axis = gr__shape_axis(a->axis, c->in[0]->ndim - 1);

	return gr__fft(c->out[0], c->in[0], axis, a->inverse != 0, a->scale);
}

/* y = s F x with F_kj = exp(-2 pi i jk / n);  <g, y> = Re(g^H s F x), so dx = s F^H g, and F^H is F
 * with the other sign */
static gr_status fft_vjp(gr_vjp *v)
{
	gr_fft_attr a = *(const gr_fft_attr *)v->attr;

	a.inverse = !a.inverse;
	v->gin[0] = gr_apply1(v->op, 1, &v->gout[0], &a);
	return GR_OK;
}

static double fft_flops(const gr_op_call *c)
{
	double n = (double)c->in[0]->size, flops = 0.0;

	for (double length = n; length > 1.0; length /= 2.0)
		flops += 2.5 * n;
	return flops;
}

static const gr_case fft_cases[] = {
	{"eight", {{8, 2}}, .attr = FFT(0, 0, 0, 1.0)},
	{"six", {{2, 6, 2}}, .attr = FFT(-1, 0, 0, 1.0)},
	{"columns", {{5, 3, 2}}, .attr = FFT(0, 0, 0, 1.0)},
	{"other sign", {{3, 4, 2, 2}}, .attr = FFT(-2, 1, 0, 0.25)},
	{"prime", {{17, 2}}, .attr = FFT(0, 0, 0, 1.0)},
	{"large prime", {{2, 37, 2}}, .attr = FFT(1, 1, 0, 1.0)},
	{"thirty", {{30, 2}}, .attr = FFT(0, 0, 0, -0.5)},
	{"one", {{3, 1, 2}}, .attr = FFT(1, 0, 0, 1.0)},
	{"empty", {{0, 4, 2}}, .attr = FFT(1, 0, 0, 1.0)},
};

const gr_op gr_op_fft = {
	.name = "fft",
	.sig = "x[...,n,2]",
	.math = "y_k = sum_j x_j exp(-2 pi i jk / n)",
	.dmath = "dx_j = sum_k g_k exp(2 pi i jk / n)",
	.doc = "Along one axis of a complex tensor, of any length.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	.infer = fft_infer,
	.forward = fft_forward,
	.vjp = fft_vjp,
	.flops = fft_flops,
	GR_EW_CASES(fft_cases),
};

gr_tensor *gr_fft(gr_tensor *x, int axis)
{
	return gr_apply1(&gr_op_fft, 1, &x, FFT(axis, 0, 0, 1.0));
}

/* --- rfft and its adjoint ------------------------------------------------------------------ */

extern const gr_op gr_op_rfft_adjoint;

static gr_status rfft_infer(gr_op_call *c)
{
	const gr_tensor *x = c->in[0];
	gr_status status = gr_infer_same(c);

	if (status != GR_OK)
		return status;
	if (x->ndim < 1 || x->ndim == GR_MAX_DIMS)
		return gr_op_fail(c, GR_ESHAPE, "x has %d dims; 1 to %d are possible", x->ndim,
			GR_MAX_DIMS - 1);
	gr_operand *r = &c->result[0];
	r->dims[r->ndim - 1] = r->dims[r->ndim - 1] / 2 + 1;
	r->dims[r->ndim++] = 2;
	c->contiguous = 1;
	return check_length(c, x->dims[x->ndim - 1]);
}

static gr_status rfft_forward(gr_op_call *c)
{
	return gr__rfft(c->out[0], c->in[0], ((const gr_fft_attr *)c->attr)->scale);
}

/* y_k = s sum_j x_j exp(-2 pi i jk / n), 0 <= k <= n/2;  dx_j = s Re sum_k g_k exp(+2 pi i jk / n) */
static gr_status rfft_vjp(gr_vjp *v)
{
	gr_fft_attr a = *(const gr_fft_attr *)v->attr;

	a.length = v->shape[0].dims[v->shape[0].ndim - 1];
	v->gin[0] = gr_apply1(&gr_op_rfft_adjoint, 1, &v->gout[0], &a);
	return GR_OK;
}

static const gr_case rfft_cases[] = {
	{"even", {{2, 6}}, .attr = FFT(0, 0, 0, 1.0)},
	{"odd", {{7}}, .attr = FFT(0, 0, 0, 1.0)},
	{"prime", {{1, 19}}, .attr = FFT(0, 0, 0, 0.5)},
	{"one", {{3, 1}}, .attr = FFT(0, 0, 0, 1.0)},
	{"empty", {{0, 4}}, .attr = FFT(0, 0, 0, 1.0)},
};

const gr_op gr_op_rfft = {
	.name = "rfft",
	.sig = "x[...,n]",
	.math = "y_k = sum_j x_j exp(-2 pi i jk / n), k <= n/2",
	.dmath = "dx_j = Re sum_k g_k exp(2 pi i jk / n), k <= n/2",
	.doc = "Along the last axis of a real tensor; the half that determines the rest.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	.infer = rfft_infer,
	.forward = rfft_forward,
	.vjp = rfft_vjp,
	.flops = fft_flops,
	GR_EW_CASES(rfft_cases),
};

gr_tensor *gr_rfft(gr_tensor *x)
{
	return gr_apply1(&gr_op_rfft, 1, &x, FFT(0, 0, 0, 1.0));
}

static gr_status rfft_adjoint_infer(gr_op_call *c)
{
	const gr_fft_attr *a = c->attr;
	gr_status status = gr_infer_same(c);

	if (status == GR_OK)
		status = check_complex(c);
	if (status == GR_OK)
		status = check_length(c, a->length);
	if (status != GR_OK)
		return status;
	gr_operand *r = &c->result[0];
	r->ndim--;
	if (r->dims[r->ndim - 1] != a->length / 2 + 1)
		return gr_op_fail(c, GR_ESHAPE,
			"a line of %" PRId64 " has %" PRId64 " coefficients, not %" PRId64, a->length,
			a->length / 2 + 1, r->dims[r->ndim - 1]);
	r->dims[r->ndim - 1] = a->length;
	r->dims[r->ndim] = 0;
	c->contiguous = 1;
	return GR_OK;
}

static gr_status rfft_adjoint_forward(gr_op_call *c)
{
	return gr__rfft_adjoint(c->out[0], c->in[0], ((const gr_fft_attr *)c->attr)->scale);
}

/* the adjoint of the adjoint */
static gr_status rfft_adjoint_vjp(gr_vjp *v)
{
	v->gin[0] = gr_apply1(&gr_op_rfft, 1, &v->gout[0], v->attr);
	return GR_OK;
}

static const gr_case rfft_adjoint_cases[] = {
	{"even", {{2, 4, 2}}, .attr = FFT(0, 0, 6, 1.0)},
	{"odd", {{4, 2}}, .attr = FFT(0, 0, 7, 1.0)},
	{"prime", {{10, 2}}, .attr = FFT(0, 0, 19, 0.5)},
	{"one", {{3, 1, 2}}, .attr = FFT(0, 0, 1, 1.0)},
	{"empty", {{0, 3, 2}}, .attr = FFT(0, 0, 4, 1.0)},
};

const gr_op gr_op_rfft_adjoint = {
	.name = "rfft_adjoint",
	.sig = "y[...,n/2+1,2]",
	.math = "x_j = Re sum_k y_k exp(2 pi i jk / n)",
	.dmath = "dy_k = sum_j g_j exp(-2 pi i jk / n), k <= n/2",
	.doc = "Adjoint of rfft; not its inverse, which counts the inner coefficients twice.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_fft_attr),
	.infer = rfft_adjoint_infer,
	.forward = rfft_adjoint_forward,
	.vjp = rfft_adjoint_vjp,
	.flops = fft_flops,
	GR_EW_CASES(rfft_adjoint_cases),
};

gr_tensor *gr_rfft_adjoint(gr_tensor *y, int64_t n)
{
	return gr_apply1(&gr_op_rfft_adjoint, 1, &y, FFT(0, 0, n, 1.0));
}
