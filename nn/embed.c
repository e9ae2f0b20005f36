/*
 * Embeddings: rows of a table, and sinusoids of a timestep. Conventions of the latter differ
 * between code bases (order of sine and cosine, divisor of the exponent); a wrong one gives wrong
 * images and no error, so each is a named option.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include <math.h>

#include "block.h"

struct gr_embedding {
	gr_param *weight; /* [count,dim] */
	int64_t dim;
};

gr_embedding *gr_embedding_new(gr_module *parent, const char *name, const gr_embedding_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_embedding *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	const gr_param_opts weight = {.size = sizeof weight,
		.init = opts->init == GR_INIT_DEFAULT ? GR_INIT_NORMAL : opts->init,
		.scale = opts->init_scale};
	l->dim = opts->dim;
	l->weight = gr_module_add_param(m, "weight", &weight, GR_DIMS(opts->count, opts->dim));
	return l->weight == NULL ? NULL : l;
}

gr_tensor *gr_embedding_forward(const gr_embedding *l, gr_tensor *index)
{
	if (l == NULL || index == NULL)
		return NULL;
	const int ndim = gr_tensor_ndim(index);
	if (ndim == 1) {
		gr_scope_begin();
		return gr__block_leave(gr_gather(gr_param_tensor(l->weight), 0, index));
	}
	if (ndim >= GR_MAX_DIMS) {
		gr_error_set(GR_ESHAPE, "embedding: an index of %d dims is too deep", ndim);
		return NULL;
	}
	int64_t dims[GR_MAX_DIMS];
	for (int i = 0; i < ndim; i++)
		dims[i] = gr_tensor_dim(index, i);
	dims[ndim] = l->dim;
	gr_scope_begin();
	gr_tensor *rows = gr_reshape(index, GR_DIMS(gr_tensor_size(index)));
	gr_tensor *y = gr_gather(gr_param_tensor(l->weight), 0, rows); /* [size,dim] */
	return gr__block_leave(gr_reshape(y, ndim + 1, dims));
}

/* w_i = P^(-i/h), i < h, computed in double: [1,h]. */
static gr_tensor *frequencies(int64_t half, gr_dtype dtype, const gr_timestep_opts *opts)
{
	const double period = opts == NULL || opts->max_period == 0.0 ? 10000.0 : opts->max_period;
	const bool minus_one = opts != NULL && opts->divide_by_h1;
	gr_tensor *w = gr_empty(GR_F64, GR_DIMS(1, half));
	double *data = gr_tensor_data(w);
	if (data == NULL)
		return NULL;
	for (int64_t i = 0; i < half; i++)
		data[i] = exp(-log(period) * (double)i / (double)(minus_one ? half - 1 : half));
	return gr_cast(w, dtype);
}

gr_tensor *gr_timestep_embedding(gr_tensor *t, int64_t dim, gr_dtype dtype,
	const gr_timestep_opts *opts)
{
	if (t == NULL)
		return NULL;
	const int64_t half = dim / 2;
	if (gr_tensor_ndim(t) != 1 || half < (opts != NULL && opts->divide_by_h1 ? 2 : 1)) {
		char text[128];
		gr_error_set(GR_ESHAPE, "timestep_embedding: t is %s, not [N], or width %lld is too small",
			gr_tensor_describe(t, text, sizeof text), (long long)dim);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *angle = gr_unsqueeze(gr_cast(t, dtype), 1); /* [N,1] */
	angle = gr_mul(angle, frequencies(half, dtype, opts)); /* [N,h] */
	const bool sin_first = opts != NULL && opts->sin_first;
	gr_tensor *a = sin_first ? gr_sin(angle) : gr_cos(angle);
	gr_tensor *b = sin_first ? gr_cos(angle) : gr_sin(angle);
	gr_tensor *y = gr_concat(2, (gr_tensor *const[]){a, b}, 1);
	if (dim % 2 != 0)
		y = gr_pad(y, 1, 0, 1);
	return gr__block_leave(y);
}
