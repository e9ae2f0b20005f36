/*
 * Convolutions in bfloat16 against the f32 kernels on operands rounded beforehand: the products are
 * then the same and only the order of f32 summation differs. On CPUs without AMX both sides run the
 * same code and must agree exactly.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "kern/conv_bf16.h"
#include "gradus/tensor.h"

typedef struct shape {
	gr_conv_geom g;
	const char *what;
} shape;

/* n c h w k r s ho wo stride pad dil groups; every one runs on tiles. */
static const shape shapes[] = {
	{{2, 32, 8, 8, 32, 3, 3, 8, 8, 1, 1, 1, 1, 1, 1, 1}, "3x3"},
	{{3, 17, 7, 9, 33, 3, 3, 7, 9, 1, 1, 1, 1, 1, 1, 1}, "odd channels and sizes"},
	{{2, 64, 16, 16, 96, 1, 1, 16, 16, 1, 1, 0, 0, 1, 1, 1}, "1x1"},
	{{1, 48, 5, 40, 16, 5, 3, 5, 40, 1, 1, 2, 1, 1, 1, 1}, "5x3, wide"},
	{{2, 16, 10, 10, 16, 3, 3, 8, 8, 1, 1, 0, 0, 1, 1, 1}, "no padding"},
	{{1, 32, 9, 9, 32, 3, 3, 9, 9, 1, 1, 2, 2, 2, 2, 1}, "dilated"},
	{{1, 16, 6, 6, 16, 2, 2, 6, 6, 1, 1, 0, 0, 1, 1, 1}, "padded on one side"},
	{{9, 24, 6, 5, 20, 3, 3, 6, 5, 1, 1, 1, 1, 1, 1, 1}, "a batch of nine"},
	{{1, 40, 1, 3, 40, 3, 3, 1, 3, 1, 1, 1, 1, 1, 1, 1}, "one row"},
};

#define NSHAPES (sizeof shapes / sizeof *shapes)

static int64_t xsize(const gr_conv_geom *g)
{
	return g->n * g->c * g->h * g->w;
}

static int64_t ysize(const gr_conv_geom *g)
{
	return g->n * g->k * g->ho * g->wo;
}

static int64_t wsize(const gr_conv_geom *g)
{
	return g->k * g->c * g->r * g->s;
}

/* Random values that bfloat16 holds exactly. */
static float *exact(uint64_t seed, int64_t n)
{
	gr_tensor *t = gr_random_normal(gr_key_seed(seed), GR_F32, GR_DIMS(n));
	float *v = gr_tensor_data(t);
	for (int64_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &v[i], 4);
		bits &= 0xffff0000u;
		memcpy(&v[i], &bits, 4);
	}
	return v;
}

static float *room(int64_t n)
{
	return gr_tensor_data(gr_zeros(GR_F32, GR_DIMS(n)));
}

static void close_to(const float *a, const float *b, int64_t n, const char *what)
{
	double diff = 0.0, norm = 0.0;
	for (int64_t i = 0; i < n; i++) {
		diff += pow((double)a[i] - (double)b[i], 2);
		norm += pow((double)b[i], 2);
	}
	cr_assert_gt(norm, 0.0, "%s", what);
	cr_assert_lt(sqrt(diff / norm), 1e-6, "%s: relative difference %g", what, sqrt(diff / norm));
}

Test(conv_bf16, agrees_with_f32_on_rounded_operands)
{
	for (size_t i = 0; i < NSHAPES; i++) {
		const gr_conv_geom *g = &shapes[i].g;
		gr_scope_begin();
		float *x = exact(1, xsize(g)), *w = exact(2, wsize(g)), *gy = exact(3, ysize(g));
		float *bias = exact(4, g->k);
		float *y[2], *gx[2], *gw[2];
		for (int bf16 = 0; bf16 < 2; bf16++) {
			gr_set_precision(bf16 ? GR_PRECISION_BF16 : GR_PRECISION_F32);
			y[bf16] = room(ysize(g));
			gx[bf16] = room(xsize(g));
			gw[bf16] = room(wsize(g));
			cr_assert_eq(gr__conv_forward_f32(g, x, w, bias, y[bf16]), GR_OK);
			cr_assert_eq(gr__conv_input_grad_f32(g, gy, w, gx[bf16]), GR_OK);
			cr_assert_eq(gr__conv_bf16_wanted_weights(g), bf16 == 1);
			cr_assert_eq(gr__conv_weight_grad_f32(g, gy, x, gw[bf16]), GR_OK);
		}
		close_to(y[1], y[0], ysize(g), shapes[i].what);
		close_to(gx[1], gx[0], xsize(g), shapes[i].what);
		close_to(gw[1], gw[0], wsize(g), shapes[i].what);
		gr_scope_end();
	}
}

Test(conv_bf16, operands_are_rounded_to_nearest_even)
{
	/* 1 + 2^-8 lies between 1 and 1 + 2^-7: to even, 1. 1 + 3 2^-8 rounds up to 1 + 2^-6. */
	gr_conv_geom g = {1, 16, 1, 2, 16, 1, 1, 1, 2, 1, 1, 0, 0, 1, 1, 1};
	float *x = room(32), *w = room(256), *y = room(32);
	x[0] = 1.0f + 0x1p-8f;
	x[1] = 1.0f + 0x3p-8f;
	w[0] = 1.0f;
	gr_set_precision(GR_PRECISION_BF16);
	cr_assert_eq(gr__conv_forward_f32(&g, x, w, NULL, y), GR_OK);
	cr_assert_eq(y[0], 1.0f);
	cr_assert_eq(y[1], 1.0f + 0x1p-6f);
}

Test(conv_bf16, bits_depend_neither_on_batch_nor_on_threads)
{
	gr_conv_geom g = {3, 24, 13, 11, 40, 3, 3, 13, 11, 1, 1, 1, 1, 1, 1, 1};
	float *x = exact(1, xsize(&g)), *w = exact(2, wsize(&g)), *gy = exact(3, ysize(&g));
	float *y[2], *gw[2], *gx[2], *one = room(ysize(&g) / 3), *gone = room(xsize(&g) / 3);
	gr_set_precision(GR_PRECISION_BF16);
	for (int i = 0; i < 2; i++) {
		gr_set_threads(i == 0 ? 1 : 4);
		y[i] = room(ysize(&g));
		gx[i] = room(xsize(&g));
		gw[i] = room(wsize(&g));
		gr__conv_forward_f32(&g, x, w, NULL, y[i]);
		gr__conv_input_grad_f32(&g, gy, w, gx[i]);
		gr__conv_bf16_weight_grad(&g, gy, x, gw[i]);
	}
	cr_assert_arr_eq(y[0], y[1], (size_t)ysize(&g) * 4);
	cr_assert_arr_eq(gx[0], gx[1], (size_t)xsize(&g) * 4);
	cr_assert_arr_eq(gw[0], gw[1], (size_t)wsize(&g) * 4);
	gr_conv_geom last = g;
	last.n = 1;
	gr__conv_forward_f32(&last, x + 2 * xsize(&last), w, NULL, one);
	gr__conv_input_grad_f32(&last, gy + 2 * ysize(&last), w, gone);
	cr_assert_arr_eq(one, y[0] + 2 * ysize(&last), (size_t)ysize(&last) * 4);
	cr_assert_arr_eq(gone, gx[0] + 2 * xsize(&last), (size_t)xsize(&last) * 4);
}

Test(conv_bf16, out_of_memory_is_reported)
{
	gr_conv_geom g = {1, 16, 4, 4, 16, 3, 3, 4, 4, 1, 1, 1, 1, 1, 1, 1};
	float *x = exact(1, xsize(&g)), *w = exact(2, wsize(&g)), *y = room(ysize(&g));
	float *gw = room(wsize(&g));
	uint64_t before = gr_memory_stats().bytes_in_use;
	gr_set_precision(GR_PRECISION_BF16);
	gr_set_threads(1);
	for (uint64_t n = 1; n <= 2; n++) {
		gr_memory_fail_at(n);
		cr_assert_eq(gr__conv_forward_f32(&g, x, w, NULL, y), GR_EMEM);
		gr_memory_fail_at(n);
		cr_assert_eq(gr__conv_bf16_weight_grad(&g, y, x, gw), GR_EMEM);
		gr_memory_fail_at(0);
		cr_assert_eq(gr_memory_stats().bytes_in_use, before);
	}
}
