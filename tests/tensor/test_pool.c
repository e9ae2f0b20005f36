/* The caching pool: alignment, reuse, limits, injected failures. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "gradus/ops.h"
#include "base/poison.h"
#include "pool.h"

Test(pool, blocks_are_aligned_and_large_enough)
{
	for (size_t bytes = 0; bytes < ((size_t)1 << 23); bytes = bytes * 3 + 1) {
		char *p = gr__pool_alloc(bytes);
		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % 64, 0);
		cr_assert_geq(gr__pool_block_size(p), bytes);
		cr_assert_leq(gr__pool_block_size(p), bytes + bytes / 4 + 128, "at most a quarter wasted");
		memset(p, 0xa5, bytes);
		gr__pool_free(p);
	}
}

Test(pool, freed_blocks_are_reused_without_the_system)
{
	const size_t sizes[] = {64, 1000, 100000, (size_t)5 << 20};
	for (int round = 0; round < 3; round++) {
		uint64_t before = gr_memory_stats().system_allocs;
		for (int i = 0; i < 4; i++)
			gr__pool_free(gr__pool_alloc(sizes[i]));
		uint64_t made = gr_memory_stats().system_allocs - before;
		cr_assert(round == 0 || made == 0, "round %d made %d", round, (int)made);
	}
}

Test(pool, statistics_balance)
{
	gr_memory before = gr_memory_stats();
	void *p = gr__pool_alloc(1 << 16);
	cr_assert_geq(gr_memory_stats().bytes_in_use, before.bytes_in_use + (1 << 16));
	gr__pool_free(p);
	cr_assert_eq(gr_memory_stats().bytes_in_use, before.bytes_in_use);
	gr_memory_trim();
	cr_assert_eq(gr_memory_stats().bytes_cached, 0);
}

Test(pool, limit_gives_out_of_memory_with_the_size)
{
	gr_memory_set_limit(1 << 20);
	cr_assert_null(gr_zeros(GR_F32, GR_DIMS(1024, 1024)));
	cr_assert_eq(gr_error_code(), GR_EMEM);
	cr_assert_not_null(strstr(gr_error_message(), "4194304"));
	cr_assert_not_null(strstr(gr_error_message(), "of a limit of 1.0"));
	gr_error_clear();
	cr_assert_not_null(gr_zeros(GR_F32, GR_DIMS(16, 16)));
}

/* A kernel's workspace is part of its operation. */
Test(pool, limit_names_the_operation_whose_workspace_does_not_fit)
{
	gr_set_threads(1);
	gr_tensor *x = gr_zeros(GR_F32, GR_DIMS(1, 64, 64, 64));
	gr_tensor *w = gr_zeros(GR_F32, GR_DIMS(64, 64, 3, 3));
	gr_memory_set_limit(gr_memory_stats().bytes_in_use + (1 << 20) + 4096);
	cr_assert_null(gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .pad = 1)));
	const char *message = gr_error_message();
	cr_assert_eq(strncmp(message, "conv2d: ", 8), 0, "%s", message);
	cr_assert_not_null(strstr(message, "bytes were refused with"), "%s", message);
	gr_memory_set_limit(0);
}

Test(pool, sizes_have_units)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} good[] = {{"0", 0}, {"4096", 4096}, {"3K", 3 << 10}, {"512M", (uint64_t)512 << 20},
		{"2G", (uint64_t)2 << 30}};
	static const char *const bad[] = {"", "M", "-1", " 1", "1m", "1MB", "1.5G", "1T",
		"99999999999999999999", "17179869184G"};
	uint64_t bytes = 1;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		cr_assert_eq(gr_memory_named(&bytes, good[i].text), GR_OK);
		cr_assert_eq(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(gr_memory_named(&bytes, bad[i]), GR_EARG, "%s", bad[i]);
		gr_error_clear();
	}
	cr_assert_eq(gr_memory_named(&bytes, NULL), GR_EARG);
}

/* What is in use depends on what is held alone, not on the sizes that were freed before. */
Test(pool, usage_does_not_depend_on_the_cache)
{
	uint64_t used[2];
	for (int round = 0; round < 2; round++) {
		uint64_t before = gr_memory_stats().bytes_in_use;
		void *p = gr__pool_alloc(100000);
		used[round] = gr_memory_stats().bytes_in_use - before;
		gr__pool_free(p);
		gr_memory_trim();
		gr__pool_free(gr__pool_alloc(120000));
	}
	cr_assert_eq(used[0], used[1]);
}

#if GR_POISONING
Test(pool, the_sanitizer_sees_slack_and_freed_blocks)
{
	char *p = gr__pool_alloc(100);
	cr_assert(!__asan_region_is_poisoned(p, 100));
	cr_assert(__asan_address_is_poisoned(p + 100));
	gr__pool_free(p);
	cr_assert(__asan_address_is_poisoned(p));
	cr_assert_eq(gr__pool_alloc(98), p, "one class of sizes");
	cr_assert(__asan_address_is_poisoned(p + 98));
	gr__pool_free(p);
}
#endif

/* Small blocks pass through what each thread keeps (base/share.h); the counts are those of the pool. */

enum { SMALL = 1000 };

static void take_small(void **blocks, int n)
{
	for (int i = 0; i < n; i++) {
		blocks[i] = gr__pool_alloc(256);
		cr_assert_not_null(blocks[i]);
	}
}

static void free_small(void **blocks, int n)
{
	for (int i = 0; i < n; i++)
		gr__pool_free(blocks[i]);
}

Test(pool, small_blocks_are_counted_exactly)
{
	void *blocks[SMALL];
	for (int round = 0; round < 3; round++) {
		gr_memory_reset_peak();
		const gr_memory before = gr_memory_stats();
		cr_assert_eq(before.bytes_peak, before.bytes_in_use);
		take_small(blocks, SMALL);
		gr_memory now = gr_memory_stats();
		cr_assert_eq(now.bytes_in_use, before.bytes_in_use + SMALL * 256);
		cr_assert_eq(now.bytes_peak, now.bytes_in_use);
		cr_assert_eq(now.pool_allocs, before.pool_allocs + SMALL);
		free_small(blocks + SMALL / 2, SMALL / 2);
		cr_assert_eq(gr_memory_stats().bytes_in_use, before.bytes_in_use + SMALL / 2 * 256);
		take_small(blocks + SMALL / 2, SMALL / 2);
		cr_assert_eq(gr_memory_stats().bytes_peak, now.bytes_peak, "no new peak");
		void *more = gr__pool_alloc(256);
		cr_assert_eq(gr_memory_stats().bytes_peak, now.bytes_peak + 256);
		gr__pool_free(more);
		free_small(blocks, SMALL);
		now = gr_memory_stats();
		cr_assert_eq(now.bytes_in_use, before.bytes_in_use);
		cr_assert_geq(now.bytes_cached, SMALL * 256);
	}
	gr_memory_trim();
	cr_assert_eq(gr_memory_stats().bytes_cached, 0);
}

Test(pool, the_limit_is_exact_for_small_blocks)
{
	void *blocks[SMALL];
	for (int round = 0; round < 3; round++) {
		gr_memory_set_limit(gr_memory_stats().bytes_in_use + SMALL * 256);
		take_small(blocks, SMALL);
		void *more = gr__pool_alloc(256), *least = gr__pool_alloc(1);
		cr_assert(more == NULL && least == NULL, "round %d", round);
		free_small(blocks, SMALL);
		gr_memory_set_limit(0);
	}
}

typedef struct visit {
	void *blocks[SMALL];
	gr_tensor *made, *given;
} visit;

/* Leaves blocks and a tensor to whoever waits for its end; frees what it was given. */
static void *visit_pool(void *arg)
{
	visit *v = arg;
	void *own[SMALL];
	take_small(own, SMALL);
	take_small(v->blocks, SMALL);
	free_small(own, SMALL);
	v->made = gr_tensor_retain(gr_zeros(GR_F32, GR_DIMS(3)));
	gr_tensor_release(v->given);
	gr_scope_end();
	return NULL;
}

Test(pool, a_thread_that_ends_leaves_its_share)
{
	static visit v[2];
	for (int i = 0; i < 2; i++)
		v[i].given = gr_tensor_retain(gr_zeros(GR_F32, GR_DIMS(3)));
	gr_scope_end();
	const gr_memory before = gr_memory_stats();
	for (int round = 0; round < 3; round++) {
		pthread_t threads[2];
		for (int i = 0; i < 2; i++)
			pthread_create(&threads[i], NULL, visit_pool, &v[i]);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < 2; i++) {
			free_small(v[i].blocks, SMALL);
			v[i].given = v[i].made;
		}
		const gr_memory now = gr_memory_stats();
		cr_assert_eq(now.bytes_in_use, before.bytes_in_use, "freed elsewhere than allocated");
		cr_assert_eq(now.tensors_live, before.tensors_live);
		cr_assert_geq(now.pool_allocs, before.pool_allocs + 4 * SMALL);
		cr_assert_leq(now.bytes_peak, before.bytes_peak + (4 * SMALL + 64) * 256 + (256 << 10));
	}
	gr_memory_trim();
	cr_assert_eq(gr_memory_stats().bytes_cached, 0, "nothing stays with ended threads");
	gr_tensor_release(v[0].given);
	gr_tensor_release(v[1].given);
	cr_assert_eq(gr_memory_stats().tensors_live, before.tensors_live - 2);
}

Test(pool, the_nth_request_fails_once)
{
	gr_memory_fail_at(2);
	void *a = gr__pool_alloc(10);
	cr_assert_not_null(a);
	cr_assert_null(gr__pool_alloc(10));
	void *b = gr__pool_alloc(10);
	cr_assert_not_null(b);
	gr__pool_free(a);
	gr__pool_free(b);
}

Test(pool, grow_keeps_the_content)
{
	char *p = gr__pool_alloc(64);
	strcpy(p, "gradus");
	p = gr__pool_grow(p, 100000);
	cr_assert_str_eq(p, "gradus");
	gr__pool_free(p);
	char *s = gr_strdup("x");
	cr_assert_str_eq(s, "x");
	gr_free(s);
	gr_free(NULL);
}
