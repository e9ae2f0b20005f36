/*
 * gr_archive: named tensors and text metadata, both in insertion order (gradus/io.h).
 *
 * Each of the two is a list with a hash index. The hash is seeded per list, so that a hostile file
 * cannot choose names that fall together; only the speed of look-ups depends on the seed.
 */
#include <string.h>
#include <time.h>

#include "archive_priv.h"
#include "fail.h"
#include "gradus/io.h"
#include "pool.h"
#include "utf8_priv.h"

struct entry {
	char *name;
	void *value;
};

/* An insertion-ordered map from names to pointers. */
struct list {
	struct entry *entries;
	int64_t count;
	int64_t *slots; /* index of the entry, -1 when free; a power of two of them */
	int64_t slot_count;
	uint64_t seed;
};

struct gr_archive {
	struct list tensors;
	struct list meta;
};

static uint64_t hash(const struct list *l, const char *name)
{
	uint64_t h = l->seed;
	for (; *name; name++) {
		h = (h ^ (unsigned char)*name) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

/* The slot that holds `name` or, when it is not there, the free one where it belongs. */
static int64_t *slot_of(const struct list *l, const char *name)
{
	uint64_t mask = (uint64_t)l->slot_count - 1;
	for (uint64_t i = hash(l, name);; i++) {
		int64_t *slot = &l->slots[i & mask];
		if (*slot < 0 || strcmp(l->entries[*slot].name, name) == 0)
			return slot;
	}
}

static struct entry *find(const struct list *l, const char *name)
{
	if (!name || l->count == 0)
		return NULL;
	int64_t i = *slot_of(l, name);
	return i < 0 ? NULL : &l->entries[i];
}

static bool reserve_slots(struct list *l)
{
	if ((l->count + 1) * 2 <= l->slot_count)
		return true;
	int64_t n = l->slot_count ? l->slot_count * 2 : 16;
	int64_t *slots = gr__pool_alloc((size_t)n * sizeof *slots);
	if (!slots)
		return false;
	for (int64_t i = 0; i < n; i++)
		slots[i] = -1;
	gr__pool_free(l->slots);
	l->slots = slots;
	l->slot_count = n;
	for (int64_t i = 0; i < l->count; i++)
		*slot_of(l, l->entries[i].name) = i;
	return true;
}

static bool reserve_entries(struct list *l)
{
	size_t have = l->entries ? gr__pool_block_size(l->entries) / sizeof *l->entries : 0;
	if ((size_t)l->count < have)
		return true;
	void *grown = gr__pool_grow(l->entries, (have ? have * 2 : 16) * sizeof *l->entries);
	if (!grown)
		return false;
	l->entries = grown;
	return true;
}

/* Append; the name is new. False when there is no memory: nothing has changed then. */
static bool append(struct list *l, const char *name, void *value)
{
	if (!reserve_entries(l) || !reserve_slots(l))
		return false;
	char *copy = gr__pool_strdup(name);
	if (!copy)
		return false;
	l->entries[l->count] = (struct entry){copy, value};
	*slot_of(l, name) = l->count++;
	return true;
}

static void free_list(struct list *l, void (*free_value)(void *))
{
	for (int64_t i = 0; i < l->count; i++) {
		gr__pool_free(l->entries[i].name);
		free_value(l->entries[i].value);
	}
	gr__pool_free(l->entries);
	gr__pool_free(l->slots);
}

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
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t seed = (uint64_t)(uintptr_t)a ^ (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
	*a = (gr_archive){.tensors.seed = seed, .meta.seed = ~seed};
	return a;
}

void gr_archive_free(gr_archive *a)
{
	if (!a)
		return;
	free_list(&a->tensors, release);
	free_list(&a->meta, gr__pool_free);
	gr__pool_free(a);
}

int64_t gr_archive_count(const gr_archive *a)
{
	return a ? a->tensors.count : 0;
}

static const struct entry *entry_at(const struct list *l, int64_t i)
{
	return i >= 0 && i < l->count ? &l->entries[i] : NULL;
}

const char *gr_archive_name(const gr_archive *a, int64_t i)
{
	const struct entry *e = a ? entry_at(&a->tensors, i) : NULL;
	return e ? e->name : NULL;
}

gr_tensor *gr_archive_tensor(const gr_archive *a, int64_t i)
{
	const struct entry *e = a ? entry_at(&a->tensors, i) : NULL;
	return e ? e->value : NULL;
}

gr_tensor *gr_archive_find(const gr_archive *a, const char *name)
{
	const struct entry *e = a ? find(&a->tensors, name) : NULL;
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
	if (find(&a->tensors, name))
		return gr__fail(GR_EARG, "archive", "there is a tensor '%s' already", name);
	if (!append(&a->tensors, name, t))
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
	struct entry *e = find(&a->meta, key);
	if (copy && e) {
		gr__pool_free(e->value);
		e->value = copy;
		return GR_OK;
	}
	if (!copy || !append(&a->meta, key, copy)) {
		gr__pool_free(copy);
		return gr__fail(GR_EMEM, "archive", "no memory for metadata '%.40s'", key);
	}
	return GR_OK;
}

const char *gr_archive_meta(const gr_archive *a, const char *key)
{
	const struct entry *e = a ? find(&a->meta, key) : NULL;
	return e ? e->value : NULL;
}

int64_t gr_archive_meta_count(const gr_archive *a)
{
	return a ? a->meta.count : 0;
}

const char *gr_archive_meta_name(const gr_archive *a, int64_t i)
{
	const struct entry *e = a ? entry_at(&a->meta, i) : NULL;
	return e ? e->name : NULL;
}
