/* Single ops of `gradus bench`; see bench.h. */
#include "bench.h"

#include <cblas.h>

gr_tensor *gr__bench_noise(uint64_t seed, int ndim, const int64_t *dims)
{
	return gr_random_normal(gr_key_seed(seed), GR_F32, ndim, dims);
}

gr_status gr__bench_done(const gr_tensor *t)
{
	return t != NULL ? GR_OK : gr_error_code();
}

/* --- convolutions: p = N, C, H, K, R, stride --- */

static gr_status conv_setup(gr_bench_data *d, const int64_t *p)
{
	d->x = gr__bench_noise(1, GR_DIMS(p[0], p[1], p[2], p[2]));
	d->w = gr__bench_noise(2, GR_DIMS(p[3], p[1], p[4], p[4]));
	d->g = gr__bench_noise(3, GR_DIMS(p[0], p[3], p[2] / p[5], p[2] / p[5]));
	return gr_error_code();
}

static double conv_flops(const int64_t *p)
{
	int64_t side = p[2] / p[5];
	return 2.0 * (double)(p[0] * p[1] * side * side) * (double)(p[3] * p[4] * p[4]);
}

static gr_status conv_forward(gr_bench_data *d, const int64_t *p)
{
	return gr__bench_done(
		gr_conv2d(d->x, d->w, GR_OPTS(gr_conv_opts, .stride = p[5], .pad = p[4] / 2)));
}

static gr_status conv_data(gr_bench_data *d, const int64_t *p)
{
	return gr__bench_done(gr_conv2d_input_adjoint(d->g, d->w,
		GR_OPTS(gr_conv_opts, .stride = p[5], .pad = p[4] / 2, .out_h = p[2], .out_w = p[2])));
}

static gr_status conv_weights(gr_bench_data *d, const int64_t *p)
{
	return gr__bench_done(gr_conv2d_weight_adjoint(d->g, d->x,
		GR_OPTS(gr_conv_opts, .stride = p[5], .pad = p[4] / 2, .out_h = p[4], .out_w = p[4])));
}

static const gr_bench_family conv = {conv_setup, conv_flops,
	{{".fwd", "gradus", conv_forward, 1.0}, {".bwd_data", "gradus", conv_data, 1.0},
		{".bwd_weights", "gradus", conv_weights, 1.0}}};

/* --- square matrix product: p = n --- */

static gr_status gemm_setup(gr_bench_data *d, const int64_t *p)
{
	d->x = gr__bench_noise(1, GR_DIMS(p[0], p[0]));
	d->w = gr__bench_noise(2, GR_DIMS(p[0], p[0]));
	d->g = gr_zeros(GR_F32, GR_DIMS(p[0], p[0]));
	return gr_error_code();
}

static double gemm_flops(const int64_t *p)
{
	return 2.0 * (double)p[0] * (double)p[0] * (double)p[0];
}

static gr_status gemm_run(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	return gr__bench_done(gr_matmul(d->x, d->w));
}

/* OpenBLAS alone, on its one thread. */
static gr_status gemm_blas(gr_bench_data *d, const int64_t *p)
{
	int n = (int)p[0];
	cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f,
		gr_tensor_data_const(d->x), n, gr_tensor_data_const(d->w), n, 0.0f, gr_tensor_data(d->g),
		n);
	return GR_OK;
}

static const gr_bench_family gemm = {gemm_setup, gemm_flops,
	{{"", "gradus", gemm_run, 1.0}, {"", "openblas", gemm_blas, 1.0}}};

/* --- attention: p = heads, tokens, width --- */

static gr_status attention_setup(gr_bench_data *d, const int64_t *p)
{
	d->x = gr_watch(gr__bench_noise(1, GR_DIMS(1, p[0], p[1], p[2])));
	d->w = gr_watch(gr__bench_noise(2, GR_DIMS(1, p[0], p[1], p[2])));
	d->b = gr_watch(gr__bench_noise(3, GR_DIMS(1, p[0], p[1], p[2])));
	d->g = gr__bench_noise(4, GR_DIMS(1, p[0], p[1], p[2]));
	return gr_error_code();
}

static double attention_flops(const int64_t *p)
{
	return 4.0 * (double)(p[0] * p[1]) * (double)(p[1] * p[2]);
}

static gr_status attention_forward(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	bool was = gr_set_recording(false);
	gr_tensor *y = gr_attention(d->x, d->w, d->b, 0.0);
	gr_set_recording(was);
	return gr__bench_done(y);
}

static gr_status attention_both(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_tensor *grads[3], *x[] = {d->x, d->w, d->b};
	return gr_grad(grads, gr_attention(d->x, d->w, d->b, 0.0), 3, x,
		GR_OPTS(gr_grad_opts, .cotangent = d->g));
}

static const gr_bench_family attention = {attention_setup, attention_flops,
	{{".fwd", "gradus", attention_forward, 1.0}, {".fwdbwd", "gradus", attention_both, 3.0}}};

/* --- group norm with SiLU: p = C, H --- */

static gr_status norm_setup(gr_bench_data *d, const int64_t *p)
{
	d->x = gr_watch(gr__bench_noise(1, GR_DIMS(1, p[0], p[1], p[1])));
	d->w = gr_watch(gr__bench_noise(2, GR_DIMS(p[0])));
	d->b = gr_watch(gr__bench_noise(3, GR_DIMS(p[0])));
	d->g = gr__bench_noise(4, GR_DIMS(1, p[0], p[1], p[1]));
	return gr_error_code();
}

static double norm_flops(const int64_t *p)
{
	return 12.0 * (double)(p[0] * p[1] * p[1]);
}

static gr_tensor *norm_apply(gr_bench_data *d)
{
	return gr_group_norm(d->x, d->w, d->b, GR_OPTS(gr_group_norm_opts, .silu = true));
}

static gr_status norm_forward(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	bool was = gr_set_recording(false);
	gr_tensor *y = norm_apply(d);
	gr_set_recording(was);
	return gr__bench_done(y);
}

static gr_status norm_both(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_tensor *grads[3], *x[] = {d->x, d->w, d->b};
	return gr_grad(grads, norm_apply(d), 3, x, GR_OPTS(gr_grad_opts, .cotangent = d->g));
}

static const gr_bench_family norm = {norm_setup, norm_flops,
	{{".fwd", "gradus", norm_forward, 1.0}, {".fwdbwd", "gradus", norm_both, 3.0}}};

/* --- a chain of small ops, four at a time: p = elements --- */

#define CHAIN 1000

static gr_status chain_setup(gr_bench_data *d, const int64_t *p)
{
	d->x = gr_watch(gr__bench_noise(1, GR_DIMS(p[0])));
	d->w = gr__bench_noise(2, GR_DIMS(p[0]));
	d->g = gr__bench_noise(3, GR_DIMS(p[0]));
	return gr_error_code();
}

static double chain_flops(const int64_t *p)
{
	return (double)p[0];
}

static gr_status chain_forward(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_tensor *y = d->x;
	for (int i = 0; i < CHAIN / 4; i++) {
		y = gr_add(y, d->w);
		y = gr_mul(y, d->w);
		y = gr_tanh(y);
		y = gr_add_s(y, 1.0);
	}
	d->b = y;
	return gr__bench_done(y);
}

/* With recording off: what a graph costs is the difference. */
static gr_status chain_unrecorded(gr_bench_data *d, const int64_t *p)
{
	bool was = gr_set_recording(false);
	gr_status status = chain_forward(d, p);
	gr_set_recording(was);
	return status;
}

static gr_status chain_backward(gr_bench_data *d, const int64_t *p)
{
	(void)p;
	gr_tensor *g;
	return gr_grad(&g, d->b, 1, &d->x, GR_OPTS(gr_grad_opts, .cotangent = d->g));
}

static const gr_bench_family chain = {chain_setup, chain_flops,
	{{".off", "gradus", chain_unrecorded, 1.0, CHAIN},
		{".fwd", "gradus", chain_forward, 1.0, CHAIN},
		{".bwd", "gradus", chain_backward, 1.0, CHAIN, chain_forward}}};

const gr_bench_case gr__bench_ops[] = {
	{"sgemm_2048", &gemm, {2048}},
	{"conv_n1_c128_h64_k128_f3_s1", &conv, {1, 128, 64, 128, 3, 1}},
	{"conv_n4_c256_h32_k256_f3_s1", &conv, {4, 256, 32, 256, 3, 1}},
	{"conv_n1_c128_h256_k128_f3_s1", &conv, {1, 128, 256, 128, 3, 1}},
	{"conv_n64_c64_h32_k32_f3_s1", &conv, {64, 64, 32, 32, 3, 1}},
	{"conv_n4_c128_h64_k128_f3_s2", &conv, {4, 128, 64, 128, 3, 2}},
	{"conv_n4_c256_h32_k512_f1_s1", &conv, {4, 256, 32, 512, 1, 1}},
	{"attention_h8_n1024_d64", &attention, {8, 1024, 64}},
	{"gn32silu_n1_c128_h256", &norm, {128, 256}},
	{"small_op_4", &chain, {4}},
	{0},
};
