/* Conversions between predictions, alpha_bar, and what the table is checked for. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "inverse_check.h"

Test(prior, conversions)
{
	const double alpha_bars[] = {4e-5, 0.3, 0.9999};
	for (int k = 0; k < 3; k++) {
		double A = alpha_bars[k];
		gr_tensor *x0 = nn_normal(1, GR_F64, GR_DIMS(2, 3));
		gr_tensor *eps = nn_normal(2, GR_F64, GR_DIMS(2, 3));
		gr_tensor *x_t = gr_axpby(x0, sqrt(A), eps, sqrt(1.0 - A));
		gr_tensor *v = gr_axpby(eps, sqrt(A), x0, -sqrt(1.0 - A));
		gr_tensor *const predicted[] = {eps, x0, v};
		for (int kind = GR_PREDICT_EPS; kind <= GR_PREDICT_V; kind++) {
			gr_tensor *back_x0 = gr_predicted_x0((gr_prediction)kind, x_t, predicted[kind], A);
			gr_tensor *back_eps = gr_predicted_eps((gr_prediction)kind, x_t, predicted[kind], A);
			/* eps to x_0 divides by sqrt(A), and the other way by sqrt(1-A) */
			cr_expect(nn_distance(back_x0, x0) < 1e-15 * 10.0 / sqrt(A), "%d %g", kind, A);
			cr_expect(nn_distance(back_eps, eps) < 1e-15 * 10.0 / sqrt(1.0 - A), "%d %g", kind, A);
		}
	}
	gr_tensor *x = gr_zeros(GR_F64, GR_DIMS(1));
	cr_expect_null(gr_predicted_x0(GR_PREDICT_EPS, x, x, 1.0));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
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
	gr_schedule *some = gr_prior_respace(p, "10");
	cr_expect_eq(gr_schedule_count(some), 10);
	gr_schedule_free(some);
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
