/* The prior's evaluation in a step, with the terms that join after it (see gradus/method.h). */
#include "gradus/ops.h"
#include "solver_priv.h"

static gr_status evaluate(gr_solver *s, gr_method_step *k)
{
	const gr_solver_opts *o = &s->opts;
	bool keeps = (s->method->needs & GR_METHOD_JACOBIAN) != 0;
	bool guided = gr__solver_count_terms(s, GR_HOOK_PREDICT) > 0;
	k->leaf = keeps || guided ? gr_watch(k->x_t) : NULL;
	gr_tensor *x_t = k->leaf ? k->leaf : k->x_t;
	gr_prior_call call = {.x_t = x_t, .t = s->times, .want_features = s->features};
	gr_prediction kind = gr_prior_prediction(o->prior);
	for (int64_t i = 0; i < o->n; i++)
		s->times[i] = k->time;
	gr_status status = gr_failed() ? gr_error_code() : gr_prior_predict(o->prior, &call);
	if (status)
		return status;
	s->evaluations += call.evaluations;
	s->gradients += keeps;
	k->x0_raw = gr_predicted_x0(kind, x_t, call.prediction, k->alpha_bar);
	k->x0_hat = gr_solver_clip(s, k->x0_raw);
	k->eps = gr_predicted_eps(kind, x_t, call.prediction, k->alpha_bar);
	k->variance = call.variance;
	if (!k->x0_hat || !k->eps || !guided)
		return gr_error_code();
	gr_tensor *total = NULL;
	gr_tensor *image = NULL;
	gr_term_ctx ctx = {
		.hook = GR_HOOK_PREDICT,
		.x_t = x_t,
		.eps = k->eps,
		.x0_hat = k->x0_hat,
		.features = call.features,
		.image = &image,
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
	};
	status = gr__solver_add_terms(s, &ctx, &total);
	if (status)
		return status;
	k->loss = gr_estimating() ? 0.0 : gr_item(total) / (double)o->n;
	if (!gr_is_tracked(total)) /* no term has anything to say in this step */
		return GR_OK;
	s->gradients += !keeps;
	return gr_grad(&k->gradient, total, 1, &x_t, GR_OPTS(gr_grad_opts, .keep_graph = keeps));
}

gr_status gr_solver_predict(gr_solver *s, gr_method_step *k)
{
	bool recording = gr_set_recording(gr__solver_count_terms(s, GR_HOOK_PREDICT) > 0 ||
		(s->method->needs & GR_METHOD_JACOBIAN) != 0);
	gr_status status = evaluate(s, k);
	gr_set_recording(recording);
	return status;
}

gr_status gr_solver_evaluate(gr_solver *s, gr_tensor *x, double alpha_bar, gr_estimate_at *out)
{
	const gr_solver_opts *o = &s->opts;
	gr_prior_call call = {.x_t = x, .t = s->times, .want_features = s->features};
	gr_prediction kind = gr_prior_prediction(o->prior);
	double t = gr_prior_time(o->prior, alpha_bar);
	for (int64_t i = 0; i < o->n; i++)
		s->times[i] = t;
	gr_status status = gr_failed() ? gr_error_code() : gr_prior_predict(o->prior, &call);
	if (status)
		return status;
	s->evaluations += call.evaluations;
	s->gradients += gr_is_tracked(x);
	out->x0_raw = gr_predicted_x0(kind, x, call.prediction, alpha_bar);
	out->x0_hat = gr_solver_clip(s, out->x0_raw);
	out->eps = gr_predicted_eps(kind, x, call.prediction, alpha_bar);
	out->features = call.features;
	return out->x0_hat && out->eps ? GR_OK : gr_error_code();
}

gr_tensor *gr_solver_pullback(gr_solver *s, const gr_method_step *k, gr_tensor *w)
{
	gr_tensor *product = NULL;
	if (!w)
		return NULL;
	if ((s->method->needs & GR_METHOD_JACOBIAN) == 0 || !k->leaf) {
		gr_error_set(GR_ESTATE, "method %s: no graph is kept; hint: GR_METHOD_JACOBIAN",
			s->method->name);
		return NULL;
	}
	gr_tensor *leaf = k->leaf;
	const gr_grad_opts opts = {.size = sizeof(opts),
		.cotangent = w,
		.keep_graph = true,
		.allow_unused = true};
	return gr_grad(&product, k->x0_raw, 1, &leaf, &opts) ? NULL : product;
}
