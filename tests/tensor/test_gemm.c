/* Matrix products: against sums in double, under every layout, and the promise of gemm.h on bits. */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/base.h"
#include "kern/gemm.h"

#define T float
#define FN(name) name##_f32
#define EPS (FLT_EPSILON / 2)
#define SUFFIX "f32"
#include "test_gemm_impl.h"
#undef T
#undef FN
#undef EPS
#undef SUFFIX

#define T double
#define FN(name) name##_f64
#define EPS DBL_EPSILON /* the reference rounds as well */
#define SUFFIX "f64"
#include "test_gemm_impl.h"

Test(gemm, values)
{
	check_shapes_f32();
	check_shapes_f64();
}

Test(gemm, an_element_depends_on_its_row_and_column_alone)
{
	for (int transposed = 0; transposed < 2; transposed++) {
		check_invariance_f32(45, 75, 31, transposed);
		check_invariance_f32(131, 97, 401, transposed);
		check_invariance_f32(40, 450, 200, transposed);
		check_invariance_f32(50, 70, 900, transposed);
		check_invariance_f64(45, 75, 31, transposed);
		check_invariance_f64(131, 97, 401, transposed);
	}
}

Test(gemm, threads_and_batch)
{
	check_threads_f32(1, 300, 500, 400);
	check_threads_f32(9, 40, 50, 60);
	check_threads_f32(9, 40, 50, 400);
	check_threads_f32(1, 600, 310, 800);
	check_threads_f32(30, 7, 16, 16);
	check_threads_f32(2, 330, 330, 330);
	check_threads_f64(1, 300, 250, 400);
	check_threads_f64(9, 40, 50, 60);
}

Test(gemm, broadcast_operands)
{
	const float a[2] = {2.0f, 3.0f};
	const float b[3] = {1.0f, 10.0f, 100.0f};
	float c[6] = {0};
	/* Every row of A is a, every row of B is b. */
	gr__gemm_f32(2, 3, 2, a, 0, 1, b, 0, 1, c, 3, 1, false);
	const float want[6] = {5.0f, 50.0f, 500.0f, 5.0f, 50.0f, 500.0f};
	cr_assert(memcmp(c, want, sizeof(c)) == 0);
}

static void run_out_of_memory(int64_t n)
{
	float *a = calloc((size_t)(n * n), sizeof(float));
	float *c = calloc((size_t)(2 * n * n), sizeof(float));
	gr_memory_trim();
	bool done = false;
	for (uint64_t nth = 1; nth < 20 && !done; nth++) {
		gr_memory_fail_at(nth);
		const gr_status status = gr__gemm_f32(n, n, n, a, n, 1, a, n, 1, c, 2 * n, 2, false);
		done = status == GR_OK;
		cr_assert(done || status == GR_EMEM);
		gr_memory_fail_at(0);
		cr_assert_eq(gr_memory_stats().bytes_in_use, 0);
	}
	cr_assert(done);
	free(a);
	free(c);
}

Test(gemm, out_of_memory_is_reported)
{
	run_out_of_memory(160);
	run_out_of_memory(330);
}
