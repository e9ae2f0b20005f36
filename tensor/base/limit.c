/*
 * The limit on memory: its spelling, its default from GRADUS_MEMORY_LIMIT, and what is said of a
 * request that was refused. The pool notes the refusal; the error that follows from it on the same
 * thread, whichever operation records it, quotes the note (error.c).
 */
#include "limit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

typedef struct refusal {
	bool noted;
	size_t bytes;
	uint64_t in_use, peak, limit;
} refusal;

static _Thread_local refusal last;

gr_status gr_memory_named(uint64_t *out, const char *text)
{
	static const char units[] = "KMG";
	char *end = NULL;
	unsigned long long n = 0;
	if (text != NULL && *text >= '0' && *text <= '9')
		n = strtoull(text, &end, 10);
	const char *unit = end != NULL && *end != '\0' ? strchr(units, *end) : NULL;
	const int shift = unit != NULL ? 10 * (int)(unit - units + 1) : 0;
	if (end == NULL || end[unit != NULL] != '\0' || n > UINT64_MAX >> 1 >> shift)
		return gr_error_set(GR_EARG, "memory: '%s' is no size; hint: bytes, 512K, 512M or 2G",
			text != NULL ? text : "");
	*out = (uint64_t)n << shift;
	return GR_OK;
}

/* An unreadable limit lets nothing through, since none would be a guess; the program `gradus`
 * refuses it at the start. */
uint64_t gr__limit_default(void)
{
	const char *text = getenv(GR_LIMIT_VARIABLE);
	uint64_t limit = 0;
	return text == NULL || gr_memory_named(&limit, text) == GR_OK ? limit : 1;
}

void gr__limit_note(size_t bytes, uint64_t in_use, uint64_t peak, uint64_t limit)
{
	last = (refusal){true, bytes, in_use, peak, limit};
}

void gr__limit_quote(char *text, size_t size)
{
	const double mib = 1048576.0;
	*text = '\0';
	if (!last.noted)
		return;
	last.noted = false;
	int n = snprintf(text, size, "; %zu bytes were refused with %.1f MiB in use, %.1f at the peak",
		last.bytes, (double)last.in_use / mib, (double)last.peak / mib);
	if (last.limit != 0 && n > 0 && (size_t)n < size)
		snprintf(text + n, size - (size_t)n, ", of a limit of %.1f", (double)last.limit / mib);
}
