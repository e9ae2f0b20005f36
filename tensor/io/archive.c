/* gr_archive: named tensors and text metadata, both in insertion order (gradus/io.h). */
#include <string.h>

#include "archive_priv.h"
#include "fail.h"
#include "gradus/io.h"
#include "namelist_priv.h"
#include "pool.h"
#include "utf8_priv.h"

struct gr_archive {
	gr_namelist tensors;
	gr_namelist meta;
};

static void release(void *tensor)
{
	gr_tensor_release(tensor);
}

gr_archive *gr_archive_new(void)
{
	gr_at("", 0);
	gr_archive *a = gr__pool_alloc(sizeof *a);
	if (!a) {
		gr__fail(GR_EMEM, "archive", "no memory for an archive");
		return NULL;
	}
	gr__namelist_init(&a->tensors);
	gr__namelist_init(&a->meta);
	return a;
}

void gr_archive_free(gr_archive *a)
{
	if (!a)
		return;
	gr__namelist_free(&a->tensors, release);
	gr__namelist_free(&a->meta, gr__pool_free);
	gr__pool_free(a);
}

int64_t gr_archive_count(const gr_archive *a)
{
	return a ? a->tensors.count : 0;
}

const char *gr_archive_name(const gr_archive *a, int64_t i)
{
	const gr_namelist_entry *e = a ? gr__namelist_at(&a->tensors, i) : NULL;
	return e ? e->name : NULL;
}

gr_tensor *gr_archive_tensor(const gr_archive *a, int64_t i)
{
	const gr_namelist_entry *e = a ? gr__namelist_at(&a->tensors, i) : NULL;
	return e ? e->value : NULL;
}

gr_tensor *gr_archive_find(const gr_archive *a, const char *name)
{
	const gr_namelist_entry *e = a ? gr__namelist_find(&a->tensors, name) : NULL;
	return e ? e->value : NULL;
}

gr_status gr_archive_add(gr_archive *a, const char *name, gr_tensor *t)
{
	if (!a || !name || !t)
		return gr__fail(GR_EARG, "archive", "add: archive, name or tensor is NULL");
	size_t bytes = strlen(name);
	if (bytes > GR_ARCHIVE_NAME_MAX)
		return gr__fail(GR_EARG, "archive",
			"name '%.40s...' has %zu bytes, at most %d are possible", name, bytes,
			GR_ARCHIVE_NAME_MAX);
	if (gr__utf8_valid(name, bytes) < bytes)
		return gr__fail(GR_EARG, "archive", "the name of tensor %lld is not UTF-8",
			(long long)a->tensors.count);
	if (a->tensors.count >= GR_ARCHIVE_COUNT_MAX)
		return gr__fail(GR_EARG, "archive", "more than %d tensors", GR_ARCHIVE_COUNT_MAX);
	if (gr__namelist_find(&a->tensors, name))
		return gr__fail(GR_EARG, "archive", "there is a tensor '%s' already", name);
	if (!gr__namelist_append(&a->tensors, name, t))
		return gr__fail(GR_EMEM, "archive", "no memory to add '%s'", name);
	gr_tensor_retain(t);
	return GR_OK;
}

gr_status gr_archive_set_meta(gr_archive *a, const char *key, const char *value)
{
	if (!a || !key || !value)
		return gr__fail(GR_EARG, "archive", "set_meta: archive, key or value is NULL");
	if (gr__utf8_valid(key, strlen(key)) < strlen(key) ||
		gr__utf8_valid(value, strlen(value)) < strlen(value))
		return gr__fail(GR_EARG, "archive", "metadata entry %lld is not UTF-8",
			(long long)a->meta.count);
	if (a->meta.count >= GR_ARCHIVE_COUNT_MAX)
		return gr__fail(GR_EARG, "archive", "more than %d metadata entries", GR_ARCHIVE_COUNT_MAX);
	char *copy = gr__pool_strdup(value);
	gr_namelist_entry *e = gr__namelist_find(&a->meta, key);
	if (copy && e) {
		gr__pool_free(e->value);
		e->value = copy;
		return GR_OK;
	}
	if (!copy || !gr__namelist_append(&a->meta, key, copy)) {
		gr__pool_free(copy);
		return gr__fail(GR_EMEM, "archive", "no memory for metadata '%.40s'", key);
	}
	return GR_OK;
}

const char *gr_archive_meta(const gr_archive *a, const char *key)
{
	const gr_namelist_entry *e = a ? gr__namelist_find(&a->meta, key) : NULL;
	return e ? e->value : NULL;
}

int64_t gr_archive_meta_count(const gr_archive *a)
{
	return a ? a->meta.count : 0;
}

const char *gr_archive_meta_name(const gr_archive *a, int64_t i)
{
	const gr_namelist_entry *e = a ? gr__namelist_at(&a->meta, i) : NULL;
	return e ? e->name : NULL;
}
