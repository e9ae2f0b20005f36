/*
 * What all priors share: checks, the schedule, conversions between predictions. The kinds are in
 * prior_unet.c and prior_gaussian.c.
 *
 * Parametrisation: x_t = a x_0 + b eps with a = sqrt(A_t), b = sqrt(1 - A_t).
 *     v = a eps - b x_0:     x_0 = a x_t - b v,                eps = b x_t + a v
 *     flow u = eps - x_0:    x_0 = (x_t - b u) / (a + b),      eps = (x_t + a u) / (a + b)
 *     score s = -eps / b:    x_0 = (x_t + b^2 s) / a,          eps = -b s
 * v and the flow are regular from A = 0 to A = 1 (docs/design/017-one-coordinate-system.md).
 */
#include "prior_priv.h"

#include <math.h>

#include "gradus/ops.h"
#include "schedule_priv.h"

static gr_status init(gr_prior *p, const gr_prior_table *table, const gr_prior_opts *opts)
{
	if (!opts || opts->channels < 1 || opts->height < 1 || opts->width < 1)
		return gr_error_set(GR_EARG, "prior %s: channels, height and width are needed",
			table->name ? table->name : "");
	if (!table->predict)
		return gr_error_set(GR_EARG, "prior %s: it has no predict", table->name);
	if (opts->prediction < GR_PREDICT_EPS || opts->prediction > GR_PREDICT_SCORE)
		return gr_error_set(GR_EARG, "prior %s: unknown prediction %d", table->name,
			(int)opts->prediction);
	p->dims[0] = opts->channels;
	p->dims[1] = opts->height;
	p->dims[2] = opts->width;
	p->image_dims[0] = opts->image_channels ? opts->image_channels : opts->channels;
	p->image_dims[1] = opts->image_height ? opts->image_height : opts->height;
	p->image_dims[2] = opts->image_width ? opts->image_width : opts->width;
	p->classes = opts->classes;
	p->prediction = opts->prediction;
	if (opts->schedule)
		p->schedule = *opts->schedule;
	if (p->schedule.respacing && *p->schedule.respacing)
		return gr_error_set(GR_EARG,
			"prior %s: its own schedule is not respaced; hint: respacing is the sampler's option",
			table->name);
	p->schedule.respacing = NULL;
	p->base = gr_schedule_new(&p->schedule);
	if (!p->base)
		return gr_error_code();
	if ((p->prediction == GR_PREDICT_EPS || p->prediction == GR_PREDICT_SCORE) &&
		gr_schedule_alpha_bar(p->base, gr_schedule_count(p->base) - 1) == 0.0)
		return gr_error_set(GR_EARG,
			"prior %s: on a schedule that begins with noise alone, its prediction says nothing of "
			"x_0 there; hint: it must predict x_0, v or the flow",
			table->name);
	return GR_OK;
}

gr_prior *gr_prior_new(const gr_prior_table *table, void *self, const gr_prior_opts *opts)
{
	if (!table) {
		gr_error_set(GR_EARG, "prior: no table given");
		return NULL;
	}
	gr_prior *p = gr_alloc(sizeof(*p));
	if (!p) {
		if (table->free)
			table->free(self);
		return NULL;
	}
	p->table = *table;
	p->self = self;
	if (init(p, table, opts)) {
		gr_prior_free(p);
		return NULL;
	}
	return p;
}

void gr_prior_free(gr_prior *p)
{
	if (!p)
		return;
	if (p->table.free)
		p->table.free(p->self);
	gr_schedule_free(p->base);
	gr_noise_field_free(p->noise);
	gr_free(p);
}

gr_status gr_prior_set_recompute(gr_prior *p, bool on)
{
	if (!p)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "prior: it is NULL");
	if (!p->table.set_recompute)
		return gr_error_set(GR_EUNSUPPORTED, "prior %s: it has no stages to run again",
			p->table.name);
	p->table.set_recompute(p->self, on);
	return GR_OK;
}

const char *gr_prior_name(const gr_prior *p)
{
	return p ? p->table.name : NULL;
}

const int64_t *gr_prior_dims(const gr_prior *p)
{
	return p ? p->dims : NULL;
}

const int64_t *gr_prior_image_dims(const gr_prior *p)
{
	return p ? p->image_dims : NULL;
}

bool gr_is_latent_prior(const gr_prior *p)
{
	return p && p->table.decode;
}

int64_t gr_prior_classes(const gr_prior *p)
{
	return p ? p->classes : 0;
}

gr_prediction gr_prior_prediction(const gr_prior *p)
{
	return p ? p->prediction : GR_PREDICT_EPS;
}

const gr_schedule *gr_prior_schedule(const gr_prior *p)
{
	return p ? p->base : NULL;
}

gr_schedule *gr_prior_respace(const gr_prior *p, const char *respacing)
{
	if (!p) {
		gr_error_set(GR_EARG, "prior respace: the prior is NULL");
		return NULL;
	}
	gr_schedule_opts opts = p->schedule;
	opts.respacing = respacing;
	return gr_schedule_new(&opts);
}

static schedule_base process(const gr_prior *p)
{
	return (schedule_base){p->base->kind, p->base->base_steps, p->base->alpha_bar};
}

double gr_prior_alpha_bar(const gr_prior *p, double t)
{
	int64_t last = gr_schedule_count(p ? p->base : NULL) - 1;
	if (!p || !(t >= 0.0 && t <= (double)last)) {
		gr_error_set(GR_EARG, "prior: base step %g, expected 0 to %lld", t, (long long)last);
		return NAN;
	}
	const schedule_base base = process(p);
	return gr__schedule_alpha_bar(&base, t);
}

double gr_prior_time(const gr_prior *p, double alpha_bar)
{
	if (!p || !(alpha_bar >= 0.0 && alpha_bar <= 1.0)) {
		gr_error_set(GR_EARG, "prior: alpha_bar %g, expected 0 to 1", alpha_bar);
		return NAN;
	}
	const schedule_base base = process(p);
	return gr__schedule_time(&base, alpha_bar);
}

/* --- evaluation --- */

static gr_status check_state(const gr_prior *p, const gr_tensor *x)
{
	char is[96];
	if (!x)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "prior %s: x_t is NULL", p->table.name);
	if (gr_tensor_ndim(x) == 4 && gr_tensor_dim(x, 1) == p->dims[0] &&
		gr_tensor_dim(x, 2) == p->dims[1] && gr_tensor_dim(x, 3) == p->dims[2])
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "prior %s: x_t is %s, expected [N,%lld,%lld,%lld]",
		p->table.name, gr_tensor_describe(x, is, sizeof(is)), (long long)p->dims[0],
		(long long)p->dims[1], (long long)p->dims[2]);
}

gr_status gr_prior_predict(const gr_prior *p, gr_prior_call *call)
{
	if (!p || !call || !call->t)
		return gr_error_set(GR_EARG, "prior predict: %s is NULL",
			!p          ? "the prior"
				: !call ? "the call"
						: "call.t");
	gr_status status = check_state(p, call->x_t);
	if (status)
		return status;
	call->prediction = NULL;
	call->variance = NULL;
	call->features = NULL;
	call->evaluations = 1;
	status = p->conditional && !call->labels ? gr__prior_predict_class(p, call)
											 : p->table.predict(p->self, p, call);
	if (status)
		return status;
	if (!call->prediction)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_ESTATE, "prior %s: no prediction", p->table.name);
	if (!gr_is_same_shape(call->prediction, call->x_t) ||
		(call->variance && !gr_is_same_shape(call->variance, call->x_t)))
		return gr_error_set(GR_ESHAPE, "prior %s: a prediction in another shape than x_t",
			p->table.name);
	return GR_OK;
}

gr_tensor *gr_prior_encode(const gr_prior *p, gr_tensor *image)
{
	return p && p->table.encode ? p->table.encode(p->self, image) : image;
}

gr_tensor *gr_prior_decode(const gr_prior *p, gr_tensor *state)
{
	return p && p->table.decode ? p->table.decode(p->self, state) : state;
}

/* --- conversions --- */

/* Whether A is a level, and the conversion defined there: `low` from 0, `high` up to 1. */
static bool is_alpha_bar(double alpha_bar, bool low, bool high, const char *what)
{
	if ((alpha_bar > 0.0 && alpha_bar < 1.0) || (low && alpha_bar == 0.0) ||
		(high && alpha_bar == 1.0))
		return true;
	gr_error_set(GR_EARG, "prediction: alpha_bar is %g, expected %s0,1%s for %s", alpha_bar,
		low ? "[" : "(", high ? "]" : ")", what);
	return false;
}

gr_tensor *gr_predicted_x0(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar)
{
	double A = alpha_bar;
	bool needs_signal = kind == GR_PREDICT_EPS || kind == GR_PREDICT_SCORE;
	if (!is_alpha_bar(A, !needs_signal, true, "x_0"))
		return NULL;
	double a = sqrt(A);
	double b = sqrt(1.0 - A);
	switch (kind) {
	case GR_PREDICT_EPS: return gr_axpby(x_t, sqrt(1.0 / A), prediction, -sqrt(1.0 / A - 1.0));
	case GR_PREDICT_X0: return prediction;
	case GR_PREDICT_V: return gr_axpby(x_t, a, prediction, -b);
	case GR_PREDICT_FLOW: return gr_axpby(x_t, 1.0 / (a + b), prediction, -b / (a + b));
	case GR_PREDICT_SCORE: return gr_axpby(x_t, 1.0 / a, prediction, (1.0 - A) / a);
	}
	gr_error_set(GR_EARG, "prediction: unknown kind %d", (int)kind);
	return NULL;
}

gr_tensor *gr_predicted_eps(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar)
{
	double A = alpha_bar;
	if (!is_alpha_bar(A, true, kind != GR_PREDICT_X0, "eps"))
		return NULL;
	double a = sqrt(A);
	double b = sqrt(1.0 - A);
	switch (kind) {
	case GR_PREDICT_EPS: return prediction;
	case GR_PREDICT_X0: return gr_axpby(x_t, 1.0 / b, prediction, -a / b);
	case GR_PREDICT_V: return gr_axpby(x_t, b, prediction, a);
	case GR_PREDICT_FLOW: return gr_axpby(x_t, 1.0 / (a + b), prediction, a / (a + b));
	case GR_PREDICT_SCORE: return gr_mul_s(prediction, -b);
	}
	gr_error_set(GR_EARG, "prediction: unknown kind %d", (int)kind);
	return NULL;
}
