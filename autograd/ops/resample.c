/*
 * Resolution by a whole factor f: avg_pool2d and upsample_nearest2d, the adjoints of one another
 * up to f^2. Both carry a scale, so that each one's rule is one pass of the other.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "kern.h"
#include "node.h"

static gr_status check_images(const gr_op_call *c)
{
	const gr_resample_attr *a = c->attr;
	const gr_tensor *x = c->in[0];

	if (x->dtype != GR_F32 && x->dtype != GR_F64)
		return gr_op_fail(c, GR_EDTYPE, "x is %s, not a float", gr_dtype_name(x->dtype));
	if (x->ndim < 2)
		return gr_op_fail(c, GR_ESHAPE, "x has %d dims, images [...,H,W] have 2 at least", x->ndim);
	if (a->f < 1 || a->f > INT32_MAX)
		return gr_op_fail(c, GR_EARG, "the factor is %" PRId64, a->f);
	return GR_OK;
}

/* [...,H,W] as [B,H,W], on the stack: the caller's tensor holds the storage. */
static gr_tensor planes(const gr_tensor *t)
{
	int64_t h = t->dims[t->ndim - 2], w = t->dims[t->ndim - 1];
	gr_tensor m = {
		.storage = t->storage,
		.data = t->data,
		.size = t->size,
		.dims = {t->size / (h * w), h, w},
		.strides = {h * w, w, 1},
		.ndim = 3,
		.dtype = t->dtype,
		.refs = 1,
	};
	return m;
}

/* --- avg_pool2d ---------------------------------------------------------------------------- */

static gr_tensor *pool(gr_tensor *x, int64_t f, double scale);
static gr_tensor *repeat(gr_tensor *x, int64_t f, double scale);

static gr_status avg_pool2d_infer(gr_op_call *c)
{
	const gr_resample_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	gr_status status = check_images(c);

	if (status != GR_OK)
		return status;
	c->contiguous = 1;
	c->result[0] = gr__operand(x);
	for (int i = x->ndim - 2; i < x->ndim; i++) {
		if (x->dims[i] % a->f != 0)
			return gr_op_fail(c, GR_ESHAPE,
				"dim %d is %" PRId64 ", not a multiple of %" PRId64
				"; hint: gr_pad or gr_slice first",
				i, x->dims[i], a->f);
		c->result[0].dims[i] /= a->f;
	}
	return GR_OK;
}

static gr_status avg_pool2d_forward(gr_op_call *c)
{
	const gr_resample_attr *a = c->attr;

	if (c->in[0]->size == 0)
		return GR_OK;
	gr_tensor x = planes(c->in[0]), y = planes(c->out[0]);
	return gr__pool_mean(&y, &x, a->f, a->scale);
}

/* y_p = s / f^2 times the sum of x over block p, so gx = s / f^2 times gy of the pixel's block */
static gr_status avg_pool2d_vjp(gr_vjp *v)
{
	const gr_resample_attr *a = v->attr;

	v->gin[0] = repeat(v->gout[0], a->f, a->scale / (double)(a->f * a->f));
	return GR_OK;
}

static const gr_case avg_pool2d_cases[] = {
	{"halve", {{2, 3, 4, 6}}, .attr = &(const gr_resample_attr){2, 1.0}},
	{"third", {{3, 6}}, .attr = &(const gr_resample_attr){3, 1.0}},
	{"same", {{2, 3, 3}}, .attr = &(const gr_resample_attr){1, 1.0}},
	{"scaled", {{1, 4, 8}}, .attr = &(const gr_resample_attr){4, 0.75}},
	{"empty", {{0, 2, 2}}, .attr = &(const gr_resample_attr){2, 1.0}},
};

const gr_op gr_op_avg_pool2d = {
	.name = "avg_pool2d",
	.sig = "x[...,H,W]",
	.math = "y[p] = mean of x over block p of f x f",
	.dmath = "dx = g[p] / f^2 in block p",
	.doc = "Mean over blocks.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_resample_attr),
	.infer = avg_pool2d_infer,
	.forward = avg_pool2d_forward,
	.vjp = avg_pool2d_vjp,
	.cases = avg_pool2d_cases,
	.ncases = (int)(sizeof avg_pool2d_cases / sizeof avg_pool2d_cases[0]),
};

static gr_tensor *pool(gr_tensor *x, int64_t f, double scale)
{
	gr_resample_attr a = {f, scale};
	return gr_apply1(&gr_op_avg_pool2d, 1, &x, &a);
}

gr_tensor *gr_avg_pool2d(gr_tensor *x, int64_t f)
{
	return pool(x, f, 1.0);
}

/* --- upsample_nearest2d -------------------------------------------------------------------- */

static gr_status upsample_nearest2d_infer(gr_op_call *c)
{
	const gr_resample_attr *a = c->attr;
	const gr_tensor *x = c->in[0];
	gr_status status = check_images(c);

	if (status != GR_OK)
		return status;
	c->contiguous = 1;
	c->result[0] = gr__operand(x);
	for (int i = x->ndim - 2; i < x->ndim; i++) {
		if (x->dims[i] > INT32_MAX)
			return gr_op_fail(c, GR_ESHAPE, "dim %d is %" PRId64, i, x->dims[i]);
		c->result[0].dims[i] *= a->f;
	}
	return GR_OK;
}

static gr_status upsample_nearest2d_forward(gr_op_call *c)
{
	const gr_resample_attr *a = c->attr;

	if (c->in[0]->size == 0)
		return GR_OK;
	gr_tensor x = planes(c->in[0]), y = planes(c->out[0]);
	return gr__repeat(&y, &x, a->f, a->scale);
}

/* y = s x of the pixel's block, so gx_p = s times the sum of gy over block p, s f^2 its mean */
static gr_status upsample_nearest2d_vjp(gr_vjp *v)
{
	const gr_resample_attr *a = v->attr;

	v->gin[0] = pool(v->gout[0], a->f, a->scale * (double)(a->f * a->f));
	return GR_OK;
}

static const gr_case upsample_nearest2d_cases[] = {
	{"double", {{2, 3, 2, 3}}, .attr = &(const gr_resample_attr){2, 1.0}},
	{"triple", {{1, 2}}, .attr = &(const gr_resample_attr){3, 1.0}},
	{"same", {{2, 3, 3}}, .attr = &(const gr_resample_attr){1, 1.0}},
	{"scaled", {{3, 1, 2}}, .attr = &(const gr_resample_attr){4, 0.75}},
	{"empty", {{0, 2, 2}}, .attr = &(const gr_resample_attr){2, 1.0}},
};

const gr_op gr_op_upsample_nearest2d = {
	.name = "upsample_nearest2d",
	.sig = "x[...,H,W]",
	.math = "y[i,j] = x[i / f, j / f]",
	.dmath = "dx[p] = sum of g over block p of f x f",
	.doc = "Each pixel f x f times.",
	.nin = 1,
	.nout = 1,
	.flags = GR_OP_LINEAR,
	.attr_size = sizeof(gr_resample_attr),
	.infer = upsample_nearest2d_infer,
	.forward = upsample_nearest2d_forward,
	.vjp = upsample_nearest2d_vjp,
	.cases = upsample_nearest2d_cases,
	.ncases = (int)(sizeof upsample_nearest2d_cases / sizeof upsample_nearest2d_cases[0]),
};

static gr_tensor *repeat(gr_tensor *x, int64_t f, double scale)
{
	gr_resample_attr a = {f, scale};
	return gr_apply1(&gr_op_upsample_nearest2d, 1, &x, &a);
}

gr_tensor *gr_upsample_nearest2d(gr_tensor *x, int64_t f)
{
	return repeat(x, f, 1.0);
}
