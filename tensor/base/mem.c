/*
 * The system allocator's only caller: counts, limits and, for tests, fails requests on demand.
 * Blocks of 2 MiB and more are anonymous maps on 2 MiB boundaries, advised to be huge pages,
 * since fresh 4 KiB pages cost more than the arithmetic on them.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "poison.h"
#include "pool.h"

#define HUGE_PAGE ((size_t)2 << 20)
/* From here on a block of a dry run is a map of its own, zero until it is written. */
#define DRY_MAP ((size_t)64 << 10)

static atomic_uint_fast64_t system_allocs;
atomic_uint_fast64_t gr__mem_fail_countdown;

void gr_memory_fail_at(uint64_t n)
{
	atomic_store(&gr__mem_fail_countdown, n);
}

bool gr__mem_inject_now(void)
{
	return atomic_fetch_sub(&gr__mem_fail_countdown, 1) == 1;
}

uint64_t gr__mem_system_allocs(void)
{
	return atomic_load(&system_allocs);
}

static size_t round_up(size_t bytes, size_t to)
{
	return (bytes + to - 1) / to * to;
}

/* A map aligned to 2 MiB: map one page more than needed and trim both ends. */
static void *map_huge(size_t bytes)
{
	size_t want = bytes + HUGE_PAGE;
	char *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	size_t head = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
	if (head > 0)
		munmap(p, head);
	if (want - head > bytes)
		munmap(p + head + bytes, want - head - bytes);
	p += head;
#ifdef MADV_HUGEPAGE
	madvise(p, bytes, MADV_HUGEPAGE);
#endif
	return p;
}

/* Never under the sanitizer, whose search for leaks does not look into maps. */
static bool is_mapped(size_t bytes)
{
	return bytes >= HUGE_PAGE && !GR_POISONING;
}

void *gr__mem_alloc(size_t bytes)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	atomic_fetch_add(&system_allocs, 1);
	if (is_mapped(bytes))
		return map_huge(round_up(bytes, 4096));
	void *p = aligned_alloc(64, round_up(bytes == 0 ? 1 : bytes, 64));
	return p;
}

void gr__mem_free(void *p, size_t bytes)
{
	if (p == NULL)
		return;
	if (is_mapped(bytes))
		munmap(p, round_up(bytes, 4096));
	else
		free(p);
}

void *gr__mem_alloc_dry(size_t bytes)
{
	if (bytes > SIZE_MAX / 2)
		return NULL;
	if (bytes < DRY_MAP)
		return aligned_alloc(64, round_up(bytes, 64));
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (p == MAP_FAILED)
		return NULL;
#ifdef MADV_NOHUGEPAGE
	madvise(p, bytes, MADV_NOHUGEPAGE);
#endif
	return p;
}

void gr__mem_free_dry(void *p, size_t bytes)
{
	if (bytes < DRY_MAP)
		free(p);
	else
		munmap(p, bytes);
}

bool gr__mem_is_zero_dry(size_t bytes)
{
	return bytes >= DRY_MAP;
}
