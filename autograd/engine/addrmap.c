/* Open addressing, linear probing, at most half full. */
#include "addrmap_priv.h"

#include <string.h>

#include "pool.h"

#define FIRST_CAPACITY 64 /* a power of two */

/* The place of a key, or the free place where it belongs. */
static int64_t find(const gr_addrmap *m, uintptr_t key)
{
	uint64_t h = (uint64_t)key * 0x9e3779b97f4a7c15u;
	uint64_t mask = (uint64_t)m->capacity - 1;
	uint64_t at = (h ^ h >> 32) & mask;
	while (m->keys[at] != 0 && m->keys[at] != key)
		at = (at + 1) & mask;
	return (int64_t)at;
}

static bool grow(gr_addrmap *m)
{
	gr_addrmap next = {.capacity = m->capacity > 0 ? 2 * m->capacity : FIRST_CAPACITY,
		.count = m->count};
	size_t n = (size_t)next.capacity;
	next.keys = gr__pool_alloc(n * sizeof *next.keys);
	next.values = gr__pool_alloc(n * sizeof *next.values);
	if (next.keys == NULL || next.values == NULL) {
		gr__addrmap_free(&next);
		return false;
	}
	memset(next.keys, 0, n * sizeof *next.keys);
	for (int64_t i = 0; i < m->capacity; i++) {
		if (m->keys[i] == 0)
			continue;
		int64_t at = find(&next, m->keys[i]);
		next.keys[at] = m->keys[i];
		next.values[at] = m->values[i];
	}
	gr__addrmap_free(m);
	*m = next;
	return true;
}

int64_t *gr__addrmap_at(gr_addrmap *m, uintptr_t key, int64_t value)
{
	if (2 * (m->count + 1) > m->capacity && !grow(m))
		return NULL;
	int64_t at = find(m, key);
	if (m->keys[at] == 0) {
		m->keys[at] = key;
		m->values[at] = value;
		m->count++;
	}
	return &m->values[at];
}

void gr__addrmap_free(gr_addrmap *m)
{
	gr__pool_free(m->keys);
	gr__pool_free(m->values);
	*m = (gr_addrmap){0};
}
