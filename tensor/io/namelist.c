/* Names and what they stand for (namelist_priv.h): open addressing over the list's indices. */
#include <string.h>
#include <time.h>

#include "namelist_priv.h"
#include "pool.h"

static uint64_t hash(const gr_namelist *l, const char *name)
{
	uint64_t h = l->seed;
	for (; *name; name++) {
		h = (h ^ (unsigned char)*name) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

/* The slot that holds `name` or, when it is not there, the free one where it belongs. */
static int64_t *slot_of(const gr_namelist *l, const char *name)
{
	uint64_t mask = (uint64_t)l->slot_count - 1;
	for (uint64_t i = hash(l, name);; i++) {
		int64_t *slot = &l->slots[i & mask];
		if (*slot < 0 || strcmp(l->entries[*slot].name, name) == 0)
			return slot;
	}
}

void gr__namelist_init(gr_namelist *l)
{
	struct timespec now = {0};
	clock_gettime(CLOCK_MONOTONIC, &now);
	uint64_t seed = (uint64_t)(uintptr_t)l ^ (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
	*l = (gr_namelist){.seed = seed};
}

gr_namelist_entry *gr__namelist_at(const gr_namelist *l, int64_t i)
{
	return i >= 0 && i < l->count ? &l->entries[i] : NULL;
}

gr_namelist_entry *gr__namelist_find(const gr_namelist *l, const char *name)
{
	if (!name || l->count == 0)
		return NULL;
	return gr__namelist_at(l, *slot_of(l, name));
}

static bool reserve_slots(gr_namelist *l)
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

static bool reserve_entries(gr_namelist *l)
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

bool gr__namelist_append(gr_namelist *l, const char *name, void *value)
{
	if (!reserve_entries(l) || !reserve_slots(l))
		return false;
	char *copy = gr__pool_strdup(name);
	if (!copy)
		return false;
	l->entries[l->count] = (gr_namelist_entry){copy, value};
	*slot_of(l, name) = l->count++;
	return true;
}

void gr__namelist_free(gr_namelist *l, void (*free_value)(void *))
{
	for (int64_t i = 0; i < l->count; i++) {
		gr__pool_free(l->entries[i].name);
		free_value(l->entries[i].value);
	}
	gr__pool_free(l->entries);
	gr__pool_free(l->slots);
	gr__namelist_init(l);
}
