/* The Gaussian prior against its formula by direct solution, and its derivative. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inverse_check.h"

#define D 12

static gr_tensor *eps_of(const gr_prior *p, gr_tensor *x, const double *t)
{
	gr_prior_call call = {.x_t = x, .t = t};
	return gr_prior_predict(p, &call) ? NULL : call.prediction;
}

/* sqrt(1-A) (A C + (1-A) I)^-1 (x - sqrt(A) m). */
static void expected_eps(double *out, const gr_tensor *x, int64_t n, double A, bool full)
{
	double mean[D];
	double c[D * D];
	gaussian_moments(mean, c, D, 0.4, full);
	for (int64_t i = 0; i < D; i++) {
		for (int64_t j = 0; j < D; j++)
			c[i * D + j] = A * c[i * D + j] + (i == j ? 1.0 - A : 0.0);
		double value = gr_tensor_at(x, (const int64_t[]){n, i / 6, i / 2 % 3, i % 2});
		out[i] = sqrt(1.0 - A) * (value - sqrt(A) * mean[i]);
	}
	solve_dense(c, out, D, 1);
}

Test(prior_gaussian, formula)
{
	const double t[] = {0.0, 17.5, 500.0, 999.0};
	for (int full = 0; full < 2; full++) {
		gr_prior *p = gaussian_prior(2, 3, 2, 0.4, full);
		cr_assert_not_null(p, "%s", gr_error_message());
		gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(4, 2, 3, 2));
		gr_tensor *eps = eps_of(p, x, t);
		gr_tensor *narrow = eps_of(p, gr_cast(x, GR_F32), t);
		cr_expect(nn_distance(narrow, eps) < 1e-6);
		for (int64_t n = 0; n < 4; n++) {
			double e[D];
			expected_eps(e, x, n, gr_prior_alpha_bar(p, t[n]), full);
			for (int64_t i = 0; i < D; i++) {
				double v = gr_tensor_at(eps, (const int64_t[]){n, i / 6, i / 2 % 3, i % 2});
				cr_expect(fabs(v - e[i]) < 1e-11, "%g %g", v, e[i]);
			}
			gr_tensor *alone = eps_of(p, batch_of(x, n, n + 1), t + n);
			cr_expect(nn_same_bits(alone, batch_of(eps, n, n + 1)));
		}
		gr_prior_free(p);
	}
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}

/* Every kind says the same of x_0 and of the noise. */
Test(prior_gaussian, all_predictions_are_one)
{
	const double t[] = {17.5}, l[] = {0.0, 0.5, 2.0, 1.0}, m[] = {0.3, -0.2, 0.5, 0.0};
	const gr_gaussian_opts law = {.size = sizeof(law),
		.mean = gr_from_f64(GR_F64, m, GR_DIMS(1, 2, 2)),
		.variances = gr_from_f64(GR_F64, l, GR_DIMS(1, 2, 2))};
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(1, 1, 2, 2));
	for (int kind = GR_PREDICT_EPS; kind <= GR_PREDICT_SCORE; kind++) {
		gr_prior *p = gr_prior_gaussian_new(&law,
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2,
				.prediction = (gr_prediction)kind));
		double A = gr_prior_alpha_bar(p, t[0]);
		gr_tensor *said = eps_of(p, x, t);
		gr_tensor *eps = gr_predicted_eps((gr_prediction)kind, x, said, A);
		gr_tensor *x0 = gr_predicted_x0((gr_prediction)kind, x, said, A);
		for (int64_t i = 0; i < 4; i++) {
			const int64_t at[] = {0, 0, i / 2, i % 2};
			double r = (gr_tensor_at(x, at) - sqrt(A) * m[i]) / (A * l[i] + 1.0 - A);
			cr_expect(fabs(gr_tensor_at(eps, at) - sqrt(1.0 - A) * r) < 1e-12, "%d", kind);
			cr_expect(fabs(gr_tensor_at(x0, at) - m[i] - sqrt(A) * l[i] * r) < 1e-12, "%d", kind);
		}
		gr_prior_free(p);
	}
}

/* d eps / d x is a symmetric matrix that does not depend on x. */
Test(prior_gaussian, derivative)
{
	const double t[] = {300.0};
	gr_prior *p = gaussian_prior(2, 3, 2, 0.4, true);
	gr_tensor *x = gr_watch(nn_normal(1, GR_F64, GR_DIMS(1, 2, 3, 2)));
	gr_tensor *c = nn_normal(2, GR_F64, GR_DIMS(1, 2, 3, 2));
	gr_tensor *grad;
	cr_assert_eq(gr_grad(&grad, eps_of(p, x, t), 1, &x, GR_OPTS(gr_grad_opts, .cotangent = c)),
		GR_OK);
	gr_tensor *along = gr_sub(eps_of(p, gr_add(x, c), t), eps_of(p, x, t));
	cr_expect(nn_distance(grad, along) < 1e-13);
	gr_prior_free(p);
}

Test(prior_gaussian, variances_of_each_pixel)
{
	const double t[] = {300.0};
	double l[] = {0.0, 0.5, 2.0, 1.0};
	gr_prior *p = gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts,
											.variances = gr_from_f64(GR_F64, l, GR_DIMS(1, 2, 2))),
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2));
	double A = gr_prior_alpha_bar(p, t[0]);
	gr_tensor *eps = eps_of(p, gr_full(GR_F64, GR_DIMS(1, 1, 2, 2), 1.0), t);
	for (int64_t i = 0; i < 4; i++) {
		double v = gr_tensor_at(eps, (const int64_t[]){0, 0, i / 2, i % 2});
		cr_expect(fabs(v - sqrt(1.0 - A) / (A * l[i] + 1.0 - A)) < 1e-14);
	}
	gr_prior_free(p);
}

Test(prior_gaussian, wrong_options)
{
	double asymmetric[] = {1.0, 0.5, 0.2, 1.0};
	double negative[] = {1.0, 2.0, 2.0, 1.0};
	double nan_value[] = {1.0, NAN};
	const gr_gaussian_opts wrong[] = {
		{.covariance = gr_from_f64(GR_F64, asymmetric, GR_DIMS(2, 2))},
		{.covariance = gr_from_f64(GR_F64, negative, GR_DIMS(2, 2))},
		{.variances = gr_from_f64(GR_F64, nan_value, GR_DIMS(1, 1, 2))},
		{.variance = -1.0},
		{.mean = gr_zeros(GR_F64, GR_DIMS(3))},
	};
	for (int i = 0; i < 5; i++) {
		cr_expect_null(gr_prior_gaussian_new(&wrong[i],
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = 2)));
		cr_expect(gr_error_code() == (i == 4 ? GR_ESHAPE : GR_EARG), "%d: %s", i,
			gr_error_message());
		gr_error_clear();
	}
	cr_expect_null(gr_prior_gaussian_new(NULL, NULL));
	gr_error_clear();
}
