/*
 * The caching pool: blocks in size classes with an eighth of slack, kept for reuse when freed.
 * After the first step of a loop every request finds a cached block, so a steady state makes no
 * system allocation. One lock guards the lists and the counters; in front of it each thread has a
 * share of small blocks (share.h), so that small tensors are made and freed without it.
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
#include "share.h"

/* Classes: 64 bytes times (8 + f) / 8 * 2^e, f in 0..7. */
#define STEPS 8
#define CLASSES (STEPS * 42)
#define HEAD 64

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static gr_block *cache[CLASSES];
/* Of the pool and of ended threads; in use is also what threads were granted. */
static gr_memory stats;
static int64_t tensors; /* of ended threads */
static uint64_t limit;
static bool limit_known;

_Thread_local gr_share gr__share;
static gr_share *shares; /* of all threads that have one */
static pthread_key_t at_thread_end;
static bool has_thread_end;

static size_t class_bytes(int class)
{
	return (size_t)(8 * (STEPS + class % STEPS)) << class / STEPS;
}

/* The least class that has room: of n = ceil(bytes / 8) units, 2^e (8 + f) >= n. */
static int class_of(size_t bytes)
{
	if (bytes <= 64)
		return 0;
	const size_t n = (bytes + 7) / 8;
	const int e = 63 - __builtin_clzll(n) - 3;
	const size_t steps = (n + (((size_t)1 << e) - 1)) >> e;
	return e * STEPS + (int)steps - STEPS;
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

static void put(gr_block *b)
{
	b->next = cache[b->class];
	cache[b->class] = b;
	stats.bytes_cached += b->payload;
}

/* --- shares of threads, under the lock --- */

/* The blocks that a thread keeps go back to the pool. */
static void spill(gr_share *s)
{
	for (int c = 0; c < GR_SHARE_CLASSES; c++) {
		while (s->free[c] != NULL)
			put(gr__share_pop(s, c));
	}
}

/* Leave the thread `keep` bytes of its credit at most. */
static void settle(gr_share *s, int64_t keep)
{
	const int64_t back = gr__share_credit(s) - keep;
	if (back > 0) {
		s->granted -= back;
		stats.bytes_in_use -= (uint64_t)back;
	}
}

static void close_share(void *own)
{
	gr_share *s = own;
	pthread_mutex_lock(&lock);
	spill(s);
	settle(s, 0);
	stats.pool_allocs += (uint64_t)gr__share_get(&s->allocs);
	tensors += gr__share_get(&s->tensors);
	gr_share **at = &shares;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	memset(s, 0, sizeof *s);
	pthread_mutex_unlock(&lock);
}

/* The share of this thread; it stays empty where its end could not be learnt. */
static gr_share *open_share(void)
{
	gr_share *s = &gr__share;
	if (s->most > 0)
		return s;
	if (!has_thread_end)
		has_thread_end = pthread_key_create(&at_thread_end, close_share) == 0;
	if (has_thread_end && pthread_setspecific(at_thread_end, s) == 0) {
		s->most = GR_SHARE_KEPT;
		s->next = shares;
		shares = s;
	}
	return s;
}

/* More blocks of a class, and bytes that no limit and no peak stand against. */
static void refill(gr_share *s, int class)
{
	if (s->most == 0)
		return;
	uint64_t room = stats.bytes_peak - stats.bytes_in_use;
	if (limit != 0 && room > limit - stats.bytes_in_use)
		room = limit - stats.bytes_in_use;
	const int64_t grant = room < (uint64_t)GR_SHARE_GRANT ? (int64_t)room : GR_SHARE_GRANT;
	s->granted += grant;
	stats.bytes_in_use += (uint64_t)grant;
	for (int64_t n = GR_SHARE_GRANT / (int64_t)class_bytes(class); n > 0 && cache[class] != NULL;
		 n--)
		gr__share_push(s, take_cached(class));
}

/* What all threads were granted and have not used. */
static uint64_t unused(void)
{
	int64_t sum = 0;
	for (const gr_share *s = shares; s != NULL; s = s->next)
		sum += gr__share_credit(s);
	return (uint64_t)sum;
}

/* --- the pool --- */

static void trim_locked(void)
{
	spill(&gr__share);
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

/* A block of the class, or NULL and a note of why. What this thread was granted goes back first, so
 * that it is counted exactly. */
static gr_block *take_locked(int class, size_t bytes)
{
	if (!limit_known) {
		limit = gr__limit_default();
		limit_known = true;
	}
	gr_share *s = open_share();
	settle(s, 0);
	const size_t payload = class_bytes(class);
	gr_block *b = NULL;
	if (limit == 0 || stats.bytes_in_use + payload <= limit) {
		const bool own = class < GR_SHARE_CLASSES && s->free[class] != NULL;
		b = own ? gr__share_pop(s, class) : take_cached(class);
		if (b == NULL)
			b = take_new(class);
	}
	if (b == NULL) {
		gr__limit_note(bytes, stats.bytes_in_use - unused(), stats.bytes_peak, limit);
		return NULL;
	}
	stats.pool_allocs++;
	stats.bytes_in_use += payload;
	if (stats.bytes_in_use > stats.bytes_peak)
		stats.bytes_peak = stats.bytes_in_use;
	if (class < GR_SHARE_CLASSES)
		refill(s, class);
	return b;
}

static gr_block *take(int class, size_t bytes)
{
	pthread_mutex_lock(&lock);
	gr_block *b = take_locked(class, bytes);
	pthread_mutex_unlock(&lock);
	return b;
}

/* Where a thread has no room for it, the blocks that it keeps go along. */
static void give(gr_block *b)
{
	pthread_mutex_lock(&lock);
	gr_share *s = open_share();
	if (b->class < GR_SHARE_CLASSES) {
		if (gr__share_get(&s->cached) >= s->most)
			spill(s);
		settle(s, GR_SHARE_GRANT);
	}
	put(b);
	stats.bytes_in_use -= b->payload;
	pthread_mutex_unlock(&lock);
}

static void *refuse(size_t bytes)
{
	gr_memory m = gr_memory_stats();
	gr__limit_note(bytes, m.bytes_in_use, m.bytes_peak, 0);
	return NULL;
}

void *gr__pool_alloc(size_t bytes)
{
	if (gr__mem_inject() || bytes > class_bytes(CLASSES - 1))
		return refuse(bytes);
	const int class = class_of(bytes);
	gr_block *b = NULL;
	if (gr__is_dry()) {
		b = take_dry(class, bytes);
	} else {
		if (class < GR_SHARE_CLASSES)
			b = gr__share_take(&gr__share, class, class_bytes(class));
		if (b == NULL)
			b = take(class, bytes);
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
	if (b->class >= GR_SHARE_CLASSES || !gr__share_give(&gr__share, b))
		give(b);
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

void gr__pool_count_tensor(int n)
{
	if (gr__share.most > 0) {
		gr__share_add(&gr__share.tensors, n);
		return;
	}
	pthread_mutex_lock(&lock);
	tensors += n;
	pthread_mutex_unlock(&lock);
}

gr_memory gr_memory_stats(void)
{
	pthread_mutex_lock(&lock);
	gr_memory m = stats;
	int64_t live = tensors;
	m.bytes_in_use -= unused();
	for (const gr_share *s = shares; s != NULL; s = s->next) {
		m.bytes_cached += (uint64_t)gr__share_get(&s->cached);
		m.pool_allocs += (uint64_t)gr__share_get(&s->allocs);
		live += gr__share_get(&s->tensors);
	}
	pthread_mutex_unlock(&lock);
	m.system_allocs = gr__mem_system_allocs();
	m.tensors_live = (uint64_t)live;
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
	settle(&gr__share, 0);
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
	settle(&gr__share, 0);
	limit = bytes;
	limit_known = true;
	pthread_mutex_unlock(&lock);
}
