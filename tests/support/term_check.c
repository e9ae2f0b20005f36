/* See term_check.h. */
#include "term_check.h"

#include <math.h>

/* Weights of the given number in x's type. */
static gr_tensor *weights(uint64_t number, const gr_tensor *x, int ndim, const int64_t *dims)
{
	int64_t fan = 1;
	for (int i = 1; i < ndim; i++)
		fan *= dims[i];
	gr_tensor *w = nn_normal(9000 + number, GR_F64, ndim, dims);
	return gr_cast(gr_mul_s(w, 1.0 / sqrt((double)fan)), gr_tensor_dtype(x));
}

static gr_tensor *conv(uint64_t number, gr_tensor *x, int64_t K, int64_t stride)
{
	gr_tensor *w = weights(number, x, GR_DIMS(K, gr_tensor_dim(x, 1), 3, 3));
	return gr_conv2d(x, w, GR_OPTS(gr_conv_opts, .stride = stride, .pad = 1));
}

/* --- priors --- */

static gr_status predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	gr_tensor *x = call->x_t;
	(void)self;
	call->prediction = gr_axpby(x, 0.6, gr_tanh(conv(1, x, gr_prior_dims(p)[0], 1)), 0.3);
	if (call->want_features) {
		gr_tensor *h = conv(2, x, 3, gr_prior_dims(p)[1] == 8 ? 2 : 1);
		int64_t n = gr_tensor_dim(x, 0);
		call->features = gr_transpose(gr_reshape(gr_tanh(h), GR_DIMS(n, 3, 16)), 1, 2);
	}
	return gr_error_code();
}

static gr_tensor *encode(void *self, gr_tensor *image)
{
	(void)self;
	return gr_mul_s(gr_tanh(conv(3, image, 2, 2)), 1.5);
}

static gr_tensor *decode(void *self, gr_tensor *state)
{
	(void)self;
	return gr_tanh(conv(4, gr_upsample_nearest2d(state, 2), 1, 1));
}

gr_prior *toy_latent_prior(void)
{
	static const gr_prior_table table = {.name = "toy",
		.predict = predict,
		.encode = encode,
		.decode = decode};
	return gr_prior_new(&table, NULL,
		GR_OPTS(gr_prior_opts, .channels = 2, .height = 4, .width = 4));
}

gr_prior *toy_pixel_prior(void)
{
	static const gr_prior_table table = {.name = "toy", .predict = predict};
	return gr_prior_new(&table, NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 8, .width = 8));
}

/* --- features --- */

static gr_status look(void *self, gr_feature_call *call)
{
	if (self)
		++*(int *)self;
	call->map = gr_tanh(conv(5, call->x, 3, 2));
	return gr_error_code();
}

gr_feature *toy_feature(int *calls)
{
	static const gr_feature_table table = {.name = "toy", .apply = look};
	return gr_feature_new(&table, calls, GR_OPTS(gr_feature_opts, .height = 8, .width = 8));
}

static gr_status look_at_state(void *self, gr_feature_call *call)
{
	(void)self;
	call->map = gr_tanh(conv(6, call->x, 2, 1));
	return gr_error_code();
}

gr_feature *toy_state_feature(void)
{
	static const gr_feature_table table = {.name = "toy",
		.domain = GR_FEATURE_OF_STATES,
		.apply = look_at_state};
	return gr_feature_new(&table, NULL, NULL);
}

/* --- evaluation --- */

gr_term_ctx toy_ctx(const gr_prior *prior, gr_hook hook, gr_tensor *x, int64_t particles)
{
	int64_t n = gr_tensor_dim(x, 0);
	gr_term_ctx ctx = {.hook = hook,
		.prior = prior,
		.steps = 10,
		.t = 400,
		.alpha_bar = gr_prior_alpha_bar(prior, 400.0),
		.particles = particles,
		.keys = some_keys(50, n)};
	gr_tensor *leaf = gr_watch(x);
	if (hook == GR_HOOK_ESTIMATE) {
		ctx.x0_hat = leaf;
		return ctx;
	}
	double t[64];
	for (int64_t i = 0; i < n; i++)
		t[i] = 400.0;
	gr_prior_call call = {.x_t = leaf, .t = t, .want_features = true};
	if (gr_prior_predict(prior, &call))
		return ctx;
	ctx.x_t = leaf;
	ctx.eps = call.prediction;
	ctx.x0_hat = gr_predicted_x0(GR_PREDICT_EPS, leaf, call.prediction, ctx.alpha_bar);
	ctx.features = call.features;
	return ctx;
}

double toy_value(const gr_term *term, const gr_prior *prior, gr_hook hook, gr_tensor *x,
	int64_t particles, gr_tensor **grad)
{
	gr_term_ctx ctx = toy_ctx(prior, hook, x, particles);
	gr_tensor *leaf = hook == GR_HOOK_PREDICT ? ctx.x_t : ctx.x0_hat;
	gr_tensor *total = gr_sum(gr_term_eval(term, &ctx), GR_ALL_AXES, false);
	if (!total)
		return NAN;
	double value = gr_item(gr_stop_gradient(total));
	if (grad && gr_grad(grad, total, 1, &leaf, GR_OPTS(gr_grad_opts, .allow_unused = true)))
		return NAN;
	return value;
}

double toy_gradient_error(const gr_term *term, const gr_prior *prior, gr_hook hook, gr_tensor *x,
	int64_t particles)
{
	const double h = 1e-5;
	gr_tensor *grad = NULL;
	gr_tensor *d = nn_normal(77, GR_F64, gr_tensor_ndim(x), gr_tensor_dims(x));
	if (isnan(toy_value(term, prior, hook, x, particles, &grad)))
		return NAN;
	double up = toy_value(term, prior, hook, gr_axpby(x, 1.0, d, h), particles, NULL);
	double down = toy_value(term, prior, hook, gr_axpby(x, 1.0, d, -h), particles, NULL);
	double slope = (up - down) / (2.0 * h);
	return fabs(dot(grad, d) - slope) / fmax(fabs(slope), 1e-3);
}

gr_tensor *toy_solve(const gr_prior *prior, const char *method, gr_term *const *terms,
	uint64_t first, int64_t n, int64_t particles, gr_dtype dtype)
{
	const gr_solver_opts opts = {.size = sizeof(opts),
		.prior = prior,
		.n = n,
		.keys = some_keys(first, n),
		.method = method,
		.respacing = "4",
		.terms = terms,
		.particles = particles,
		.dtype = dtype};
	return gr_solver_solve(&opts);
}
