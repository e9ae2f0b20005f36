/*
 * Speed of the matrix product and convolution kernels: bench_kern [threads] [rounds].
 *
 * Prints `case,variant,threads,ms,gflops,spread`: the median over rounds, and the interquartile
 * range over the median. Cases are interleaved, one round after another, so that a noisy machine
 * disturbs all of them alike; "tile" is the micro-kernel on operands in the first-level cache, the
 * speed that the others can at best approach at that time.
 */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gradus/base.h"
#include "kern/conv.h"
#include "kern/gemm.h"

enum { MAX_ROUNDS = 64, MAX_CASES = 128 };

typedef enum kind { TILE, GEMM, BLAS, FORWARD, INPUT_GRAD, WEIGHT_GRAD } kind;

static const char *const variants[] = {"tile", "gradus", "openblas", "forward", "input_grad",
	"weight_grad"};

typedef struct bench_case {
	char name[48];
	kind kind;
	int64_t dims[3]; /* m n k */
	gr_conv_geom geom;
	double flops;
	double ms[MAX_ROUNDS];
} bench_case;

static const int64_t products[][3] = {{2048, 2048, 2048}, {512, 512, 512}, {256, 256, 256},
	{64, 64, 64}, {1, 512, 512}, {4096, 96, 288}};

/* n c size k r stride groups; padding r / 2 */
static const int64_t convolutions[][7] = {{64, 32, 32, 32, 3, 1, 1}, {64, 64, 32, 32, 3, 1, 1},
	{64, 96, 32, 32, 3, 1, 1}, {64, 64, 16, 64, 3, 1, 1}, {64, 128, 16, 64, 3, 1, 1},
	{64, 96, 8, 96, 3, 1, 1}, {64, 192, 8, 96, 3, 1, 1}, {64, 64, 32, 32, 1, 1, 1},
	{64, 192, 8, 96, 1, 1, 1}, {64, 1, 32, 32, 3, 1, 1}, {64, 32, 32, 1, 3, 1, 1},
	{64, 32, 32, 64, 3, 2, 1}, {64, 64, 16, 96, 3, 2, 1}, {16, 96, 16, 96, 3, 1, 96},
	{1, 32, 32, 32, 3, 1, 1}, {1, 64, 16, 64, 3, 1, 1}, {1, 96, 8, 96, 3, 1, 1},
	{1, 192, 16, 192, 3, 1, 1}, {1, 128, 32, 128, 3, 1, 1}, {1, 128, 64, 128, 3, 1, 1},
	{4, 256, 32, 256, 3, 1, 1}, {1, 128, 256, 128, 3, 1, 1}};

static float *buffer[3];
static int64_t tile_offsets[GR_GEMM_KC];

/* With one thread the time that it ran, so that other programs disturb less. */
static double now_ms(void)
{
	struct timespec t;
	clock_gettime(gr_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void run_once(const bench_case *c)
{
	const int64_t m = c->dims[0];
	const int64_t n = c->dims[1];
	const int64_t k = c->dims[2];
	float *a = buffer[0];
	float *b = buffer[1];
	float *y = buffer[2];
	switch (c->kind) {
	case TILE:
		gr__gemm_kern_f32()->block_off(m, n, k, a, b, tile_offsets, y, n, NULL, false);
		break;
	case GEMM: gr__gemm_f32(m, n, k, a, k, 1, b, n, 1, y, n, 1, false); break;
	case BLAS:
		cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)m, (int)n, (int)k, 1.0f, a,
			(int)k, b, (int)n, 0.0f, y, (int)n);
		break;
	case FORWARD: gr__conv_forward_f32(&c->geom, a, b, NULL, y); break;
	case INPUT_GRAD: gr__conv_input_grad_f32(&c->geom, a, b, y); break;
	case WEIGHT_GRAD: gr__conv_weight_grad_f32(&c->geom, a, y, b); break;
	}
}

static double time_case(const bench_case *c)
{
	const int64_t repeats = (int64_t)(2e8 / c->flops) + 1;
	const double start = now_ms();
	for (int64_t i = 0; i < repeats; i++)
		run_once(c);
	return (now_ms() - start) / (double)repeats;
}

static int64_t make_cases(bench_case *cases)
{
	int64_t count = 0;
	bench_case *tile = &cases[count++];
	*tile = (bench_case){.kind = TILE};
	tile->dims[0] = gr__gemm_kern_f32()->mr;
	tile->dims[1] = gr__gemm_kern_f32()->nr;
	tile->dims[2] = GR_GEMM_KC;
	for (int64_t k = 0; k < GR_GEMM_KC; k++)
		tile_offsets[k] = k * tile->dims[1];
	for (size_t i = 0; i < sizeof(products) / sizeof(products[0]); i++)
		for (kind v = GEMM; v <= BLAS; v++) {
			bench_case *c = &cases[count++];
			*c = (bench_case){.kind = v};
			for (int d = 0; d < 3; d++)
				c->dims[d] = products[i][d];
		}
	for (int64_t i = 0; i < count; i++) {
		const int64_t *d = cases[i].dims;
		cases[i].flops = 2.0 * (double)(d[0] * d[1] * d[2]);
		snprintf(cases[i].name, sizeof(cases[i].name), "gemm %dx%dx%d", (int)d[0], (int)d[1],
			(int)d[2]);
	}
	for (size_t i = 0; i < sizeof(convolutions) / sizeof(convolutions[0]); i++)
		for (kind v = FORWARD; v <= WEIGHT_GRAD; v++) {
			const int64_t *s = convolutions[i];
			bench_case *c = &cases[count++];
			*c = (bench_case){.kind = v};
			gr_conv_geom *g = &c->geom;
			*g = (gr_conv_geom){.n = s[0], .c = s[1], .h = s[2], .w = s[2], .k = s[3], .r = s[4]};
			g->s = g->r;
			g->pad_top = g->pad_left = g->r / 2;
			g->stride_h = g->stride_w = s[5];
			g->dil_h = g->dil_w = 1;
			g->groups = s[6];
			g->ho = g->wo = (g->h + 2 * g->pad_top - g->r) / s[5] + 1;
			c->flops = 2.0 * (double)(g->n * g->k * g->ho * g->wo * g->c / g->groups * g->r * g->s);
			snprintf(c->name, sizeof(c->name), "conv %dx%d@%d->%d %dx%d s%d g%d", (int)s[0],
				(int)s[1], (int)s[2], (int)s[3], (int)s[4], (int)s[4], (int)s[5], (int)s[6]);
		}
	return count;
}

static int64_t most_elements(const bench_case *cases, int64_t count)
{
	int64_t most = 0;
	for (int64_t i = 0; i < count; i++) {
		const gr_conv_geom *g = &cases[i].geom;
		const int64_t *d = cases[i].dims;
		const int64_t sizes[] = {d[0] * d[2], d[1] * d[2], d[0] * d[1], g->n * g->c * g->h * g->w,
			g->n * g->k * g->ho * g->wo, g->k * g->c * g->r * g->s};
		for (size_t q = 0; q < sizeof(sizes) / sizeof(sizes[0]); q++)
			most = sizes[q] > most ? sizes[q] : most;
	}
	return most;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a;
	const double y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	if (argc > 1 && gr_set_threads(atoi(argv[1])) != GR_OK)
		return 1;
	int rounds = argc > 2 ? atoi(argv[2]) : 7;
	rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
	bench_case *cases = calloc(MAX_CASES, sizeof(*cases));
	if (!cases)
		return 1;
	const int64_t count = make_cases(cases);
	const int64_t most = most_elements(cases, count);
	for (int i = 0; i < 3; i++) {
		buffer[i] = aligned_alloc(64, (size_t)(most * 4 + 63) / 64 * 64);
		if (!buffer[i])
			return 1;
		for (int64_t q = 0; q < most; q++)
			buffer[i][q] = 1e-3f * (float)(q % 7);
	}
	for (int r = 0; r < rounds; r++)
		for (int64_t i = 0; i < count; i++)
			cases[i].ms[r] = time_case(&cases[i]);
	printf("# isa %s\ncase,variant,threads,ms,gflops,spread\n", gr_isa_name());
	for (int64_t i = 0; i < count; i++) {
		bench_case *c = &cases[i];
		qsort(c->ms, (size_t)rounds, sizeof(double), compare);
		const double median = c->ms[rounds / 2];
		const double spread = (c->ms[rounds * 3 / 4] - c->ms[rounds / 4]) / median;
		const bool serial = c->kind == TILE || c->kind == BLAS;
		printf("%s,%s,%d,%.4f,%.1f,%.2f\n", c->name, variants[c->kind], serial ? 1 : gr_threads(),
			median, c->flops / median * 1e-6, spread);
	}
	for (int i = 0; i < 3; i++)
		free(buffer[i]);
	free(cases);
	return 0;
}
