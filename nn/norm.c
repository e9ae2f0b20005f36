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

struct gr_batchnorm {
	gr_param *weight, *bias, *mean, *var; /* [C] */
	double eps, momentum;
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

gr_batchnorm *gr_batchnorm_new(gr_module *parent, const char *name, const gr_batchnorm_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_batchnorm *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->eps = opts->eps;
	l->momentum = opts->momentum == 0.0 ? 0.1 : opts->momentum;
	l->weight = add_ones(m, "weight", opts->channels);
	l->bias = add_zeros(m, "bias", opts->channels);
	l->mean = gr_module_add_param(m, "running_mean", GR_OPTS(gr_param_opts, .buffer = true),
		GR_DIMS(opts->channels));
	l->var = gr_module_add_param(m, "running_var",
		GR_OPTS(gr_param_opts, .init = GR_INIT_ONES, .buffer = true), GR_DIMS(opts->channels));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_batchnorm_forward(const gr_batchnorm *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	return gr_batch_norm(x, gr_param_tensor(l->mean), gr_param_tensor(l->var),
		gr_param_tensor(l->weight), gr_param_tensor(l->bias), l->eps);
}

/* running = (1 - momentum) running + momentum scale now */
static gr_status move(const gr_batchnorm *l, const gr_param *running, gr_tensor *now, double scale)
{
	gr_tensor *value = gr_param_tensor(running);
	gr_tensor *moved = gr_axpby(value, 1.0 - l->momentum, now, l->momentum * scale);
	return moved == NULL ? gr_error_code() : gr_param_update(value, moved);
}

gr_tensor *gr_batchnorm_train(const gr_batchnorm *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *mean = NULL, *var = NULL;
	gr_tensor *y = gr_batch_norm_train(x, gr_param_tensor(l->weight), gr_param_tensor(l->bias),
		l->eps, &mean, &var);
	if (y != NULL) {
		const bool recording = gr_set_recording(false);
		const double n = (double)(gr_tensor_size(x) / gr_tensor_size(mean));
		gr_status status = move(l, l->mean, gr_stop_gradient(mean), 1.0);
		if (status == GR_OK)
			status = move(l, l->var, gr_stop_gradient(var), n > 1.0 ? n / (n - 1.0) : 1.0);
		gr_set_recording(recording);
		if (status != GR_OK)
			y = NULL;
	}
	return gr__block_leave(y);
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
