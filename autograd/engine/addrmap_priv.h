/* Addresses mapped to whole numbers, by hashing. */
#ifndef GRADUS_ADDRMAP_PRIV_H
#define GRADUS_ADDRMAP_PRIV_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gr_addrmap {
	uintptr_t *keys; /* [capacity], 0: free */
	int64_t *values;
	int64_t capacity, count;
} gr_addrmap;

/* The place of the value of `key`, which is not 0; new ones are entered with `value`. Valid until
 * the next call. NULL when out of memory. */
int64_t *gr__addrmap_at(gr_addrmap *m, uintptr_t key, int64_t value);
void gr__addrmap_free(gr_addrmap *m);

#endif
