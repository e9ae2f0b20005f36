/*
 * gradus bench: the time of single ops and of whole network steps, as lines
 * case,variant,threads,ms,gflops. ms is the median of the repetitions; gflops counts the nominal
 * work (a direct convolution's multiplications and additions).
 */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "commands.h"
#include "gradus/ops.h"
#include "gradus/unet.h"

#define MAX_RUNS 64

/* What a case works on: made once, used by every repetition. */
typedef struct bench_data {
	gr_tensor *x, *w, *b, *g;
	gr_unet *net;
} bench_data;

/* One thing to time: its work is `factor` times that of the family's first part. */
typedef struct bench_part {
	const char *suffix, *variant;
	gr_status (*run)(bench_data *d, const int64_t *p);
	double factor;
} bench_part;

/* Parts that share their data; ends with a part without name. */
typedef struct bench_family {
	gr_status (*setup)(bench_data *d, const int64_t *p);
	double (*flops)(const int64_t *p);
	bench_part parts[4];
} bench_family;

typedef struct bench_case {
	const char *name;
	const bench_family *family;
	int64_t p[6];
} bench_case;

static gr_tensor *noise(uint64_t seed, int ndim, const int64_t *dims)
{
	return gr_random_normal(gr_key_seed(seed), GR_F32, ndim, dims);
}

static gr_status done(const gr_tensor *t)
{
	return t != NULL ? GR_OK : gr_error_code();
}

/* Convolutions: p = N, C, H, K, R. */
static gr_status conv_setup(bench_data *d, const int64_t *p)
{
	d->x = noise(1, GR_DIMS(p[0], p[1], p[2], p[2]));
	d->w = noise(2, GR_DIMS(p[3], p[1], p[4], p[4]));
	d->g = noise(3, GR_DIMS(p[0], p[3], p[2], p[2]));
	return gr_error_code();
}

static double conv_flops(const int64_t *p)
{
	return 2.0 * (double)(p[0] * p[1] * p[2] * p[2]) * (double)(p[3] * p[4] * p[4]);
}

static gr_status conv_forward(bench_data *d, const int64_t *p)
{
	return done(gr_conv2d(d->x, d->w, GR_OPTS(gr_conv_opts, .pad = p[4] / 2)));
}

static gr_status conv_data(bench_data *d, const int64_t *p)
{
	return done(gr_conv2d_input_adjoint(d->g, d->w,
		GR_OPTS(gr_conv_opts, .pad = p[4] / 2, .out_h = p[2], .out_w = p[2])));
}

static gr_status conv_weights(bench_data *d, const int64_t *p)
{
	return done(gr_conv2d_weight_adjoint(d->g, d->x,
		GR_OPTS(gr_conv_opts, .pad = p[4] / 2, .out_h = p[4], .out_w = p[4])));
}

/* Square matrix product: p = n. */
static gr_status gemm_setup(bench_data *d, const int64_t *p)
{
	d->x = noise(1, GR_DIMS(p[0], p[0]));
	d->w = noise(2, GR_DIMS(p[0], p[0]));
	d->g = gr_zeros(GR_F32, GR_DIMS(p[0], p[0]));
	return gr_error_code();
}

static double gemm_flops(const int64_t *p)
{
	return 2.0 * (double)p[0] * (double)p[0] * (double)p[0];
}

static gr_status gemm_run(bench_data *d, const int64_t *p)
{
	(void)p;
	return done(gr_matmul(d->x, d->w));
}

/* OpenBLAS alone, on its one thread. */
static gr_status gemm_blas(bench_data *d, const int64_t *p)
{
	int n = (int)p[0];
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f,
		gr_tensor_data_const(d->x), n, gr_tensor_data_const(d->w), n, 0.0f, gr_tensor_data(d->g),
		n);
	return GR_OK;
}

/* Attention: p = heads, tokens, width. */
static gr_status attention_setup(bench_data *d, const int64_t *p)
{
	d->x = gr_watch(noise(1, GR_DIMS(1, p[0], p[1], p[2])));
	d->w = noise(2, GR_DIMS(1, p[0], p[1], p[2]));
	d->b = noise(3, GR_DIMS(1, p[0], p[1], p[2]));
	return gr_error_code();
}

static double attention_flops(const int64_t *p)
{
	return 4.0 * (double)(p[0] * p[1]) * (double)(p[1] * p[2]);
}

static gr_status attention_forward(bench_data *d, const int64_t *p)
{
	(void)p;
	return done(gr_attention(d->x, d->w, d->b, 0.0));
}

/* Group norm with SiLU: p = C, H. */
static gr_status norm_setup(bench_data *d, const int64_t *p)
{
	d->x = noise(1, GR_DIMS(1, p[0], p[1], p[1]));
	d->w = noise(2, GR_DIMS(p[0]));
	d->b = noise(3, GR_DIMS(p[0]));
	return gr_error_code();
}

static double norm_flops(const int64_t *p)
{
	return 12.0 * (double)(p[0] * p[1] * p[1]);
}

static gr_status norm_forward(bench_data *d, const int64_t *p)
{
	(void)p;
	return done(gr_group_norm(d->x, d->w, d->b, GR_OPTS(gr_group_norm_opts, .silu = true)));
}

/* U-Nets: p = N, H, base, 1: the shipped prior's (mult 1,2,3), else mult 1,2,3,4 and 6 outputs. */
static gr_status unet_setup(bench_data *d, const int64_t *p)
{
	static const double small[] = {1, 2, 3}, large[] = {1, 2, 3, 4};
	static const int64_t at_small[] = {4}, at_large[] = {4, 8};
	bool fashion = p[3] == 1;
	gr_unet_config c = {.image_size = p[1],
		.in_channels = fashion ? 1 : 3,
		.out_channels = fashion ? 1 : 6,
		.model_channels = p[2],
		.num_res_blocks = 2,
		.num_head_channels = 32,
		.use_scale_shift_norm = true,
		.resblock_updown = true};
	c.num_levels = fashion ? 3 : 4;
	memcpy(c.channel_mult, fashion ? small : large, (size_t)c.num_levels * sizeof(double));
	c.num_attention = fashion ? 1 : 2;
	memcpy(c.attention_ds, fashion ? at_small : at_large,
		(size_t)c.num_attention * sizeof(int64_t));
	if (!fashion)
		c.num_head_channels = 64;
	d->net = gr_unet_new(&c);
	if (d->net == NULL)
		return gr_error_code();
	gr_status status = gr_module_init(gr_unet_module(d->net), gr_key_seed(1));
	d->x = noise(2, GR_DIMS(p[0], c.in_channels, p[1], p[1]));
	d->b = gr_full(GR_F32, GR_DIMS(p[0]), 500.0);
	return status;
}

/* Nominal work of the two networks, images of their own size. */
static double unet_flops(const int64_t *p)
{
	return (double)p[0] * (p[3] == 1 ? 1.0e9 : 17.70e9);
}

static gr_status unet_forward(bench_data *d, const int64_t *p)
{
	(void)p;
	bool was = gr_set_recording(false);
	gr_tensor *y = gr_unet_forward(d->net, d->x, d->b, NULL);
	gr_set_recording(was);
	return done(y);
}

static gr_status unet_input(bench_data *d, const int64_t *p)
{
	(void)p;
	gr_status status = gr_module_set_trainable(gr_unet_module(d->net), false);
	gr_tensor *x = gr_watch(d->x), *g;
	gr_tensor *y = gr_sumsq(gr_unet_forward(d->net, x, d->b, NULL), GR_ALL_AXES, false);
	return status == GR_OK ? gr_grad(&g, y, 1, &x, NULL) : status;
}

static gr_status unet_params(bench_data *d, const int64_t *p)
{
	(void)p;
	gr_module *m = gr_unet_module(d->net);
	int64_t n = gr_module_param_count(m);
	gr_tensor **params = gr_alloc(2 * (size_t)n * sizeof *params);
	if (params == NULL)
		return gr_error_code();
	gr_status status = gr_module_set_trainable(m, true);
	for (int64_t i = 0; i < n; i++)
		params[i] = gr_module_param(m, i);
	gr_tensor *y = gr_sumsq(gr_unet_forward(d->net, d->x, d->b, NULL), GR_ALL_AXES, false);
	if (status == GR_OK)
		status = gr_grad(params + n, y, (int)n, params, NULL);
	gr_free(params);
	return status;
}

static const bench_family gemm = {gemm_setup, gemm_flops,
	{{"", "gradus", gemm_run, 1.0}, {"", "openblas", gemm_blas, 1.0}}};
static const bench_family conv = {conv_setup, conv_flops,
	{{".fwd", "gradus", conv_forward, 1.0}, {".bwd_data", "gradus", conv_data, 1.0},
		{".bwd_weights", "gradus", conv_weights, 1.0}}};
static const bench_family attention = {attention_setup, attention_flops,
	{{".fwd", "gradus", attention_forward, 1.0}}};
static const bench_family norm = {norm_setup, norm_flops, {{".fwd", "gradus", norm_forward, 1.0}}};
static const bench_family unet = {unet_setup, unet_flops,
	{{".fwd", "gradus", unet_forward, 1.0}, {".fwdbwd_input", "gradus", unet_input, 2.0},
		{".fwdbwd_params", "gradus", unet_params, 3.0}}};

static const bench_case cases[] = {
	{"sgemm_2048", &gemm, {2048}},
	{"conv_n1_c128_h64_k128_f3_s1", &conv, {1, 128, 64, 128, 3}},
	{"conv_n4_c256_h32_k256_f3_s1", &conv, {4, 256, 32, 256, 3}},
	{"conv_n1_c128_h256_k128_f3_s1", &conv, {1, 128, 256, 128, 3}},
	{"conv_n64_c64_h32_k32_f3_s1", &conv, {64, 64, 32, 32, 3}},
	{"conv_n4_c256_h32_k512_f1_s1", &conv, {4, 256, 32, 512, 1}},
	{"attention_h8_n1024_d64", &attention, {8, 1024, 64}},
	{"gn32silu_n1_c128_h256", &norm, {128, 256}},
	{"fashion_b1", &unet, {1, 32, 32, 1}},
	{"fashion_b64", &unet, {64, 32, 32, 1}},
	{"unet64_b1", &unet, {1, 64, 64, 0}},
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Two runs to warm up, then runs for about `budget` seconds, three at least. */
static gr_status measure(const bench_case *c, const bench_part *part, double budget, double *median)
{
	bench_data d = {0};
	double times[MAX_RUNS];
	int n = -2;
	gr_scope_begin();
	gr_status status = c->family->setup(&d, c->p);
	double start = seconds();
	while (status == GR_OK && n < MAX_RUNS && (n < 3 || seconds() - start < budget)) {
		double t = seconds();
		gr_scope_begin();
		status = part->run(&d, c->p);
		gr_scope_end();
		if (n >= 0)
			times[n] = seconds() - t;
		n++;
	}
	gr_unet_free(d.net);
	gr_scope_end();
	if (status != GR_OK)
		return status;
	qsort(times, (size_t)n, sizeof *times, by_value);
	*median = times[n / 2];
	return GR_OK;
}

typedef struct bench_flags {
	const char *only, *precision;
	int64_t threads;
	double budget;
} bench_flags;

static int parse(bench_flags *f, int argc, char **argv)
{
	const gr_arg args[] = {
		{"only", GR_ARG_STRING, NULL, "cases whose name contains this", &f->only},
		{"threads", GR_ARG_INT, "0", "this many; default: 1, then all cores", &f->threads},
		{"precision", GR_ARG_STRING, "f32",
			"f32, direct (without Winograd's algorithm) or bf16 (rounded operands)", &f->precision},
		{"seconds", GR_ARG_DOUBLE, "1", "time for each case", &f->budget},
	};
	const gr_command command = {
		.name = "bench",
		.usage = "[options]",
		.summary = "Time ops and network steps: case,variant,threads,ms,gflops.",
		.examples = {"gradus bench", "gradus bench --only conv --threads 1"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	return gr__args_parse(&command, argc, argv, NULL, 0, &words);
}

/* Every part of a case that the flags select; counts them. */
static gr_status run_case(const bench_case *c, const bench_flags *f, int threads, int *matched)
{
	const bench_part *parts = c->family->parts;
	for (int i = 0; i < 4 && parts[i].run != NULL; i++) {
		char name[96];
		snprintf(name, sizeof name, "%s%s", c->name, parts[i].suffix);
		bool blas = strcmp(parts[i].variant, "openblas") == 0;
		if ((f->only != NULL && strstr(name, f->only) == NULL) || (blas && threads > 1))
			continue;
		double median;
		gr_status status = measure(c, &parts[i], f->budget, &median);
		if (status != GR_OK)
			return status;
		++*matched;
		printf("%s,%s,%d,%.3f,%.1f\n", name, parts[i].variant, threads, 1e3 * median,
			parts[i].factor * c->family->flops(c->p) / median / 1e9);
		fflush(stdout);
	}
	return GR_OK;
}

int gr_cmd_bench(int argc, char **argv)
{
	bench_flags f;
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	gr_precision precision;
	gr_status status = gr_precision_named(&precision, f.precision);
	if (status == GR_OK)
		status = gr_set_precision(precision);
	if (status != GR_OK)
		return gr__exit_report("bench", status);
	int list[2] = {f.threads > 0 ? (int)f.threads : 1, f.threads > 0 ? 0 : gr_threads()};
	int matched = 0;
	fprintf(stderr, "# gradus %s, %s kernels\n", gr_version(), gr_isa_name());
	printf("case,variant,threads,ms,gflops\n");
	for (int t = 0; t < 2 && list[t] > 0 && (t == 0 || list[1] != list[0]); t++) {
		if (status == GR_OK)
			status = gr_set_threads(list[t]);
		for (size_t i = 0; i < sizeof cases / sizeof *cases && status == GR_OK; i++)
			status = run_case(&cases[i], &f, list[t], &matched);
	}
	if (status != GR_OK)
		return gr__exit_report("bench", status);
	if (matched > 0)
		return GR_EXIT_OK;
	fprintf(stderr, "gradus bench: no case's name contains '%s'\n", f.only);
	return GR_EXIT_USAGE;
}
