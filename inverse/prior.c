/*
 * What all priors share: checks, the schedule, conversions between predictions. The kinds are in
 * prior_unet.c and prior_gaussian.c.
 *
 * Parametrisation: x_t = a x_0 + s eps with a = sqrt(A_t), s = sqrt(1 - A_t); v = a eps - s x_0,
 * so x_0 = a x_t - s v and eps = s x_t + a v.
 */
#include "prior_priv.h"

#include <math.h>

#include "gradus/ops.h"

static gr_status init(gr_prior *p, const gr_prior_table *table, const gr_prior_opts *opts)
{
	if (!opts || opts->channels < 1 || opts->height < 1 || opts->width < 1)
		return gr_error_set(GR_EARG, "prior %s: channels, height and width are needed",
			table->name ? table->name : "");
	if (!table->predict)
		return gr_error_set(GR_EARG, "prior %s: it has no predict", table->name);
	if (opts->prediction < GR_PREDICT_EPS || opts->prediction > GR_PREDICT_V)
		return gr_error_set(GR_EARG, "prior %s: unknown prediction %d", table->name,
			(int)opts->prediction);
	p->dims[0] = opts->channels;
	p->dims[1] = opts->height;
	p->dims[2] = opts->width;
	p->prediction = opts->prediction;
	if (opts->schedule)
		p->schedule = *opts->schedule;
	if (p->schedule.respacing && *p->schedule.respacing)
		return gr_error_set(GR_EARG,
			"prior %s: its own schedule is not respaced; hint: respacing is the sampler's option",
			table->name);
	p->schedule.respacing = NULL;
	p->base = gr_schedule_new(&p->schedule);
	return p->base ? GR_OK : gr_error_code();
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

double gr_prior_alpha_bar(const gr_prior *p, double t)
{
	int64_t last = gr_schedule_count(p ? p->base : NULL) - 1;
	if (!p || !(t >= 0.0 && t <= (double)last)) {
		gr_error_set(GR_EARG, "prior: base step %g, expected 0 to %lld", t, (long long)last);
		return NAN;
	}
	int64_t below = (int64_t)t;
	double a = gr_schedule_alpha_bar(p->base, below);
	double part = t - (double)below;
	if (part == 0.0)
		return a;
	return exp((1.0 - part) * log(a) + part * log(gr_schedule_alpha_bar(p->base, below + 1)));
}

double gr_prior_time(const gr_prior *p, double alpha_bar)
{
	int64_t last = gr_schedule_count(p ? p->base : NULL) - 1;
	if (!p || !(alpha_bar >= 0.0 && alpha_bar <= 1.0)) {
		gr_error_set(GR_EARG, "prior: alpha_bar %g, expected 0 to 1", alpha_bar);
		return NAN;
	}
	if (alpha_bar >= gr_schedule_alpha_bar(p->base, 0))
		return 0.0;
	if (alpha_bar <= gr_schedule_alpha_bar(p->base, last))
		return (double)last;
	int64_t below = 0; /* A falls with the step: A[below] > alpha_bar >= A[above] */
	int64_t above = last;
	while (above - below > 1) {
		int64_t middle = below + (above - below) / 2;
		*(gr_schedule_alpha_bar(p->base, middle) > alpha_bar ? &below : &above) = middle;
	}
	double high = gr_schedule_alpha_bar(p->base, below);
	double low = gr_schedule_alpha_bar(p->base, above);
	return (double)below + log(high / alpha_bar) / log(high / low);
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
	status = p->table.predict(p->self, p, call);
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

static bool is_alpha_bar(double alpha_bar)
{
	if (alpha_bar > 0.0 && alpha_bar < 1.0)
		return true;
	gr_error_set(GR_EARG, "prediction: alpha_bar is %g, expected inside (0,1)", alpha_bar);
	return false;
}

gr_tensor *gr_predicted_x0(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar)
{
	double A = alpha_bar;
	if (!is_alpha_bar(A))
		return NULL;
	switch (kind) {
	case GR_PREDICT_EPS: return gr_axpby(x_t, sqrt(1.0 / A), prediction, -sqrt(1.0 / A - 1.0));
	case GR_PREDICT_X0: return prediction;
	case GR_PREDICT_V: return gr_axpby(x_t, sqrt(A), prediction, -sqrt(1.0 - A));
	}
	gr_error_set(GR_EARG, "prediction: unknown kind %d", (int)kind);
	return NULL;
}

gr_tensor *gr_predicted_eps(gr_prediction kind, gr_tensor *x_t, gr_tensor *prediction,
	double alpha_bar)
{
	double A = alpha_bar;
	if (!is_alpha_bar(A))
		return NULL;
	switch (kind) {
	case GR_PREDICT_EPS: return prediction;
	case GR_PREDICT_X0: {
		double s = sqrt(1.0 / A - 1.0);
		return gr_axpby(x_t, sqrt(1.0 / A) / s, prediction, -1.0 / s);
	}
	case GR_PREDICT_V: return gr_axpby(x_t, sqrt(1.0 - A), prediction, sqrt(A));
	}
	gr_error_set(GR_EARG, "prediction: unknown kind %d", (int)kind);
	return NULL;
}
