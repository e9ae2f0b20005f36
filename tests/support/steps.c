/* See steps.h. */
#include "steps.h"

#include "gradus/noise.h"
#include "gradus/ops.h"

#define SIDE 16

static gr_unet *small_unet(int64_t width)
{
	gr_unet *net = gr_unet_new(
		GR_OPTS(gr_unet_config, .image_size = SIDE, .model_channels = width, .num_res_blocks = 1,
			.num_levels = 2, .channel_mult = {1, 2}, .num_attention = 1, .attention_ds = {2},
			.num_head_channels = 8, .use_scale_shift_norm = true, .norm_groups = 4));
	if (net != NULL && gr_module_init(gr_unet_module(net), gr_key_seed(1)) != GR_OK) {
		gr_unet_free(net);
		net = NULL;
	}
	return net;
}

static gr_tensor *images(int64_t n)
{
	return gr_random_uniform(gr_key_seed(2), GR_F32, GR_DIMS(n, 3, SIDE, SIDE), 0.0, 1.0);
}

/* --- training ---------------------------------------------------------------------------------- */

/* |eps - net(x_t)|^2 at one time for the whole batch. */
static gr_tensor *loss(int64_t step, gr_key key, void *ctx)
{
	const train_steps *w = ctx;
	gr_tensor *x = gr_affine(gr_loader_batch(w->loader, step, NULL), 2.0, -1.0);
	if (x == NULL)
		return NULL;
	gr_tensor *eps = gr_random_normal(key, GR_F32, gr_tensor_ndim(x), gr_tensor_dims(x));
	gr_tensor *t = gr_full(GR_F32, GR_DIMS(gr_tensor_dim(x, 0)), 300.0);
	gr_tensor *error = gr_sub(gr_unet_forward(w->net, gr_axpby(x, 0.8, eps, 0.6), t, NULL), eps);
	return gr_mean(gr_square(error), GR_ALL_AXES, false);
}

/* Not an error: how a run is left after one step. */
static gr_status pause(gr_trainer *t, const gr_train_report *r, void *ctx)
{
	(void)t, (void)r;
	((train_steps *)ctx)->paused = true;
	return GR_ESTATE;
}

static gr_status open_data(train_steps *w, int64_t batch)
{
	gr_status status = gr_scope_begin();
	gr_tensor *x = status == GR_OK ? images(32 * batch + 1) : NULL;
	if (status == GR_OK && x == NULL)
		status = gr_error_code();
	if (status == GR_OK)
		status = gr_dataset_from_tensor(&w->data, "noise", x, NULL, NULL);
	gr_status ended = gr_scope_end();
	status = status != GR_OK ? status : ended;
	if (status != GR_OK)
		return status;
	return gr_loader_new(&w->loader, w->data, gr_key_seed(3),
		GR_OPTS(gr_loader_opts, .batch = batch, .flip = true));
}

gr_status train_steps_new(train_steps *w, int64_t width, int64_t batch)
{
	const gr_train_opts opts = {.size = sizeof opts,
		.steps = INT32_MAX,
		.clip = 1.0,
		.on_step = pause};
	*w = (train_steps){.net = small_unet(width)};
	gr_status status = w->net == NULL ? gr_error_code() : open_data(w, batch);
	if (status == GR_OK)
		status = gr_trainer_new(&w->trainer, gr_unet_module(w->net), loss, &opts, w);
	if (status != GR_OK)
		train_steps_free(w);
	return status;
}

gr_status train_steps_next(train_steps *w)
{
	w->paused = false;
	gr_status status = gr_trainer_run(w->trainer);
	return w->paused ? GR_OK : status;
}

void train_steps_free(train_steps *w)
{
	gr_trainer_free(w->trainer);
	gr_loader_free(w->loader);
	gr_dataset_free(w->data);
	gr_unet_free(w->net);
	*w = (train_steps){0};
}

/* --- solving ----------------------------------------------------------------------------------- */

static gr_status begin(solve_steps *w, int64_t n, const gr_key *keys)
{
	gr_tensor *x = gr_affine(images(n), 2.0, -1.0);
	w->A = gr_operator_new("inpaint_random",
		GR_OPTS(gr_operator_opts, .height = SIDE, .width = SIDE, .n = n, .keys = keys));
	gr_tensor *y = w->A == NULL ? NULL : gr_measure(w->A, x, 0.05);
	w->term = y == NULL ? NULL : gr_dps_term(w->A, y, 0.5);
	gr_term *terms[] = {w->term, NULL};
	if (w->term == NULL)
		return gr_error_code();
	return gr_solver_new(&w->solver,
		GR_OPTS(gr_solver_opts, .prior = w->prior, .n = n, .keys = keys, .respacing = "20",
			.terms = terms));
}

gr_status solve_steps_new(solve_steps *w, int64_t width, int64_t n)
{
	gr_key keys[16];
	*w = (solve_steps){0};
	for (int64_t i = 0; i < n && i < 16; i++)
		keys[i] = gr_key_seed(40 + (uint64_t)i);
	gr_status status = gr_scope_begin();
	gr_unet *net = status == GR_OK ? small_unet(width) : NULL;
	if (net != NULL)
		w->prior = gr_prior_unet_new(net,
			GR_OPTS(gr_prior_opts, .channels = 3, .height = SIDE, .width = SIDE));
	if (status == GR_OK)
		status = w->prior == NULL ? gr_error_code() : begin(w, n, keys);
	gr_status ended = gr_scope_end();
	status = status != GR_OK ? status : ended;
	if (status != GR_OK)
		solve_steps_free(w);
	return status;
}

gr_status solve_steps_next(solve_steps *w)
{
	return gr_solver_step(w->solver);
}

void solve_steps_free(solve_steps *w)
{
	gr_solver_free(w->solver);
	gr_term_free(w->term);
	gr_operator_free(w->A);
	gr_prior_free(w->prior);
	*w = (solve_steps){0};
}
