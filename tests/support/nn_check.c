/* See nn_check.h. */
#include "nn_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WRT_MAX 128

static double *values(const gr_tensor *t)
{
	double *v = malloc(((size_t)gr_tensor_size(t) + 1) * sizeof *v);
	if (v != NULL && gr_tensor_to_f64(t, v) != GR_OK) {
		free(v);
		return NULL;
	}
	return v;
}

double nn_distance(const gr_tensor *a, const gr_tensor *b)
{
	if (a == NULL || b == NULL || !gr_is_same_shape(a, b))
		return INFINITY;
	double *va = values(a), *vb = values(b);
	double diff = 0.0, size = 0.0;
	for (int64_t i = 0; va != NULL && vb != NULL && i < gr_tensor_size(a); i++) {
		diff += (va[i] - vb[i]) * (va[i] - vb[i]);
		size += vb[i] * vb[i];
	}
	free(va);
	free(vb);
	double distance = diff == 0.0 ? 0.0 : sqrt(diff / size);
	return isfinite(distance) ? distance : INFINITY;
}

bool nn_same_bits(gr_tensor *a, gr_tensor *b)
{
	if (a == NULL || b == NULL || !gr_is_same_shape(a, b) ||
		gr_tensor_dtype(a) != gr_tensor_dtype(b))
		return false;
	a = gr_contiguous(a);
	b = gr_contiguous(b);
	size_t bytes = (size_t)gr_tensor_size(a) * gr_dtype_bytes(gr_tensor_dtype(a));
	return memcmp(gr_tensor_data_const(a), gr_tensor_data_const(b), bytes) == 0;
}

gr_tensor *nn_normal(uint64_t key, gr_dtype dtype, int ndim, const int64_t *dims)
{
	return gr_random_normal(gr_key_seed(key), dtype, ndim, dims);
}

static double dot(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_sum(gr_mul(a, b), GR_ALL_AXES, false));
}

static double loss(nn_forward forward, const void *layer, gr_tensor *x)
{
	gr_scope_begin();
	gr_tensor *y = forward(layer, x);
	gr_tensor *r = nn_normal(77, GR_F64, gr_tensor_ndim(y), gr_tensor_dims(y));
	double value = dot(y, r);
	gr_scope_end();
	return value;
}

static double mismatch(double analytic, double numeric)
{
	double error = fabs(analytic - numeric) / fmax(1.0, fabs(numeric));
	return isfinite(error) ? error : INFINITY;
}

double nn_gradient_error(gr_module *m, nn_forward forward, const void *layer, gr_tensor *x)
{
	const double h = 1e-5;
	const int64_t nparams = m == NULL ? 0 : gr_module_param_count(m);
	if (nparams >= WRT_MAX)
		return INFINITY;
	gr_tensor *wrt[WRT_MAX], *grad[WRT_MAX];
	wrt[0] = gr_watch(x);
	for (int64_t i = 0; i < nparams; i++)
		wrt[1 + i] = gr_module_param(m, i);
	gr_tensor *y = forward(layer, wrt[0]);
	gr_tensor *r = nn_normal(77, GR_F64, gr_tensor_ndim(y), gr_tensor_dims(y));
	if (gr_grad(grad, y, (int)nparams + 1, wrt, GR_OPTS(gr_grad_opts, .cotangent = r)) != GR_OK)
		return INFINITY;

	gr_tensor *d = nn_normal(78, GR_F64, gr_tensor_ndim(x), gr_tensor_dims(x));
	double numeric = (loss(forward, layer, gr_axpby(x, 1.0, d, h)) -
						 loss(forward, layer, gr_axpby(x, 1.0, d, -h))) /
		(2.0 * h);
	double worst = mismatch(dot(grad[0], d), numeric);
	bool recording = gr_set_recording(false);
	for (int64_t i = 0; i < nparams; i++) {
		gr_tensor *p = wrt[1 + i];
		gr_tensor *before = gr_affine(p, 1.0, 0.0);
		d = nn_normal(79 + (uint64_t)i, GR_F64, gr_tensor_ndim(p), gr_tensor_dims(p));
		double at[2];
		for (int side = 0; side < 2; side++) {
			if (gr_param_update(p, gr_axpby(before, 1.0, d, side == 0 ? h : -h)) != GR_OK)
				return INFINITY;
			at[side] = loss(forward, layer, x);
		}
		if (gr_param_update(p, before) != GR_OK)
			return INFINITY;
		worst = fmax(worst, mismatch(dot(grad[1 + i], d), (at[0] - at[1]) / (2.0 * h)));
	}
	gr_set_recording(recording);
	return worst;
}
