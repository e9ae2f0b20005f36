/* Convolutions that are conv2d or its input adjoint seen another way; the rules are theirs. */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/ops.h"
#include "attr.h"
#include "compose_priv.h"
#include "ew_priv.h"
#include "fail.h"

/* y + b per channel (dim 1); y itself where b is left out. */
static gr_tensor *with_bias(gr_tensor *y, gr_tensor *b)
{
	int64_t dims[GR_MAX_DIMS];

	if (b == NULL)
		return y;
	for (int i = 0; i < gr_tensor_ndim(y) - 1; i++)
		dims[i] = i == 0 ? gr_tensor_size(b) : 1;
	return gr_add(y, gr_reshape(b, gr_tensor_ndim(y) - 1, dims));
}

/* b [n]; left out it is NULL, and so it is after an error. */
static bool bias_fits(const char *op, gr_tensor *b, int64_t n)
{
	if (b == NULL)
		return !gr_failed();
	if (gr_tensor_ndim(b) == 1 && gr_tensor_dim(b, 0) == n)
		return true;
	char what[192];
	gr__fail(GR_ESHAPE, op, "b is not [%lld], one number for each output channel (b %s)",
		(long long)n, gr_tensor_describe(b, what, sizeof what));
	return false;
}

/* --- conv_transpose2d ---------------------------------------------------------------------- */

gr_tensor *gr_conv_transpose2d(gr_tensor *x, gr_tensor *w, gr_tensor *b, const gr_conv_opts *opts)
{
	gr_scope_begin();
	gr_tensor *y = gr_conv2d_input_adjoint(x, w, opts);
	if (y != NULL && !bias_fits("conv_transpose2d", b, gr_tensor_dim(y, 1)))
		y = NULL;
	return gr__compose_leave(y != NULL ? with_bias(y, b) : NULL);
}

static gr_conv_opts opts_of(const gr_conv_attr *a)
{
	return (gr_conv_opts){
		.size = sizeof(gr_conv_opts),
		.stride = a->stride,
		.pad = a->pad,
		.dilation = a->dilation,
		.groups = a->groups,
		.pad_end = a->pad_end,
		.out_h = a->out_h,
		.out_w = a->out_w,
		.pad_w = a->pad_w,
	};
}

static gr_status conv_transpose2d_compose(int nin, gr_tensor *const *in, const void *attr,
	gr_tensor **out)
{
	gr_conv_opts opts = opts_of(attr);
	(void)nin;
	return gr__compose_out(out, gr_conv_transpose2d(in[0], in[1], in[2], &opts));
}

/* stride, pad, dilation, groups, pad_end, out_h, out_w, pad_w */
#define CONV(...) (&(const gr_conv_attr){__VA_ARGS__})

static const gr_case conv_transpose2d_cases[] = {
	{"double size", {{1, 2, 3, 2}, {2, 3, 4, 4}, {3}}, .attr = CONV(2, 1, 1, 1, 0, 0, 0, 0)},
	{"larger", {{2, 2, 2, 2}, {2, 1, 3, 3}, {1}}, .attr = CONV(2, 1, 1, 1, 0, 4, 4, 0)},
	{"groups", {{1, 4, 2, 3}, {4, 1, 2, 2}, {2}}, .attr = CONV(1, 0, 1, 2, 0, 0, 0, 0)},
	{"no images", {{0, 2, 2, 2}, {2, 1, 2, 2}, {1}}, .attr = CONV(1, 0, 1, 1, 0, 0, 0, 0)},
};

const gr_op gr_op_conv_transpose2d = {
	.name = "conv_transpose2d",
	.sig = "x[N,K,H,W] w[K,C/groups,R,S] b[C]",
	.math = "y = conv2d_input_adjoint(x, w) + b[c]",
	.dmath = "dx = conv2d(g, w), dw = conv2d_weight_adjoint(x, g), db[c] = sum_nij g[n,c,i,j]",
	.doc = "Transposed convolution; b may be left out.",
	.nin = 3,
	.nout = 1,
	.attr_size = sizeof(gr_conv_attr),
	GR_EW_CASES(conv_transpose2d_cases),
	.compose = conv_transpose2d_compose,
};

/* --- conv1d -------------------------------------------------------------------------------- */

gr_tensor *gr_conv1d(gr_tensor *x, gr_tensor *w, gr_tensor *b, const gr_conv_opts *opts)
{
	gr_conv_opts o;

	if (!gr__compose_given("conv1d", 2, (gr_tensor *[]){x, w}) ||
		!gr__compose_opts("conv1d", &o, sizeof o, opts))
		return NULL;
	if (gr_tensor_ndim(x) != 3 || gr_tensor_ndim(w) != 3) {
		char px[192], pw[192];
		gr__fail(GR_ESHAPE, "conv1d", "x is [N,C,L] and w [K,C/groups,R] (x %s, w %s)",
			gr_tensor_describe(x, px, sizeof px), gr_tensor_describe(w, pw, sizeof pw));
		return NULL;
	}
	gr_scope_begin();
	/* One row: rows get no padding, columns what the line is given. */
	if (o.pad_end != 0)
		x = gr_pad(x, -1, o.pad, o.pad + o.pad_end);
	gr_conv_opts row = {.size = sizeof row,
		.stride = o.stride,
		.dilation = o.dilation,
		.groups = o.groups,
		.pad_w = o.pad_end != 0 || o.pad == 0 ? 0 : o.pad};
	gr_tensor *y = gr_conv2d(gr_unsqueeze(x, 2), gr_unsqueeze(w, 2), &row);
	if (y != NULL && !bias_fits("conv1d", b, gr_tensor_dim(y, 1)))
		y = NULL;
	return gr__compose_leave(y != NULL ? with_bias(gr_squeeze(y, 2), b) : NULL);
}

static gr_status conv1d_compose(int nin, gr_tensor *const *in, const void *attr, gr_tensor **out)
{
	gr_conv_opts opts = opts_of(attr);
	(void)nin;
	return gr__compose_out(out, gr_conv1d(in[0], in[1], in[2], &opts));
}

static const gr_case conv1d_cases[] = {
	{"three", {{2, 2, 5}, {3, 2, 3}, {3}}, .attr = CONV(1, 1, 1, 1, 0, 0, 0, 0)},
	{"stride", {{1, 2, 7}, {2, 2, 3}, {2}}, .attr = CONV(2, 0, 1, 1, 0, 0, 0, 0)},
	{"pad end", {{1, 1, 6}, {2, 1, 3}, {2}}, .attr = CONV(2, 0, 1, 1, 1, 0, 0, 0)},
	{"dilation, groups", {{1, 4, 6}, {2, 2, 2}, {2}}, .attr = CONV(1, 2, 2, 2, 0, 0, 0, 0)},
	{"no lines", {{0, 2, 4}, {3, 2, 3}, {3}}, .attr = CONV(1, 1, 1, 1, 0, 0, 0, 0)},
};

const gr_op gr_op_conv1d = {
	.name = "conv1d",
	.sig = "x[N,C,L] w[K,C/groups,R] b[K]",
	.math = "y[k,i] = sum_cr w[k,c,r] x[c, i stride + r dil - pad] + b[k]",
	.dmath = "dx[c,j] = sum_kr w[k,c,r] g[k,i], dw[k,c,r] = sum_i g[k,i] x[c,j], j = i stride + r "
			 "dil - pad; db[k] = sum_i g[k,i]",
	.doc = "Convolution of lines; b may be left out.",
	.nin = 3,
	.nout = 1,
	.attr_size = sizeof(gr_conv_attr),
	GR_EW_CASES(conv1d_cases),
	.compose = conv1d_compose,
};
