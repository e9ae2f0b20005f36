/*
 * Normalisation layers. A modulated group norm, norm(x) (1 + s) + t per sample and channel, is the
 * plain one with weight w (1 + s) and bias b (1 + s) + t: one kernel instead of four passes.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

struct gr_groupnorm {
	gr_param *weight, *bias; /* [C] */
	gr_group_norm_opts norm;
};

struct gr_layernorm {
	gr_param *weight, *bias; /* [D], or NULL without affine */
	gr_dtype dtype;
	int64_t dim;
	double eps;
};

static gr_param *add_ones(gr_module *m, const char *name, int64_t n)
{
	return gr_module_add_param(m, name, GR_OPTS(gr_param_opts, .init = GR_INIT_ONES), GR_DIMS(n));
}

static gr_param *add_zeros(gr_module *m, const char *name, int64_t n)
{
	return gr_module_add_param(m, name, NULL, GR_DIMS(n));
}

gr_groupnorm *gr_groupnorm_new(gr_module *parent, const char *name, const gr_groupnorm_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_groupnorm *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->norm = (gr_group_norm_opts){.size = sizeof l->norm,
		.groups = opts->groups == 0 ? 32 : opts->groups,
		.eps = opts->eps,
		.silu = opts->silu};
	l->weight = add_ones(m, "weight", opts->channels);
	l->bias = add_zeros(m, "bias", opts->channels);
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_groupnorm_forward(const gr_groupnorm *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	return gr_group_norm(x, gr_param_tensor(l->weight), gr_param_tensor(l->bias), &l->norm);
}

gr_tensor *gr_groupnorm_modulate(const gr_groupnorm *l, gr_tensor *x, gr_tensor *scale,
	gr_tensor *shift)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *w = gr_param_tensor(l->weight);
	gr_tensor *b = gr_param_tensor(l->bias);
	w = gr_muladd(scale, w, w);                /* [N,C] */
	b = gr_add(gr_muladd(scale, b, b), shift); /* [N,C] */
	return gr__block_leave(gr_group_norm(x, w, b, &l->norm));
}

gr_layernorm *gr_layernorm_new(gr_module *parent, const char *name, const gr_layernorm_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_layernorm *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->dtype = gr_module_dtype(m);
	l->dim = opts->dim;
	l->eps = opts->eps;
	if (!opts->no_affine) {
		l->weight = add_ones(m, "weight", opts->dim);
		l->bias = add_zeros(m, "bias", opts->dim);
	}
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_layernorm_forward(const gr_layernorm *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	if (l->weight != NULL)
		return gr_layer_norm(x, gr_param_tensor(l->weight), gr_param_tensor(l->bias), l->eps);
	gr_scope_begin();
	gr_tensor *one = gr_full(l->dtype, GR_DIMS(l->dim), 1.0);
	gr_tensor *zero = gr_zeros(l->dtype, GR_DIMS(l->dim));
	return gr__block_leave(gr_layer_norm(x, one, zero, l->eps));
}

gr_tensor *gr_layernorm_modulate(const gr_layernorm *l, gr_tensor *x, gr_tensor *scale,
	gr_tensor *shift)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	scale = gr_unsqueeze(gr_add_s(scale, 1.0), 1); /* [N,1,D] */
	gr_tensor *y = gr_muladd(gr_layernorm_forward(l, x), scale, gr_unsqueeze(shift, 1));
	return gr__block_leave(y);
}
