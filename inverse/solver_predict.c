/* The prior's evaluation in a step, with the terms that join after it (see gradus/method.h). */
#include "gradus/ops.h"
#include "solver_priv.h"

/* The weighted sum of all terms at this hook, over all samples. */
static gr_tensor *add_terms(gr_solver *s, const gr_term_ctx *ctx)
{
	gr_tensor *total = NULL;
	for (int i = 0; i < s->terms; i++) {
		s->value[i] = gr_term_eval(s->term[i], ctx);
		gr_tensor *part =
			gr_mul_s(gr_sum(s->value[i], GR_ALL_AXES, false), gr_term_weight(s->term[i]));
		total = total ? gr_add(total, part) : part;
		if (!total)
			return NULL;
	}
	return total;
}

static gr_status evaluate(gr_solver *s, gr_method_step *k)
{
	const gr_solver_opts *o = &s->opts;
	gr_tensor *x_t = s->terms > 0 ? gr_watch(k->x_t) : k->x_t;
	gr_prior_call call = {.x_t = x_t, .t = s->times};
	gr_prediction kind = gr_prior_prediction(o->prior);
	for (int64_t i = 0; i < o->n; i++)
		s->times[i] = (double)k->t;
	gr_status status = x_t ? gr_prior_predict(o->prior, &call) : gr_error_code();
	if (status)
		return status;
	s->evaluations++;
	k->x0_hat = gr_predicted_x0(kind, x_t, call.prediction, k->alpha_bar);
	if (!o->no_clip)
		k->x0_hat = gr_clamp(k->x0_hat, -1.0, 1.0);
	k->eps = gr_predicted_eps(kind, x_t, call.prediction, k->alpha_bar);
	k->variance = call.variance;
	if (!k->x0_hat || !k->eps || s->terms == 0)
		return gr_error_code();
	const gr_term_ctx ctx = {
		.hook = GR_HOOK_PREDICT,
		.prior = o->prior,
		.x_t = x_t,
		.eps = k->eps,
		.x0_hat = k->x0_hat,
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
		.particles = o->particles,
		.keys = s->keys,
	};
	gr_tensor *total = add_terms(s, &ctx);
	if (!total)
		return gr_error_code();
	k->loss = gr_estimating() ? 0.0 : gr_item(total) / (double)o->n;
	s->gradients++;
	return gr_grad(&k->gradient, total, 1, &x_t, NULL);
}

gr_status gr_solver_predict(gr_solver *s, gr_method_step *k)
{
	bool recording = gr_set_recording(s->terms > 0);
	gr_status status = evaluate(s, k);
	gr_set_recording(recording);
	return status;
}
