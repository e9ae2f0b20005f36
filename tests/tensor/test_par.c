/* Parallel loops: every index once, nested calls serial, thread numbers checked. */
#include <criterion/criterion.h>
#include <stdatomic.h>

#include "par.h"

static void count(int64_t i, void *ctx)
{
	atomic_int *hits = ctx;
	atomic_fetch_add(&hits[i], 1);
}

Test(par, every_index_runs_once)
{
	static atomic_int hits[1000];
	for (int threads = 1; threads <= 4; threads++) {
		gr_set_threads(threads);
		gr__par_for(1000, count, hits);
		for (int i = 0; i < 1000; i++)
			cr_assert_eq(atomic_exchange(&hits[i], 0), 1);
	}
}

static void nested(int64_t i, void *ctx)
{
	atomic_int *hits = ctx;
	gr__par_for(10, count, hits + 10 * i);
}

Test(par, nested_calls_run)
{
	static atomic_int hits[100];
	gr_set_threads(3);
	gr__par_for(10, nested, hits);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(hits[i], 1);
}

static void cover(int64_t begin, int64_t end, void *ctx)
{
	for (int64_t i = begin; i < end; i++)
		count(i, ctx);
}

Test(par, ranges_cover_exactly)
{
	static atomic_int hits[1001];
	gr__par_range(1001, 64, cover, hits);
	gr__par_range(0, 64, cover, hits);
	for (int i = 0; i < 1001; i++)
		cr_assert_eq(hits[i], 1);
}

Test(par, thread_numbers_are_checked)
{
	cr_assert_geq(gr_threads(), 1);
	cr_assert_eq(gr_set_threads(0), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_set_threads(2), GR_OK);
	cr_assert_eq(gr_threads(), 2);
}
