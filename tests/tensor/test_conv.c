/* Convolution and its adjoints: against plain loops, as adjoints of one another, and bit for bit. */
#include <criterion/criterion.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/base.h"
#include "kern/conv.h"

static int64_t size_x(const gr_conv_geom *g)
{
	return g->n * g->c * g->h * g->w;
}

static int64_t size_w(const gr_conv_geom *g)
{
	return g->k * (g->c / g->groups) * g->r * g->s;
}

static int64_t size_y(const gr_conv_geom *g)
{
	return g->n * g->k * g->ho * g->wo;
}

/* Sums of a reference, and the sums of the terms' magnitudes. */
typedef struct sums {
	double *sum;
	double *size;
} sums;

static sums sums_new(int64_t n)
{
	return (sums){calloc((size_t)n + 1, sizeof(double)), calloc((size_t)n + 1, sizeof(double))};
}

static void sums_add(sums *s, int64_t i, double x)
{
	s->sum[i] += x;
	s->size[i] += fabs(x);
}

static void sums_free(sums *s)
{
	free(s->sum);
	free(s->size);
}

#define T float
#define FN(name) name##_f32
#define EPS (FLT_EPSILON / 2)
#define SUFFIX "f32"
#include "test_conv_impl.h"
#undef T
#undef FN
#undef EPS
#undef SUFFIX

#define T double
#define FN(name) name##_f64
#define EPS DBL_EPSILON /* the reference rounds as well */
#define SUFFIX "f64"
#include "test_conv_impl.h"

/* pads: top, left, bottom, right */
typedef struct shape {
	int64_t n, c, h, w, k, r, s;
	int64_t stride[2], pad[4], dil[2], groups;
} shape;

static const shape shapes[] = {
	{2, 3, 8, 8, 4, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 1, 1, 1, 1, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{6, 200, 5, 7, 24, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{6, 340, 5, 7, 336, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{30, 40, 20, 20, 16, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{3, 5, 7, 9, 6, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{2, 32, 32, 32, 32, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{2, 40, 10, 13, 21, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{9, 24, 8, 8, 24, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{2, 6, 9, 11, 5, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
	{2, 6, 8, 8, 5, 3, 3, {2, 2}, {0, 0, 1, 1}, {1, 1}, 1},
	{2, 16, 16, 40, 9, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 4, 13, 10, 3, 3, 3, {3, 2}, {1, 0, 2, 1}, {1, 1}, 1},
	{2, 3, 12, 11, 4, 5, 5, {1, 1}, {2, 2, 2, 2}, {1, 1}, 1},
	{1, 3, 20, 21, 8, 7, 7, {2, 2}, {3, 3, 3, 3}, {1, 1}, 1},
	{1, 5, 9, 14, 4, 1, 3, {1, 1}, {0, 1, 0, 1}, {1, 1}, 1},
	{1, 5, 14, 9, 4, 5, 2, {1, 3}, {4, 1, 0, 0}, {1, 1}, 1},
	{2, 4, 12, 12, 6, 3, 3, {1, 1}, {2, 2, 2, 2}, {2, 2}, 1},
	{2, 4, 15, 14, 6, 3, 3, {2, 2}, {2, 3, 2, 3}, {2, 3}, 1},
	{1, 7, 16, 17, 5, 3, 4, {3, 4}, {3, 1, 2, 4}, {2, 2}, 1},
	{2, 8, 9, 9, 12, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 4},
	{2, 12, 10, 9, 12, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 12},
	{2, 12, 10, 9, 24, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 12},
	{1, 18, 10, 9, 12, 5, 5, {1, 2}, {2, 2, 2, 2}, {1, 1}, 2},
	{3, 20, 7, 5, 17, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{2, 70, 25, 25, 30, 1, 1, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{2, 9, 8, 7, 6, 1, 1, {2, 2}, {0, 0, 0, 0}, {1, 1}, 1},
	{2, 9, 8, 7, 6, 1, 1, {1, 1}, {1, 2, 1, 0}, {1, 1}, 1},
	{1, 2, 3, 700, 3, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 6, 4, 1100, 3, 3, 3, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 6, 60, 60, 10, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{5, 260, 4, 4, 3, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 3, 4, 5, 2, 4, 5, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{1, 2, 3, 3, 2, 3, 3, {1, 1}, {5, 5, 5, 5}, {1, 1}, 1},
	{1, 2, 6, 6, 2, 2, 2, {5, 5}, {0, 0, 0, 0}, {1, 1}, 1},
	{1, 3, 40, 38, 2, 17, 17, {1, 1}, {8, 8, 8, 8}, {1, 1}, 1},
	{0, 3, 8, 8, 4, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{70, 1, 6, 6, 9, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{3, 33, 20, 20, 1, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	/* 16 tiles and 16 channels or more: Winograd's algorithm in f32 */
	{1, 16, 16, 16, 16, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{3, 17, 19, 23, 18, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{1, 20, 18, 42, 67, 3, 3, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
	{2, 34, 15, 62, 40, 3, 3, {1, 1}, {2, 0, 1, 1}, {1, 1}, 2},
	{5, 16, 13, 14, 16, 3, 3, {1, 1}, {2, 2, 2, 2}, {1, 1}, 1},
	{1, 150, 20, 65, 16, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
	{2, 16, 4, 130, 70, 3, 3, {1, 1}, {0, 2, 2, 0}, {1, 1}, 1},
	{5, 17, 32, 33, 18, 3, 3, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static gr_conv_geom geometry(const shape *s)
{
	gr_conv_geom g = {.n = s->n,
		.c = s->c,
		.h = s->h,
		.w = s->w,
		.k = s->k,
		.r = s->r,
		.s = s->s,
		.stride_h = s->stride[0],
		.stride_w = s->stride[1],
		.pad_top = s->pad[0],
		.pad_left = s->pad[1],
		.dil_h = s->dil[0],
		.dil_w = s->dil[1],
		.groups = s->groups};
	g.ho = (s->h + s->pad[0] + s->pad[2] - (s->r - 1) * s->dil[0] - 1) / s->stride[0] + 1;
	g.wo = (s->w + s->pad[1] + s->pad[3] - (s->s - 1) * s->dil[1] - 1) / s->stride[1] + 1;
	return g;
}

Test(conv, values)
{
	for (size_t i = 0; i < SHAPES; i++) {
		const gr_conv_geom g = geometry(&shapes[i]);
		check_values_f32(&g);
		check_values_f64(&g);
	}
}

Test(conv, threads_and_batch_do_not_show)
{
	for (size_t i = 0; i < SHAPES; i++) {
		const gr_conv_geom g = geometry(&shapes[i]);
		check_bits_f32(&g);
		check_bits_f64(&g);
	}
}

static double dot(const double *a, const double *b, int64_t n)
{
	double sum = 0.0;
	for (int64_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

/* <conv(x), g> = <x, input_grad(g)> = <w, weight_grad(g, x)> */
Test(conv, adjoint_identities)
{
	for (size_t i = 0; i < SHAPES; i++) {
		const gr_conv_geom g = geometry(&shapes[i]);
		arrays_f64 a = arrays_new_f64(&g);
		compute_f64(&g, &a);
		cr_assert_eq(gr__conv_forward_f64(&g, a.x, a.w, NULL, a.y), GR_OK);
		const double forward = dot(a.y, a.gy, size_y(&g));
		/* Relative to the size of the terms: the sum itself may cancel. */
		const double scale =
			sqrt(dot(a.y, a.y, size_y(&g)) * dot(a.gy, a.gy, size_y(&g))) + DBL_MIN;
		cr_assert(fabs(dot(a.x, a.gx, size_x(&g)) - forward) <= 1e-12 * scale, "shape %zu", i);
		cr_assert(fabs(dot(a.w, a.gw, size_w(&g)) - forward) <= 1e-12 * scale, "shape %zu", i);
		arrays_free_f64(&a);
	}
}

Test(conv, out_of_memory_is_reported)
{
	const gr_conv_geom g = geometry(&shapes[6]);
	arrays_f32 a = arrays_new_f32(&g);
	for (int which = 0; which < 3; which++) {
		bool done = false;
		for (uint64_t n = 1; n < 100 && !done; n++) {
			gr_memory_trim();
			gr_memory_fail_at(n);
			gr_status status;
			if (which == 0)
				status = gr__conv_forward_f32(&g, a.x, a.w, a.bias, a.y);
			else if (which == 1)
				status = gr__conv_input_grad_f32(&g, a.gy, a.w, a.gx);
			else
				status = gr__conv_weight_grad_f32(&g, a.gy, a.x, a.gw);
			gr_memory_fail_at(0);
			done = status == GR_OK;
			cr_assert(done || status == GR_EMEM);
			cr_assert_eq(gr_memory_stats().bytes_in_use, 0);
		}
		cr_assert(done);
	}
	arrays_free_f32(&a);
}
