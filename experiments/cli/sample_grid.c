/*
 * See sample_grid.h. gr_prior_unet_new() would take the network over and freeze it, so a table of
 * our own lends it to the sampler.
 */
#include "sample_grid.h"

#include "canvas.h"
#include "gradus/solver.h"

#define MAX_SAMPLES 1024

static gr_status lent_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	(void)p;
	gr_tensor *t = gr_from_f64(GR_F32, call->t, GR_DIMS(gr_tensor_dim(call->x_t, 0)));
	call->prediction = gr_unet_forward(self, call->x_t, t, NULL);
	return call->prediction ? GR_OK : gr_error_code();
}

static gr_prior *lend(gr_unet *net, gr_prediction prediction)
{
	static const gr_prior_table table = {.name = "unet in training", .predict = lent_predict};
	const gr_unet_config *c = gr_unet_get_config(net);
	return gr_prior_new(&table, net,
		GR_OPTS(gr_prior_opts, .channels = c->in_channels, .height = c->image_size,
			.width = c->image_size, .prediction = prediction));
}

static gr_status draw(const char *path, const gr_prior *prior, int64_t columns, gr_key key)
{
	gr_key keys[MAX_SAMPLES];
	int64_t n = columns * columns;
	for (int64_t i = 0; i < n; i++)
		keys[i] = gr_key_fold(key, (uint64_t)i);
	gr_solver *s = NULL;
	gr_status status = gr_solver_new(&s,
		GR_OPTS(gr_solver_opts, .prior = prior, .n = n, .keys = keys, .method = "ddim",
			.respacing = "ddim50"));
	if (!status)
		status = gr_solver_run(s);
	if (!status && gr_solver_done(s) == gr_solver_steps(s)) {
		const gr_tensor *x = gr_solver_state(s, 0); /* [N,C,H,W] in -1..1 */
		status = gr__canvas_grid(path, x, columns, gr_tensor_dim(x, 3) < 64 ? 2 : 1, 2);
	}
	gr_solver_free(s);
	return status;
}

gr_status gr__sample_grid(const char *path, gr_unet *net, const gr_grid_opts *opts)
{
	int64_t columns = opts->columns ? opts->columns : 8;
	if (columns < 1 || columns * columns > MAX_SAMPLES)
		return gr_error_set(GR_EARG, "sample grid: %lld columns", (long long)columns);
	gr_prior *prior = lend(net, opts->prediction);
	if (!prior)
		return gr_error_code();
	bool recording = gr_set_recording(false);
	gr_status status = gr_scope_begin();
	if (!status) {
		status = draw(path, prior, columns, opts->key);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr_set_recording(recording);
	gr_prior_free(prior);
	return status;
}
