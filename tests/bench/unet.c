/*
 * Time of one U-Net evaluation and of one evaluation with gradients, at a training size: 32 x 32,
 * width 32, mult 1 2 3, two residual blocks a level, attention at 8 x 8.
 * Usage: bench_unet [batch] [repeats]
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gradus/ops.h"
#include "gradus/unet.h"

#define REPEATS_MAX 100
#define PARAMS_MAX 512

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

typedef enum mode {
	FORWARD,        /* nothing recorded */
	INPUT_GRADIENT, /* parameters frozen: guided sampling */
	TRAINING,       /* gradients of every parameter */
	MODE_COUNT
} mode;

static gr_status run_once(gr_unet *u, mode how, gr_tensor *x, gr_tensor *t)
{
	gr_module *m = gr_unet_module(u);
	gr_tensor *wrt[PARAMS_MAX], *grads[PARAMS_MAX];
	gr_scope_begin();
	int n = 1;
	wrt[0] = how == INPUT_GRADIENT ? gr_watch(x) : x;
	if (how == TRAINING) {
		n = (int)gr_module_param_count(m);
		for (int i = 0; i < n; i++)
			wrt[i] = gr_module_param(m, i);
	}
	bool recording = gr_set_recording(how != FORWARD);
	gr_tensor *y = gr_unet_forward(u, how == INPUT_GRADIENT ? wrt[0] : x, t, NULL);
	if (how != FORWARD &&
		gr_grad(grads, gr_mean(gr_square(y), GR_ALL_AXES, false), n, wrt, NULL) != GR_OK)
		fprintf(stderr, "bench_unet: no gradient\n");
	gr_set_recording(recording);
	return gr_scope_end();
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"forward", "forward + input gradient",
		"forward + all gradients"};
	const int64_t batch = argc > 1 ? atol(argv[1]) : 64;
	const int repeats = argc > 2 && atoi(argv[2]) <= REPEATS_MAX ? atoi(argv[2]) : 5;
	gr_on_error(GR_ABORT);
	gr_unet *u =
		gr_unet_new(GR_OPTS(gr_unet_config, .image_size = 32, .model_channels = 32, .num_levels = 3,
			.channel_mult = {1, 2, 3}, .num_res_blocks = 2, .num_attention = 1, .attention_ds = {4},
			.num_head_channels = 32, .use_scale_shift_norm = true, .resblock_updown = true));
	gr_module *m = gr_unet_module(u);
	if (gr_module_init(m, gr_key_seed(1)) != GR_OK)
		return 1;
	gr_tensor *x = gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(batch, 3, 32, 32));
	gr_tensor *t = gr_arange(GR_F32, batch, 0.0, 10.0);
	printf("bench_unet: %lld parameters, batch %lld, %s, %d threads\n",
		(long long)gr_module_size(m), (long long)batch, gr_isa_name(), gr_threads());
	for (mode how = 0; how < MODE_COUNT; how++) {
		double seconds[REPEATS_MAX];
		gr_module_set_trainable(m, how == TRAINING);
		gr_memory_reset_peak();
		for (int i = -1; i < repeats; i++) { /* the first fills the pool */
			double start = now();
			if (run_once(u, how, x, t) != GR_OK)
				return 1;
			if (i >= 0)
				seconds[i] = now() - start;
		}
		qsort(seconds, (size_t)repeats, sizeof *seconds, compare);
		printf("%-26s median %.3f s, %.3f .. %.3f, peak %.2f GB\n", names[how],
			seconds[repeats / 2], seconds[0], seconds[repeats - 1],
			1e-9 * (double)gr_memory_stats().bytes_peak);
	}
	gr_unet_free(u);
	return 0;
}
