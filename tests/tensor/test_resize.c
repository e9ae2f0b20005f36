/* Rows of weights against PyTorch's numbers, transposes, and what rows do to tensors. */
#include "kern_case.h"

#include <math.h>
#include <stdlib.h>

static gr_resize_rule rule(int64_t in, int64_t out, bool cubic, bool antialias)
{
	return (gr_resize_rule){.in = in,
		.out = out,
		.cubic = cubic,
		.antialias = antialias,
		.scale = (double)in / (double)out,
		.a = antialias ? -0.5 : -0.75};
}

Test(resize, rows_sum_to_one_and_ascend)
{
	for (int64_t in = 1; in < 20; in++) {
		for (int64_t out = 1; out < 20; out++) {
			for (int kind = 0; kind < 8; kind++) {
				gr_resize_rule r = rule(in, out, kind & 1, kind & 2);
				gr_rows rows;
				r.mirror = (kind & 4) != 0;
				cr_assert_eq(gr__resize_rows(&rows, &r), GR_OK);
				for (int64_t i = 0; i < out; i++) {
					double sum = 0.0;
					cr_assert_lt(rows.start[i], rows.start[i + 1]);
					for (int64_t k = rows.start[i]; k < rows.start[i + 1]; k++) {
						bool first = k == rows.start[i];
						cr_expect(rows.column[k] >= 0 && rows.column[k] < in);
						cr_expect(first || rows.column[k] > rows.column[k - 1]);
						sum += rows.weight[k];
					}
					cr_expect(fabs(sum - 1.0) < 1e-14);
				}
				gr__rows_free(&rows);
			}
		}
	}
}

static double entry(const gr_rows *rows, int64_t i, int64_t j)
{
	for (int64_t k = rows->start[i]; k < rows->start[i + 1]; k++)
		if (rows->column[k] == j)
			return rows->weight[k];
	return 0.0;
}

Test(resize, transposes)
{
	for (int64_t out = 1; out < 30; out += 3) {
		gr_resize_rule r = rule(11, out, true, out % 2 == 0);
		gr_rows rows, t;
		cr_assert_eq(gr__resize_rows(&rows, &r), GR_OK);
		cr_assert_eq(gr__rows_transpose(&t, &rows), GR_OK);
		cr_assert(t.rows == 11 && t.columns == out);
		cr_assert_eq(t.start[11], rows.start[out]);
		for (int64_t i = 0; i < out; i++)
			for (int64_t j = 0; j < 11; j++)
				cr_expect_eq(entry(&rows, i, j), entry(&t, j, i));
		gr__rows_free(&rows);
		gr__rows_free(&t);
	}
}

GR_KERN_TEST(resize, apply)
{
	const int64_t shapes[][3] = {{3, 9, 1}, {2, 9, 5}, {1, 9, 64}, {0, 9, 2}};
	for (size_t s = 0; s < 4; s++) {
		for (int t = 0; t < 2; t++) {
			gr_dtype dtype = t == 0 ? GR_F32 : GR_F64;
			gr_resize_rule r = rule(9, 4, true, true);
			gr_rows rows;
			gr_tensor *x = kc_random(dtype, 3, shapes[s], KC_PLAIN, s, -1.0, 1.0);
			gr_tensor *y = gr_empty(dtype, GR_DIMS(shapes[s][0], 4, shapes[s][2]));
			int64_t inner = shapes[s][2];
			cr_assert_eq(gr__resize_rows(&rows, &r), GR_OK);
			cr_assert_eq(gr__rows_apply(y, x, 1, &rows), GR_OK);
			for (int64_t k = 0; k < y->size; k++) {
				double want = 0.0;
				for (int64_t j = 0; j < 9; j++)
					want += entry(&rows, k / inner % 4, j) *
						kc_get(x, (k / inner / 4 * 9 + j) * inner + k % inner);
				cr_expect(kc_near(kc_get(y, k), want, 16 * kc_eps(dtype)));
			}
			gr__rows_free(&rows);
		}
	}
}

GR_KERN_TEST(resize, threads)
{
	const int64_t dims[] = {3, 300, 70};
	gr_resize_rule r = rule(300, 200, true, false);
	gr_tensor *x = kc_random(GR_F32, 3, dims, KC_PLAIN, 1, -1.0, 1.0), *y[2];
	gr_rows rows;
	cr_assert_eq(gr__resize_rows(&rows, &r), GR_OK);
	for (int k = 0; k < 2; k++) {
		cr_assert_eq(gr_set_threads(k == 0 ? 1 : 4), GR_OK);
		y[k] = gr_empty(GR_F32, GR_DIMS(3, 200, 70));
		cr_assert_eq(gr__rows_apply(y[k], x, 1, &rows), GR_OK);
	}
	cr_expect(kc_same_bits(y[0], y[1]));
	gr__rows_free(&rows);
}
