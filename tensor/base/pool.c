/*
 * The caching pool: blocks in size classes with an eighth of slack, kept for reuse when freed.
 * After the first step of a loop every request finds a cached block, so a steady state makes no
 * system allocation. One lock guards the lists; a request for a block under 64 KiB holds it for a
 * few instructions.
 *
 * Block layout: a 64-byte head (size class, link) before the 64-byte aligned payload. Under the
 * address sanitizer what a block has beyond the bytes asked for is out of bounds, and so are
 * blocks that lie in the cache.
 */
#include <pthread.h>
#include <string.h>

#include "dry.h"
#include "fail.h"
#include "limit.h"
#include "poison.h"
#include "pool.h"

/* Classes: 64 bytes times (8 + f) / 8 * 2^e, f in 0..7. */
#define STEPS 8
#define CLASSES (STEPS * 42)
#define HEAD 64

typedef struct gr_block {
	struct gr_block *next;
	size_t payload; /* size of the class */
	size_t asked;
	int class;
	unsigned dry; /* number of the dry run that it belongs to, 0: none */
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

static void trim_locked(void)
{
	for (int c = 0; c < CLASSES; c++) {
		while (cache[c] != NULL) {
			gr_block *b = cache[c];
			cache[c] = b->next;
			stats.bytes_cached -= b->payload;
			GR_UNPOISON((char *)b + HEAD, b->payload);
			gr__mem_free(b, b->payload + HEAD);
		}
	}
}

/* A cached block of this very class: what is in use never depends on what was freed before. */
static gr_block *take_cached(int class)
{
	gr_block *b = cache[class];
	if (b != NULL) {
		cache[class] = b->next;
		stats.bytes_cached -= b->payload;
	}
	return b;
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
		b->dry = 0;
	}
	return b;
}

/* For a dry run: counted there, bound by no limit, and never kept for reuse. */
static gr_block *take_dry(int class, size_t bytes)
{
	const size_t payload = class_bytes(class);
	gr_block *b = gr__mem_alloc_dry(payload + HEAD);
	if (b == NULL) {
		gr__limit_note(bytes, gr__dry->bytes_in_use, gr__dry->bytes_peak, 0);
		return NULL;
	}
	b->payload = payload;
	b->dry = gr__dry->run;
	gr__dry_take(payload);
	return b;
}

static void free_dry(gr_block *b)
{
	gr__dry_give(b->payload, b->dry);
	GR_UNPOISON((char *)b + HEAD, b->payload);
	gr__mem_free_dry(b, b->payload + HEAD);
}

/* A block of the class, or NULL and a note of why. */
static gr_block *take_locked(int class, size_t bytes)
{
	if (!limit_known) {
		limit = gr__limit_default();
		limit_known = true;
	}
	const size_t payload = class_bytes(class);
	gr_block *b = NULL;
	if (limit == 0 || stats.bytes_in_use + payload <= limit) {
		b = take_cached(class);
		if (b == NULL)
			b = take_new(class);
	}
	if (b == NULL) {
		gr__limit_note(bytes, stats.bytes_in_use, stats.bytes_peak, limit);
		return NULL;
	}
	stats.pool_allocs++;
	stats.bytes_in_use += payload;
	if (stats.bytes_in_use > stats.bytes_peak)
		stats.bytes_peak = stats.bytes_in_use;
	return b;
}

void *gr__pool_alloc(size_t bytes)
{
	if (gr__mem_inject() || bytes > class_bytes(CLASSES - 1)) {
		gr_memory m = gr_memory_stats();
		gr__limit_note(bytes, m.bytes_in_use, m.bytes_peak, 0);
		return NULL;
	}
	int class = class_of(bytes);
	gr_block *b;
	if (gr__is_dry()) {
		b = take_dry(class, bytes);
	} else {
		pthread_mutex_lock(&lock);
		b = take_locked(class, bytes);
		pthread_mutex_unlock(&lock);
	}
	if (b == NULL)
		return NULL;
	b->asked = bytes;
	GR_UNPOISON((char *)b + HEAD, bytes);
	GR_POISON((char *)b + HEAD + bytes, b->payload - bytes);
	return (char *)b + HEAD;
}

void gr__pool_free(void *p)
{
	if (p == NULL)
		return;
	gr_block *b = (gr_block *)(void *)((char *)p - HEAD);
	if (b->dry != 0) {
		free_dry(b);
		return;
	}
	GR_POISON(p, b->payload);
	pthread_mutex_lock(&lock);
	b->next = cache[b->class];
	cache[b->class] = b;
	stats.bytes_in_use -= b->payload;
	stats.bytes_cached += b->payload;
	pthread_mutex_unlock(&lock);
}

size_t gr__pool_block_size(const void *p)
{
	const gr_block *b = (const gr_block *)(const void *)((const char *)p - HEAD);
	return GR_POISONING ? b->asked : b->payload;
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

void gr__pool_zero(void *p, size_t bytes)
{
	const gr_block *b = (const gr_block *)(const void *)((const char *)p - HEAD);
	if (b->dry == 0 || !gr__mem_is_zero_dry(b->payload + HEAD))
		memset(p, 0, bytes);
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
	if (gr__is_dry()) {
		m.bytes_in_use = gr__dry->bytes_in_use;
		m.bytes_peak = gr__dry->bytes_peak;
	}
	return m;
}

void gr_memory_reset_peak(void)
{
	if (gr__is_dry()) {
		gr__dry->bytes_peak = gr__dry->bytes_in_use;
		return;
	}
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
