/*
 * Images as tokens: a convolution whose kernel and stride are the patch, row by row.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

struct gr_patch {
	gr_conv *proj;
	int64_t in, dim, patch;
};

gr_patch *gr_patch_new(gr_module *parent, const char *name, const gr_patch_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_patch *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	*l = (gr_patch){.in = opts->in, .dim = opts->dim, .patch = opts->patch};
	l->proj = gr_conv_new(m, "proj",
		GR_OPTS(gr_conv_layer_opts, .in = opts->in, .out = opts->dim, .kernel = opts->patch,
			.stride = opts->patch, .pad = -1, .no_bias = opts->no_bias, .init = opts->init,
			.init_scale = opts->init_scale));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_patch_forward(const gr_patch *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 1) != l->in ||
		gr_tensor_dim(x, 2) % l->patch != 0 || gr_tensor_dim(x, 3) % l->patch != 0) {
		char text[128];
		gr_error_set(GR_ESHAPE, "patch: x is %s, expected [N,%lld,H,W], H and W multiples of %lld",
			gr_tensor_describe(x, text, sizeof text), (long long)l->in, (long long)l->patch);
		return NULL;
	}
	const int64_t n = gr_tensor_dim(x, 0);
	const int64_t tokens = gr_tensor_dim(x, 2) / l->patch * (gr_tensor_dim(x, 3) / l->patch);
	gr_scope_begin();
	gr_tensor *y = gr_reshape(gr_conv_forward(l->proj, x), GR_DIMS(n, l->dim, tokens));
	return gr__block_leave(gr_transpose(y, 1, 2));
}
