/*
 * The order of samplers: error against the exact flow of a Gaussian, whose solution is
 *     x_0 = m + sqrt(l / (l + s^2)) (x_T / sqrt(A) - m),  s^2 = (1 - A) / A,
 * coordinate by coordinate of variance l, from the start that the sampler itself drew. The root mean
 * square error falls as steps^-order.
 *
 * The schedule goes down to a noise of 1e-3, so that the step from there to 0, which is of its own
 * order, is not seen.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "certify.h"
#include "gradus/ops.h"
#include "gradus/solver.h"

#define D 8
#define SAMPLES 64

static const struct {
	const char *solver;
	int expected;
} samplers[] = {
	{"ddim", 1},
	{"euler", 1},
	{"heun", 2},
	{"dpmpp2m", 2},
};
#define NSAMPLERS ((int)(sizeof samplers / sizeof *samplers))

static const double means[D] = {0.0, 0.3, -0.5, 1.0, 0.2, -1.0, 0.7, 0.1};
static const double variances[D] = {0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0};

static double error_of(const double *start, const double *found, double A)
{
	double sum = 0.0;
	for (int64_t i = 0; i < SAMPLES * D; i++) {
		double l = variances[i % D], m = means[i % D], s = (1.0 - A) / A;
		double exact = m + sqrt(l / (l + s)) * (start[i] / sqrt(A) - m);
		sum += (found[i] - exact) * (found[i] - exact);
	}
	return sqrt(sum / (SAMPLES * D));
}

static gr_status run_sampler(double *error, const gr_prior *prior, const char *method,
	int64_t steps, uint64_t seed)
{
	double start[SAMPLES * D], found[SAMPLES * D];
	gr_key keys[SAMPLES];
	char respacing[32];
	gr_solver *s = NULL;
	for (int64_t i = 0; i < SAMPLES; i++)
		keys[i] = gr_key_fold(gr_key_seed(seed), (uint64_t)i);
	snprintf(respacing, sizeof respacing, "%lld", (long long)steps);
	gr_status status = gr_solver_new(&s,
		GR_OPTS(gr_solver_opts, .prior = prior, .n = SAMPLES, .keys = keys, .method = method,
			.respacing = respacing, .no_clip = true, .dtype = GR_F64));
	if (status == GR_OK)
		status = gr_tensor_to_f64(gr_solver_state(s, 0), start);
	if (status == GR_OK)
		status = gr_solver_run(s);
	gr_tensor *x = status == GR_OK ? gr_solver_result(s) : NULL;
	if (x != NULL)
		status = gr_tensor_to_f64(x, found);
	gr_solver_free(s);
	const gr_schedule *schedule = gr_prior_schedule(prior);
	if (status == GR_OK && x != NULL)
		*error = error_of(start, found,
			gr_schedule_alpha_bar(schedule, gr_schedule_count(schedule) - 1));
	return status == GR_OK ? gr_error_code() : status;
}

static gr_status measure(gr_sampler_order *o, const gr_prior *prior, uint64_t seed)
{
	gr_status status = GR_OK;
	for (int g = 0; g < GR_CERTIFY_GRIDS && status == GR_OK; g++) {
		o->steps[g] = (int64_t)32 << g;
		gr_scope_begin();
		status = run_sampler(&o->error[g], prior, o->solver, o->steps[g], seed);
		gr_scope_end();
	}
	if (status == GR_OK)
		o->slope = log2(o->error[GR_CERTIFY_GRIDS - 2] / o->error[GR_CERTIFY_GRIDS - 1]);
	return status;
}

static bool is_method(const char *name)
{
	for (int i = 0; i < gr_method_count(); i++)
		if (strcmp(gr_method_list_name(i), name) == 0)
			return true;
	return false;
}

gr_status gr__certify_orders(gr_certified *c)
{
	const gr_schedule_opts schedule = {.size = sizeof schedule,
		.steps = 4096,
		.beta_first = 1e-6,
		.beta_last = 0.006};
	gr_status status = GR_OK;
	gr_scope_begin();
	gr_prior *prior =
		gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts,
								  .mean = gr_from_f64(GR_F64, means, GR_DIMS(1, 1, D)),
								  .variances = gr_from_f64(GR_F64, variances, GR_DIMS(1, 1, D))),
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = D, .schedule = &schedule));
	for (int i = 0; i < NSAMPLERS && prior != NULL && status == GR_OK; i++) {
		if (!is_method(samplers[i].solver))
			continue;
		gr_sampler_order *o = &c->order[c->orders++];
		*o = (gr_sampler_order){.solver = samplers[i].solver, .expected = samplers[i].expected};
		status = measure(o, prior, c->opts.seed);
	}
	gr_prior_free(prior);
	gr_status ended = gr_scope_end();
	return status == GR_OK ? ended : status;
}
