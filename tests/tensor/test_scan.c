/* Running sums and products by definition, from both ends, and the product's gradient at zeros. */
#include "kern_case.h"

static const int64_t shapes[][3] = {{1, 1, 1}, {3, 7, 1}, {2, 5, 67}, {2, 130, 3}, {0, 3, 2}};
#define SHAPES ((int)(sizeof shapes / sizeof *shapes))

static gr_tensor *operand(gr_dtype dtype, int s)
{
	return kc_random(dtype, 3, shapes[s], KC_PLAIN, (uint64_t)s, -1.5, 1.5);
}

/* Element (o, i, q) of the middle axis. */
static int64_t place(int s, int64_t k, int64_t i)
{
	int64_t inner = shapes[s][2], n = shapes[s][1];
	return (k / inner / n * n + i) * inner + k % inner;
}

GR_KERN_TEST(scan, sums_and_products)
{
	for (int s = 0; s < SHAPES; s++) {
		for (int t = 0; t < 2; t++) {
			gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
			gr_tensor *x = operand(dtype, s), *up = kc_like(x), *down = kc_like(x);
			gr_tensor *product = kc_like(x);
			cr_assert_eq(gr__cumsum(up, x, 1, false), GR_OK);
			cr_assert_eq(gr__cumsum(down, x, 1, true), GR_OK);
			cr_assert_eq(gr__cumprod(product, x, 1), GR_OK);
			for (int64_t k = 0; k < x->size; k++) {
				int64_t n = shapes[s][1], at = k / shapes[s][2] % n;
				double sums[2] = {0.0, 0.0}, times = 1.0;
				for (int64_t i = 0; i < n; i++) {
					double v = kc_get(x, place(s, k, i));
					sums[0] += i <= at ? v : 0.0;
					sums[1] += i >= at ? v : 0.0;
					times *= i <= at ? v : 1.0;
				}
				cr_expect(kc_near(kc_get(up, k), sums[0], 64 * kc_eps(dtype)));
				cr_expect(kc_near(kc_get(down, k), sums[1], 64 * kc_eps(dtype)));
				cr_expect(kc_near(kc_get(product, k), times, 64 * kc_eps(dtype)));
			}
		}
	}
}

/* dx_j = sum over i >= j of dy_i times the other factors, with zeros among them. */
GR_KERN_TEST(scan, gradient_of_products)
{
	for (int s = 0; s < SHAPES; s++) {
		gr_tensor *x = operand(GR_F64, s), *dy = operand(GR_F64, s), *dx = kc_like(x);
		for (int64_t k = 0; k < x->size; k += 5)
			kc_set(x, k, 0.0);
		cr_assert_eq(gr__cumprod_backward(dx, x, dy, 1), GR_OK);
		for (int64_t k = 0; k < x->size; k++) {
			int64_t n = shapes[s][1], j = k / shapes[s][2] % n;
			double want = 0.0;
			for (int64_t i = j; i < n; i++) {
				double others = kc_get(dy, place(s, k, i));
				for (int64_t f = 0; f <= i; f++)
					others *= f == j ? 1.0 : kc_get(x, place(s, k, f));
				want += others;
			}
			cr_expect(kc_near(kc_get(dx, k), want, 1e-12), "%g, not %g", kc_get(dx, k), want);
		}
	}
}

GR_KERN_TEST(scan, threads)
{
	const int64_t dims[] = {4, 50, 900};
	gr_tensor *x = kc_random(GR_F32, 3, dims, KC_PLAIN, 3, -1.0, 1.0), *y[2];
	for (int k = 0; k < 2; k++) {
		cr_assert_eq(gr_set_threads(k == 0 ? 1 : 4), GR_OK);
		y[k] = kc_like(x);
		cr_assert_eq(gr__cumsum(y[k], x, 1, false), GR_OK);
	}
	cr_expect(kc_same_bits(y[0], y[1]));
}
