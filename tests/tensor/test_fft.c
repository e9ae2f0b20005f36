/*
 * Fourier transforms against the sum itself for every length to 64 and some larger ones, the
 * impulse and shift identities, adjoints, threads.
 */
#include "kern_case.h"

#include <math.h>

/* The tolerance of a transform of n numbers of size 1 in double: rounding grows as log n. */
static double bound(gr_dtype dtype, int64_t n)
{
	return (dtype == GR_F32 ? 4e-7 : 2e-15) * (2.0 + log2((double)n)) * sqrt((double)n);
}

/* Largest distance of y, [n,2], from the sum over x with that sign. */
static double error_of(const gr_tensor *y, const gr_tensor *x, double sign, double scale)
{
	int64_t n = x->dims[0];
	double most = 0.0;
	for (int64_t k = 0; k < n; k++) {
		long double re = 0, im = 0;
		for (int64_t j = 0; j < n; j++) {
			long double angle = (long double)sign * 2 * acosl(-1) * (long double)(j * k % n) / n;
			long double c = cosl(angle), s = sinl(angle);
			re += kc_get(x, 2 * j) * c - kc_get(x, 2 * j + 1) * s;
			im += kc_get(x, 2 * j) * s + kc_get(x, 2 * j + 1) * c;
		}
		most = fmax(most, fabs(kc_get(y, 2 * k) - scale * (double)re));
		most = fmax(most, fabs(kc_get(y, 2 * k + 1) - scale * (double)im));
	}
	return most;
}

static void check_length(int64_t n)
{
	for (int t = 0; t < 4; t++) {
		gr_dtype dtype = t % 2 == 0 ? GR_F32 : GR_F64;
		bool inverse = t >= 2;
		gr_tensor *x = kc_random(dtype, GR_DIMS(n, 2), KC_PLAIN, (uint64_t)n, -1.0, 1.0);
		gr_tensor *y = kc_like(x);
		cr_assert_eq(gr__fft(y, x, 0, inverse, 0.5), GR_OK);
		double error = error_of(y, x, inverse ? 1.0 : -1.0, 0.5);
		cr_expect(error <= bound(dtype, n), "%d: %g", (int)n, error);
	}
}

Test(fft, small_lengths)
{
	for (int64_t n = 1; n <= 64; n++)
		check_length(n);
}

Test(fft, larger_lengths)
{
	const int64_t lengths[] = {77, 97, 100, 128, 169, 210, 251, 256, 360, 509, 512, 1001};
	for (int i = 0; i < 12; i++)
		check_length(lengths[i]);
}

/* Lengths that the sum would take long for: there and back again, and sum of squares kept. */
Test(fft, there_and_back)
{
	const int64_t lengths[] = {4096, 10007, 30030, 65536, 99991};
	for (int i = 0; i < 5; i++) {
		int64_t n = lengths[i];
		gr_tensor *x = kc_random(GR_F64, GR_DIMS(n, 2), KC_PLAIN, 1, -1.0, 1.0);
		gr_tensor *y = kc_like(x), *z = kc_like(x);
		cr_assert_eq(gr__fft(y, x, 0, false, 1.0), GR_OK);
		cr_assert_eq(gr__fft(z, y, 0, true, 1.0 / (double)n), GR_OK);
		double most = 0.0, before = 0.0, after = 0.0;
		for (int64_t k = 0; k < 2 * n; k++) {
			most = fmax(most, fabs(kc_get(z, k) - kc_get(x, k)));
			before += kc_get(x, k) * kc_get(x, k);
			after += kc_get(y, k) * kc_get(y, k) / (double)n;
		}
		cr_expect(most < 2e-14, "%d: %g", (int)n, most);
		cr_expect(fabs(after / before - 1.0) < 1e-13);
	}
}

Test(fft, an_impulse_has_a_flat_spectrum)
{
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(30, 2)), *y = kc_like(x);
	kc_set(x, 0, 1.0);
	cr_assert_eq(gr__fft(y, x, 0, false, 1.0), GR_OK);
	for (int64_t k = 0; k < 60; k++)
		cr_expect(fabs(kc_get(y, k) - (k % 2 == 0 ? 1.0 : 0.0)) < 1e-15);
}

/* Lines along a middle dim are the same bits as alone. */
Test(fft, lines_do_not_see_each_other)
{
	const int64_t n = 12;
	gr_tensor *x = kc_random(GR_F32, GR_DIMS(3, n, 5, 2), KC_PLAIN, 1, -1.0, 1.0);
	gr_tensor *y = kc_like(x), *line = gr_empty(GR_F32, GR_DIMS(n, 2)), *alone = kc_like(line);
	cr_assert_eq(gr__fft(y, x, 1, false, 1.0), GR_OK);
	for (int64_t u = 0; u < 15; u++) {
		for (int64_t k = 0; k < 2 * n; k++)
			kc_set(line, k, kc_get(x, ((u / 5 * n + k / 2) * 5 + u % 5) * 2 + k % 2));
		cr_assert_eq(gr__fft(alone, line, 0, false, 1.0), GR_OK);
		for (int64_t k = 0; k < 2 * n; k++)
			cr_expect_eq(kc_get(y, ((u / 5 * n + k / 2) * 5 + u % 5) * 2 + k % 2),
				kc_get(alone, k));
	}
}

Test(fft, real_lines_and_their_adjoint)
{
	for (int64_t n = 1; n <= 40; n++) {
		int64_t half = n / 2 + 1;
		gr_tensor *x = kc_random(GR_F64, GR_DIMS(2, n), KC_PLAIN, 1, -1.0, 1.0);
		gr_tensor *g = kc_random(GR_F64, GR_DIMS(2, half, 2), KC_PLAIN, 2, -1.0, 1.0);
		gr_tensor *y = kc_like(g), *back = kc_like(x);
		gr_tensor *wide = gr_zeros(GR_F64, GR_DIMS(2, n, 2)), *full = kc_like(wide);
		for (int64_t k = 0; k < 2 * n; k++)
			kc_set(wide, 2 * k, kc_get(x, k));
		cr_assert_eq(gr__rfft(y, x, 2.0), GR_OK);
		cr_assert_eq(gr__rfft_adjoint(back, g, 2.0), GR_OK);
		cr_assert_eq(gr__fft(full, wide, 1, false, 2.0), GR_OK);
		double left = 0.0, right = 0.0;
		for (int64_t k = 0; k < y->size; k++) {
			int64_t row = k / (2 * half);
			cr_expect_eq(kc_get(y, k), kc_get(full, row * 2 * n + k % (2 * half)));
			left += kc_get(y, k) * kc_get(g, k);
		}
		for (int64_t k = 0; k < x->size; k++)
			right += kc_get(x, k) * kc_get(back, k);
		cr_expect(fabs(left - right) < 1e-12, "%d: %g and %g", (int)n, left, right);
	}
}

Test(fft, threads)
{
	gr_tensor *x = kc_random(GR_F32, GR_DIMS(60, 37, 2), KC_PLAIN, 1, -1.0, 1.0), *y[2];
	for (int k = 0; k < 2; k++) {
		cr_assert_eq(gr_set_threads(k == 0 ? 1 : 4), GR_OK);
		y[k] = kc_like(x);
		cr_assert_eq(gr__fft(y[k], x, 1, false, 1.0), GR_OK);
	}
	cr_expect(kc_same_bits(y[0], y[1]));
}
