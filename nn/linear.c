/*
 * Fully connected layer. Leading dims of x are folded into rows first, so that the gradient of the
 * weight is one product over all rows and not one per leading index.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"

struct gr_linear {
	gr_param *weight; /* [out,in] */
	gr_param *bias;   /* [out] or NULL */
	int64_t in, out;
};

gr_linear *gr_linear_new(gr_module *parent, const char *name, const gr_linear_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_linear *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	const bool usual = opts->init == GR_INIT_DEFAULT;
	const gr_param_opts weight = {.size = sizeof weight,
		.init = usual ? GR_INIT_FAN_IN_UNIFORM : opts->init,
		.scale = opts->init_scale};
	const gr_param_opts bias = {.size = sizeof bias,
		.init = usual ? GR_INIT_FAN_IN_UNIFORM : GR_INIT_ZEROS,
		.fan_in = opts->in};
	l->in = opts->in;
	l->out = opts->out;
	l->weight = gr_module_add_param(m, "weight", &weight, GR_DIMS(opts->out, opts->in));
	if (!opts->no_bias)
		l->bias = gr_module_add_param(m, "bias", &bias, GR_DIMS(opts->out));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_linear_forward(const gr_linear *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	const int ndim = gr_tensor_ndim(x);
	if (ndim < 1 || gr_tensor_dim(x, -1) != l->in) {
		char text[128];
		gr_error_set(GR_ESHAPE, "linear: '%s' takes [...,%lld], not %s", gr_param_name(l->weight),
			(long long)l->in, gr_tensor_describe(x, text, sizeof text));
		return NULL;
	}
	int64_t dims[GR_MAX_DIMS];
	int64_t rows = 1;
	for (int i = 0; i < ndim; i++)
		dims[i] = gr_tensor_dim(x, i);
	for (int i = 0; i < ndim - 1; i++)
		rows *= dims[i];
	dims[ndim - 1] = l->out;

	gr_scope_begin();
	gr_tensor *wt = gr_transpose(gr_param_tensor(l->weight), 0, 1); /* [in,out] */
	gr_tensor *y = ndim == 2 ? x : gr_reshape(x, GR_DIMS(rows, l->in));
	y = l->bias != NULL ? gr_matmul_bias(y, wt, gr_param_tensor(l->bias))
						: gr_matmul(y, wt); /* [rows,out] */
	return gr__block_leave(ndim == 2 ? y : gr_reshape(y, ndim, dims));
}
