/*
 * Products on AMX tiles: bit by bit against the same arithmetic in plain C, their rounding error
 * beside that of vectors, and numbers that have no parts. Shapes, layouts, threads, batches and
 * what a row's bits depend on are in test_gemm.c, whose longer sums run here too.
 */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus/tensor.h"
#include "isa.h"
#include "kern/gemm.h"
#include "kern/gemm_split.h"

static bool skipped(void)
{
	if (gr__isa() == GR_ISA_AMX)
		return false;
	printf("skipped: needs AMX\n");
	return true;
}

/* Normal numbers times 10 to a power within +-decades. */
static float *numbers(uint64_t seed, int64_t n, double decades)
{
	float *x = gr_tensor_data(gr_random_normal(gr_key_seed(seed), GR_F32, GR_DIMS(n)));
	const float *power = gr_tensor_data(
		gr_random_uniform(gr_key_seed(seed + 1), GR_F32, GR_DIMS(n), -decades, decades));
	for (int64_t i = 0; i < n; i++)
		x[i] *= (float)pow(10.0, (double)power[i]);
	return x;
}

static float *room(int64_t n)
{
	return gr_tensor_data(gr_zeros(GR_F32, GR_DIMS(n)));
}

/* C = A B (+ C), all of rows. */
static void split(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
	bool add)
{
	const gr_gemm_split p = {.batch = 1,
		.m = m,
		.n = n,
		.k = k,
		.a = a,
		.ars = k,
		.acs = 1,
		.b = b,
		.brs = n,
		.bcs = 1,
		.c = c,
		.crs = n,
		.ccs = 1,
		.add = add};
	cr_assert_eq(gr__gemm_split(&p), GR_OK);
}

static void by_vectors(int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c)
{
	cr_assert_eq(gr_set_precision(GR_PRECISION_DIRECT), GR_OK);
	cr_assert_eq(gr__gemm_f32(m, n, k, a, k, 1, b, n, 1, c, n, 1, false), GR_OK);
	cr_assert_eq(gr_set_precision(GR_PRECISION_F32), GR_OK);
}

/* --- the same arithmetic in plain C --- */

static float flushed(float x)
{
	return fabsf(x) < FLT_MIN ? copysignf(0.0f, x) : x;
}

static float top_half(float x, uint32_t half)
{
	uint32_t bits;
	memcpy(&bits, &x, sizeof(bits));
	bits = (bits + half) & 0xffff0000u;
	memcpy(&x, &bits, sizeof(bits));
	return x;
}

/* x = h + m + l. */
static void cut(float x, float parts[3])
{
	parts[0] = top_half(x, 0x8000u);
	x -= parts[0];
	parts[1] = top_half(x, 0x8000u);
	parts[2] = top_half(x - parts[1], 0);
	for (int i = 0; i < 3; i++)
		parts[i] = flushed(parts[i]);
}

/* One tile product: the k below 16 and those above in two chains. */
static float tile_product(float sum, float parts[2][32][3], int p, int q)
{
	float chain[2] = {0.0f, 0.0f};
	for (int half = 0; half < 2; half++)
		for (int i = 0; i < 16; i++) {
			const int at = 16 * half + i;
			chain[half] = flushed(fmaf(parts[0][at][p], parts[1][at][q], chain[half]));
		}
	return flushed(sum + flushed(chain[0] + chain[1]));
}

/* sum_k a[k] b[k * step] over [begin, end): runs of 192, each of blocks of 32. */
static float block_sum(const float *a, const float *b, int64_t step, int64_t begin, int64_t end)
{
	static const int order[6][2] = {{2, 0}, {0, 0}, {0, 2}, {0, 1}, {1, 1}, {1, 0}};
	float total = 0.0f;
	float sum = 0.0f;
	for (int64_t k = begin; k < end; k += 32) {
		float parts[2][32][3] = {0};
		for (int64_t i = 0; i < 32 && k + i < end; i++) {
			cut(a[k + i], parts[0][i]);
			cut(b[(k + i) * step], parts[1][i]);
		}
		if ((k - begin) % 192 == 0)
			sum = 0.0f;
		for (int q = 0; q < 6; q++)
			sum = tile_product(sum, parts, order[q][0], order[q][1]);
		if ((k - begin) % 192 == 160 || k + 32 >= end)
			total = k - begin < 192 ? sum : total + sum;
	}
	return total;
}

static void check_bits(int64_t m, int64_t n, int64_t k, double decades, bool add)
{
	const int64_t blocks = (k + 767) / 768;
	const int64_t depth = ((k + blocks - 1) / blocks + 31) / 32 * 32;
	const float *a = numbers(1, m * k, decades);
	const float *b = numbers(3, k * n, decades);
	float *c = numbers(5, m * n, 0.0);
	float *want = room(m * n);
	for (int64_t i = 0; i < m * n; i++) {
		want[i] = c[i];
		for (int64_t at = 0; at < k; at += depth) {
			const float sum =
				block_sum(a + i / n * k, b + i % n, n, at, at + depth < k ? at + depth : k);
			want[i] = add || at > 0 ? want[i] + sum : sum;
		}
	}
	split(m, n, k, a, b, c, add);
	for (int64_t i = 0; i < m * n; i++)
		cr_assert_eq(memcmp(c + i, want + i, sizeof(float)), 0,
			"%dx%dx%d, 10^%g: element %d is %a, not %a", (int)m, (int)n, (int)k, decades, (int)i,
			(double)c[i], (double)want[i]);
}

Test(gemm_split, the_bits_of_the_same_arithmetic_in_plain_c)
{
	if (skipped())
		return;
	static const int64_t shapes[][3] = {{1, 1, 1}, {3, 5, 33}, {16, 16, 64}, {17, 40, 320},
		{40, 17, 401}, {5, 3, 1000}, {2, 33, 2000}};
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int d = 0; d < 3; d++) {
			gr_scope_begin();
			check_bits(shapes[s][0], shapes[s][1], shapes[s][2], (double[]){0.0, 6.0, 18.0}[d],
				(s + (size_t)d) % 2 != 0);
			cr_assert_eq(gr_scope_end(), GR_OK);
		}
}

/* --- accuracy --- */

/* Root of the mean square of the errors, relative to that of the sums. */
static double error_of(int64_t m, int64_t n, int64_t k, const float *a, const float *b,
	const float *c)
{
	double diff = 0.0;
	double norm = 0.0;
	for (int64_t i = 0; i < m * n; i++) {
		double sum = 0.0;
		for (int64_t l = 0; l < k; l++)
			sum += (double)a[i / n * k + l] * (double)b[l * n + i % n];
		diff += pow((double)c[i] - sum, 2);
		norm += sum * sum;
	}
	return sqrt(diff / norm);
}

static void check_error(int64_t k, double decades, bool positive)
{
	enum { M = 24, N = 40 };
	float *a = numbers(7, M * k, decades);
	float *b = numbers(9, k * N, decades);
	for (int64_t i = 0; i < M * k && positive; i++)
		a[i] = fabsf(a[i]);
	for (int64_t i = 0; i < k * N && positive; i++)
		b[i] = fabsf(b[i]);
	float *c = room(M * N);
	float *d = room(M * N);
	split(M, N, k, a, b, c, false);
	by_vectors(M, N, k, a, b, d);
	const double parts = error_of(M, N, k, a, b, c);
	const double direct = error_of(M, N, k, a, b, d);
	printf("k %4d, 10^+-%g%s: split %.2e, vectors %.2e\n", (int)k, decades,
		positive ? ", positive" : "", parts, direct);
	cr_assert_lt(parts, direct);
}

/* The bound is the documented one (docs/design/020-split-products.md, with what is seen). */
Test(gemm_split, error_is_below_that_of_vectors)
{
	if (skipped())
		return;
	static const int64_t depths[] = {320, 768, 1536, 4608};
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		gr_scope_begin();
		check_error(depths[i], 0.0, false);
		check_error(depths[i], 0.0, true);
		check_error(depths[i], 4.0, false);
		cr_assert_eq(gr_scope_end(), GR_OK);
	}
}

/* --- numbers without parts --- */

static int kind_of(float x)
{
	return isnan(x) ? 3 : isinf(x) ? (x > 0.0f ? 1 : 2) : 0;
}

/* One odd number in A, one in B: each sum is what vectors make of it, and the others keep their bits. */
static void check_odd(float in_a, float in_b)
{
	enum { M = 20, N = 36, K = 350, I = 3, J = 17, KA = 40, KB = 41 };
	float *a = numbers(11, M * K, 0.0);
	float *b = numbers(13, K * N, 0.0);
	float *plain = room(M * N);
	float *c = room(M * N);
	float *d = room(M * N);
	b[KA * N + 2] = 0.0f;
	b[KA * N + 4] = 1.0f;
	split(M, N, K, a, b, plain, false);
	a[I * K + KA] = in_a;
	b[KB * N + J] = in_b;
	split(M, N, K, a, b, c, false);
	by_vectors(M, N, K, a, b, d);
	for (int i = 0; i < M; i++)
		for (int j = 0; j < N; j++) {
			const int at = i * N + j;
			if (i != I && j != J)
				cr_assert_eq(memcmp(c + at, plain + at, sizeof(float)), 0, "(%d,%d) of %g, %g", i,
					j, (double)in_a, (double)in_b);
			cr_assert_eq(kind_of(c[at]), kind_of(d[at]), "(%d,%d) of %g, %g: %g, not %g", i, j,
				(double)in_a, (double)in_b, (double)c[at], (double)d[at]);
			if (kind_of(c[at]) == 0)
				cr_assert_leq(fabs((double)c[at] - (double)d[at]),
					1e-5 * fabs((double)d[at]) + 1e-4, "(%d,%d) of %g, %g: %g, not %g", i, j,
					(double)in_a, (double)in_b, (double)c[at], (double)d[at]);
		}
}

Test(gemm_split, numbers_without_parts)
{
	if (skipped())
		return;
	const float odd[] = {INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 0x1.ffp127f, FLT_MIN,
		FLT_TRUE_MIN, 0.0f, -0.0f};
	const int count = (int)(sizeof(odd) / sizeof(odd[0]));
	for (int i = 0; i < count; i++)
		for (int j = 0; j < count; j++) {
			gr_scope_begin();
			check_odd(odd[i], odd[j]);
			cr_assert_eq(gr_scope_end(), GR_OK);
		}
}

/* What the promise in gemm_split.h says of small numbers. */
Test(gemm_split, small_numbers)
{
	if (skipped())
		return;
	enum { K = 320 };
	float a[K];
	float b[K];
	float c;
	for (int i = 0; i < K; i++)
		a[i] = b[i] = 1.0f + (float)i * 0x1p-12f + 0x1p-23f;
	const double one = (double)block_sum(a, b, 1, 0, K);
	for (int power = 0; power >= -140; power -= 4) {
		float x[K];
		for (int i = 0; i < K; i++)
			x[i] = ldexpf(a[i], power);
		split(1, 1, K, x, b, &c, false);
		const double got = ldexp((double)c, -power);
		if (power >= -100)
			cr_expect_eq(got, one, "2^%d: %a, not %a", power, got, one);
		else if (power >= -124)
			cr_expect_leq(fabs(got - one), 1e-2 * one, "2^%d: %a, not %a", power, got, one);
	}
}
