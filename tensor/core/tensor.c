/*
 * Creating tensors, reading headers and values. Conversions go through the copy kernel, so values
 * of any type and stride are read one way.
 */
#include <string.h>

#include "dry.h"
#include "kern.h"
#include "tensor_int.h"

static gr_tensor *new_owned(const char *op, gr_dtype dtype, int ndim, const int64_t *dims)
{
	return gr__scope_own(gr__tensor_of(op, dtype, ndim, dims));
}

gr_tensor *gr_empty(gr_dtype dtype, int ndim, const int64_t *dims)
{
	return new_owned("empty", dtype, ndim, dims);
}

gr_tensor *gr_zeros(gr_dtype dtype, int ndim, const int64_t *dims)
{
	gr_tensor *t = new_owned("zeros", dtype, ndim, dims);
	if (t != NULL)
		gr__storage_zero(t->storage);
	return t;
}

gr_tensor *gr_full(gr_dtype dtype, int ndim, const int64_t *dims, double value)
{
	gr_tensor *t = new_owned("full", dtype, ndim, dims);
	return t != NULL && gr__fill(t, value) == GR_OK ? t : NULL;
}

gr_tensor *gr_scalar(gr_dtype dtype, double value)
{
	return gr_full(dtype, GR_SCALAR, value);
}

static gr_tensor *from_typed(gr_dtype to, gr_dtype from, const void *data, int ndim,
	const int64_t *dims)
{
	gr_tensor *t = new_owned("from", from, ndim, dims);
	if (t == NULL)
		return NULL;
	if (t->size > 0)
		memcpy(gr_tensor_data(t), data, t->storage->bytes);
	return to == from ? t : gr__scope_own(gr__tensor_cast(t, to));
}

gr_tensor *gr_from(gr_dtype dtype, const void *data, int ndim, const int64_t *dims)
{
	return from_typed(dtype, dtype, data, ndim, dims);
}

gr_tensor *gr_from_f64(gr_dtype dtype, const double *data, int ndim, const int64_t *dims)
{
	return from_typed(dtype, GR_F64, data, ndim, dims);
}

gr_tensor *gr_from_f32(gr_dtype dtype, const float *data, int ndim, const int64_t *dims)
{
	return from_typed(dtype, GR_F32, data, ndim, dims);
}

gr_tensor *gr_arange(gr_dtype dtype, int64_t n, double start, double step)
{
	gr_tensor *t = new_owned("arange", GR_F64, 1, &n);
	if (t == NULL)
		return NULL;
	double *p = gr_tensor_data(t);
	for (int64_t i = 0; i < n; i++)
		p[i] = start + (double)i * step;
	return dtype == GR_F64 ? t : gr__scope_own(gr__tensor_cast(t, dtype));
}

gr_tensor *gr__tensor_cast(const gr_tensor *t, gr_dtype dtype)
{
	gr_spec spec = gr__tensor_spec(t);
	spec.dtype = dtype;
	gr_tensor *c = gr__tensor_new("cast", &spec);
	if (c != NULL && gr__copy(c, t) != GR_OK) {
		gr_tensor_release(c);
		gr__fail(GR_EMEM, "cast", "no room for workspace");
		return NULL;
	}
	return c;
}

gr_tensor *gr__tensor_contiguous(gr_tensor *t)
{
	return gr_is_contiguous(t) ? gr_tensor_retain(t) : gr__tensor_cast(t, t->dtype);
}

gr_spec gr__tensor_spec(const gr_tensor *t)
{
	gr_spec s = {.dtype = t->dtype, .ndim = t->ndim};
	memcpy(s.dims, t->dims, sizeof s.dims);
	return s;
}

gr_dtype gr_tensor_dtype(const gr_tensor *t)
{
	return t == NULL ? GR_F32 : t->dtype;
}

int gr_tensor_ndim(const gr_tensor *t)
{
	return t == NULL ? 0 : t->ndim;
}

int64_t gr_tensor_dim(const gr_tensor *t, int i)
{
	if (t == NULL)
		return 0;
	int axis = i < 0 ? i + t->ndim : i;
	return axis >= 0 && axis < t->ndim ? t->dims[axis] : 0;
}

const int64_t *gr_tensor_dims(const gr_tensor *t)
{
	return t == NULL ? NULL : t->dims;
}

const int64_t *gr_tensor_strides(const gr_tensor *t)
{
	return t == NULL ? NULL : t->strides;
}

int64_t gr_tensor_size(const gr_tensor *t)
{
	return t == NULL ? 0 : t->size;
}

bool gr_is_contiguous(const gr_tensor *t)
{
	if (t == NULL)
		return false;
	int64_t stride = 1;
	for (int i = t->ndim - 1; i >= 0; i--) {
		if (t->dims[i] != 1 && t->strides[i] != stride && t->size > 0)
			return false;
		stride *= t->dims[i];
	}
	return true;
}

bool gr_is_same_shape(const gr_tensor *a, const gr_tensor *b)
{
	if (a == NULL || b == NULL || a->ndim != b->ndim)
		return false;
	for (int i = 0; i < a->ndim; i++) {
		if (a->dims[i] != b->dims[i])
			return false;
	}
	return true;
}

/* Who asks for this is about to write, so that there are values from now on. */
void *gr_tensor_data(gr_tensor *t)
{
	if (t == NULL)
		return NULL;
	if (t->storage->blank)
		t->storage->blank = false;
	return t->data;
}

static gr_status check_values(const char *op, const gr_tensor *t)
{
	if (!t->storage->blank)
		return GR_OK;
	return gr__fail(GR_ESTATE, op,
		"the tensor has no values: it was made inside gr_estimate(), which computes nothing; hint: "
		"ask gr_estimating() before reading");
}

const void *gr_tensor_data_const(const gr_tensor *t)
{
	return t == NULL || check_values("tensor_data", t) != GR_OK ? NULL : t->data;
}

/* Copy all elements to a caller's buffer by way of a header on it. */
static gr_status to_buffer(const char *op, const gr_tensor *t, gr_dtype dtype, void *out)
{
	if (t == NULL)
		return gr__fail(GR_EARG, op, "the tensor is NULL");
	if (check_values(op, t) != GR_OK)
		return GR_ESTATE;
	gr_storage storage = {.bytes = (size_t)t->size * gr_dtype_bytes(dtype), .data = out};
	gr_tensor view = {.storage = &storage,
		.data = out,
		.size = t->size,
		.ndim = t->ndim,
		.dtype = dtype};
	int64_t stride = 1;
	for (int i = t->ndim - 1; i >= 0; i--) {
		view.dims[i] = t->dims[i];
		view.strides[i] = stride;
		stride *= t->dims[i];
	}
	gr_dry *dry = gr__dry; /* values that are there are copied, whatever the run */
	gr__dry = NULL;
	gr_status status = gr__copy(&view, t);
	gr__dry = dry;
	return status == GR_OK ? GR_OK : gr__fail(status, op, "no room for workspace");
}

gr_status gr_tensor_to_f64(const gr_tensor *t, double *out)
{
	return to_buffer("tensor_to_f64", t, GR_F64, out);
}

gr_status gr_tensor_to_f32(const gr_tensor *t, float *out)
{
	return to_buffer("tensor_to_f32", t, GR_F32, out);
}

double gr_tensor_at(const gr_tensor *t, const int64_t *idx)
{
	if (t == NULL)
		return 0.0;
	gr_tensor one = {.storage = t->storage, .data = t->data, .size = 1, .dtype = t->dtype};
	for (int i = 0; i < t->ndim; i++) {
		if (idx[i] < 0 || idx[i] >= t->dims[i]) {
			gr__fail(GR_EARG, "tensor_at", "index %lld is outside dim %d of length %lld",
				(long long)idx[i], i, (long long)t->dims[i]);
			return 0.0;
		}
		one.data += idx[i] * t->strides[i] * (int64_t)gr_dtype_bytes(t->dtype);
	}
	double value = 0.0;
	to_buffer("tensor_at", &one, GR_F64, &value);
	return value;
}

double gr_item(const gr_tensor *t)
{
	if (t == NULL)
		return 0.0;
	if (t->size != 1) {
		gr__fail(GR_ESHAPE, "item", "the tensor has %lld elements, not one", (long long)t->size);
		return 0.0;
	}
	double value = 0.0;
	to_buffer("item", t, GR_F64, &value);
	return value;
}

gr_status gr_param_update(gr_tensor *dst, const gr_tensor *src)
{
	if (dst == NULL || src == NULL)
		return gr_failed() ? gr_error_code() : gr__fail(GR_EARG, "param_update", "NULL tensor");
	if (!gr_is_same_shape(dst, src))
		return gr__fail(GR_ESHAPE, "param_update", "source and destination differ in shape");
	gr_status status = dst != src ? gr__copy(dst, src) : GR_OK;
	if (status != GR_OK)
		return gr__fail(status, "param_update", "no room for workspace");
	/* A dry run leaves the program's own tensors as they are, hence also their version. */
	if (!gr__is_dry() || dst->storage->dry != 0)
		atomic_fetch_add(&dst->storage->version, 1);
	return GR_OK;
}
