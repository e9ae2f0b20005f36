/*
 * DDIM with eta = 0, parametrised by A = alpha_bar:
 *     x0_hat = clamp((x_t - sqrt(1 - A_t) eps) / sqrt(A_t), -1, 1)
 *     x_s = sqrt(A_s) x0_hat + sqrt(1 - A_s) eps',  eps' = (x_t - sqrt(A_t) x0_hat) / sqrt(1 - A_t)
 * with eps' derived again from the clamped x0_hat.
 */
#include "sample_grid.h"

#include <math.h>

#include "gradus/io.h"
#include "gradus/ops.h"

/* x_t [N,C,H,W] at step j of the schedule -> x at step j - 1. */
static gr_tensor *ddim_step(const gr_unet *u, const gr_schedule *s, gr_tensor *x_t, int64_t j)
{
	double a = gr_schedule_alpha_bar(s, j), a_prev = gr_schedule_alpha_bar_prev(s, j);
	int64_t n = gr_tensor_dim(x_t, 0);
	gr_tensor *t = gr_full(GR_F32, GR_DIMS(n), (double)gr_schedule_timestep(s, j));
	gr_tensor *eps = gr_unet_forward(u, x_t, t, NULL);
	gr_tensor *x0_hat =
		gr_clamp(gr_axpby(x_t, 1.0 / sqrt(a), eps, -sqrt(1.0 / a - 1.0)), -1.0, 1.0);
	eps = gr_axpby(x_t, 1.0 / sqrt(1.0 - a), x0_hat, -sqrt(a) / sqrt(1.0 - a));
	return gr_axpby(x0_hat, sqrt(a_prev), eps, sqrt(1.0 - a_prev));
}

/* [n*n,C,H,W] in -1..1 -> [C,n*H,n*W] in 0..1, row by row. */
static gr_tensor *tile(gr_tensor *x, int64_t n)
{
	int64_t c = gr_tensor_dim(x, 1), h = gr_tensor_dim(x, 2), w = gr_tensor_dim(x, 3);
	gr_tensor *grid = gr_reshape(gr_affine(x, 0.5, 0.5), GR_DIMS(n, n, c, h, w));
	grid = gr_permute(grid, (const int[]){2, 0, 3, 1, 4}); /* [C,n,H,n,W] */
	return gr_reshape(grid, GR_DIMS(c, n * h, n * w));
}

static gr_tensor *sample(const gr_unet *u, const gr_schedule *s, const gr_grid_opts *o, int64_t n)
{
	gr_tensor *x = gr_random_normal(o->key, GR_F32, GR_DIMS(n * n, o->channels, o->side, o->side));
	for (int64_t j = gr_schedule_count(s) - 1; x && j >= 0 && !gr_interrupted(); j--) {
		if (gr_scope_begin())
			return NULL;
		gr_tensor *next = gr_escape(ddim_step(u, s, x, j));
		if (gr_scope_end())
			return NULL;
		x = next;
	}
	return x;
}

gr_status gr__sample_grid(const char *path, const gr_unet *u, const gr_grid_opts *o)
{
	int64_t n = o->columns ? o->columns : 8;
	gr_schedule *s = gr_schedule_new(
		GR_OPTS(gr_schedule_opts, .respacing = o->schedule ? o->schedule : "ddim50"));
	if (!s)
		return gr_error_code();
	bool recording = gr_set_recording(false);
	gr_status status = gr_scope_begin();
	if (!status) {
		gr_tensor *x = sample(u, s, o, n);
		if (!gr_interrupted())
			status = x ? gr_png_write(path, tile(x, n), NULL) : gr_error_code();
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr_set_recording(recording);
	gr_schedule_free(s);
	return status;
}
