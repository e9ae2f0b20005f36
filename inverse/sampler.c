/*
 * Ancestral and implicit sampling with guidance (see gradus/sampler.h).
 *
 * With A = alpha_bar at step j, Ap the one before, x0_hat the (clipped) estimate:
 *   DDPM (Ho et al. 2020, eq. 7, Algorithm 2):
 *     x_{j-1} = c1 x0_hat + c2 x_j + [j > 0] exp(logvar / 2) z
 *     logvar: log v_j, or learned: f log beta_j + (1 - f) log v_j, f = (v + 1) / 2
 *     (Nichol and Dhariwal 2021, eq. 15)
 *   DDIM (Song et al. 2021, eq. 12 and 16), eps derived again from the clipped x0_hat:
 *     s = eta sqrt((1 - Ap) / (1 - A)) sqrt(1 - A / Ap)
 *     x_{j-1} = sqrt(Ap) x0_hat + sqrt(1 - Ap - s^2) eps + [j > 0] s z
 * Coefficients are formed in double. The gradient of the terms is taken through clipping and
 * network, with respect to x_j, and subtracted from the step's result (DPS, Algorithm 1).
 */
#include "gradus/sampler.h"

#include <math.h>
#include <string.h>

#include "gradus/noise.h"
#include "gradus/ops.h"
#include "noise_priv.h"

struct gr_sampler {
	gr_sampler_opts opts;
	gr_schedule *schedule;
	int terms;
	gr_term *term[GR_SAMPLER_MAX_TERMS];
	gr_tensor *value[GR_SAMPLER_MAX_TERMS]; /* filled during a step */
	gr_key *keys;                           /* [n] */
	gr_key *step_keys;                      /* [n] */
	double *times;                          /* [n] */
	int64_t steps, done;
	bool stopped;
	gr_tensor *x; /* [N,C,H,W], retained */
};

/* What one step computes; tensors belong to its scope. */
typedef struct step {
	int64_t j; /* index in the schedule, descending */
	int64_t t;
	double alpha_bar;
	gr_tensor *x_t, *x0_hat, *variance;
	gr_tensor *gradient; /* NULL without terms */
	double loss;
} step;

/* --- life --- */

static gr_status check_opts(const gr_sampler_opts *o)
{
	if (!o || !o->prior)
		return gr_error_set(GR_EARG, "sampler: no prior");
	if (o->n < 1 || !o->keys)
		return gr_error_set(GR_EARG,
			"sampler: %lld samples, keys %s; hint: gr_sample_key() of each measurement's key",
			(long long)o->n, o->keys ? "given" : "NULL");
	if (o->kind != GR_SAMPLER_DDPM && o->kind != GR_SAMPLER_DDIM)
		return gr_error_set(GR_EARG, "sampler: unknown kind %d", (int)o->kind);
	if (!(o->eta >= 0.0 && o->eta <= 1.0) || (o->eta != 0.0 && o->kind != GR_SAMPLER_DDIM))
		return gr_error_set(GR_EARG, "sampler: eta is %g; it is DDIM's, from 0 to 1", o->eta);
	if (o->dtype != GR_F32 && o->dtype != GR_F64)
		return gr_error_set(GR_EDTYPE, "sampler: a state of %s", gr_dtype_name(o->dtype));
	if (o->particles < 0 || (o->particles > 0 && o->n % o->particles != 0))
		return gr_error_set(GR_EARG, "sampler: %lld samples are no multiple of %lld particles",
			(long long)o->n, (long long)o->particles);
	return GR_OK;
}

static gr_status copy_lists(gr_sampler *s)
{
	size_t n = (size_t)s->opts.n;
	for (gr_term *const *t = s->opts.terms; t && *t; t++) {
		if (s->terms == GR_SAMPLER_MAX_TERMS)
			return gr_error_set(GR_EARG, "sampler: more than %d terms", GR_SAMPLER_MAX_TERMS);
		s->term[s->terms++] = *t;
	}
	s->keys = gr_alloc(n * sizeof(*s->keys));
	s->step_keys = gr_alloc(n * sizeof(*s->step_keys));
	s->times = gr_alloc(n * sizeof(*s->times));
	if (!s->keys || !s->step_keys || !s->times)
		return gr_error_code();
	memcpy(s->keys, s->opts.keys, n * sizeof(*s->keys));
	return GR_OK;
}

static gr_status draw_start(gr_sampler *s)
{
	if (s->opts.start)
		return gr_sampler_restore(s, s->opts.start, 0);
	for (int64_t i = 0; i < s->opts.n; i++)
		s->step_keys[i] = gr_key_fold_name(s->keys[i], "start");
	gr_scope_begin();
	s->x = gr_tensor_retain(
		gr__noise_normal(s->opts.n, s->step_keys, s->opts.dtype, 3, gr_prior_dims(s->opts.prior)));
	return gr_scope_end();
}

gr_status gr_sampler_new(gr_sampler **out, const gr_sampler_opts *opts)
{
	if (!out)
		return gr_error_set(GR_EARG, "sampler: out is NULL");
	*out = NULL;
	gr_status status = check_opts(opts);
	if (status)
		return status;
	gr_sampler *s = gr_alloc(sizeof(*s));
	if (!s)
		return gr_error_code();
	s->opts = *opts;
	if (s->opts.particles == 0)
		s->opts.particles = 1;
	s->schedule = gr_prior_respace(opts->prior, opts->respacing);
	s->steps = gr_schedule_count(s->schedule);
	status = s->schedule ? copy_lists(s) : gr_error_code();
	if (!status)
		status = draw_start(s);
	/* Pointers that were the caller's for the call only. */
	s->opts.respacing = NULL;
	s->opts.keys = s->keys;
	s->opts.terms = NULL;
	s->opts.start = NULL;
	if (status) {
		gr_sampler_free(s);
		return status;
	}
	*out = s;
	return GR_OK;
}

void gr_sampler_free(gr_sampler *s)
{
	if (!s)
		return;
	gr_tensor_release(s->x);
	gr_schedule_free(s->schedule);
	gr_free(s->keys);
	gr_free(s->step_keys);
	gr_free(s->times);
	gr_free(s);
}

/* --- one step --- */

/* Evaluate prior and terms on one graph. */
static gr_status evaluate(gr_sampler *s, step *k)
{
	gr_prior_call call = {.x_t = k->x_t, .t = s->times};
	gr_prediction kind = gr_prior_prediction(s->opts.prior);
	for (int64_t i = 0; i < s->opts.n; i++)
		s->times[i] = (double)k->t;
	gr_status status = gr_prior_predict(s->opts.prior, &call);
	if (status)
		return status;
	k->x0_hat = gr_predicted_x0(kind, k->x_t, call.prediction, k->alpha_bar);
	if (!s->opts.no_clip)
		k->x0_hat = gr_clamp(k->x0_hat, -1.0, 1.0);
	k->variance = call.variance;
	if (!k->x0_hat || s->terms == 0)
		return k->x0_hat ? GR_OK : gr_error_code();

	const gr_term_ctx ctx = {
		.hook = GR_HOOK_PREDICT,
		.prior = s->opts.prior,
		.x_t = k->x_t,
		.eps = gr_predicted_eps(kind, k->x_t, call.prediction, k->alpha_bar),
		.x0_hat = k->x0_hat,
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
		.particles = s->opts.particles,
		.keys = s->keys,
	};
	gr_tensor *total = NULL;
	for (int i = 0; i < s->terms; i++) {
		s->value[i] = gr_term_eval(s->term[i], &ctx);
		gr_tensor *part =
			gr_mul_s(gr_sum(s->value[i], GR_ALL_AXES, false), gr_term_weight(s->term[i]));
		total = total ? gr_add(total, part) : part;
		if (!total)
			return gr_error_code();
	}
	k->loss = gr_estimating() ? 0.0 : gr_item(total) / (double)s->opts.n;
	return gr_grad(&k->gradient, total, 1, &k->x_t, NULL);
}

/* z of this step: from the sample's key and the base step, so neither batch nor resuming matter. */
static gr_tensor *draw_noise(gr_sampler *s, int64_t t)
{
	for (int64_t i = 0; i < s->opts.n; i++)
		s->step_keys[i] = gr_key_fold(gr_key_fold_name(s->keys[i], "step"), (uint64_t)t);
	return gr__noise_normal(s->opts.n, s->step_keys, s->opts.dtype, 3,
		gr_prior_dims(s->opts.prior));
}

static gr_tensor *ddpm_next(gr_sampler *s, const step *k)
{
	double c1 = gr_schedule_posterior_c1(s->schedule, k->j);
	double c2 = gr_schedule_posterior_c2(s->schedule, k->j);
	gr_tensor *mean = gr_axpby(k->x0_hat, c1, k->x_t, c2);
	if (k->j == 0)
		return mean;
	gr_tensor *z = draw_noise(s, k->t);
	double log_small = gr_schedule_posterior_log_variance(s->schedule, k->j);
	if (!k->variance)
		return gr_axpby(mean, 1.0, z, exp(0.5 * log_small));
	double log_large = log(gr_schedule_beta(s->schedule, k->j));
	/* half of f log_large + (1 - f) log_small, f = (v + 1) / 2 */
	gr_tensor *half =
		gr_affine(k->variance, 0.25 * (log_large - log_small), 0.25 * (log_large + log_small));
	return gr_muladd(gr_exp(half), z, mean);
}

static gr_tensor *ddim_next(gr_sampler *s, const step *k)
{
	double A = k->alpha_bar;
	double Ap = gr_schedule_alpha_bar_prev(s->schedule, k->j);
	double sigma = s->opts.eta * sqrt((1.0 - Ap) / (1.0 - A)) * sqrt(1.0 - A / Ap);
	double along = sqrt(fmax(1.0 - Ap - sigma * sigma, 0.0));
	gr_tensor *eps = gr_predicted_eps(GR_PREDICT_X0, k->x_t, k->x0_hat, A);
	gr_tensor *next = gr_axpby(k->x0_hat, sqrt(Ap), eps, along);
	if (k->j == 0 || sigma == 0.0)
		return next;
	return gr_axpby(next, 1.0, draw_noise(s, k->t), sigma);
}

/* The first sample with a number that is not finite, or -1. */
static int64_t find_bad(const gr_tensor *x)
{
	int64_t n = gr_tensor_dim(x, 0);
	int64_t each = n > 0 ? gr_tensor_size(x) / n : 0;
	const void *data = gr_tensor_data_const(x);
	bool wide = gr_tensor_dtype(x) == GR_F64;
	for (int64_t i = 0; i < n * each; i++) {
		double v = wide ? ((const double *)data)[i] : (double)((const float *)data)[i];
		if (!isfinite(v))
			return i / each;
	}
	return -1;
}

static gr_tensor *next_state(gr_sampler *s, const step *k)
{
	gr_tensor *next = s->opts.kind == GR_SAMPLER_DDIM ? ddim_next(s, k) : ddpm_next(s, k);
	if (k->gradient)
		next = gr_sub(next, k->gradient);
	next = gr_contiguous(next);
	if (!next)
		return NULL;
	int64_t bad = gr_estimating() ? -1 : find_bad(next);
	if (bad >= 0) {
		gr_error_set(GR_ENUMERIC,
			"sampler: sample %lld is not finite after step %lld of %lld (t = %lld)%s",
			(long long)bad, (long long)s->done + 1, (long long)s->steps, (long long)k->t,
			s->terms > 0 ? "; hint: smaller weights of the terms" : "");
		return NULL;
	}
	return next;
}

static void report(gr_sampler *s, const step *k)
{
	const gr_sampler_report r = {
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
		.x = s->x,
		.x0_hat = k->x0_hat,
		.loss = k->loss,
		.terms = s->terms,
		.value = s->value,
	};
	if (s->opts.on_step && s->opts.on_step(&r, s->opts.payload) != 0)
		s->stopped = true;
}

static gr_status run_step(gr_sampler *s)
{
	step k = {.j = s->steps - 1 - s->done};
	k.t = gr_schedule_timestep(s->schedule, k.j);
	k.alpha_bar = gr_schedule_alpha_bar(s->schedule, k.j);
	bool guided = s->terms > 0;
	bool recording = gr_set_recording(guided);
	k.x_t = guided ? gr_watch(s->x) : s->x;
	gr_status status = k.x_t ? evaluate(s, &k) : gr_error_code();
	gr_set_recording(false);
	gr_tensor *next = status ? NULL : next_state(s, &k);
	if (next) {
		gr_tensor_release(s->x);
		s->x = gr_tensor_retain(next);
		s->done++;
		report(s, &k);
	}
	gr_set_recording(recording);
	return next ? GR_OK : gr_error_code();
}

gr_status gr_sampler_step(gr_sampler *s)
{
	if (!s)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "sampler: it is NULL");
	if (s->done >= s->steps)
		return gr_error_set(GR_ESTATE, "sampler: all %lld steps are done", (long long)s->steps);
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	status = run_step(s);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_status gr_sampler_run(gr_sampler *s)
{
	if (!s)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "sampler: it is NULL");
	gr_status status = GR_OK;
	s->stopped = false;
	while (!status && s->done < s->steps && !s->stopped && !gr_interrupted())
		status = gr_sampler_step(s);
	return status;
}

/* --- state --- */

int64_t gr_sampler_steps(const gr_sampler *s)
{
	return s ? s->steps : 0;
}

int64_t gr_sampler_done(const gr_sampler *s)
{
	return s ? s->done : 0;
}

bool gr_is_sampler_stopped(const gr_sampler *s)
{
	return s && s->stopped;
}

gr_tensor *gr_sampler_state(const gr_sampler *s)
{
	return s ? s->x : NULL;
}

gr_status gr_sampler_restore(gr_sampler *s, gr_tensor *x, int64_t done)
{
	char is[96];
	if (!s || !x)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "sampler restore: %s is NULL", s ? "x" : "s");
	const int64_t *dims = gr_prior_dims(s->opts.prior);
	if (gr_tensor_ndim(x) != 4 || gr_tensor_dim(x, 0) != s->opts.n ||
		memcmp(gr_tensor_dims(x) + 1, dims, 3 * sizeof(*dims)) != 0 ||
		gr_tensor_dtype(x) != s->opts.dtype)
		return gr_error_set(GR_ESHAPE,
			"sampler restore: x is %s, expected %s [%lld,%lld,%lld,%lld]",
			gr_tensor_describe(x, is, sizeof(is)), gr_dtype_name(s->opts.dtype),
			(long long)s->opts.n, (long long)dims[0], (long long)dims[1], (long long)dims[2]);
	if (done < 0 || done > s->steps)
		return gr_error_set(GR_EARG, "sampler restore: %lld of %lld steps done", (long long)done,
			(long long)s->steps);
	gr_scope_begin();
	gr_tensor *copy = gr_tensor_retain(gr_contiguous(gr_stop_gradient(x)));
	gr_status status = gr_scope_end();
	if (status) {
		gr_tensor_release(copy);
		return status;
	}
	gr_tensor_release(s->x);
	s->x = copy;
	s->done = done;
	s->stopped = false;
	return GR_OK;
}

gr_tensor *gr_sample(const gr_sampler_opts *opts)
{
	gr_sampler *s = NULL;
	gr_tensor *x = NULL;
	if (gr_sampler_new(&s, opts) || !s)
		return NULL;
	if (!gr_sampler_run(s)) {
		if (s->done == s->steps)
			x = gr_stop_gradient(s->x);
		else
			gr_error_set(GR_ESTATE, "sample: stopped after %lld of %lld steps", (long long)s->done,
				(long long)s->steps);
	}
	gr_sampler_free(s);
	return x;
}
