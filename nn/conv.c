/*
 * Convolution layer, also in PyTorch's Conv1d clothes: a [K,C,1] weight applied to every pixel of
 * an image is the 1 x 1 convolution with that weight seen as [K,C,1,1].
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

struct gr_conv {
	gr_param *weight; /* [K, C/groups, R, S], or [K,C,1] */
	gr_param *bias;   /* [K] or NULL */
	int64_t in, out;
	bool is_1d;
	gr_conv_opts conv;
};

gr_conv *gr_conv_new(gr_module *parent, const char *name, const gr_conv_layer_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_conv *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	const int64_t kernel = opts->is_1d ? 1 : opts->kernel == 0 ? 3 : opts->kernel;
	const int64_t kernel_w = opts->kernel_w == 0 ? kernel : opts->kernel_w;
	const int64_t groups = opts->groups == 0 ? 1 : opts->groups;
	const int64_t pad = opts->pad == 0 ? (kernel - 1) / 2 : opts->pad < 0 ? 0 : opts->pad;
	const int64_t depth = groups > 0 ? opts->in / groups : -1; /* -1: refused as a shape */
	const bool usual = opts->init == GR_INIT_DEFAULT;
	const gr_param_opts weight = {.size = sizeof weight,
		.init = usual ? GR_INIT_FAN_IN_UNIFORM : opts->init,
		.scale = opts->init_scale};
	const gr_param_opts bias = {.size = sizeof bias,
		.init = usual ? GR_INIT_FAN_IN_UNIFORM : GR_INIT_ZEROS,
		.fan_in = depth * kernel * kernel_w};
	l->in = opts->in;
	l->out = opts->out;
	l->is_1d = opts->is_1d;
	l->conv = (gr_conv_opts){.size = sizeof l->conv,
		.stride = opts->stride,
		.pad = pad,
		.pad_end = opts->pad_end,
		.pad_w = opts->kernel_w == 0 ? 0
			: kernel_w > 2           ? (kernel_w - 1) / 2
									 : -1,
		.dilation = opts->dilation,
		.groups = groups};
	const int64_t dims[] = {opts->out, depth, kernel, kernel_w};
	l->weight = gr_module_add_param(m, "weight", &weight, opts->is_1d ? 3 : 4, dims);
	if (!opts->no_bias)
		l->bias = gr_module_add_param(m, "bias", &bias, GR_DIMS(opts->out));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_conv_forward(const gr_conv *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *w = gr_param_tensor(l->weight);
	if (l->is_1d)
		w = gr_reshape(w, GR_DIMS(l->out, l->in, 1, 1));
	gr_tensor *y = l->bias == NULL ? gr_conv2d(x, w, &l->conv)
								   : gr_conv2d_bias(x, w, gr_param_tensor(l->bias), &l->conv);
	return gr__block_leave(y);
}
