/*
 * Token-wise feed-forward blocks of transformers: two linear layers around an activation, or its
 * gated kinds, where the activated half of the first layer's output scales the other half.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

struct gr_mlp {
	gr_activation activation;
	gr_gate gate;
	gr_linear *first, *second;
	int64_t hidden;
};

gr_tensor *gr_activate(gr_tensor *x, gr_activation how)
{
	switch (how) {
	case GR_ACT_GELU: return gr_gelu(x);
	case GR_ACT_GELU_TANH: return gr_gelu_tanh(x);
	case GR_ACT_GELU_QUICK: return gr_quick_gelu(x);
	case GR_ACT_SILU: return gr_silu(x);
	case GR_ACT_RELU: return gr_relu(x);
	}
	gr_error_set(GR_EARG, "activate: unknown activation %d", (int)how);
	return NULL;
}

gr_mlp *gr_mlp_new(gr_module *parent, const char *name, const gr_mlp_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_mlp *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->activation = opts->activation;
	l->gate = opts->gate;
	l->hidden = opts->hidden == 0 ? 4 * opts->dim : opts->hidden;
	const int64_t wide = opts->gate == GR_GATE_NONE ? l->hidden : 2 * l->hidden;
	l->first = gr_linear_new(m, opts->first_name != NULL ? opts->first_name : "fc1",
		GR_OPTS(gr_linear_opts, .in = opts->dim, .out = wide, .no_bias = opts->no_bias,
			.init = opts->init, .init_scale = opts->init_scale));
	l->second = gr_linear_new(m, opts->second_name != NULL ? opts->second_name : "fc2",
		GR_OPTS(gr_linear_opts, .in = l->hidden, .out = opts->dim, .no_bias = opts->no_bias,
			.init = opts->init, .init_scale = opts->init_scale));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_mlp_forward(const gr_mlp *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *h = gr_linear_forward(l->first, x); /* [...,hidden] or [...,2 hidden] */
	if (l->gate == GR_GATE_NONE) {
		h = gr_activate(h, l->activation);
	} else {
		gr_tensor *a = gr_slice(h, -1, 0, l->hidden, 1);
		gr_tensor *b = gr_slice(h, -1, l->hidden, 2 * l->hidden, 1);
		h = l->gate == GR_GATE_FIRST ? gr_mul(gr_activate(a, l->activation), b)
									 : gr_mul(a, gr_activate(b, l->activation));
	}
	return gr__block_leave(gr_linear_forward(l->second, h));
}
