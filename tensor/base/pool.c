/*
 * The caching pool: blocks in size classes with an eighth of slack, kept for reuse when freed.
 * After the first step of a loop every request finds a cached block, so a steady state makes no
 * system allocation. One lock guards the lists; a request for a block under 64 KiB holds it for a
 * few instructions.
 *
 * Block layout: a 64-byte head (size class, link) before the 64-byte aligned payload.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "pool.h"

/* Classes: 64 bytes times (8 + f) / 8 * 2^e, f in 0..7. */
#define STEPS 8
#define CLASSES (STEPS * 42)
#define HEAD 64

typedef struct gr_block {
	struct gr_block *next;
	size_t payload; /* size of the class */
	int class;
} gr_block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_block *cache[CLASSES];
static gr_memory stats;
static uint64_t limit;
static bool limit_known;

static size_t class_bytes(int class)
{
	return ((size_t)64 * (size_t)(STEPS + class % STEPS) / STEPS) << (class / STEPS);
}

static int class_of(size_t bytes)
{
	int class = 0;
	size_t base = 64;
	while (base * 2 <= bytes && class < CLASSES - STEPS) {
		base *= 2;
		class += STEPS;
	}
	while (class < CLASSES - 1 && class_bytes(class) < bytes)
		class ++;
	return class;
}

/* GRADUS_MEMORY_LIMIT: bytes with an optional K, M or G; anything else is no limit. */
static uint64_t limit_from_environment(void)
{
	const char *text = getenv("GRADUS_MEMORY_LIMIT");
	if (text == NULL)
		return 0;
	char *end;
	unsigned long long n = strtoull(text, &end, 10);
	int shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
	return (uint64_t)n << shift;
}

static void trim_locked(void)
{
	for (int c = 0; c < CLASSES; c++) {
		while (cache[c] != NULL) {
			gr_block *b = cache[c];
			cache[c] = b->next;
			stats.bytes_cached -= b->payload;
			gr__mem_free(b, b->payload + HEAD);
		}
	}
}

/* A cached block of this class or one at most a quarter larger. */
static gr_block *take_cached(int class)
{
	for (int c = class; c < CLASSES && c <= class + 2; c++) {
		gr_block *b = cache[c];
		if (b != NULL) {
			cache[c] = b->next;
			stats.bytes_cached -= b->payload;
			return b;
		}
	}
	return NULL;
}

static gr_block *take_new(int class)
{
	size_t payload = class_bytes(class);
	gr_block *b = gr__mem_alloc(payload + HEAD);
	if (b == NULL) {
		trim_locked();
		b = gr__mem_alloc(payload + HEAD);
	}
	if (b != NULL) {
		b->payload = payload;
		b->class = class;
	}
	return b;
}

void *gr__pool_alloc(size_t bytes)
{
	if (gr__mem_inject() || bytes > class_bytes(CLASSES - 1))
		return NULL;
	int class = class_of(bytes);
	pthread_mutex_lock(&lock);
	if (!limit_known) {
		limit = limit_from_environment();
		limit_known = true;
	}
	gr_block *b = NULL;
	if (limit == 0 || stats.bytes_in_use + class_bytes(class) <= limit)
		b = take_cached(class);
	if (b == NULL && (limit == 0 || stats.bytes_in_use + class_bytes(class) <= limit))
		b = take_new(class);
	if (b != NULL) {
		stats.pool_allocs++;
		stats.bytes_in_use += b->payload;
		if (stats.bytes_in_use > stats.bytes_peak)
			stats.bytes_peak = stats.bytes_in_use;
	}
	pthread_mutex_unlock(&lock);
	return b == NULL ? NULL : (char *)b + HEAD;
}

void gr__pool_free(void *p)
{
	if (p == NULL)
		return;
	gr_block *b = (gr_block *)(void *)((char *)p - HEAD);
	pthread_mutex_lock(&lock);
	b->next = cache[b->class];
	cache[b->class] = b;
	stats.bytes_in_use -= b->payload;
	stats.bytes_cached += b->payload;
	pthread_mutex_unlock(&lock);
}

size_t gr__pool_block_size(const void *p)
{
	return ((const gr_block *)(const void *)((const char *)p - HEAD))->payload;
}

void *gr__pool_grow(void *p, size_t bytes)
{
	if (p != NULL && gr__pool_block_size(p) >= bytes)
		return p;
	void *q = gr__pool_alloc(bytes);
	if (q != NULL && p != NULL) {
		memcpy(q, p, gr__pool_block_size(p));
		gr__pool_free(p);
	}
	return q;
}

char *gr__pool_strdup(const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = gr__pool_alloc(n);
	if (p != NULL)
		memcpy(p, s, n);
	return p;
}

void *gr_alloc(size_t bytes)
{
	void *p = gr__pool_alloc(bytes);
	if (p == NULL) {
		gr__fail(GR_EMEM, "alloc", "%zu bytes do not fit", bytes);
		return NULL;
	}
	return memset(p, 0, bytes);
}

void gr_free(void *p)
{
	gr__pool_free(p);
}

char *gr_strdup(const char *s)
{
	char *p = gr_alloc(strlen(s) + 1);
	return p == NULL ? NULL : strcpy(p, s);
}

gr_memory gr_memory_stats(void)
{
	pthread_mutex_lock(&lock);
	gr_memory m = stats;
	pthread_mutex_unlock(&lock);
	m.system_allocs = gr__mem_system_allocs();
	m.tensors_live = gr__tensors_live();
	return m;
}

void gr_memory_reset_peak(void)
{
	pthread_mutex_lock(&lock);
	stats.bytes_peak = stats.bytes_in_use;
	pthread_mutex_unlock(&lock);
}

void gr_memory_trim(void)
{
	pthread_mutex_lock(&lock);
	trim_locked();
	pthread_mutex_unlock(&lock);
}

void gr_memory_set_limit(uint64_t bytes)
{
	pthread_mutex_lock(&lock);
	limit = bytes;
	limit_known = true;
	pthread_mutex_unlock(&lock);
}
