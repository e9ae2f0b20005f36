/*
 * The only file that starts threads (OpenMP, on libomp whatever the compiler). The BLAS must not
 * start any of its own inside our tiles: start-up sets it to one thread and verifies it.
 */
#include <cblas.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "dry.h"
#include "fail.h"
#include "par.h"

int openblas_get_num_threads(void);

static atomic_int threads;

static int default_threads(void)
{
	const char *text = getenv("GRADUS_THREADS");
	long n = text != NULL ? strtol(text, NULL, 10) : 0;
	if (n < 1)
		n = omp_get_num_procs();
	return n > 1024 ? 1024 : (int)n;
}

int gr_threads(void)
{
	int n = atomic_load_explicit(&threads, memory_order_relaxed);
	if (n == 0) {
		n = default_threads();
		openblas_set_num_threads(1);
		GR_ASSERT(openblas_get_num_threads() == 1);
		atomic_store(&threads, n);
	}
	return n;
}

gr_status gr_set_threads(int n)
{
	if (n < 1 || n > 1024)
		return gr__fail(GR_EARG, "set_threads", "%d threads asked for, 1..1024 possible", n);
	(void)gr_threads();
	atomic_store(&threads, n);
	return GR_OK;
}

void gr__par_for(int64_t n, void (*fn)(int64_t i, void *ctx), void *ctx)
{
	int use = gr_threads();
	if (gr__is_dry())
		return;
	if (use > n)
		use = (int)n;
	if (use <= 1 || omp_in_parallel()) {
		for (int64_t i = 0; i < n; i++)
			fn(i, ctx);
		return;
	}
#pragma omp parallel for schedule(dynamic, 1) num_threads(use)
	for (int64_t i = 0; i < n; i++)
		fn(i, ctx);
}

typedef struct range_ctx {
	int64_t n, grain;
	void (*fn)(int64_t begin, int64_t end, void *ctx);
	void *ctx;
} range_ctx;

static void range_task(int64_t i, void *ctx)
{
	const range_ctx *r = ctx;
	int64_t begin = i * r->grain;
	int64_t end = begin + r->grain < r->n ? begin + r->grain : r->n;
	r->fn(begin, end, r->ctx);
}

void gr__par_range(int64_t n, int64_t grain, void (*fn)(int64_t begin, int64_t end, void *ctx),
	void *ctx)
{
	if (n <= 0)
		return;
	range_ctx r = {n, grain, fn, ctx};
	gr__par_for((n + grain - 1) / grain, range_task, &r);
}
