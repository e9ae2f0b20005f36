/*
 * Winograd's F(4x4, 3x3): its rounding error beside that of direct summation, the loader in vectors
 * against plain indexing, and the switch. Values, threads and batches are in test_conv.c.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gradus/tensor.h"
#include "isa.h"
#include "kern/conv_winograd.h"
#include "kern/winograd.h"

static float *normal(uint64_t seed, int64_t n)
{
	return gr_tensor_data(gr_random_normal(gr_key_seed(seed), GR_F32, GR_DIMS(n)));
}

static double *widened(const float *x, int64_t n)
{
	double *y = gr_tensor_data(gr_zeros(GR_F64, GR_DIMS(n)));
	for (int64_t i = 0; i < n; i++)
		y[i] = (double)x[i];
	return y;
}

static double distance(const float *a, const double *b, int64_t n)
{
	double diff = 0.0;
	double norm = 0.0;
	for (int64_t i = 0; i < n; i++) {
		diff += pow((double)a[i] - b[i], 2);
		norm += b[i] * b[i];
	}
	return sqrt(diff / norm);
}

/* The bound is the documented one (docs/design/006-winograd.md, with what is seen). */
Test(conv_winograd, error_is_a_small_multiple_of_direct)
{
	const int64_t channels[] = {16, 128, 512};
	for (int i = 0; i < 3; i++) {
		const gr_conv_geom g = {.n = 1,
			.c = channels[i],
			.h = 20,
			.w = 28,
			.k = 24,
			.r = 3,
			.s = 3,
			.ho = 20,
			.wo = 28,
			.stride_h = 1,
			.stride_w = 1,
			.pad_top = 1,
			.pad_left = 1,
			.dil_h = 1,
			.dil_w = 1,
			.groups = 1};
		const int64_t nx = g.c * g.h * g.w;
		const int64_t nw = g.k * g.c * 9;
		const int64_t ny = g.k * g.ho * g.wo;
		gr_scope_begin();
		const float *x = normal(1, nx);
		const float *w = normal(2, nw);
		float *y = normal(3, ny);
		double *exact = widened(y, ny);
		cr_assert_eq(gr__conv_forward_f64(&g, widened(x, nx), widened(w, nw), NULL, exact), GR_OK);
		cr_assert_eq(gr__conv_forward_f32(&g, x, w, NULL, y), GR_OK);
		const double fast = distance(y, exact, ny);
		cr_assert_eq(gr_set_precision(GR_PRECISION_DIRECT), GR_OK);
		cr_assert_eq(gr__conv_forward_f32(&g, x, w, NULL, y), GR_OK);
		cr_assert_eq(gr_set_precision(GR_PRECISION_F32), GR_OK);
		const double direct = distance(y, exact, ny);
		printf("winograd, %d channels: error %.2e, direct %.2e\n", (int)g.c, fast, direct);
		cr_assert_neq(fast, direct, "the switch does nothing");
		cr_assert_lt(fast, 5.0 * direct, "%d channels: %g, direct %g", (int)g.c, fast, direct);
		gr_scope_end();
	}
}

Test(conv_winograd, vector_loader_equals_plain_indexing)
{
	if (gr__isa() < GR_ISA_AVX512)
		cr_skip_test("skipped: needs AVX-512");
#if !defined(GR_ISA_ONLY_BASELINE)
	/* 8 tiles a row, the last ones cut; two samples of one channel among two. */
	const gr_wino_planes p = {.h = 7, .w = 30, .row = 30, .channel = 210, .sample = 420};
	const float *x = normal(5, 840);
	const gr_wino_quad quads[4] = {{0, 4, 0}, {0, 4, 16}, {420, 0, 0}, {-1, 0, 0}};
	float d[6][6][GR_WINO_LANES];
	for (int64_t shift = -2; shift <= 1; shift++) {
		gr__winograd_load_avx512(&p, x, shift, shift, quads, d);
		for (int i = 0; i < 6; i++)
			for (int j = 0; j < 6; j++)
				for (int lane = 0; lane < GR_WINO_LANES; lane++) {
					const gr_wino_quad *q = &quads[lane / 4];
					const int64_t row = q->row + shift + i;
					const int64_t col = q->col + 4 * (lane % 4) + shift + j;
					const bool inside =
						q->offset >= 0 && row >= 0 && row < p.h && col >= 0 && col < p.w;
					cr_assert_eq(d[i][j][lane], inside ? x[q->offset + row * p.row + col] : 0.0f);
				}
	}
#endif
}

Test(conv_winograd, precision_has_names)
{
	gr_precision p = GR_PRECISION_F32;
	cr_assert_eq(gr_precision_named(&p, "direct"), GR_OK);
	cr_assert_eq(p, GR_PRECISION_DIRECT);
	cr_assert_eq(gr_precision_named(&p, "f16"), GR_EARG);
	cr_assert(strstr(gr_error_message(), "'f16'") != NULL);
	gr_error_clear();
}

Test(conv_winograd, out_of_memory_is_reported)
{
	const gr_conv_geom g = {.n = 1,
		.c = 16,
		.h = 16,
		.w = 16,
		.k = 16,
		.r = 3,
		.s = 3,
		.ho = 16,
		.wo = 16,
		.stride_h = 1,
		.stride_w = 1,
		.pad_top = 1,
		.pad_left = 1,
		.dil_h = 1,
		.dil_w = 1,
		.groups = 1};
	const float *x = normal(1, 16 * 256);
	const float *w = normal(2, 16 * 16 * 9);
	float *y = normal(3, 16 * 256);
	const uint64_t before = gr_memory_stats().bytes_in_use;
	bool done = false;
	for (uint64_t n = 1; n < 20 && !done; n++) {
		gr_memory_trim();
		gr_memory_fail_at(n);
		const gr_status status = gr__conv_forward_f32(&g, x, w, NULL, y);
		gr_memory_fail_at(0);
		done = status == GR_OK;
		cr_assert(done || status == GR_EMEM);
		cr_assert_eq(gr_memory_stats().bytes_in_use, before);
	}
	cr_assert(done);
}
