/*
 * The loop of all solvers: life, states, draws, steps (see gradus/solver.h). Methods are in
 * inverse/methods; what a step asks of the prior is in solver_predict.c.
 */
#include "gradus/solver.h"

#include <math.h>
#include <string.h>

#include "gradus/noise.h"
#include "gradus/ops.h"
#include "prior_priv.h"
#include "solver_priv.h"
#include "spectrum_priv.h"

/* --- life --- */

static gr_status check_opts(const gr_solver_opts *o)
{
	if (!o || !o->prior)
		return gr_error_set(GR_EARG, "solver: no prior");
	if (o->n < 1 || !o->keys)
		return gr_error_set(GR_EARG,
			"solver: %lld samples, keys %s; hint: gr_sample_key() of each measurement's key",
			(long long)o->n, o->keys ? "given" : "NULL");
	if (o->dtype != GR_F32 && o->dtype != GR_F64)
		return gr_error_set(GR_EDTYPE, "solver: a state of %s", gr_dtype_name(o->dtype));
	if (o->particles < 0 || (o->particles > 0 && o->n % o->particles != 0))
		return gr_error_set(GR_EARG, "solver: %lld samples are no multiple of %lld particles",
			(long long)o->n, (long long)o->particles);
	return GR_OK;
}

/* Methods that apply A to states: the two must fit, and y the operator. */
static gr_status check_linear(const gr_solver *s)
{
	const gr_solver_opts *o = &s->opts;
	const int64_t *out = gr_operator_out_dims(o->A);
	char is[96];
	if (!gr_is_linear_operator(o->A))
		return gr_error_set(GR_EUNSUPPORTED, "solver: %s needs a linear operator, %s is none",
			s->method->name, gr_operator_name(o->A));
	if (gr_is_latent_prior(o->prior))
		return gr_error_set(GR_EUNSUPPORTED,
			"solver: %s applies %s to states, and those of prior %s are latents, not images",
			s->method->name, gr_operator_name(o->A), gr_prior_name(o->prior));
	if (memcmp(gr_operator_in_dims(o->A), gr_prior_dims(o->prior), 3 * sizeof(*out)) != 0)
		return gr_error_set(GR_ESHAPE,
			"solver: %s applies %s to the prior's states, which have another size", s->method->name,
			gr_operator_name(o->A));
	if (gr_tensor_ndim(o->y) != 4 || gr_tensor_dim(o->y, 0) != o->n ||
		memcmp(gr_tensor_dims(o->y) + 1, out, 3 * sizeof(*out)) != 0)
		return gr_error_set(GR_ESHAPE, "solver: y is %s, expected [%lld,%lld,%lld,%lld]",
			gr_tensor_describe(o->y, is, sizeof(is)), (long long)o->n, (long long)out[0],
			(long long)out[1], (long long)out[2]);
	return GR_OK;
}

/* Whether method, measurement and terms go together. */
static gr_status check_method(const gr_solver *s)
{
	const gr_method *m = s->method;
	const gr_solver_opts *o = &s->opts;
	bool measured = (m->needs & (GR_METHOD_MEASURED | GR_METHOD_LINEAR)) != 0;
	if (measured && (!o->A || !o->y || !(o->sigma >= 0.0)))
		return gr_error_set(GR_EARG, "solver: %s needs A, y and sigma >= 0", m->name);
	gr_status status = (m->needs & GR_METHOD_LINEAR) ? check_linear(s) : GR_OK;
	if (status)
		return status;
	return GR_OK;
}

/* Where each term joins: the estimate if method and term both can, else the prediction. */
static gr_status place_terms(gr_solver *s)
{
	for (int i = 0; i < s->terms; i++) {
		unsigned both = s->method->hooks & gr_term_hooks(s->term[i]);
		if (both == 0)
			return gr_error_set(GR_EUNSUPPORTED,
				"solver: term %s is about %s, and %s has no gradient with respect to that",
				gr_term_name(s->term[i]),
				(gr_term_hooks(s->term[i]) & GR_AT_PREDICT) ? "the noisy state"
															: "the clean estimate",
				s->method->name);
		s->hook[i] = (both & GR_AT_ESTIMATE) ? GR_HOOK_ESTIMATE : GR_HOOK_PREDICT;
		s->features = s->features || gr_is_term_with_features(s->term[i]);
	}
	return GR_OK;
}

static gr_status copy_lists(gr_solver *s)
{
	size_t n = (size_t)s->opts.n;
	for (gr_term *const *t = s->opts.terms; t && *t; t++) {
		if (s->terms == GR_SOLVER_MAX_TERMS)
			return gr_error_set(GR_EARG, "solver: more than %d terms", GR_SOLVER_MAX_TERMS);
		s->term[s->terms++] = *t;
	}
	s->keys = gr_alloc(n * sizeof(*s->keys));
	s->draw_keys = gr_alloc(n * sizeof(*s->draw_keys));
	s->times = gr_alloc(n * sizeof(*s->times));
	if (!s->keys || !s->draw_keys || !s->times)
		return gr_error_code();
	memcpy(s->keys, s->opts.keys, n * sizeof(*s->keys));
	gr_tensor_retain(s->opts.y);
	return GR_OK;
}

/* The prior's noise, N(0, I) unless it was given another, by the keys of this draw. */
static gr_tensor *draw(gr_solver *s)
{
	return gr__prior_noise(s->opts.prior, s->opts.n, s->draw_keys, s->opts.dtype);
}

gr_tensor *gr_solver_start(gr_solver *s)
{
	for (int64_t i = 0; i < s->opts.n; i++)
		s->draw_keys[i] = gr_key_fold_name(s->keys[i], "start");
	return draw(s);
}

static gr_status open_default(gr_solver *s)
{
	return gr_solver_add_state(s, "x", gr_solver_start(s));
}

static gr_status open_states(gr_solver *s, gr_tensor *start)
{
	gr_scope_begin();
	gr_status status = s->method->open ? s->method->open(s) : open_default(s);
	if (!status && s->states == 0)
		status = gr_error_set(GR_ESTATE, "method %s: it has no state", s->method->name);
	if (!status && start) {
		gr_tensor *states[GR_SOLVER_MAX_STATES];
		memcpy(states, s->state, sizeof(states));
		states[0] = start;
		status = gr_solver_restore(s, states, 0);
	}
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_status gr_solver_new(gr_solver **out, const gr_solver_opts *opts)
{
	if (!out)
		return gr_error_set(GR_EARG, "solver: out is NULL");
	*out = NULL;
	gr_status status = check_opts(opts);
	if (status)
		return status;
	gr_solver *s = gr_alloc(sizeof(*s));
	if (!s)
		return gr_error_code();
	s->opts = *opts;
	s->opts.y = NULL;
	if (s->opts.particles == 0)
		s->opts.particles = 1;
	status = gr__method_read(&s->method, s->params, opts->method ? opts->method : "ddpm");
	if (!status) {
		s->schedule =
			gr_prior_respace(opts->prior, opts->respacing ? opts->respacing : s->method->respacing);
		s->steps = gr_schedule_count(s->schedule);
		status = s->schedule ? GR_OK : gr_error_code();
	}
	if (!status) {
		s->opts.y = opts->y;
		status = copy_lists(s);
	}
	if (!status)
		status = check_method(s);
	if (!status)
		status = place_terms(s);
	if (!status)
		status = open_states(s, opts->start);
	/* Pointers that were the caller's for the call only. */
	s->opts.method = NULL;
	s->opts.respacing = NULL;
	s->opts.keys = s->keys;
	s->opts.terms = NULL;
	s->opts.start = NULL;
	if (status) {
		gr_solver_free(s);
		return status;
	}
	*out = s;
	return GR_OK;
}

void gr_solver_free(gr_solver *s)
{
	if (!s)
		return;
	for (int i = 0; i < s->states; i++)
		gr_tensor_release(s->state[i]);
	gr_tensor_release(s->opts.y);
	gr_schedule_free(s->schedule);
	gr__spectrum_free(s->spectrum);
	gr_free(s->keys);
	gr_free(s->draw_keys);
	gr_free(s->times);
	gr_free(s);
}

/* --- for methods --- */

const gr_prior *gr_solver_prior(const gr_solver *s)
{
	return s->opts.prior;
}

const gr_schedule *gr_solver_schedule(const gr_solver *s)
{
	return s->schedule;
}

const gr_operator *gr_solver_operator(const gr_solver *s)
{
	return s->opts.A;
}

gr_tensor *gr_solver_measurement(const gr_solver *s)
{
	return s->opts.y;
}

double gr_solver_sigma(const gr_solver *s)
{
	return s->opts.sigma;
}

gr_dtype gr__solver_dtype(const gr_solver *s)
{
	return s->opts.dtype;
}

const gr_spectrum *gr__solver_spectrum(gr_solver *s, double smallest)
{
	if (!s->spectrum && gr__spectrum_new(&s->spectrum, s->opts.A, smallest))
		return NULL;
	return s->spectrum;
}

gr_status gr_solver_add_state(gr_solver *s, const char *name, gr_tensor *value)
{
	if (!value)
		return gr_failed()
			? gr_error_code()
			: gr_error_set(GR_EARG, "method %s: state %s is NULL", s->method->name, name);
	if (s->states == GR_SOLVER_MAX_STATES)
		return gr_error_set(GR_EARG, "method %s: more than %d states", s->method->name,
			GR_SOLVER_MAX_STATES);
	s->state_name[s->states] = name;
	s->state[s->states++] = gr_tensor_retain(value);
	return GR_OK;
}

gr_status gr_solver_set_state(gr_solver *s, int i, gr_tensor *value)
{
	if (!value)
		return gr_failed()
			? gr_error_code()
			: gr_error_set(GR_EARG, "method %s: state %d is NULL", s->method->name, i);
	if (i < 0 || i >= s->states || !gr_is_same_shape(value, s->state[i]))
		return gr_error_set(GR_ESHAPE, "method %s: no state %d of that shape", s->method->name, i);
	s->next[i] = gr_contiguous(value);
	return s->next[i] ? GR_OK : gr_error_code();
}

gr_tensor *gr_solver_noise(gr_solver *s, const char *name, uint64_t index)
{
	for (int64_t i = 0; i < s->opts.n; i++)
		s->draw_keys[i] = gr_key_fold(gr_key_fold_name(s->keys[i], name), index);
	return draw(s);
}

/* --- one step --- */

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

static gr_status check_finite(const gr_solver *s, const gr_method_step *k)
{
	for (int i = 0; i < s->states && !gr_estimating(); i++) {
		int64_t bad = s->next[i] ? find_bad(s->next[i]) : -1;
		if (bad >= 0)
			return gr_error_set(GR_ENUMERIC,
				"solver: sample %lld is not finite after step %lld of %lld (t = %lld)%s",
				(long long)bad, (long long)s->done + 1, (long long)s->steps, (long long)k->t,
				s->terms > 0 ? "; hint: smaller weights of the terms" : "");
	}
	return GR_OK;
}

static void commit(gr_solver *s)
{
	for (int i = 0; i < s->states; i++) {
		if (!s->next[i])
			continue;
		gr_tensor_retain(s->next[i]); /* it may be the state itself */
		gr_tensor_release(s->state[i]);
		s->state[i] = s->next[i];
	}
	s->done++;
}

static void report(gr_solver *s, const gr_method_step *k)
{
	const gr_solver_report r = {
		.step = s->done,
		.steps = s->steps,
		.t = k->t,
		.alpha_bar = k->alpha_bar,
		.x = s->state[0],
		.x0_hat = k->x0_hat,
		.loss = k->loss,
		.terms = s->terms,
		.value = s->value,
	};
	if (s->opts.on_step && s->opts.on_step(&r, s->opts.payload) != 0)
		s->stopped = true;
}

/* Whole base steps count as such; no two times have an index in common. */
static uint64_t draw_index(double time)
{
	uint64_t bits;
	if (time == rint(time))
		return (uint64_t)time;
	memcpy(&bits, &time, sizeof(bits));
	return bits;
}

static gr_status run_step(gr_solver *s)
{
	int64_t j = s->steps - 1 - s->done;
	double time = gr_schedule_time(s->schedule, j);
	gr_method_step k = {.i = s->done,
		.j = j,
		.t = gr_schedule_timestep(s->schedule, j),
		.time = time,
		.draw = draw_index(time),
		.alpha_bar = gr_schedule_alpha_bar(s->schedule, j),
		.alpha_bar_prev = gr_schedule_alpha_bar_prev(s->schedule, j),
		.x_t = s->state[0]};
	memset(s->next, 0, sizeof(s->next));
	memset(s->value, 0, sizeof(s->value));
	bool recording = gr_set_recording(false);
	gr_status status = s->method->step(s, &k);
	if (!status)
		status = check_finite(s, &k);
	if (!status) {
		commit(s);
		report(s, &k);
	}
	gr_set_recording(recording);
	return status;
}

gr_status gr_solver_step(gr_solver *s)
{
	if (!s)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "solver: it is NULL");
	if (s->done >= s->steps)
		return gr_error_set(GR_ESTATE, "solver: all %lld steps are done", (long long)s->steps);
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	status = run_step(s);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_status gr_solver_run(gr_solver *s)
{
	if (!s)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "solver: it is NULL");
	gr_status status = GR_OK;
	s->stopped = false;
	while (!status && s->done < s->steps && !s->stopped && !gr_interrupted())
		status = gr_solver_step(s);
	return status;
}

/* --- state --- */

int64_t gr_solver_steps(const gr_solver *s)
{
	return s ? s->steps : 0;
}

int64_t gr_solver_done(const gr_solver *s)
{
	return s ? s->done : 0;
}

bool gr_is_solver_stopped(const gr_solver *s)
{
	return s && s->stopped;
}

int64_t gr_solver_evaluations(const gr_solver *s)
{
	return s ? s->evaluations : 0;
}

int64_t gr_solver_gradients(const gr_solver *s)
{
	return s ? s->gradients : 0;
}

int gr_solver_state_count(const gr_solver *s)
{
	return s ? s->states : 0;
}

const char *gr_solver_state_name(const gr_solver *s, int i)
{
	return s && i >= 0 && i < s->states ? s->state_name[i] : NULL;
}

gr_tensor *gr_solver_state(const gr_solver *s, int i)
{
	return s && i >= 0 && i < s->states ? s->state[i] : NULL;
}

static gr_status check_state(const gr_solver *s, int i, const gr_tensor *x)
{
	char is[96];
	char expected[96];
	if (!x)
		return gr_failed() ? gr_error_code()
						   : gr_error_set(GR_EARG, "solver restore: %s is NULL", s->state_name[i]);
	if (gr_is_same_shape(x, s->state[i]) && gr_tensor_dtype(x) == gr_tensor_dtype(s->state[i]))
		return GR_OK;
	return gr_error_set(GR_ESHAPE, "solver restore: %s is %s, expected %s", s->state_name[i],
		gr_tensor_describe(x, is, sizeof(is)),
		gr_tensor_describe(s->state[i], expected, sizeof(expected)));
}

gr_status gr_solver_restore(gr_solver *s, gr_tensor *const *states, int64_t done)
{
	if (!s || !states)
		return gr_failed()
			? gr_error_code()
			: gr_error_set(GR_EARG, "solver restore: the %s is NULL", s ? "list" : "solver");
	gr_tensor *copy[GR_SOLVER_MAX_STATES] = {NULL};
	gr_status status = GR_OK;
	for (int i = 0; i < s->states && !status; i++)
		status = check_state(s, i, states[i]);
	if (status)
		return status;
	if (done < 0 || done > s->steps)
		return gr_error_set(GR_EARG, "solver restore: %lld of %lld steps done", (long long)done,
			(long long)s->steps);
	gr_scope_begin();
	for (int i = 0; i < s->states; i++)
		copy[i] = gr_tensor_retain(gr_contiguous(gr_stop_gradient(states[i])));
	status = gr_scope_end();
	for (int i = 0; i < s->states; i++) {
		gr_tensor_release(status ? copy[i] : s->state[i]);
		if (!status)
			s->state[i] = copy[i];
	}
	if (status)
		return status;
	s->done = done;
	s->stopped = false;
	return GR_OK;
}

gr_tensor *gr_solver_result(gr_solver *s)
{
	if (!s)
		return NULL;
	return gr_stop_gradient(s->method->result ? s->method->result(s) : s->state[0]);
}

gr_tensor *gr_solver_image(gr_solver *s)
{
	if (!s)
		return NULL;
	if (s->method->image)
		return gr_stop_gradient(s->method->image(s));
	return gr_prior_decode(s->opts.prior, gr_solver_result(s));
}

gr_tensor *gr_solver_solve(const gr_solver_opts *opts)
{
	gr_solver *s = NULL;
	gr_tensor *x = NULL;
	if (gr_solver_new(&s, opts) || !s)
		return NULL;
	if (!gr_solver_run(s)) {
		if (s->done == s->steps)
			x = gr_solver_result(s);
		else
			gr_error_set(GR_ESTATE, "solve: stopped after %lld of %lld steps", (long long)s->done,
				(long long)s->steps);
	}
	gr_solver_free(s);
	return x;
}
