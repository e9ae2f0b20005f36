/*
 * Storages and tensor headers: reference counts, creation, release. Headers come from the pool
 * like everything else; releasing the last reference returns the block at once.
 */
#include "tensor_int.h"

#include <string.h>

#include "dry.h"
#include "pool.h"

static atomic_uint_fast64_t tensors_live;
/* Set by every thread that records, always to the same. */
static void (*_Atomic node_hook)(void *node);

uint64_t gr__tensors_live(void)
{
	return atomic_load(&tensors_live);
}

void gr__tensor_set_node_hook(void (*release)(void *node))
{
	atomic_store_explicit(&node_hook, release, memory_order_relaxed);
}

/* Data of at most this many bytes stand in the block of their storage, behind it. */
#define INLINE_BYTES 1024
#define INLINE_OFFSET 64

static gr_storage *storage_new(size_t bytes)
{
	bool inside = bytes <= INLINE_BYTES;
	gr_storage *s = gr__pool_alloc(inside ? INLINE_OFFSET + bytes : sizeof *s);
	if (s == NULL)
		return NULL;
	s->data = inside ? (char *)s + INLINE_OFFSET : gr__pool_alloc(bytes);
	if (s->data == NULL) {
		gr__pool_free(s);
		return NULL;
	}
	atomic_init(&s->refs, 1);
	atomic_init(&s->version, 0);
	s->bytes = bytes;
	s->dry = 0;
	s->blank = false;
	if (gr__is_dry()) {
		s->dry = gr__dry->run;
		s->blank = true;
		gr__dry->storages++;
	}
	return s;
}

void gr__storage_zero(gr_storage *s)
{
	if (s->data == (char *)s + INLINE_OFFSET)
		memset(s->data, 0, s->bytes);
	else
		gr__pool_zero(s->data, s->bytes);
	s->blank = false;
}

static void storage_release(gr_storage *s)
{
	if (!gr__drop_ref(&s->refs))
		return;
	if (s->dry != 0 && gr__is_dry() && gr__dry->run == s->dry)
		gr__dry->storages--;
	if (s->data != (char *)s + INLINE_OFFSET)
		gr__pool_free(s->data);
	gr__pool_free(s);
}

int64_t gr__spec_size(const gr_spec *spec)
{
	int64_t size = 1;
	for (int i = 0; i < spec->ndim; i++) {
		if (spec->dims[i] < 0 || __builtin_mul_overflow(size, spec->dims[i], &size))
			return -1;
	}
	return size > INT64_MAX / 16 ? -1 : size;
}

static gr_tensor *header_new(const char *op)
{
	gr_tensor *t = gr__pool_alloc(sizeof *t);
	if (t == NULL) {
		gr__fail(GR_EMEM, op, "no room for a tensor header");
		return NULL;
	}
	atomic_fetch_add(&tensors_live, 1);
	return t;
}

gr_tensor *gr__tensor_new(const char *op, const gr_spec *spec)
{
	if (spec->ndim < 0 || spec->ndim > GR_MAX_DIMS) {
		gr__fail(GR_ESHAPE, op, "%d dims asked for, at most %d possible", spec->ndim, GR_MAX_DIMS);
		return NULL;
	}
	char shape[160];
	int64_t size = gr__spec_size(spec);
	if (size < 0) {
		gr__fail(GR_ESHAPE, op, "shape %s has a negative dim or too many elements",
			gr__dims_print(shape, sizeof shape, spec->ndim, spec->dims));
		return NULL;
	}
	size_t bytes = (size_t)size * gr_dtype_bytes(spec->dtype);
	gr_storage *s = storage_new(bytes);
	if (s == NULL) {
		gr__fail(GR_EMEM, op, "%s %s needs %zu bytes that do not fit", gr_dtype_name(spec->dtype),
			gr__dims_print(shape, sizeof shape, spec->ndim, spec->dims), bytes);
		return NULL;
	}
	gr_tensor *t = header_new(op);
	if (t == NULL) {
		storage_release(s);
		return NULL;
	}
	memset(t, 0, sizeof *t);
	t->storage = s;
	t->data = s->data;
	t->size = size;
	t->ndim = spec->ndim;
	t->dtype = spec->dtype;
	atomic_init(&t->refs, 1);
	int64_t stride = 1;
	for (int i = spec->ndim - 1; i >= 0; i--) {
		t->dims[i] = spec->dims[i];
		t->strides[i] = stride;
		stride *= spec->dims[i] > 0 ? spec->dims[i] : 1;
	}
	return t;
}

gr_tensor *gr__tensor_alias(const gr_tensor *t)
{
	gr_tensor *a = header_new("view");
	if (a == NULL)
		return NULL;
	memcpy(a, t, sizeof *a);
	atomic_init(&a->refs, 1);
	a->node = NULL;
	a->node_out = 0;
	atomic_fetch_add(&a->storage->refs, 1);
	return a;
}

gr_tensor *gr_tensor_retain(gr_tensor *t)
{
	if (t != NULL)
		atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
	return t;
}

void gr_tensor_release(gr_tensor *t)
{
	if (t == NULL || !gr__drop_ref(&t->refs))
		return;
	void *node = t->node;
	storage_release(t->storage);
	gr__pool_free(t);
	atomic_fetch_sub(&tensors_live, 1);
	if (node != NULL)
		atomic_load_explicit(&node_hook, memory_order_relaxed)(node);
}
