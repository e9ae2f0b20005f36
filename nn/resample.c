/*
 * Halving and doubling of images, with or without a convolution.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"
#include "module_priv.h"

struct gr_upsample {
	gr_conv *conv; /* NULL without */
};

struct gr_downsample {
	gr_conv *conv; /* NULL: mean of 2 x 2 */
};

static bool check_plain(gr_module *parent, const gr_resample_opts *opts)
{
	if (opts == NULL || parent == NULL)
		return false;
	if (!opts->no_conv || opts->out == 0 || opts->out == opts->channels)
		return true;
	gr__module_fail(parent, GR_EARG,
		"resample: without a convolution %lld channels cannot become %lld",
		(long long)opts->channels, (long long)opts->out);
	return false;
}

gr_upsample *gr_upsample_new(gr_module *parent, const char *name, const gr_resample_opts *opts)
{
	if (!check_plain(parent, opts))
		return NULL;
	gr_module *m = gr_module_child(parent, name);
	gr_upsample *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts->no_conv)
		return l;
	l->conv = gr_conv_new(m, opts->conv_name != NULL ? opts->conv_name : "conv",
		GR_OPTS(gr_conv_layer_opts, .in = opts->channels,
			.out = opts->out != 0 ? opts->out : opts->channels));
	return l->conv == NULL ? NULL : l;
}

gr_downsample *gr_downsample_new(gr_module *parent, const char *name, const gr_resample_opts *opts)
{
	if (!check_plain(parent, opts))
		return NULL;
	gr_module *m = gr_module_child(parent, name);
	gr_downsample *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts->no_conv)
		return l;
	l->conv = gr_conv_new(m, opts->conv_name != NULL ? opts->conv_name : "op",
		GR_OPTS(gr_conv_layer_opts, .in = opts->channels,
			.out = opts->out != 0 ? opts->out : opts->channels, .stride = 2,
			.pad = opts->pad_end_only ? -1 : 1, .pad_end = opts->pad_end_only ? 1 : 0));
	return l->conv == NULL ? NULL : l;
}

gr_tensor *gr_upsample_forward(const gr_upsample *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	if (l->conv == NULL)
		return gr_upsample_nearest2d(x, 2);
	gr_scope_begin();
	return gr__block_leave(gr_conv_forward(l->conv, gr_upsample_nearest2d(x, 2)));
}

gr_tensor *gr_downsample_forward(const gr_downsample *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	return l->conv == NULL ? gr_avg_pool2d(x, 2) : gr_conv_forward(l->conv, x);
}
