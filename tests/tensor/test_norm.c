/*
 * Group and layer norm: values against long double, gradients against differences of the double
 * forward pass, far from zero mean, and the promises: samples stand alone, threads change nothing.
 */
#include "kern_case.h"

#include <math.h>

typedef struct problem {
	gr_dtype dtype;
	int64_t n, c, p;
	gr_norm_args args;
	double offset;
	gr_tensor *x, *w, *b, *y, *stats;
} problem;

static gr_tensor *affine(const problem *q, uint64_t seed)
{
	const int64_t dims[] = {q->n, q->c};
	return q->args.per_sample ? kc_random(q->dtype, 2, dims, KC_PLAIN, seed, -1.5, 1.5)
							  : kc_random(q->dtype, 1, dims + 1, KC_PLAIN, seed, -1.5, 1.5);
}

static void set_up(problem *q, bool with_w, bool with_b)
{
	const int64_t dims[] = {q->n, q->c, q->p};
	const int64_t sdims[] = {q->n, q->args.groups, 2};
	q->x = kc_random(q->dtype, 3, dims, KC_PLAIN, 1, q->offset - 2.0, q->offset + 3.0);
	q->w = with_w ? affine(q, 2) : NULL;
	q->b = with_b ? affine(q, 3) : NULL;
	q->y = gr_empty(q->dtype, 3, dims);
	q->stats = gr_empty(q->dtype, 3, sdims);
	cr_assert_eq(gr__group_norm(q->y, q->stats, q->x, q->w, q->b, &q->args), GR_OK);
}

static void check_forward(const problem *q, double tolerance)
{
	int64_t per = q->c / q->args.groups;
	int64_t m = per * q->p;
	for (int64_t u = 0; u < q->n * q->args.groups; u++) {
		long double mean = 0;
		long double var = 0;
		for (int64_t i = 0; i < m; i++)
			mean += (long double)kc_get(q->x, u * m + i) / (long double)m;
		for (int64_t i = 0; i < m; i++) {
			long double d = (long double)kc_get(q->x, u * m + i) - mean;
			var += d * d / (long double)m;
		}
		long double rstd = 1 / sqrtl(var + (long double)q->args.eps);
		cr_expect(kc_near(kc_get(q->stats, 2 * u), (double)mean, tolerance));
		cr_expect(kc_near(kc_get(q->stats, 2 * u + 1), (double)rstd, tolerance));
		for (int64_t i = 0; i < m; i++) {
			int64_t channel = u * per + i / q->p;
			int64_t at = q->args.per_sample ? channel : channel % q->c;
			long double z = ((long double)kc_get(q->x, u * m + i) - mean) * rstd;
			z = q->w != NULL ? z * (long double)kc_get(q->w, at) : z;
			z = q->b != NULL ? z + (long double)kc_get(q->b, at) : z;
			z = q->args.silu ? z / (1 + expl(-z)) : z;
			cr_expect(kc_near(kc_get(q->y, u * m + i), (double)z, tolerance), "%g, not %g",
				kc_get(q->y, u * m + i), (double)z);
		}
	}
}

static double dot(const gr_tensor *a, const gr_tensor *b)
{
	long double sum = 0;
	for (int64_t i = 0; i < a->size; i++)
		sum += (long double)kc_get(a, i) * (long double)kc_get(b, i);
	return (double)sum;
}

/* <dy, y> at t + h v, by moving `t` in place. */
static double moved(const problem *q, gr_tensor *t, const gr_tensor *v, double h,
	const gr_tensor *dy)
{
	gr_tensor *old = kc_plain(t);
	for (int64_t i = 0; i < t->size; i++)
		kc_set(t, i, kc_get(t, i) + h * kc_get(v, i));
	gr_tensor *y = kc_like(q->y);
	gr_tensor *stats = kc_like(q->stats);
	gr__group_norm(y, stats, q->x, q->w, q->b, &q->args);
	for (int64_t i = 0; i < t->size; i++)
		kc_set(t, i, kc_get(old, i));
	return dot(dy, y);
}

static void check_backward(const problem *q)
{
	gr_tensor *dy = kc_random(q->dtype, 3, q->x->dims, KC_PLAIN, 7, -1.0, 1.0);
	gr_tensor *dx = kc_like(q->x);
	gr_tensor *dw = q->w != NULL ? kc_like(q->w) : NULL;
	gr_tensor *db = q->b != NULL ? kc_like(q->b) : NULL;
	cr_assert_eq(gr__group_norm_backward(dx, dw, db, dy, q->x, q->w, q->b, q->stats, &q->args),
		GR_OK);
	gr_tensor *points[] = {q->x, q->w, q->b};
	gr_tensor *gradients[] = {dx, dw, db};
	for (int k = 0; k < 3; k++) {
		if (points[k] == NULL)
			continue;
		gr_tensor *v = kc_random(q->dtype, points[k]->ndim, points[k]->dims, KC_PLAIN, 11, -1, 1);
		double h = 1e-5;
		double numeric = (moved(q, points[k], v, h, dy) - moved(q, points[k], v, -h, dy)) / (2 * h);
		cr_expect(kc_near(dot(gradients[k], v), numeric, 1e-6), "gradient %d: %.9g, not %.9g", k,
			dot(gradients[k], v), numeric);
	}
	/* Without dx, the others do not change. */
	if (dw != NULL && db != NULL) {
		gr_tensor *dw2 = kc_like(dw);
		gr_tensor *db2 = kc_like(db);
		gr__group_norm_backward(NULL, dw2, db2, dy, q->x, q->w, q->b, q->stats, &q->args);
		cr_expect(kc_same_bits(dw, dw2) && kc_same_bits(db, db2));
	}
}

GR_KERN_TEST(norm, group_values_and_gradients)
{
	const int64_t shapes[][4] = {{2, 6, 10, 3}, {1, 4, 64, 1}, {3, 8, 65, 8}, {2, 4, 1, 2},
		{2, 4, 700, 2}};
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		for (int variant = 0; variant < 16; variant++) {
			gr_scope_begin();
			problem q = {.dtype = GR_F64, .n = shapes[s][0], .c = shapes[s][1], .p = shapes[s][2]};
			q.args = (gr_norm_args){.groups = shapes[s][3],
				.eps = 1e-3,
				.silu = (variant & 1) != 0,
				.per_sample = (variant & 2) != 0};
			set_up(&q, (variant & 4) != 0, (variant & 8) != 0);
			check_forward(&q, 1e-13);
			check_backward(&q);
			q.dtype = GR_F32;
			set_up(&q, (variant & 4) != 0, (variant & 8) != 0);
			check_forward(&q, 3e-6);
			gr_scope_end();
		}
	}
}

/* A mean far above the spread: the sum of squares would lose everything here. */
GR_KERN_TEST(norm, group_far_from_zero)
{
	problem q = {.dtype = GR_F32, .n = 1, .c = 4, .p = 5000, .offset = 1000.0};
	q.args = (gr_norm_args){.groups = 2, .eps = 1e-5};
	set_up(&q, true, true);
	check_forward(&q, 1e-4);
}

GR_KERN_TEST(norm, group_samples_and_threads)
{
	for (int silu = 0; silu < 2; silu++) {
		problem q = {.dtype = GR_F32, .n = 5, .c = 32, .p = 1030};
		q.args = (gr_norm_args){.groups = 8, .eps = 1e-5, .silu = silu != 0};
		gr_set_threads(1);
		set_up(&q, true, true);
		gr_tensor *one = q.y;
		gr_set_threads(4);
		set_up(&q, true, true);
		cr_expect(kc_same_bits(one, q.y));
		gr_tensor *dy = kc_random(q.dtype, 3, q.x->dims, KC_PLAIN, 7, -1.0, 1.0);
		gr_tensor *dx[2], *dw[2], *db[2];
		for (int k = 0; k < 2; k++) {
			gr_set_threads(k == 0 ? 1 : 4);
			dx[k] = kc_like(q.x);
			dw[k] = kc_like(q.w);
			db[k] = kc_like(q.b);
			gr__group_norm_backward(dx[k], dw[k], db[k], dy, q.x, q.w, q.b, q.stats, &q.args);
		}
		cr_expect(kc_same_bits(dx[0], dx[1]) && kc_same_bits(dw[0], dw[1]));
		cr_expect(kc_same_bits(db[0], db[1]));

		gr_tensor *x = kc_plain(gr__scope_own(gr__view_slice(q.x, 0, 3, 4, 1)));
		gr_tensor *y = kc_like(x);
		gr_tensor *stats = gr_empty(q.dtype, GR_DIMS(1, 8, 2));
		gr__group_norm(y, stats, x, q.w, q.b, &q.args);
		cr_expect(kc_same_bits(y, kc_plain(gr__scope_own(gr__view_slice(q.y, 0, 3, 4, 1)))));
		gr_tensor *dy3 = kc_plain(gr__scope_own(gr__view_slice(dy, 0, 3, 4, 1)));
		gr_tensor *dx3 = kc_like(x);
		gr__group_norm_backward(dx3, NULL, NULL, dy3, x, q.w, q.b, stats, &q.args);
		cr_expect(kc_same_bits(dx3, kc_plain(gr__scope_own(gr__view_slice(dx[0], 0, 3, 4, 1)))));
	}
}

/* Layer norm is group norm of [M,D,1] with one group, up to the shape of w. */
GR_KERN_TEST(norm, layer_agrees_with_group)
{
	const int64_t widths[] = {1, 5, 32, 63, 64, 65, 768, 1500};
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		for (int variant = 0; variant < 4; variant++) {
			gr_scope_begin();
			problem q = {.dtype = GR_F64, .n = 7, .c = widths[i], .p = 1};
			q.args = (gr_norm_args){.groups = 1, .eps = 1e-3};
			set_up(&q, (variant & 1) != 0, (variant & 2) != 0);
			const int64_t dims[] = {q.n, q.c};
			const int64_t sdims[] = {q.n, 2};
			gr_tensor *x = gr__scope_own(gr__view_reshape(q.x, 2, dims));
			gr_tensor *y = gr_empty(GR_F64, 2, dims);
			gr_tensor *stats = gr_empty(GR_F64, 2, sdims);
			cr_assert_eq(gr__layer_norm(y, stats, x, q.w, q.b, 1e-3), GR_OK);
			for (int64_t k = 0; k < y->size; k++)
				cr_expect(kc_near(kc_get(y, k), kc_get(q.y, k), 1e-13));

			gr_tensor *dy = kc_random(GR_F64, 3, q.x->dims, KC_PLAIN, 7, -1.0, 1.0);
			gr_tensor *dy2 = gr__scope_own(gr__view_reshape(dy, 2, dims));
			gr_tensor *dx[2] = {kc_like(q.x), kc_like(x)};
			gr_tensor *dw[2] = {gr_empty(GR_F64, 1, &q.c), gr_empty(GR_F64, 1, &q.c)};
			gr_tensor *db[2] = {gr_empty(GR_F64, 1, &q.c), gr_empty(GR_F64, 1, &q.c)};
			gr__group_norm_backward(dx[0], dw[0], db[0], dy, q.x, q.w, q.b, q.stats, &q.args);
			cr_assert_eq(gr__layer_norm_backward(dx[1], dw[1], db[1], dy2, x, q.w, stats), GR_OK);
			for (int64_t k = 0; k < y->size; k++)
				cr_expect(kc_near(kc_get(dx[1], k), kc_get(dx[0], k), 1e-12));
			for (int64_t k = 0; k < q.c; k++) {
				cr_expect(kc_near(kc_get(dw[1], k), kc_get(dw[0], k), 1e-12));
				cr_expect(kc_near(kc_get(db[1], k), kc_get(db[0], k), 1e-12));
			}
			gr_scope_end();
		}
	}
}

GR_KERN_TEST(norm, layer_rows_and_threads)
{
	const int64_t dims[] = {3000, 70};
	const int64_t sdims[] = {3000, 2};
	gr_tensor *x = kc_random(GR_F32, 2, dims, KC_PLAIN, 1, -1.0, 4.0);
	gr_tensor *dy = kc_random(GR_F32, 2, dims, KC_PLAIN, 2, -1.0, 1.0);
	gr_tensor *w = kc_random(GR_F32, 1, dims + 1, KC_PLAIN, 3, -1.0, 1.0);
	gr_tensor *y[2], *dx[2], *dw[2], *db[2];
	for (int k = 0; k < 2; k++) {
		gr_set_threads(k == 0 ? 1 : 4);
		gr_tensor *stats = gr_empty(GR_F32, 2, sdims);
		y[k] = kc_like(x);
		dx[k] = kc_like(x);
		dw[k] = kc_like(w);
		db[k] = kc_like(w);
		gr__layer_norm(y[k], stats, x, w, w, 1e-5);
		gr__layer_norm_backward(dx[k], dw[k], db[k], dy, x, w, stats);
	}
	cr_expect(kc_same_bits(y[0], y[1]) && kc_same_bits(dx[0], dx[1]));
	cr_expect(kc_same_bits(dw[0], dw[1]) && kc_same_bits(db[0], db[1]));
	gr_tensor *row = kc_plain(gr__scope_own(gr__view_slice(x, 0, 17, 18, 1)));
	gr_tensor *alone = kc_like(row);
	gr__layer_norm(alone, gr_empty(GR_F32, GR_DIMS(1, 2)), row, w, w, 1e-5);
	cr_expect(kc_same_bits(alone, kc_plain(gr__scope_own(gr__view_slice(y[0], 0, 17, 18, 1)))));
}

GR_KERN_TEST(norm, memory_runs_out)
{
	problem q = {.dtype = GR_F32, .n = 2, .c = 4, .p = 9};
	q.args = (gr_norm_args){.groups = 2, .eps = 1e-5};
	set_up(&q, true, true);
	gr_tensor *dw = kc_like(q.w);
	gr_tensor *db = kc_like(q.b);
	for (uint64_t n = 1; n <= 2; n++) {
		gr_memory_fail_at(n);
		cr_expect_eq(gr__group_norm_backward(NULL, dw, db, q.x, q.x, q.w, q.b, q.stats, &q.args),
			GR_EMEM);
	}
	gr_memory_fail_at(0);
	cr_expect_eq(gr__group_norm_backward(NULL, dw, db, q.x, q.x, q.w, q.b, q.stats, &q.args),
		GR_OK);
}

GR_KERN_TEST(norm, empty)
{
	gr_tensor *x = gr_empty(GR_F32, GR_DIMS(0, 4, 9));
	gr_tensor *stats = gr_empty(GR_F32, GR_DIMS(0, 2, 2));
	gr_tensor *dw = gr_full(GR_F32, GR_DIMS(4), 1.0);
	gr_norm_args args = {.groups = 2, .eps = 1e-5};
	cr_assert_eq(gr__group_norm(x, stats, x, NULL, NULL, &args), GR_OK);
	cr_assert_eq(gr__group_norm_backward(x, dw, NULL, x, x, dw, NULL, stats, &args), GR_OK);
	cr_expect_eq(kc_get(dw, 3), 0.0);
	gr_tensor *rows = gr_empty(GR_F32, GR_DIMS(0, 4));
	gr_tensor *db = gr_full(GR_F32, GR_DIMS(4), 1.0);
	cr_assert_eq(gr__layer_norm(rows, stats, rows, dw, db, 1e-5), GR_OK);
	cr_assert_eq(gr__layer_norm_backward(rows, dw, db, rows, rows, dw, stats), GR_OK);
	cr_expect_eq(kc_get(db, 3), 0.0);
}
