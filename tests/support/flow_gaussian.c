/* See flow_gaussian.h. */
#include "flow_gaussian.h"

#include <math.h>
#include <stdio.h>

const double flow_gaussian_mean[FG_D] = {0.3, -0.2, 0.5, 0.0, 0.7, -0.6};
const double flow_gaussian_variance[FG_D] = {0.1, 0.5, 1.5, 0.25, 0.3, 0.7};

gr_prior *flow_gaussian_new(gr_schedule_kind kind)
{
	const gr_gaussian_opts law = {.size = sizeof(law),
		.mean = gr_from_f64(GR_F64, flow_gaussian_mean, GR_DIMS(1, 2, 3)),
		.variances = gr_from_f64(GR_F64, flow_gaussian_variance, GR_DIMS(1, 2, 3))};
	return gr_prior_gaussian_new(&law,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 3,
			.prediction = GR_PREDICT_FLOW, .schedule = GR_OPTS(gr_schedule_opts, .kind = kind)));
}

gr_solver_opts flow_gaussian_opts(const gr_prior *p, int64_t n, const char *method,
	const char *respacing)
{
	return (gr_solver_opts){.size = sizeof(gr_solver_opts),
		.prior = p,
		.n = n,
		.keys = some_keys(1, n),
		.method = method,
		.respacing = respacing,
		.no_clip = true,
		.dtype = GR_F64};
}

double flow_gaussian_error(const gr_prior *p, const char *method, const char *respacing,
	int64_t *evaluations)
{
	enum { N = 4 };
	gr_solver *s = NULL;
	double start[N * FG_D];
	double worst = 0.0;
	const gr_solver_opts opts = flow_gaussian_opts(p, N, method, respacing);
	gr_status status = gr_solver_new(&s, &opts);
	if (status)
		return INFINITY;
	gr_schedule *levels = gr_prior_respace(p, respacing);
	double A = gr_schedule_alpha_bar(levels, gr_schedule_count(levels) - 1);
	gr_schedule_free(levels);
	status = gr_tensor_to_f64(gr_solver_state(s, 0), start);
	if (!status)
		status = gr_solver_run(s);
	const double *x = status ? start : gr_tensor_data_const(gr_solver_result(s));
	for (int i = 0; i < N * FG_D; i++) {
		double m = flow_gaussian_mean[i % FG_D], l = flow_gaussian_variance[i % FG_D];
		double expected = m + sqrt(l) * (start[i] - sqrt(A) * m) / sqrt(A * l + 1.0 - A);
		worst = fmax(worst, fabs(x[i] - expected));
	}
	if (evaluations)
		*evaluations = gr_solver_evaluations(s);
	gr_solver_free(s);
	return status ? (double)INFINITY : worst;
}

double flow_gaussian_order(const gr_prior *p, const char *method, const char *levels, int steps)
{
	double error[2];
	for (int i = 0; i < 2; i++) {
		char text[32];
		snprintf(text, sizeof(text), "%s%d", levels, steps << i);
		error[i] = flow_gaussian_error(p, method, text, NULL);
	}
	return log2(error[0] / error[1]);
}
