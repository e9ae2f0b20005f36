/* See kern_case.h. */
#include "kern_case.h"

#include <float.h>
#include <math.h>
#include <string.h>

static int64_t offset_of(const gr_tensor *t, int64_t pos)
{
	int64_t offset = 0;
	for (int d = t->ndim - 1; d >= 0; d--) {
		offset += pos % t->dims[d] * t->strides[d];
		pos /= t->dims[d];
	}
	return offset;
}

double kc_get(const gr_tensor *t, int64_t pos)
{
	int64_t at = offset_of(t, pos);
	switch (t->dtype) {
	case GR_F32: return ((const float *)(const void *)t->data)[at];
	case GR_F64: return ((const double *)(const void *)t->data)[at];
	case GR_I64: return (double)((const int64_t *)(const void *)t->data)[at];
	case GR_U8: return ((const uint8_t *)(const void *)t->data)[at];
	default: return ((const uint16_t *)(const void *)t->data)[at];
	}
}

void kc_set(gr_tensor *t, int64_t pos, double value)
{
	int64_t at = offset_of(t, pos);
	switch (t->dtype) {
	case GR_F32: ((float *)(void *)t->data)[at] = (float)value; break;
	case GR_F64: ((double *)(void *)t->data)[at] = value; break;
	case GR_I64: ((int64_t *)(void *)t->data)[at] = (int64_t)value; break;
	case GR_U8: ((uint8_t *)(void *)t->data)[at] = (uint8_t)value; break;
	default: ((uint16_t *)(void *)t->data)[at] = (uint16_t)value; break;
	}
}

gr_tensor *kc_random(gr_dtype dtype, int ndim, const int64_t *dims, kc_layout layout, uint64_t seed,
	double low, double high)
{
	gr_key key = gr_key_fold(gr_key_seed(seed), (uint64_t)layout);
	bool turned = layout == KC_TURNED || layout == KC_MIXED;
	bool sliced = layout == KC_SLICED || layout == KC_MIXED;
	bool flipped = layout == KC_FLIPPED || layout == KC_MIXED;
	int perm[GR_MAX_DIMS];
	for (int d = 0; d < ndim; d++)
		perm[d] = d;
	for (int d = ndim - 1; turned && d > 0; d--) {
		int other = (int)gr_key_below(key, (uint64_t)d, (uint64_t)d + 1);
		int swap = perm[d];
		perm[d] = perm[other];
		perm[other] = swap;
	}
	/* The base has dim perm[d] of the result at place d. */
	int64_t base_dims[GR_MAX_DIMS];
	int64_t steps[GR_MAX_DIMS];
	int back[GR_MAX_DIMS];
	for (int d = 0; d < ndim; d++) {
		int64_t n = dims[perm[d]];
		steps[d] = sliced ? 1 + (int64_t)gr_key_below(key, 100 + (uint64_t)d, 3) : 1;
		bool broadcast = layout == KC_BROADCAST && n > 0 && gr_key_below(key, 200 + (uint64_t)d, 2);
		base_dims[d] = broadcast ? 1 : n * steps[d];
		back[perm[d]] = d;
	}
	gr_tensor *t = gr_empty(dtype, ndim, base_dims);
	for (int64_t i = 0; i < t->size; i++)
		kc_set(t, i, low + (high - low) * gr_key_uniform(key, 1000 + (uint64_t)i));
	for (int d = 0; d < ndim; d++) {
		if (steps[d] > 1)
			t = gr__scope_own(gr__view_slice(t, d, 0, base_dims[d], steps[d]));
		if (flipped && gr_key_below(key, 300 + (uint64_t)d, 2))
			t = gr__scope_own(gr__view_flip(t, d));
	}
	if (turned)
		t = gr__scope_own(gr__view_permute(t, back));
	if (layout == KC_BROADCAST)
		t = gr__scope_own(gr__view_expand(t, ndim, dims));
	cr_assert_not_null(t);
	return t;
}

gr_tensor *kc_like(const gr_tensor *t)
{
	return gr_empty(t->dtype, t->ndim, t->dims);
}

gr_tensor *kc_plain(const gr_tensor *t)
{
	gr_tensor *c = kc_like(t);
	size_t each = gr_dtype_bytes(t->dtype);
	for (int64_t i = 0; i < t->size; i++)
		memcpy(c->data + (size_t)i * each, t->data + offset_of(t, i) * (int64_t)each, each);
	return c;
}

bool kc_same_bits(const gr_tensor *a, const gr_tensor *b)
{
	if (!gr_is_same_shape(a, b) || a->dtype != b->dtype)
		return false;
	return memcmp(a->data, b->data, (size_t)a->size * gr_dtype_bytes(a->dtype)) == 0;
}

bool kc_near(double a, double b, double tolerance)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b);
	return a == b || fabs(a - b) <= tolerance * fmax(1.0, fabs(b));
}

double kc_eps(gr_dtype dtype)
{
	return dtype == GR_F64 ? DBL_EPSILON : FLT_EPSILON;
}

int kc_shape(uint64_t seed, int max_ndim, int64_t size, int64_t *dims)
{
	gr_key key = gr_key_seed(seed * 7919 + 13);
	int ndim = (int)gr_key_below(key, 0, (uint64_t)max_ndim + 1);
	for (int d = 0; d < ndim; d++) {
		double share = pow((double)size, gr_key_uniform(key, 10 + (uint64_t)d));
		dims[d] = gr_key_below(key, 20 + (uint64_t)d, 4) == 0 ? 1 : (int64_t)fmax(1.0, share);
		size /= dims[d];
	}
	return ndim;
}
