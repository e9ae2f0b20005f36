/* Conversions between predictions, alpha_bar, and what the table is checked for. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "inverse_check.h"

/* Every prediction of one pair, at levels to the ends: x_0 and eps come back. */
Test(prior, conversions)
{
	const double alpha_bars[] = {0.0, 4e-5, 0.3, 0.7, 0.9999, 1.0};
	for (int k = 0; k < 6; k++) {
		double A = alpha_bars[k], a = sqrt(A), b = sqrt(1.0 - A);
		gr_tensor *x0 = nn_normal(1, GR_F64, GR_DIMS(2, 3));
		gr_tensor *eps = nn_normal(2, GR_F64, GR_DIMS(2, 3));
		gr_tensor *x_t = gr_axpby(x0, a, eps, b);
		gr_tensor *v = gr_axpby(eps, a, x0, -b);
		gr_tensor *score = A < 1.0 ? gr_mul_s(eps, -1.0 / b) : eps;
		gr_tensor *const predicted[] = {eps, x0, v, gr_sub(eps, x0), score};
		for (int kind = GR_PREDICT_EPS; kind <= GR_PREDICT_SCORE; kind++) {
			bool from_noise = kind == GR_PREDICT_EPS || kind == GR_PREDICT_SCORE;
			/* where one does not follow from the other: refused or not asked */
			if (!(from_noise && A == 0.0)) {
				gr_tensor *back = gr_predicted_x0((gr_prediction)kind, x_t, predicted[kind], A);
				double lost = from_noise ? 10.0 / a : 10.0;
				cr_expect(nn_distance(back, x0) < 1e-15 * lost, "%d %g", kind, A);
			}
			if (!((kind == GR_PREDICT_X0 || kind == GR_PREDICT_SCORE) && A == 1.0)) {
				gr_tensor *back = gr_predicted_eps((gr_prediction)kind, x_t, predicted[kind], A);
				double lost = kind == GR_PREDICT_X0 ? 10.0 / b : 10.0;
				cr_expect(nn_distance(back, eps) < 1e-15 * lost, "%d %g", kind, A);
			}
		}
	}
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(1));
	const double outside[] = {-0.1, 1.1, NAN};
	for (int k = 0; k < 3; k++) {
		cr_expect_null(gr_predicted_x0(GR_PREDICT_FLOW, x, x, outside[k]));
		cr_expect_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	cr_expect_null(gr_predicted_x0(GR_PREDICT_EPS, x, x, 0.0));
	gr_error_clear();
	cr_expect_null(gr_predicted_x0(GR_PREDICT_SCORE, x, x, 0.0));
	gr_error_clear();
	cr_expect_null(gr_predicted_eps(GR_PREDICT_X0, x, x, 1.0));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}

/*
 * A path z = a x_0 + s eps with velocity w = a' x_0 + s' eps, at time t: what it says of x_0, eps and
 * score (Align and Invert's and REPA's relations) equals what the same numbers say in our coordinates,
 * x_t = z / n with n = sqrt(a^2 + s^2), alpha_bar = a^2 / n^2.
 */
Test(prior, paths_and_one_coordinate_system)
{
	const double half_pi = 1.5707963267948966;
	for (uint64_t k = 0; k < 60; k++) {
		double t = 0.01 + 0.98 * gr_key_uniform(gr_key_seed(3), k);
		double B = 0.5 * (0.1 * t + 0.5 * 19.9 * t * t); /* VP: -log sqrt(A) */
		double rate = 0.5 * (0.1 + 19.9 * t);
		const double path[3][4] = {
			{1.0 - t, t, -1.0, 1.0}, /* linear: a, s, a', s' */
			{cos(half_pi * t), sin(half_pi * t), -half_pi * sin(half_pi * t),
				half_pi * cos(half_pi * t)},
			{exp(-B), sqrt(-expm1(-2.0 * B)), -rate * exp(-B),
				rate * exp(-2.0 * B) / sqrt(-expm1(-2.0 * B))},
		};
		gr_tensor *x0 = nn_normal(10 + k, GR_F64, GR_DIMS(2, 3));
		gr_tensor *eps = nn_normal(100 + k, GR_F64, GR_DIMS(2, 3));
		for (int i = 0; i < 3; i++) {
			double a = path[i][0], s = path[i][1], da = path[i][2], ds = path[i][3];
			double n = sqrt(a * a + s * s), A = a * a / (n * n), D = a * ds - da * s;
			gr_tensor *z = gr_axpby(x0, a, eps, s), *w = gr_axpby(x0, da, eps, ds);
			gr_tensor *x0_hat = gr_axpby(z, ds / D, w, -s / D);
			gr_tensor *eps_hat = gr_axpby(w, a / D, z, -da / D);
			gr_tensor *score = gr_mul_s(eps_hat, -1.0 / s);
			cr_expect(nn_distance(x0_hat, x0) < 1e-12, "path %d at %g", i, t);
			cr_expect(nn_distance(eps_hat, eps) < 1e-12, "path %d at %g", i, t);
			/* the same pair in our coordinates, by the score of x_t = z / n */
			gr_tensor *x_t = gr_mul_s(z, 1.0 / n);
			gr_tensor *ours = gr_mul_s(score, n);
			cr_expect(nn_distance(gr_predicted_eps(GR_PREDICT_SCORE, x_t, ours, A), eps) < 1e-12);
			double lost = fmax(1.0, n / a);
			cr_expect(
				nn_distance(gr_predicted_x0(GR_PREDICT_SCORE, x_t, ours, A), x0) < 1e-12 * lost);
			gr_tensor *flow = gr_sub(eps, x0);
			cr_expect(nn_distance(gr_predicted_x0(GR_PREDICT_FLOW, x_t, flow, A), x0) < 1e-12);
			cr_expect(nn_distance(gr_predicted_eps(GR_PREDICT_FLOW, x_t, flow, A), eps) < 1e-12);
			/* VE and back: x_ve = x_t / sqrt(A), sigma = s / a, score of it (D - x) / sigma^2 */
			double sigma = s / a;
			gr_tensor *x_ve = gr_mul_s(x_t, 1.0 / sqrt(A));
			gr_tensor *ve = gr_mul_s(gr_sub(x0, x_ve), 1.0 / (sigma * sigma));
			cr_expect(nn_distance(gr_mul_s(ve, 1.0 / sqrt(A)), ours) < 1e-12 / (s * s * sigma));
			cr_expect(fabs(A - 1.0 / (1.0 + sigma * sigma)) < 1e-14);
		}
	}
}

Test(prior, alpha_bar)
{
	gr_prior *p = gaussian_prior(1, 2, 2, 1.0, false);
	const gr_schedule *s = gr_prior_schedule(p);
	cr_expect_eq(gr_schedule_count(s), 1000);
	cr_expect_eq(gr_prior_alpha_bar(p, 999.0), gr_schedule_alpha_bar(s, 999));
	cr_expect(fabs(gr_prior_alpha_bar(p, 999.0) - 4.036e-5) < 1e-8);
	double a = gr_prior_alpha_bar(p, 400.0);
	double b = gr_prior_alpha_bar(p, 401.0);
	cr_expect(fabs(gr_prior_alpha_bar(p, 400.5) - sqrt(a * b)) < 1e-14);
	const double wrong[] = {-1.0, 999.5, NAN};
	for (int i = 0; i < 3; i++) {
		cr_expect(isnan(gr_prior_alpha_bar(p, wrong[i])));
		cr_expect_eq(gr_error_code(), GR_EARG);
		gr_error_clear();
	}
	for (int i = 0; i < 50; i++) { /* there and back */
		double t = 19.98 * (double)i;
		cr_expect(fabs(gr_prior_time(p, gr_prior_alpha_bar(p, t)) - t) < 1e-9);
	}
	gr_schedule *some = gr_prior_respace(p, "10");
	cr_expect_eq(gr_schedule_count(some), 10);
	gr_schedule_free(some);
	gr_prior_free(p);
}

/* On a flow A is 0 at the last step, where a prediction of noise would say nothing. */
Test(prior, flow_schedules)
{
	const gr_schedule_opts flow = {.size = sizeof(flow), .kind = GR_SCHEDULE_FLOW};
	gr_prior *p = gr_prior_gaussian_new(NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2, .schedule = &flow));
	cr_expect_null(p);
	cr_expect_not_null(strstr(gr_error_message(), "noise alone"), "%s", gr_error_message());
	gr_error_clear();
	p = gr_prior_gaussian_new(NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2, .schedule = &flow,
			.prediction = GR_PREDICT_FLOW));
	cr_assert_not_null(p);
	for (int i = 0; i <= 200; i++) {
		double t = 999.0 * (double)i / 200.0, u = (t + 1.0) / 1000.0;
		double A = gr_prior_alpha_bar(p, t);
		cr_expect(fabs(A - (1.0 - u) * (1.0 - u) / ((1.0 - u) * (1.0 - u) + u * u)) < 1e-14);
		cr_expect(fabs(gr_prior_time(p, A) - t) < 1e-9);
	}
	gr_prior_free(p);
}

/* --- a prior of the user's own --- */

static gr_status predict_badly(void *self, const gr_prior *p, gr_prior_call *call)
{
	(void)p;
	int what = *(int *)self;
	if (what == 0)
		return GR_OK; /* nothing */
	call->prediction = what == 1 ? gr_zeros(GR_F32, GR_DIMS(1, 1, 2, 3)) : NULL;
	return what == 2 ? gr_error_set(GR_EUNSUPPORTED, "no") : GR_OK;
}

static void count_free(void *self)
{
	++*(int *)self;
}

Test(prior, own_table)
{
	const gr_status expected[] = {GR_ESTATE, GR_ESHAPE, GR_EUNSUPPORTED};
	const double t[] = {5.0};
	for (int what = 0; what < 3; what++) {
		int self = what;
		const gr_prior_table table = {.name = "bad", .predict = predict_badly, .free = count_free};
		gr_prior *p = gr_prior_new(&table, &self,
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2));
		gr_prior_call call = {.x_t = gr_zeros(GR_F32, GR_DIMS(1, 1, 2, 2)), .t = t};
		cr_expect_eq(gr_prior_predict(p, &call), expected[what]);
		gr_error_clear();
		call.x_t = gr_zeros(GR_F32, GR_DIMS(1, 2, 2, 1));
		cr_expect_eq(gr_prior_predict(p, &call), GR_ESHAPE);
		gr_error_clear();
		gr_tensor *image = gr_zeros(GR_F32, GR_DIMS(1, 1, 2, 2));
		cr_expect_eq(gr_prior_decode(p, image), image);
		cr_expect_eq(gr_prior_encode(p, image), image);
		gr_status status = gr_prior_set_recompute(p, true);
		cr_expect_eq(status, GR_EUNSUPPORTED);
		gr_error_clear();
		gr_prior_free(p);
		cr_expect_eq(self, what + 1);
	}
}

Test(prior, wrong_options_free_self)
{
	int self = 0;
	const gr_prior_table table = {.name = "bad", .predict = predict_badly, .free = count_free};
	cr_expect_null(gr_prior_new(&table, &self, NULL));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect_null(gr_prior_new(&table, &self,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2,
			.schedule = GR_OPTS(gr_schedule_opts, .respacing = "10"))));
	cr_expect_eq(gr_error_code(), GR_EARG);
	cr_expect_eq(self, 2);
	gr_error_clear();
}
