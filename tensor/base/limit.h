/* The limit on memory and the note of a refused request (see limit.c). */
#ifndef GRADUS_LIMIT_H
#define GRADUS_LIMIT_H

#include "gradus/base.h"

#define GR_LIMIT_VARIABLE "GRADUS_MEMORY_LIMIT"

/* What the environment asks for; 0 is none. */
uint64_t gr__limit_default(void);
/* Remember, on this thread, a request that the pool refused. */
void gr__limit_note(size_t bytes, uint64_t in_use, uint64_t peak, uint64_t limit);
/* "; 4096 bytes were refused with ...", once for each note; "" when there is none. */
void gr__limit_quote(char *text, size_t size);

#endif
