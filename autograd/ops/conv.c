/*
 * 2-d convolution (cross-correlation) and its two adjoints. With geometry fixed, conv2d is
 * bilinear, y = X(x, w), and the family is closed: for all x, w, g
 *
 *     <g, X(x, w)> = <A(g, w), x> = <B(g, x), w>
 *
 * where A is conv2d_input_adjoint and B is conv2d_weight_adjoint. So the six gradients of the
 * three bilinear ops are read off this one trilinear form, to any order.
 *
 * The kernels are in tensor/kern/conv*.c; this file owns the rules of shape.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <inttypes.h>
#include <string.h>

#include "gradus/op.h"
#include "gradus/ops.h"
#include "attr.h"
#include "kern.h"
#include "../kern/conv.h"

/* --- shared: attributes, shapes, geometry -------------------------------------------------- */

/* Fills in the defaults; an options struct without its size gives a stride that infer refuses. */
static gr_conv_attr conv_attr(const gr_conv_opts *opts)
{
	gr_conv_opts o = {0};

	if (opts != NULL)
		memcpy(&o, opts, opts->size < sizeof o ? opts->size : sizeof o);
	gr_conv_attr a = {
		.stride = o.stride == 0 ? 1 : o.stride,
		.pad = o.pad,
		.dilation = o.dilation == 0 ? 1 : o.dilation,
		.groups = o.groups == 0 ? 1 : o.groups,
		.pad_end = o.pad_end,
		.pad_w = o.pad_w,
		.out_h = o.out_h,
		.out_w = o.out_w,
	};
	if (opts != NULL && opts->size < sizeof(size_t))
		a.stride = INT64_MIN;
	return a;
}

static gr_status check_attr(const gr_op_call *c)
{
	const gr_conv_attr *a = c->attr;
	const int64_t most = INT32_MAX;

	if (a->stride == INT64_MIN)
		return gr_op_fail(c, GR_EARG,
			"opts->size is 0; hint: GR_OPTS(gr_conv_opts, ...) fills it in");
	if (a->pad_w < -1 || a->pad_w > most)
		return gr_op_fail(c, GR_EARG, "pad_w is %" PRId64 "; hint: -1 is none, 0 is pad", a->pad_w);
	if (a->stride < 1 || a->dilation < 1 || a->groups < 1 || a->pad < 0 || a->out_h < 0 ||
		a->out_w < 0)
		return gr_op_fail(c, GR_EARG,
			"stride %" PRId64 ", dilation %" PRId64 ", groups %" PRId64 ", pad %" PRId64
			", out %" PRId64 " x %" PRId64 ": none may be negative",
			a->stride, a->dilation, a->groups, a->pad, a->out_h, a->out_w);
	if (a->stride > most || a->dilation > most || a->groups > most || a->pad > most ||
		a->pad_end > most || a->pad_end < -most || a->out_h > most || a->out_w > most)
		return gr_op_fail(c, GR_EARG, "an option is beyond 2^31");
	return GR_OK;
}

/* Both are [.,.,.,.] of one float type; only the batch may be empty. */
static gr_status check_operands(const gr_op_call *c)
{
	static const char *const names[] = {"first", "second"};

	for (int i = 0; i < 2; i++) {
		const gr_tensor *t = c->in[i];
		if ((t->dtype != GR_F32 && t->dtype != GR_F64) || t->dtype != c->in[0]->dtype)
			return gr_op_fail(c, GR_EDTYPE,
				"operands are %s and %s; hint: one float type, see gr_cast",
				gr_dtype_name(c->in[0]->dtype), gr_dtype_name(c->in[1]->dtype));
		if (t->ndim != 4)
			return gr_op_fail(c, GR_ESHAPE,
				"the %s operand has %d dims, not 4; hint: an image is "
				"[N,C,H,W], gr_unsqueeze adds N",
				names[i], t->ndim);
		for (int d = 0; d < 4; d++)
			if ((t->dims[d] == 0 && d > 0) || t->dims[d] > INT32_MAX)
				return gr_op_fail(c, GR_ESHAPE, "dim %d of the %s operand is %" PRId64, d, names[i],
					t->dims[d]);
	}
	return check_attr(c);
}

/* Zeros before the first row (dim 2) or column (dim 3); as many follow the last, and pad_end. */
static int64_t pad_of(const gr_conv_attr *a, int dim)
{
	if (dim == 2 || a->pad_w == 0)
		return a->pad;
	return a->pad_w < 0 ? 0 : a->pad_w;
}

/* Of one dim: the size of the output, below 1 when the kernel does not fit. */
static int64_t out_size(const gr_conv_attr *a, int dim, int64_t size, int64_t kernel)
{
	int64_t room = size + 2 * pad_of(a, dim) + a->pad_end - a->dilation * (kernel - 1) - 1;
	return room < 0 ? 0 : room / a->stride + 1;
}

/* The smallest image that has this output: the default of the input adjoint. */
static int64_t least_size(const gr_conv_attr *a, int dim, int64_t out, int64_t kernel)
{
	int64_t padded = (out - 1) * a->stride + a->dilation * (kernel - 1) + 1;
	return padded - 2 * pad_of(a, dim) - a->pad_end;
}

/* The largest kernel that has this output: the default of the weight adjoint. */
static int64_t most_kernel(const gr_conv_attr *a, int dim, int64_t size, int64_t out)
{
	int64_t room = size + 2 * pad_of(a, dim) + a->pad_end - (out - 1) * a->stride - 1;
	return room < 0 ? 0 : room / a->dilation + 1;
}

static gr_conv_geom geometry(const gr_conv_attr *a, const int64_t *x, const int64_t *w,
	const int64_t *y)
{
	return (gr_conv_geom){
		.n = x[0],
		.c = x[1],
		.h = x[2],
		.w = x[3],
		.k = w[0],
		.r = w[2],
		.s = w[3],
		.ho = y[2],
		.wo = y[3],
		.stride_h = a->stride,
		.stride_w = a->stride,
		.pad_top = pad_of(a, 2),
		.pad_left = pad_of(a, 3),
		.dil_h = a->dilation,
		.dil_w = a->dilation,
		.groups = a->groups,
	};
}

static double flops(const int64_t *w, const int64_t *y)
{
	return 2.0 * (double)y[0] * (double)y[2] * (double)y[3] * (double)w[0] * (double)w[1] *
		(double)w[2] * (double)w[3];
}

/* --- conv2d, conv2d_bias ------------------------------------------------------------------- */

static gr_status conv2d_infer(gr_op_call *c)
{
	const gr_conv_attr *a = c->attr;
	gr_status status = check_operands(c);

	if (status != GR_OK)
		return status;
	const int64_t *x = c->in[0]->dims, *w = c->in[1]->dims;
	if (x[1] != w[1] * a->groups && a->groups == 1)
		return gr_op_fail(c, GR_ESHAPE, "x has %" PRId64 " channels, w expects %" PRId64, x[1],
			w[1]);
	if (x[1] != w[1] * a->groups)
		return gr_op_fail(c, GR_ESHAPE,
			"x has %" PRId64 " channels, w expects %" PRId64 " in %" PRId64
			" groups; hint: w is [K,C/groups,R,S]",
			x[1], w[1] * a->groups, a->groups);
	if (w[0] % a->groups != 0)
		return gr_op_fail(c, GR_ESHAPE,
			"%" PRId64 " output channels do not divide into %" PRId64 " groups", w[0], a->groups);
	int64_t ho = out_size(a, 2, x[2], w[2]), wo = out_size(a, 3, x[3], w[3]);
	if (ho < 1 || wo < 1)
		return gr_op_fail(c, GR_ESHAPE,
			"a kernel of %" PRId64 " x %" PRId64 " does not fit the padded image; hint: raise pad",
			w[2], w[3]);
	c->contiguous = 3;
	c->result[0] = (gr_operand){c->in[0]->dtype, 4, {x[0], w[0], ho, wo}};
	return GR_OK;
}

static gr_status conv2d_forward(gr_op_call *c)
{
	const gr_tensor *x = c->in[0], *w = c->in[1], *b = c->nin > 2 ? c->in[2] : NULL;
	gr_conv_geom geom = geometry(c->attr, x->dims, w->dims, c->out[0]->dims);
	const void *bias = b != NULL ? b->data : NULL;

	if (c->out[0]->size == 0)
		return GR_OK;
	if (x->dtype == GR_F32)
		return gr__conv_forward_f32(&geom, (const void *)x->data, (const void *)w->data, bias,
			(void *)c->out[0]->data);
	return gr__conv_forward_f64(&geom, (const void *)x->data, (const void *)w->data, bias,
		(void *)c->out[0]->data);
}

static double conv2d_flops(const gr_op_call *c)
{
	return flops(c->in[1]->dims, c->result[0].dims);
}

/* The options with the size that an adjoint is to have. */
static gr_conv_opts sized(const gr_conv_attr *a, int64_t out_h, int64_t out_w)
{
	return (gr_conv_opts){
		.size = sizeof(gr_conv_opts),
		.stride = a->stride,
		.pad = a->pad,
		.dilation = a->dilation,
		.groups = a->groups,
		.pad_end = a->pad_end,
		.pad_w = a->pad_w,
		.out_h = out_h,
		.out_w = out_w,
	};
}

/* A(g, w) like x, and B(g, x) like w; `x` and `w` are their dims. */
static gr_tensor *input_adjoint(const gr_conv_attr *a, gr_tensor *g, gr_tensor *w, const int64_t *x)
{
	gr_conv_opts opts = sized(a, x[2], x[3]);
	return gr_conv2d_input_adjoint(g, w, &opts);
}

static gr_tensor *weight_adjoint(const gr_conv_attr *a, gr_tensor *g, gr_tensor *x,
	const int64_t *w)
{
	gr_conv_opts opts = sized(a, w[2], w[3]);
	return gr_conv2d_weight_adjoint(g, x, &opts);
}

/* y = X(x, w);  <g, X(dx, w)> = <A(g, w), dx>,  <g, X(x, dw)> = <B(g, x), dw> */
static gr_status conv2d_vjp(gr_vjp *v)
{
	gr_tensor *x = v->in[0], *w = v->in[1], *g = v->gout[0];

	if ((v->want & 1u) != 0)
		v->gin[0] = input_adjoint(v->attr, g, w, v->shape[0].dims);
	if ((v->want & 2u) != 0)
		v->gin[1] = weight_adjoint(v->attr, g, x, v->shape[1].dims);
	return GR_OK;
}

#define CONV_ATTR(...) \
	&(const gr_conv_attr) \
	{ \
		__VA_ARGS__ \
	}

/* x, w, and attributes stride, pad, dilation, groups, pad_end; b for conv2d_bias. */
#define CONV_CASES(b1, b2, b3, b4) \
	{"3x3", {{2, 2, 5, 4}, {3, 2, 3, 3}, b3}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 0, 0)}, \
		{"1x1", {{2, 3, 3, 3}, {4, 3, 1, 1}, b4}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0)}, \
		{"one pixel", {{1, 1, 1, 1}, {1, 1, 1, 1}, b1}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0)}, \
		{"stride", {{1, 2, 7, 6}, {2, 2, 3, 3}, b2}, .attr = CONV_ATTR(2, 1, 1, 1, 0, 0, 0)}, \
		{"stride, pad end", {{1, 2, 6, 6}, {2, 2, 3, 3}, b2}, \
			.attr = CONV_ATTR(2, 0, 1, 1, 1, 0, 0)}, \
		{"pad end < 0", {{1, 1, 6, 5}, {2, 1, 3, 2}, b2}, \
			.attr = CONV_ATTR(1, 2, 1, 1, -2, 0, 0)}, \
		{"pad > kernel", {{1, 1, 2, 2}, {1, 1, 2, 2}, b1}, \
			.attr = CONV_ATTR(1, 3, 1, 1, 0, 0, 0)}, \
		{"dilation", {{1, 2, 7, 8}, {2, 2, 3, 2}, b2}, .attr = CONV_ATTR(1, 1, 2, 1, 0, 0, 0)}, \
		{"all", {{2, 4, 9, 8}, {4, 2, 3, 2}, b4}, .attr = CONV_ATTR(3, 2, 2, 2, 1, 0, 0)}, \
		{"groups", {{2, 4, 4, 4}, {2, 2, 3, 3}, b2}, .attr = CONV_ATTR(1, 1, 1, 2, 0, 0, 0)}, \
		{"depthwise", {{1, 3, 5, 5}, {3, 1, 3, 3}, b3}, .attr = CONV_ATTR(1, 1, 1, 3, 0, 0, 0)}, \
		{"unread edge", {{1, 1, 6, 6}, {1, 1, 2, 2}, b1}, .attr = CONV_ATTR(3, 0, 1, 1, 0, 0, 0)}, \
		{"columns padded", {{1, 2, 3, 5}, {2, 2, 1, 4}, b2}, \
			.attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0, 2)}, \
		{"rows padded", {{1, 2, 4, 3}, {2, 2, 3, 1}, b2}, \
			.attr = CONV_ATTR(2, 1, 1, 1, 0, 0, 0, -1)}, \
		{"no images", {{0, 2, 4, 4}, {3, 2, 3, 3}, b3}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 0, 0)},

static const gr_case conv2d_cases[] = {CONV_CASES({0}, {0}, {0}, {0})};

const gr_op gr_op_conv2d = {
	.name = "conv2d",
	.sig = "x[N,C,H,W] w[K,C/groups,R,S]",
	.math = "y[k,i,j] = sum_crs w[k,c,r,s] x[c, i stride + r dil - pad, j stride + s dil - pad]",
	.dmath = "dx = conv2d_input_adjoint(g, w), dw = conv2d_weight_adjoint(g, x)",
	.doc = "2-d cross-correlation with zeros outside the image.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0)},
	.attr_size = sizeof(gr_conv_attr),
	.infer = conv2d_infer,
	.forward = conv2d_forward,
	.vjp = conv2d_vjp,
	.flops = conv2d_flops,
	.cases = conv2d_cases,
	.ncases = (int)(sizeof conv2d_cases / sizeof conv2d_cases[0]),
};

gr_tensor *gr_conv2d(gr_tensor *x, gr_tensor *w, const gr_conv_opts *opts)
{
	gr_conv_attr a = conv_attr(opts);
	gr_tensor *in[] = {x, w};
	return gr_apply1(&gr_op_conv2d, 2, in, &a);
}

static gr_status conv2d_bias_infer(gr_op_call *c)
{
	gr_status status = conv2d_infer(c);
	const gr_tensor *b = c->in[2];

	if (status != GR_OK)
		return status;
	if (b->dtype != c->in[0]->dtype)
		return gr_op_fail(c, GR_EDTYPE, "b is %s, x is %s", gr_dtype_name(b->dtype),
			gr_dtype_name(c->in[0]->dtype));
	if (b->ndim != 1 || b->dims[0] != c->in[1]->dims[0])
		return gr_op_fail(c, GR_ESHAPE,
			"b is not [%" PRId64 "], one number for each output channel", c->in[1]->dims[0]);
	c->contiguous = 7;
	return GR_OK;
}

/* y = X(x, w) + b_k: as conv2d, and gb_k = sum_nij g[n,k,i,j] */
static gr_status conv2d_bias_vjp(gr_vjp *v)
{
	if ((v->want & 4u) != 0)
		v->gin[2] = gr_sum(v->gout[0], GR_AXES(0, 2, 3), false);
	return conv2d_vjp(v);
}

static const gr_case conv2d_bias_cases[] = {CONV_CASES({1}, {2}, {3}, {4})};

const gr_op gr_op_conv2d_bias = {
	.name = "conv2d_bias",
	.sig = "x[N,C,H,W] w[K,C/groups,R,S] b[K]",
	.math = "y = conv2d(x, w) + b[k]",
	.dmath = "dx = conv2d_input_adjoint(g, w), dw = conv2d_weight_adjoint(g, x), db[k] = sum_nij "
			 "g[n,k,i,j]",
	.doc = "conv2d plus a number per output channel, in one pass.",
	.nin = 3,
	.nout = 1,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0), GR_SAVE_NOTHING},
	.attr_size = sizeof(gr_conv_attr),
	.infer = conv2d_bias_infer,
	.forward = conv2d_forward,
	.vjp = conv2d_bias_vjp,
	.flops = conv2d_flops,
	.cases = conv2d_bias_cases,
	.ncases = (int)(sizeof conv2d_bias_cases / sizeof conv2d_bias_cases[0]),
};

gr_tensor *gr_conv2d_bias(gr_tensor *x, gr_tensor *w, gr_tensor *b, const gr_conv_opts *opts)
{
	gr_conv_attr a = conv_attr(opts);
	gr_tensor *in[] = {x, w, b};
	return gr_apply1(&gr_op_conv2d_bias, 3, in, &a);
}

/* --- conv2d_input_adjoint ------------------------------------------------------------------ */

static gr_status conv2d_input_adjoint_infer(gr_op_call *c)
{
	const gr_conv_attr *a = c->attr;
	gr_status status = check_operands(c);

	if (status != GR_OK)
		return status;
	const int64_t *g = c->in[0]->dims, *w = c->in[1]->dims;
	if (g[1] != w[0])
		return gr_op_fail(c, GR_ESHAPE, "g has %" PRId64 " channels, w gives %" PRId64, g[1], w[0]);
	if (w[0] % a->groups != 0)
		return gr_op_fail(c, GR_ESHAPE,
			"%" PRId64 " channels do not divide into %" PRId64 " groups", w[0], a->groups);
	int64_t h = a->out_h != 0 ? a->out_h : least_size(a, 2, g[2], w[2]);
	int64_t width = a->out_w != 0 ? a->out_w : least_size(a, 3, g[3], w[3]);
	if (h < 1 || width < 1 || out_size(a, 2, h, w[2]) != g[2] ||
		out_size(a, 3, width, w[3]) != g[3])
		return gr_op_fail(c, GR_ESHAPE,
			"no image of %" PRId64 " x %" PRId64 " has an output of %" PRId64 " x %" PRId64
			"; hint: out_h, out_w",
			h, width, g[2], g[3]);
	c->contiguous = 3;
	c->result[0] = (gr_operand){c->in[0]->dtype, 4, {g[0], w[1] * a->groups, h, width}};
	return GR_OK;
}

static gr_status conv2d_input_adjoint_forward(gr_op_call *c)
{
	const gr_tensor *g = c->in[0], *w = c->in[1];
	gr_conv_geom geom = geometry(c->attr, c->out[0]->dims, w->dims, g->dims);

	if (c->out[0]->size == 0)
		return GR_OK;
	if (g->dtype == GR_F32)
		return gr__conv_input_grad_f32(&geom, (const void *)g->data, (const void *)w->data,
			(void *)c->out[0]->data);
	return gr__conv_input_grad_f64(&geom, (const void *)g->data, (const void *)w->data,
		(void *)c->out[0]->data);
}

static double conv2d_input_adjoint_flops(const gr_op_call *c)
{
	return flops(c->in[1]->dims, c->in[0]->dims);
}

/* y = A(g, w);  <u, A(dg, w)> = <X(u, w), dg>,  <u, A(g, dw)> = <X(u, dw), g> = <B(g, u), dw> */
static gr_status conv2d_input_adjoint_vjp(gr_vjp *v)
{
	gr_tensor *g = v->in[0], *w = v->in[1], *u = v->gout[0];
	gr_conv_opts opts = sized(v->attr, 0, 0);

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_conv2d(u, w, &opts);
	if ((v->want & 2u) != 0)
		v->gin[1] = weight_adjoint(v->attr, g, u, v->shape[1].dims);
	return GR_OK;
}

static const gr_case conv2d_input_adjoint_cases[] = {
	{"3x3", {{2, 3, 5, 4}, {3, 2, 3, 3}}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 5, 4)},
	{"1x1", {{2, 4, 3, 3}, {4, 3, 1, 1}}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0)},
	{"double size", {{1, 2, 3, 2}, {2, 3, 4, 4}}, .attr = CONV_ATTR(2, 1, 1, 1, 0, 0, 0)},
	{"stride", {{1, 2, 4, 3}, {2, 2, 3, 3}}, .attr = CONV_ATTR(2, 1, 1, 1, 0, 8, 6)},
	{"stride, pad end", {{1, 2, 3, 3}, {2, 2, 3, 3}}, .attr = CONV_ATTR(2, 0, 1, 1, 1, 6, 6)},
	{"all", {{2, 4, 4, 4}, {4, 2, 3, 2}}, .attr = CONV_ATTR(3, 2, 2, 2, 1, 9, 8)},
	{"depthwise", {{1, 3, 5, 5}, {3, 1, 3, 3}}, .attr = CONV_ATTR(1, 1, 1, 3, 0, 0, 0)},
	{"unread edge", {{1, 1, 2, 2}, {1, 1, 2, 2}}, .attr = CONV_ATTR(3, 0, 1, 1, 0, 7, 6)},
	{"columns padded", {{1, 2, 3, 6}, {2, 2, 1, 4}}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0, 2)},
	{"no images", {{0, 3, 4, 4}, {3, 2, 3, 3}}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 0, 0)},
};

const gr_op gr_op_conv2d_input_adjoint = {
	.name = "conv2d_input_adjoint",
	.sig = "g[N,K,H',W'] w[K,C/groups,R,S]",
	.math = "<y, x> = <g, conv2d(x, w)> for all x",
	.dmath = "dg = conv2d(u, w), dw = conv2d_weight_adjoint(g, u), u of y",
	.doc = "Adjoint of conv2d in x: the transposed convolution.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0)},
	.attr_size = sizeof(gr_conv_attr),
	.infer = conv2d_input_adjoint_infer,
	.forward = conv2d_input_adjoint_forward,
	.vjp = conv2d_input_adjoint_vjp,
	.flops = conv2d_input_adjoint_flops,
	.cases = conv2d_input_adjoint_cases,
	.ncases = (int)(sizeof conv2d_input_adjoint_cases / sizeof conv2d_input_adjoint_cases[0]),
};

gr_tensor *gr_conv2d_input_adjoint(gr_tensor *g, gr_tensor *w, const gr_conv_opts *opts)
{
	gr_conv_attr a = conv_attr(opts);
	gr_tensor *in[] = {g, w};
	return gr_apply1(&gr_op_conv2d_input_adjoint, 2, in, &a);
}

/* --- conv2d_weight_adjoint ----------------------------------------------------------------- */

static gr_status conv2d_weight_adjoint_infer(gr_op_call *c)
{
	const gr_conv_attr *a = c->attr;
	gr_status status = check_operands(c);

	if (status != GR_OK)
		return status;
	const int64_t *g = c->in[0]->dims, *x = c->in[1]->dims;
	if (g[0] != x[0])
		return gr_op_fail(c, GR_ESHAPE, "g has %" PRId64 " images, x %" PRId64, g[0], x[0]);
	if (g[1] % a->groups != 0 || x[1] % a->groups != 0)
		return gr_op_fail(c, GR_ESHAPE,
			"%" PRId64 " and %" PRId64 " channels do not both divide into %" PRId64 " groups", g[1],
			x[1], a->groups);
	int64_t r = a->out_h != 0 ? a->out_h : most_kernel(a, 2, x[2], g[2]);
	int64_t s = a->out_w != 0 ? a->out_w : most_kernel(a, 3, x[3], g[3]);
	if (r < 1 || s < 1 || out_size(a, 2, x[2], r) != g[2] || out_size(a, 3, x[3], s) != g[3])
		return gr_op_fail(c, GR_ESHAPE,
			"no kernel of %" PRId64 " x %" PRId64 " takes x to an output of %" PRId64 " x %" PRId64
			"; hint: out_h, out_w",
			r, s, g[2], g[3]);
	c->contiguous = 3;
	c->result[0] = (gr_operand){c->in[0]->dtype, 4, {g[1], x[1] / a->groups, r, s}};
	return GR_OK;
}

static gr_status conv2d_weight_adjoint_forward(gr_op_call *c)
{
	const gr_tensor *g = c->in[0], *x = c->in[1];
	gr_conv_geom geom = geometry(c->attr, x->dims, c->out[0]->dims, g->dims);

	if (g->size == 0)
		return gr__fill(c->out[0], 0.0);
	if (g->dtype == GR_F32)
		return gr__conv_weight_grad_f32(&geom, (const void *)g->data, (const void *)x->data,
			(void *)c->out[0]->data);
	return gr__conv_weight_grad_f64(&geom, (const void *)g->data, (const void *)x->data,
		(void *)c->out[0]->data);
}

static double conv2d_weight_adjoint_flops(const gr_op_call *c)
{
	return flops(c->result[0].dims, c->in[0]->dims);
}

/* y = B(g, x);  <u, B(dg, x)> = <X(x, u), dg>,  <u, B(g, dx)> = <g, X(dx, u)> = <A(g, u), dx> */
static gr_status conv2d_weight_adjoint_vjp(gr_vjp *v)
{
	gr_tensor *g = v->in[0], *x = v->in[1], *u = v->gout[0];
	gr_conv_opts opts = sized(v->attr, 0, 0);

	if ((v->want & 1u) != 0)
		v->gin[0] = gr_conv2d(x, u, &opts);
	if ((v->want & 2u) != 0)
		v->gin[1] = input_adjoint(v->attr, g, u, v->shape[1].dims);
	return GR_OK;
}

static const gr_case conv2d_weight_adjoint_cases[] = {
	{"3x3", {{2, 3, 5, 4}, {2, 2, 5, 4}}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 3, 3)},
	{"1x1", {{2, 4, 3, 3}, {2, 3, 3, 3}}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0)},
	{"stride", {{1, 2, 4, 3}, {1, 2, 8, 6}}, .attr = CONV_ATTR(2, 1, 1, 1, 0, 3, 3)},
	{"stride, pad end", {{1, 2, 3, 3}, {1, 2, 6, 6}}, .attr = CONV_ATTR(2, 0, 1, 1, 1, 3, 3)},
	{"all", {{2, 4, 4, 4}, {2, 4, 9, 8}}, .attr = CONV_ATTR(3, 2, 2, 2, 1, 3, 2)},
	{"depthwise", {{1, 3, 5, 5}, {1, 3, 5, 5}}, .attr = CONV_ATTR(1, 1, 1, 3, 0, 0, 0)},
	{"unread edge", {{1, 1, 2, 2}, {1, 1, 7, 6}}, .attr = CONV_ATTR(3, 0, 1, 1, 0, 2, 2)},
	{"columns padded", {{1, 2, 3, 6}, {1, 2, 3, 5}}, .attr = CONV_ATTR(1, 0, 1, 1, 0, 0, 0, 2)},
	{"no images", {{0, 3, 4, 4}, {0, 2, 4, 4}}, .attr = CONV_ATTR(1, 1, 1, 1, 0, 3, 3)},
};

const gr_op gr_op_conv2d_weight_adjoint = {
	.name = "conv2d_weight_adjoint",
	.sig = "g[N,K,H',W'] x[N,C,H,W]",
	.math = "<y, w> = <g, conv2d(x, w)> for all w",
	.dmath = "dg = conv2d(x, u), dx = conv2d_input_adjoint(g, u), u of y",
	.doc = "Adjoint of conv2d in w, summed over the batch in fixed order.",
	.nin = 2,
	.nout = 1,
	.flags = GR_OP_BILINEAR,
	.saves = GR_SAVE_IN(0) | GR_SAVE_IN(1),
	.reads = {GR_SAVE_IN(1), GR_SAVE_IN(0)},
	.attr_size = sizeof(gr_conv_attr),
	.infer = conv2d_weight_adjoint_infer,
	.forward = conv2d_weight_adjoint_forward,
	.vjp = conv2d_weight_adjoint_vjp,
	.flops = conv2d_weight_adjoint_flops,
	.cases = conv2d_weight_adjoint_cases,
	.ncases = (int)(sizeof conv2d_weight_adjoint_cases / sizeof conv2d_weight_adjoint_cases[0]),
};

gr_tensor *gr_conv2d_weight_adjoint(gr_tensor *g, gr_tensor *x, const gr_conv_opts *opts)
{
	gr_conv_attr a = conv_attr(opts);
	gr_tensor *in[] = {g, x};
	return gr_apply1(&gr_op_conv2d_weight_adjoint, 2, in, &a);
}
