/*
 * An insertion-ordered map from names to pointers: a list with a hash index. The hash is seeded per
 * list, so that a hostile file cannot choose names that fall together; only the speed of look-ups
 * depends on the seed.
 */
#ifndef GR_IO_NAMELIST_PRIV_H
#define GR_IO_NAMELIST_PRIV_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gr_namelist_entry {
	char *name;
	void *value;
} gr_namelist_entry;

typedef struct gr_namelist {
	gr_namelist_entry *entries;
	int64_t count;
	int64_t *slots; /* index of the entry, -1 when free; a power of two of them */
	int64_t slot_count;
	uint64_t seed;
} gr_namelist;

/* An empty list; needs no memory. */
void gr__namelist_init(gr_namelist *l);
/* NULL when i or the name is not there. */
gr_namelist_entry *gr__namelist_at(const gr_namelist *l, int64_t i);
gr_namelist_entry *gr__namelist_find(const gr_namelist *l, const char *name);
/* Append; the name is new and is copied. False without memory: nothing has changed then. */
bool gr__namelist_append(gr_namelist *l, const char *name, void *value);
/* Leaves the list empty. */
void gr__namelist_free(gr_namelist *l, void (*free_value)(void *));

#endif
