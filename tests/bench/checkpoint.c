/*
 * What running a U-Net's stages again costs and saves: gradients to the parameters of an ADM U-Net
 * (64x64, width 64, mult 1 2 3 4, two residual blocks a level, attention at 16 and 8), plain and
 * recomputed in turns; the ratio of times is the median over the pairs. Activations are the bytes
 * that a forward pass leaves in use; the peak is that of a whole step, above what is there between
 * steps. Fails where a gradient differs in a bit.
 * Usage: bench_checkpoint [batch] [repeats]
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gradus/ops.h"
#include "gradus/unet.h"

#define REPEATS_MAX 100
#define PARAMS_MAX 1024

typedef struct figures {
	double seconds[REPEATS_MAX];
	uint64_t activations, peak;
} figures;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* FNV-1a over the gradients, to compare two steps without keeping one. */
static uint64_t digest(int n, gr_tensor *const *grads)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (int i = 0; i < n; i++) {
		gr_tensor *g = gr_contiguous(grads[i]);
		const unsigned char *p = gr_tensor_data_const(g);
		for (size_t k = 0; k < (size_t)gr_tensor_size(g) * sizeof(float); k++)
			h = (h ^ p[k]) * 0x100000001b3u;
	}
	return h;
}

static uint64_t step(gr_unet *u, gr_tensor *x, gr_tensor *t, figures *f, int repeat)
{
	gr_module *m = gr_unet_module(u);
	gr_tensor *params[PARAMS_MAX], *grads[PARAMS_MAX];
	int n = (int)gr_module_param_count(m);
	for (int i = 0; i < n; i++)
		params[i] = gr_module_param(m, i);
	gr_scope_begin();
	uint64_t before = gr_memory_stats().bytes_in_use;
	gr_memory_reset_peak();
	double start = now();
	gr_tensor *y = gr_mean(gr_square(gr_unet_forward(u, x, t, NULL)), GR_ALL_AXES, false);
	f->activations = gr_memory_stats().bytes_in_use - before;
	if (gr_grad(grads, y, n, params, NULL) != GR_OK)
		exit(1);
	if (repeat >= 0)
		f->seconds[repeat] = now() - start;
	f->peak = gr_memory_stats().bytes_peak - before;
	uint64_t h = digest(n, grads);
	gr_scope_end();
	return h;
}

static gr_unet *network(void)
{
	gr_unet *u = gr_unet_new(GR_OPTS(gr_unet_config, .image_size = 64, .model_channels = 64,
		.num_levels = 4, .channel_mult = {1, 2, 3, 4}, .num_res_blocks = 2, .num_attention = 2,
		.attention_ds = {4, 8}, .num_head_channels = 64, .use_scale_shift_norm = true,
		.resblock_updown = true));
	gr_module *m = gr_unet_module(u);
	if (gr_module_init(m, gr_key_seed(1)) != GR_OK)
		exit(1);
	bool was = gr_set_recording(false);
	for (int64_t i = 0; i < gr_module_param_count(m); i++) {
		gr_tensor *p = gr_module_param(m, i);
		gr_tensor *noise = gr_random_normal(gr_key_seed((uint64_t)i), GR_F32, gr_tensor_ndim(p),
			gr_tensor_dims(p));
		if (gr_param_update(p, gr_axpby(p, 1.0, noise, 0.01)) != GR_OK)
			exit(1);
	}
	gr_set_recording(was);
	return u;
}

int main(int argc, char **argv)
{
	const int64_t batch = argc > 1 ? atol(argv[1]) : 4;
	const int asked = argc > 2 ? atoi(argv[2]) : 5;
	const int repeats = asked < 1 ? 1 : asked > REPEATS_MAX ? REPEATS_MAX : asked;
	static figures f[2];
	uint64_t hash[2] = {0};
	gr_on_error(GR_ABORT);
	gr_unet *u = network();
	gr_tensor *x = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(batch, 3, 64, 64));
	gr_tensor *t = gr_arange(GR_F32, batch, 0.0, 100.0);
	printf("bench_checkpoint: %lld parameters, batch %lld, %s, %d threads\n",
		(long long)gr_module_size(gr_unet_module(u)), (long long)batch, gr_isa_name(),
		gr_threads());
	for (int i = -1; i < repeats; i++) { /* the first fills the pool */
		for (int k = 0; k < 2; k++) {
			gr_unet_set_recompute(u, k == 1);
			hash[k] = step(u, x, t, &f[k], i);
		}
	}
	double ratio[REPEATS_MAX];
	for (int i = 0; i < repeats; i++)
		ratio[i] = f[1].seconds[i] / f[0].seconds[i];
	qsort(ratio, (size_t)repeats, sizeof *ratio, compare);
	for (int k = 0; k < 2; k++) {
		qsort(f[k].seconds, (size_t)repeats, sizeof *f[k].seconds, compare);
		printf("%-10s median %.3f s, %.3f .. %.3f, activations %.1f MB, peak %.1f MB\n",
			k == 0 ? "plain" : "recomputed", f[k].seconds[repeats / 2], f[k].seconds[0],
			f[k].seconds[repeats - 1], 1e-6 * (double)f[k].activations, 1e-6 * (double)f[k].peak);
	}
	printf("ratio      time %.3f, activations %.3f, peak %.3f; gradients %s\n", ratio[repeats / 2],
		(double)f[1].activations / (double)f[0].activations, (double)f[1].peak / (double)f[0].peak,
		hash[0] == hash[1] ? "the same bits" : "DIFFER");
	gr_unet_free(u);
	return hash[0] == hash[1] ? 0 : 1;
}
