/* The mixture prior against numerical integration, its own density and the Gaussian prior. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/law.h"
#include "inverse_check.h"
#include "plane_mixture.h"

static gr_tensor *eps_of(const gr_prior *p, gr_tensor *x, const double *t)
{
	gr_prior_call call = {.x_t = x, .t = t};
	return gr_prior_predict(p, &call) ? NULL : call.prediction;
}

static gr_prior *prior_of(const gr_law *law, int64_t width)
{
	return gr_prior_law_new(law,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = width));
}

/* eps = (x_t - sqrt(A) E[x_0 | x_t]) / sqrt(1-A), the expectation a sum over a grid. */
Test(prior_mixture, is_the_integral)
{
	const double t[] = {100.0, 300.0, 600.0, 600.0};
	gr_law *law = plane_mixture_law(true);
	gr_prior *p = prior_of(law, 2);
	cr_assert_not_null(p, "%s", gr_error_message());
	gr_tensor *x = nn_normal(1, GR_F64, GR_DIMS(4, 1, 1, 2));
	gr_tensor *eps = eps_of(p, x, t);
	cr_assert_not_null(eps, "%s", gr_error_message());
	for (int64_t i = 0; i < 4; i++) {
		double A = gr_prior_alpha_bar(p, t[i]);
		const double *x_t = (const double *)gr_tensor_data_const(x) + 2 * i;
		double moments[6];
		plane_mixture_integrate(moments, x_t, A, NULL, 0.0, 0.0);
		for (int d = 0; d < 2; d++) {
			double e = (x_t[d] - sqrt(A) * moments[1 + d]) / sqrt(1.0 - A);
			double v = gr_tensor_at(eps, (const int64_t[]){i, 0, 0, d});
			cr_expect(fabs(v - e) < 1e-9, "%lld %d: %g %g", (long long)i, d, v, e);
		}
		/* and the density itself: p(x_t) = integral of p(x_0) N(x_t; sqrt(A) x_0, 1-A) */
		gr_tensor *flat = gr_reshape(batch_of(x, i, i + 1), GR_DIMS(1, 2));
		double log_p = gr_item(gr_law_log_density(law, flat, A));
		cr_expect(fabs(log_p - log(moments[0])) < 1e-9, "%g %g", log_p, log(moments[0]));
	}
	cr_expect(nn_distance(eps_of(p, gr_cast(x, GR_F32), t), eps) < 1e-6);
	for (int64_t i = 0; i < 4; i++)
		cr_expect(nn_same_bits(eps_of(p, batch_of(x, i, i + 1), t + i), batch_of(eps, i, i + 1)));
	gr_prior_free(p);
	gr_law_free(law);
}

/* eps = -sqrt(1-A) grad log p_t, the gradient by the tape and by differences, both forms of
 * covariances. */
Test(prior_mixture, is_the_score_of_its_density)
{
	const double t[] = {250.0, 250.0, 250.0};
	for (int full = 0; full < 2; full++) {
		gr_law *law = plane_mixture_law(full);
		gr_prior *p = prior_of(law, 2);
		double A = gr_prior_alpha_bar(p, t[0]);
		gr_tensor *x = gr_watch(nn_normal(2, GR_F64, GR_DIMS(3, 2)));
		gr_tensor *grad;
		gr_tensor *total = gr_sum(gr_law_log_density(law, x, A), GR_ALL_AXES, false);
		cr_assert_eq(gr_grad(&grad, total, 1, &x, NULL), GR_OK, "%s", gr_error_message());
		gr_tensor *plain = gr_stop_gradient(x);
		gr_tensor *eps =
			gr_reshape(eps_of(p, gr_reshape(plain, GR_DIMS(3, 1, 1, 2)), t), GR_DIMS(3, 2));
		cr_expect(nn_distance(gr_mul_s(grad, -sqrt(1.0 - A)), eps) < 1e-12);
		const double h = 1e-5;
		for (int d = 0; d < 2; d++) {
			double along[] = {d == 0 ? h : 0.0, d == 1 ? h : 0.0};
			gr_tensor *step = gr_from_f64(GR_F64, along, GR_DIMS(1, 2));
			gr_tensor *slope = gr_sub(gr_law_log_density(law, gr_add(plain, step), A),
				gr_law_log_density(law, gr_sub(plain, step), A));
			gr_tensor *column = gr_squeeze(gr_slice(grad, 1, d, d + 1, 1), 1);
			cr_expect(nn_distance(gr_mul_s(slope, 0.5 / h), column) < 1e-8);
		}
		gr_prior_free(p);
		gr_law_free(law);
	}
}

/* The derivative of eps: what moment matching takes. */
Test(prior_mixture, derivative)
{
	const double t[] = {250.0};
	const double h = 1e-6;
	for (int full = 0; full < 2; full++) {
		gr_law *law = plane_mixture_law(full);
		gr_prior *p = prior_of(law, 2);
		gr_tensor *x = gr_watch(nn_normal(3, GR_F64, GR_DIMS(1, 1, 1, 2)));
		gr_tensor *w = nn_normal(4, GR_F64, GR_DIMS(1, 1, 1, 2));
		gr_tensor *grad;
		cr_assert_eq(gr_grad(&grad, eps_of(p, x, t), 1, &x, GR_OPTS(gr_grad_opts, .cotangent = w)),
			GR_OK);
		gr_tensor *plain = gr_stop_gradient(x);
		gr_tensor *ahead = eps_of(p, gr_axpby(plain, 1.0, w, h), t);
		gr_tensor *behind = eps_of(p, gr_axpby(plain, 1.0, w, -h), t);
		/* the derivative is symmetric, being of a gradient */
		cr_expect(nn_distance(gr_mul_s(gr_sub(ahead, behind), 0.5 / h), grad) < 1e-7);
		gr_prior_free(p);
		gr_law_free(law);
	}
}

Test(prior_mixture, of_one_component_is_the_gaussian_prior)
{
	const double t[] = {0.0, 500.0, 999.0};
	double mean[12];
	double covariance[144];
	for (int full = 0; full < 2; full++) {
		gaussian_moments(mean, covariance, 12, 0.4, full);
		gr_law *law = gr_law_mixture(GR_OPTS(gr_mixture_opts,
			.means = gr_from_f64(GR_F64, mean, GR_DIMS(1, 12)), .variance = 0.4,
			.covariances = full ? gr_from_f64(GR_F64, covariance, GR_DIMS(1, 12, 12)) : NULL));
		const gr_prior_opts opts = {.size = sizeof(opts), .channels = 2, .height = 3, .width = 2};
		gr_prior *p = gr_prior_law_new(law, &opts);
		gr_prior *other = gaussian_prior(2, 3, 2, 0.4, full);
		gr_tensor *x = nn_normal(5, GR_F64, GR_DIMS(3, 2, 3, 2));
		cr_expect(nn_distance(eps_of(p, x, t), eps_of(other, x, t)) < 1e-12, "%s",
			gr_error_message());
		gr_prior_free(p);
		gr_prior_free(other);
		gr_law_free(law);
	}
}

/* The 25 modes in 800 dimensions: their densities differ by e to the power of thousands. */
Test(prior_mixture, far_from_every_mode_it_is_finite)
{
	const double t[] = {0.0, 0.0};
	gr_tensor *means = gr_empty(GR_F64, GR_DIMS(25, 800));
	for (int64_t k = 0; k < 25; k++)
		for (int64_t d = 0; d < 800; d++)
			((double *)gr_tensor_data(means))[k * 800 + d] =
				8.0 * (double)((d % 2 == 0 ? k / 5 : k % 5) - 2);
	gr_law *law = gr_law_mixture(GR_OPTS(gr_mixture_opts, .means = means));
	gr_prior *p = prior_of(law, 800);
	for (int wide = 0; wide < 2; wide++) {
		gr_tensor *x = gr_full(wide ? GR_F64 : GR_F32, GR_DIMS(2, 1, 1, 800), 1000.0);
		gr_tensor *eps = eps_of(p, x, t);
		/* the nearest mode, all 16, has it for itself */
		double A = gr_prior_alpha_bar(p, 0.0);
		double expected = sqrt(1.0 - A) * (1000.0 - sqrt(A) * 16.0);
		gr_tensor *all = gr_full(gr_tensor_dtype(x), GR_DIMS(2, 1, 1, 800), expected);
		cr_expect(nn_distance(eps, all) < (wide ? 1e-10 : 1e-6), "%s", gr_error_message());
	}
	gr_prior_free(p);
	gr_law_free(law);
}

Test(prior_mixture, wrong_options)
{
	double wrong_weight[] = {1.0, 0.0};
	double negative[] = {1.0, -1.0, 1.0, 1.0};
	double asymmetric[] = {1.0, 0.5, 0.2, 1.0, 1.0, 0.0, 0.0, 1.0};
	gr_tensor *means = gr_zeros(GR_F64, GR_DIMS(2, 2));
	const gr_mixture_opts wrong[] = {
		{.means = NULL},
		{.means = means, .weights = gr_from_f64(GR_F64, wrong_weight, GR_DIMS(2))},
		{.means = means, .variances = gr_from_f64(GR_F64, negative, GR_DIMS(2, 2))},
		{.means = means, .variance = NAN},
		{.means = means, .covariances = gr_from_f64(GR_F64, asymmetric, GR_DIMS(2, 2, 2))},
		{.means = means, .weights = gr_zeros(GR_F64, GR_DIMS(3))},
		{.means = means, .variances = gr_zeros(GR_F64, GR_DIMS(3))},
	};
	for (int i = 0; i < 7; i++) {
		cr_expect_null(gr_law_mixture(&wrong[i]));
		cr_expect(gr_error_code() == (i > 4 ? GR_ESHAPE : GR_EARG), "%d: %s", i,
			gr_error_message());
		gr_error_clear();
	}
	gr_law *law = plane_mixture_law(false);
	cr_expect_null(prior_of(law, 3));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	cr_expect_null(prior_of(NULL, 2));
	gr_error_clear();
	gr_law_free(law);
}
