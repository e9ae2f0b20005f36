/* Factorisations by what they promise: products, orthogonality, order, signs, and refusals. */
#include "kern_case.h"

#include <math.h>

static const int64_t sizes[] = {1, 2, 3, 7, 20};

static gr_tensor *square(gr_dtype dtype, int64_t n, double diagonal)
{
	gr_tensor *a = kc_random(dtype, GR_DIMS(2, n, n), KC_PLAIN, (uint64_t)n, -1.0, 1.0);
	for (int64_t i = 0; i < 2 * n; i++)
		kc_set(a, i * n + i % n, kc_get(a, i * n + i % n) + diagonal);
	return a;
}

/* Element (i, j) of matrix b of t [B,r,c]. */
static double at(const gr_tensor *t, int64_t b, int64_t i, int64_t j)
{
	return kc_get(t, (b * t->dims[1] + i) * t->dims[2] + j);
}

static double symmetric(const gr_tensor *a, int64_t b, int64_t i, int64_t j)
{
	return (at(a, b, i, j) + at(a, b, j, i)) / 2.0;
}

Test(lapack, cholesky)
{
	for (int s = 0; s < 10; s++) {
		gr_dtype dtype = s < 5 ? GR_F32 : GR_F64;
		int64_t n = sizes[s % 5];
		gr_tensor *a = square(dtype, n, (double)n + 1.0), *l = kc_like(a);
		cr_assert_eq(gr__cholesky(l, a), GR_OK);
		for (int64_t k = 0; k < l->size; k++) {
			int64_t b = k / n / n, i = k / n % n, j = k % n;
			double product = 0.0;
			for (int64_t q = 0; q < n; q++)
				product += at(l, b, i, q) * at(l, b, j, q);
			cr_expect(kc_near(product, symmetric(a, b, i, j), 64 * kc_eps(dtype) * (double)n));
			cr_expect(j <= i || at(l, b, i, j) == 0.0);
		}
	}
	gr_tensor *indefinite = square(GR_F64, 3, -5.0);
	cr_expect_eq(gr__cholesky(kc_like(indefinite), indefinite), GR_ENUMERIC);
}

/* op(a) x against b; `part` tells which elements of a count. */
static void expect_solved(const gr_tensor *a, const gr_tensor *x, const gr_tensor *b,
	bool transpose, int part)
{
	int64_t n = a->dims[1], m = b->dims[2];
	for (int64_t k = 0; k < b->size; k++) {
		int64_t batch = k / m / n, i = k / m % n;
		double sum = 0.0;
		for (int64_t j = 0; j < n; j++) {
			int64_t r = transpose ? j : i, c = transpose ? i : j;
			bool counts = part == 0 || (part < 0 ? c <= r : c >= r);
			sum += counts ? at(a, batch, r, c) * at(x, batch, j, k % m) : 0.0;
		}
		cr_expect(kc_near(sum, kc_get(b, k), 512 * kc_eps(a->dtype)), "%g, not %g", sum,
			kc_get(b, k));
	}
}

Test(lapack, solves)
{
	for (int s = 0; s < 20; s++) {
		gr_dtype dtype = s < 10 ? GR_F32 : GR_F64;
		int64_t n = sizes[s % 5];
		bool transpose = s / 5 % 2 == 1;
		gr_tensor *a = square(dtype, n, (double)n);
		gr_tensor *b = kc_random(dtype, GR_DIMS(2, n, 3), KC_PLAIN, 5, -1.0, 1.0);
		gr_tensor *x = kc_like(b);
		cr_assert_eq(gr__lu_solve(x, a, b, transpose), GR_OK);
		expect_solved(a, x, b, transpose, 0);
		cr_assert_eq(gr__triangular_solve(x, a, b, false, transpose), GR_OK);
		expect_solved(a, x, b, transpose, -1);
		cr_assert_eq(gr__triangular_solve(x, a, b, true, transpose), GR_OK);
		expect_solved(a, x, b, transpose, 1);
	}
	gr_tensor *singular = gr_zeros(GR_F64, GR_DIMS(1, 2, 2)),
			  *b = gr_zeros(GR_F64, GR_DIMS(1, 2, 1));
	cr_expect_eq(gr__lu_solve(kc_like(b), singular, b, false), GR_ENUMERIC);
	cr_expect_eq(gr__triangular_solve(kc_like(b), singular, b, false, false), GR_ENUMERIC);
}

/* Columns of q [B,n,k] are orthonormal, and their largest entries positive if asked for. */
static void expect_orthonormal(const gr_tensor *q, bool positive)
{
	int64_t n = q->dims[1], k = q->dims[2];
	for (int64_t u = 0; u < q->dims[0] * k * k; u++) {
		int64_t b = u / k / k, i = u / k % k, j = u % k;
		double product = 0.0, best = 0.0;
		for (int64_t r = 0; r < n; r++) {
			product += at(q, b, r, i) * at(q, b, r, j);
			best = fabs(at(q, b, r, i)) > fabs(best) ? at(q, b, r, i) : best;
		}
		cr_expect(fabs(product - (i == j ? 1.0 : 0.0)) < 64 * kc_eps(q->dtype));
		cr_expect(!positive || best > 0.0);
	}
}

Test(lapack, eigenvalues)
{
	for (int s = 0; s < 10; s++) {
		gr_dtype dtype = s < 5 ? GR_F32 : GR_F64;
		int64_t n = sizes[s % 5];
		gr_tensor *a = square(dtype, n, 0.0), *v = kc_like(a);
		gr_tensor *w = gr_empty(dtype, GR_DIMS(2, n));
		cr_assert_eq(gr__eigh(w, v, a), GR_OK);
		expect_orthonormal(v, true);
		for (int64_t k = 0; k < a->size; k++) {
			int64_t b = k / n / n, i = k / n % n, j = k % n;
			double product = 0.0;
			for (int64_t q = 0; q < n; q++)
				product += at(v, b, i, q) * kc_get(w, b * n + q) * at(v, b, j, q);
			cr_expect(kc_near(product, symmetric(a, b, i, j), 64 * kc_eps(dtype) * (double)n));
			cr_expect(j == 0 || kc_get(w, b * n + j) >= kc_get(w, b * n + j - 1));
		}
	}
	gr_tensor *bad = gr_full(GR_F32, GR_DIMS(1, 2, 2), (double)NAN);
	cr_expect_eq(gr__eigh(gr_empty(GR_F32, GR_DIMS(1, 2)), kc_like(bad), bad), GR_ENUMERIC);
}

Test(lapack, singular_values)
{
	const int64_t shapes[][2] = {{1, 1}, {3, 2}, {2, 3}, {5, 5}, {12, 4}, {4, 17}};
	for (int s = 0; s < 12; s++) {
		gr_dtype dtype = s < 6 ? GR_F32 : GR_F64;
		int64_t m = shapes[s % 6][0], n = shapes[s % 6][1], k = m < n ? m : n;
		gr_tensor *a = kc_random(dtype, GR_DIMS(2, m, n), KC_PLAIN, (uint64_t)s, -1.0, 1.0);
		gr_tensor *u = gr_empty(dtype, GR_DIMS(2, m, k)), *v = gr_empty(dtype, GR_DIMS(2, n, k));
		gr_tensor *values = gr_empty(dtype, GR_DIMS(2, k));
		cr_assert_eq(gr__svd(u, values, v, a), GR_OK);
		expect_orthonormal(u, true);
		expect_orthonormal(v, false);
		for (int64_t p = 0; p < a->size; p++) {
			int64_t b = p / n / m, i = p / n % m, j = p % n;
			double product = 0.0;
			for (int64_t q = 0; q < k; q++)
				product += at(u, b, i, q) * kc_get(values, b * k + q) * at(v, b, j, q);
			cr_expect(kc_near(product, kc_get(a, p), 64 * kc_eps(dtype) * (double)(m + n)));
		}
		for (int64_t q = 1; q < k; q++)
			cr_expect_geq(kc_get(values, q - 1), kc_get(values, q));
	}
	gr_tensor *bad = gr_full(GR_F64, GR_DIMS(1, 2, 2), (double)INFINITY);
	cr_expect_eq(gr__svd(kc_like(bad), gr_empty(GR_F64, GR_DIMS(1, 2)), kc_like(bad), bad),
		GR_ENUMERIC);
}

/* A matrix gives the same bits alone and in a batch. */
Test(lapack, batches)
{
	gr_tensor *a = square(GR_F32, 7, 9.0), *l = kc_like(a), *v = kc_like(a);
	gr_tensor *w = gr_empty(GR_F32, GR_DIMS(2, 7));
	gr_tensor *second = kc_plain(gr__scope_own(gr__view_slice(a, 0, 1, 2, 1)));
	gr_tensor *l2 = kc_like(second), *v2 = kc_like(second), *w2 = gr_empty(GR_F32, GR_DIMS(1, 7));
	cr_assert_eq(gr__cholesky(l, a), GR_OK);
	cr_assert_eq(gr__cholesky(l2, second), GR_OK);
	cr_assert_eq(gr__eigh(w, v, a), GR_OK);
	cr_assert_eq(gr__eigh(w2, v2, second), GR_OK);
	for (int64_t k = 0; k < 49; k++) {
		cr_expect_eq(kc_get(l, 49 + k), kc_get(l2, k));
		cr_expect_eq(kc_get(v, 49 + k), kc_get(v2, k));
	}
}
