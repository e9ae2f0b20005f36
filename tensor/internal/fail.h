/*
 * Recording errors. gr__fail() is the only way in: it fills this thread's record if none is there,
 * obeys gr_on_error(), and returns the code so that callers can write `return gr__fail(...)`.
 */
#ifndef GRADUS_INTERNAL_FAIL_H
#define GRADUS_INTERNAL_FAIL_H

#include <stdio.h>
#include <stdlib.h>

#include "gradus/base.h"

/* Message "op: text at file:line; hint: ..."; `op` may be NULL. The site is what gr_at() last said;
 * what opens a file says gr_at("", 0), since its errors are about the file. */
gr_status gr__fail(gr_status code, const char *op, const char *format, ...) GR_PRINTF(3, 4);
/* The call site last given to gr_at() on this thread ("" and 0 when none). */
const char *gr__site_file(void);
int gr__site_line(void);

/* For our own invariants only; never for input. */
#define GR_ASSERT(cond) \
	do { \
		if (!(cond)) { \
			fprintf(stderr, "gradus: broken invariant %s at %s:%d\n", #cond, __FILE__, __LINE__); \
			abort(); \
		} \
	} while (0)

#endif
