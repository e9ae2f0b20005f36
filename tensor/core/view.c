/*
 * Views: new headers on the same storage. Nothing here copies an element.
 */
#include <string.h>

#include "tensor_int.h"

static int resolve_axis(const gr_tensor *t, int axis, const char *op)
{
	int a = axis < 0 ? axis + t->ndim : axis;
	if (a >= 0 && a < t->ndim)
		return a;
	char shape[160];
	gr__fail(GR_EARG, op, "axis %d is not in a tensor of shape %s", axis,
		gr__dims_print(shape, sizeof shape, t->ndim, t->dims));
	return -1;
}

/* Offset the view by n elements along `axis`. */
static void advance(gr_tensor *v, int axis, int64_t n)
{
	v->data += n * v->strides[axis] * (int64_t)gr_dtype_bytes(v->dtype);
}

static void set_size(gr_tensor *v)
{
	v->size = 1;
	for (int i = 0; i < v->ndim; i++)
		v->size *= v->dims[i];
}

static int64_t clip(int64_t i, int64_t length)
{
	if (i < 0)
		i += length;
	return i < 0 ? 0 : i > length ? length : i;
}

gr_tensor *gr__view_slice(const gr_tensor *t, int axis, int64_t start, int64_t stop, int64_t step)
{
	int a = resolve_axis(t, axis, "slice");
	if (a < 0)
		return NULL;
	if (step < 1) {
		gr__fail(GR_EARG, "slice", "step %lld, must be at least 1; hint: use flip to reverse",
			(long long)step);
		return NULL;
	}
	int64_t from = clip(start, t->dims[a]);
	int64_t to = clip(stop, t->dims[a]);
	int64_t n = to > from ? (to - from + step - 1) / step : 0;
	gr_tensor *v = gr__tensor_alias(t);
	if (v == NULL)
		return NULL;
	if (n > 0)
		advance(v, a, from);
	v->dims[a] = n;
	v->strides[a] *= step;
	set_size(v);
	return v;
}

gr_tensor *gr__view_permute(const gr_tensor *t, const int *perm)
{
	unsigned seen = 0;
	for (int i = 0; i < t->ndim; i++) {
		if (perm[i] < 0 || perm[i] >= t->ndim || (seen & 1u << perm[i]) != 0) {
			gr__fail(GR_EARG, "permute", "entry %d is %d: not a permutation of 0..%d", i, perm[i],
				t->ndim - 1);
			return NULL;
		}
		seen |= 1u << perm[i];
	}
	gr_tensor *v = gr__tensor_alias(t);
	if (v == NULL)
		return NULL;
	for (int i = 0; i < t->ndim; i++) {
		v->dims[i] = t->dims[perm[i]];
		v->strides[i] = t->strides[perm[i]];
	}
	return v;
}

gr_tensor *gr__view_flip(const gr_tensor *t, int axis)
{
	int a = resolve_axis(t, axis, "flip");
	if (a < 0)
		return NULL;
	gr_tensor *v = gr__tensor_alias(t);
	if (v == NULL)
		return NULL;
	if (v->size > 0)
		advance(v, a, v->dims[a] - 1);
	v->strides[a] = -v->strides[a];
	return v;
}

static void fail_expand(const gr_tensor *t, int ndim, const int64_t *dims)
{
	char from[160], to[160];
	gr__fail(GR_ESHAPE, "expand", "%s does not broadcast to %s",
		gr__dims_print(from, sizeof from, t->ndim, t->dims),
		gr__dims_print(to, sizeof to, ndim, dims));
}

gr_tensor *gr__view_expand(const gr_tensor *t, int ndim, const int64_t *dims)
{
	if (ndim < t->ndim || ndim > GR_MAX_DIMS) {
		fail_expand(t, ndim, dims);
		return NULL;
	}
	gr_tensor *v = gr__tensor_alias(t);
	if (v == NULL)
		return NULL;
	int lead = ndim - t->ndim;
	for (int i = 0; i < ndim; i++) {
		int64_t dim = i < lead ? 1 : t->dims[i - lead];
		if (dim != dims[i] && dim != 1) {
			gr_tensor_release(v);
			fail_expand(t, ndim, dims);
			return NULL;
		}
		v->strides[i] = dim == dims[i] && i >= lead ? t->strides[i - lead] : 0;
		v->dims[i] = dims[i];
	}
	v->ndim = ndim;
	set_size(v);
	return v;
}

/* Dims of t without those of length 1, neighbours joined where one stride covers both. */
static int joined_dims(const gr_tensor *t, int64_t *dims, int64_t *strides)
{
	int n = 0;
	for (int i = 0; i < t->ndim; i++) {
		if (t->dims[i] == 1)
			continue;
		if (n > 0 && strides[n - 1] == t->dims[i] * t->strides[i]) {
			dims[n - 1] *= t->dims[i];
			strides[n - 1] = t->strides[i];
		} else {
			dims[n] = t->dims[i];
			strides[n] = t->strides[i];
			n++;
		}
	}
	return n;
}

/* Cut each joined run into the new dims that fill it exactly; false when one straddles two runs. */
static bool split_runs(int nrun, const int64_t *run, const int64_t *run_stride, int ndim,
	const int64_t *dims, int64_t *strides)
{
	int r = 0;
	int64_t left = nrun > 0 ? run[0] : 1;
	for (int i = 0; i < ndim; i++) {
		if (dims[i] == 1) {
			strides[i] = 1;
			continue;
		}
		while (left == 1 && r + 1 < nrun)
			left = run[++r];
		if (left % dims[i] != 0)
			return false;
		left /= dims[i];
		strides[i] = run_stride[r] * left;
	}
	return true;
}

gr_tensor *gr__view_reshape(const gr_tensor *t, int ndim, const int64_t *dims)
{
	int64_t run[GR_MAX_DIMS], run_stride[GR_MAX_DIMS], strides[GR_MAX_DIMS] = {0};
	if (t->size > 0) {
		int nrun = joined_dims(t, run, run_stride);
		if (!split_runs(nrun, run, run_stride, ndim, dims, strides))
			return NULL;
	}
	gr_tensor *v = gr__tensor_alias(t);
	if (v == NULL)
		return NULL;
	v->ndim = ndim;
	if (ndim > 0)
		memcpy(v->dims, dims, (size_t)ndim * sizeof *dims);
	memcpy(v->strides, strides, sizeof strides);
	return v;
}

gr_status gr__resolve_dims(int ndim, int64_t *dims, int64_t size)
{
	int64_t known = 1;
	int unknown = -1;
	for (int i = 0; i < ndim; i++) {
		if (dims[i] == -1 && unknown < 0)
			unknown = i;
		else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
			return GR_ESHAPE;
	}
	if (unknown < 0)
		return known == size ? GR_OK : GR_ESHAPE;
	if (known == 0 || size % known != 0)
		return GR_ESHAPE;
	dims[unknown] = size / known;
	return GR_OK;
}

bool gr__broadcast_dims(int *ndim, int64_t *dims, const gr_tensor *a, const gr_tensor *b)
{
	*ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
	for (int i = 0; i < *ndim; i++) {
		int ia = i - (*ndim - a->ndim);
		int ib = i - (*ndim - b->ndim);
		int64_t da = ia < 0 ? 1 : a->dims[ia];
		int64_t db = ib < 0 ? 1 : b->dims[ib];
		if (da != db && da != 1 && db != 1)
			return false;
		dims[i] = da == 1 ? db : da;
	}
	return true;
}
