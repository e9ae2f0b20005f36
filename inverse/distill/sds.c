/* Score distillation as a term (gradus/sds.h has papers and equation). */
#include "gradus/sds.h"

#include <math.h>

#include "gradus/ops.h"
#include "noise_priv.h"
#include "term_priv.h"

static double weight_at(gr_sds_weight rule, double s)
{
	switch (rule) {
	case GR_SDS_LINEAR: return s;
	case GR_SDS_SQRT: return sqrt(s);
	case GR_SDS_SQUARE: return s * s;
	case GR_SDS_LOG: return log1p(s);
	case GR_SDS_CLIP: return fmin(s, 1.0);
	case GR_SDS_CUBE: return pow(s, 2.0 / 3.0);
	case GR_SDS_CONST: return 1.0;
	}
	return NAN;
}

/* eps_hat - eps, a constant */
static gr_tensor *difference(const gr_prior *prior, gr_tensor *z, double t, double A,
	const gr_key *keys)
{
	int64_t n = gr_tensor_dim(z, 0);
	double *times = gr_alloc((size_t)n * sizeof(*times));
	if (!times)
		return NULL;
	for (int64_t i = 0; i < n; i++)
		times[i] = t;
	gr_tensor *eps = gr__noise_normal(n, keys, gr_tensor_dtype(z), 3, gr_prior_dims(prior));
	gr_tensor *z_t = gr_axpby(gr_stop_gradient(z), sqrt(A), eps, sqrt(1.0 - A));
	gr_prior_call call = {.x_t = z_t, .t = times};
	bool recording = gr_set_recording(false);
	gr_status status = z_t ? gr_prior_predict(prior, &call) : gr_error_code();
	gr_tensor *d = status
		? NULL
		: gr_sub(gr_predicted_eps(gr_prior_prediction(prior), z_t, call.prediction, A), eps);
	gr_set_recording(recording);
	gr_free(times);
	return d;
}

gr_tensor *gr_sds(const gr_prior *prior, gr_tensor *z, double t, const gr_key *keys,
	gr_sds_weight weight)
{
	if (!prior || !z || !keys) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "sds: prior, state and keys are needed");
		return NULL;
	}
	double A = gr_prior_alpha_bar(prior, t);
	double w = weight_at(weight, sqrt((1.0 - A) / A));
	if (!gr_failed() && !isfinite(w))
		gr_error_set(GR_ENUMERIC, "sds: no weight at base step %g, alpha_bar %g; hint: w=clip", t,
			A);
	if (gr_failed())
		return NULL;
	gr_tensor *d = difference(prior, z, t, A, keys);
	return gr_mul_s(gr_sum(gr_mul(d, z), GR_AXES(1, 2, 3), false), w);
}

static gr_tensor *sds_value(void *self, const gr_term_ctx *ctx)
{
	const gr_sds_opts *o = self;
	int64_t n = gr_tensor_dim(ctx->x0_hat, 0);
	double last = (double)(gr_schedule_count(gr_prior_schedule(ctx->prior)) - 1);
	double part = ctx->steps > 1 ? (double)ctx->step / (double)(ctx->steps - 1) : 0.0;
	bool own = o->from == 0.0 && o->to == 0.0;
	double t = own ? gr_prior_time(ctx->prior, ctx->alpha_bar)
				   : last * (o->from + part * (o->to - o->from));
	gr_key *keys = ctx->keys ? gr_alloc((size_t)n * sizeof(*keys)) : NULL;
	if (!keys) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "sds: no keys to draw noise from");
		return NULL;
	}
	for (int64_t i = 0; i < n; i++) {
		gr_key key = gr_key_fold(gr_key_fold_name(ctx->keys[i], "sds"), (uint64_t)ctx->t);
		keys[i] = gr_key_fold(key, (uint64_t)ctx->step);
	}
	if (ctx->evaluations)
		++*ctx->evaluations;
	gr_tensor *value = gr_sds(ctx->prior, ctx->x0_hat, t, keys, o->rule);
	gr_free(keys);
	return value;
}

gr_term *gr_sds_term(const gr_sds_opts *opts)
{
	if (!opts || opts->rule < 0 || opts->rule > GR_SDS_CONST ||
		!(opts->from >= 0.0 && opts->from <= 1.0 && opts->to >= 0.0 && opts->to <= 1.0)) {
		gr_error_set(GR_EARG, "sds: a rule of weights, and levels from 0 to 1, are needed");
		return NULL;
	}
	gr_sds_opts *o = gr_alloc(sizeof(*o));
	if (!o)
		return NULL;
	*o = *opts;
	return gr_term_new("sds", sds_value, o,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = opts->weight,
			.free = gr_free));
}

static gr_term *sds_open(const gr_term_spec *spec, const gr_term_problem *problem)
{
	static const char *const rules[] = {"linear", "sqrt", "square", "log", "clip", "cube", "const",
		NULL};
	(void)problem;
	const gr_sds_opts o = {.size = sizeof(o),
		.weight = gr_term_spec_weight(spec),
		.rule = (gr_sds_weight)gr_term_choice(spec, "w", rules),
		.from = gr_term_number(spec, "from", 0.0, 0.0, 1.0),
		.to = gr_term_number(spec, "to", 0.0, 0.0, 1.0)};
	return gr_failed() ? NULL : gr_sds_term(&o);
}

const gr_term_kind gr__term_kind_sds = {
	.name = "sds",
	.doc =
		"score distillation of the clean estimate; sds:WEIGHT, "
		"w=linear|sqrt|square|log|clip|cube|const, from=0, to=0 (base steps as parts of all; 0 and "
		"0: those of the solver)",
	.source = "Poole et al. 2022; weights of RED-diff's released code",
	.weight = 0.25,
	.open = sds_open,
};
