/*
 * Storages and tensor headers: reference counts, creation, release. Headers come from the pool
 * like everything else; releasing the last reference returns the block at once.
 */
#include "tensor_int.h"

#include <string.h>

#include "dry.h"
#include "pool.h"

/* Set by every thread that records, always to the same. */
static void (*_Atomic node_hook)(void *node);

void gr__tensor_set_node_hook(void (*release)(void *node))
{
	atomic_store_explicit(&node_hook, release, memory_order_relaxed);
}

/*
 * A new tensor is one block: its storage, its header and, up to INLINE_BYTES, its data. Headers of
 * views are blocks of their own. The block lives as long as the storage, also where the header that
 * stands in it is gone.
 */
#define HEADER_OFFSET 64
#define DATA_OFFSET 256
#define INLINE_BYTES 1024
_Static_assert(sizeof(gr_storage) <= HEADER_OFFSET, "the header stands behind the storage");
_Static_assert(HEADER_OFFSET + sizeof(gr_tensor) <= DATA_OFFSET, "the data stand behind both");

static gr_tensor *header_within(gr_storage *s)
{
	return (gr_tensor *)(void *)((char *)s + HEADER_OFFSET);
}

static bool is_inline(const gr_storage *s)
{
	return s->data == (const char *)s + DATA_OFFSET;
}

static gr_storage *storage_new(size_t bytes)
{
	const bool inside = bytes <= INLINE_BYTES;
	gr_storage *s =
		gr__pool_alloc(inside ? DATA_OFFSET + bytes : HEADER_OFFSET + sizeof(gr_tensor));
	if (s == NULL)
		return NULL;
	s->data = inside ? (char *)s + DATA_OFFSET : gr__pool_alloc(bytes);
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
	if (is_inline(s))
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
	if (!is_inline(s))
		gr__pool_free(s->data);
	gr__pool_free(s);
}

static int64_t size_of(int ndim, const int64_t *dims)
{
	int64_t size = 1;
	for (int i = 0; i < ndim; i++) {
		if (dims[i] < 0 || __builtin_mul_overflow(size, dims[i], &size))
			return -1;
	}
	return size > INT64_MAX / 16 ? -1 : size;
}

int64_t gr__spec_size(const gr_spec *spec)
{
	return size_of(spec->ndim, spec->dims);
}

static gr_tensor *refuse_dims(const char *op, int ndim, const int64_t *dims)
{
	char shape[160];
	if (ndim < 0 || ndim > GR_MAX_DIMS)
		gr__fail(GR_ESHAPE, op, "%d dims asked for, at most %d possible", ndim, GR_MAX_DIMS);
	else
		gr__fail(GR_ESHAPE, op, "shape %s has a negative dim or too many elements",
			gr__dims_print(shape, sizeof shape, ndim, dims));
	return NULL;
}

static gr_tensor *refuse_bytes(const char *op, gr_dtype dtype, int ndim, const int64_t *dims,
	size_t bytes)
{
	char shape[160];
	gr__fail(GR_EMEM, op, "%s %s needs %zu bytes that do not fit", gr_dtype_name(dtype),
		gr__dims_print(shape, sizeof shape, ndim, dims), bytes);
	return NULL;
}

gr_tensor *gr__tensor_new(const char *op, const gr_spec *spec)
{
	return gr__tensor_of(op, spec->dtype, spec->ndim, spec->dims);
}

gr_tensor *gr__tensor_of(const char *op, gr_dtype dtype, int ndim, const int64_t *dims)
{
	const int64_t size = ndim < 0 || ndim > GR_MAX_DIMS ? -1 : size_of(ndim, dims);
	if (size < 0)
		return refuse_dims(op, ndim, dims);
	const size_t bytes = (size_t)size * gr_dtype_bytes(dtype);
	gr_storage *s = storage_new(bytes);
	if (s == NULL)
		return refuse_bytes(op, dtype, ndim, dims, bytes);
	gr_tensor *t = header_within(s);
	memset(t, 0, sizeof *t);
	t->storage = s;
	t->data = s->data;
	t->size = size;
	t->ndim = ndim;
	t->dtype = dtype;
	atomic_init(&t->refs, 1);
	int64_t stride = 1;
	for (int i = ndim - 1; i >= 0; i--) {
		t->dims[i] = dims[i];
		t->strides[i] = stride;
		stride *= dims[i] > 0 ? dims[i] : 1;
	}
	gr__pool_count_tensor(1);
	return t;
}

gr_tensor *gr__tensor_alias(const gr_tensor *t)
{
	gr_tensor *a = gr__pool_alloc(sizeof *a);
	if (a == NULL) {
		gr__fail(GR_EMEM, "view", "no room for a tensor header");
		return NULL;
	}
	memcpy(a, t, sizeof *a);
	atomic_init(&a->refs, 1);
	a->node = NULL;
	a->node_out = 0;
	atomic_fetch_add_explicit(&a->storage->refs, 1, memory_order_relaxed);
	gr__pool_count_tensor(1);
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
	gr_storage *s = t->storage;
	if (t != header_within(s))
		gr__pool_free(t);
	storage_release(s);
	gr__pool_count_tensor(-1);
	if (node != NULL)
		atomic_load_explicit(&node_hook, memory_order_relaxed)(node);
}
