/*
 * DAPS: the chain alone against the Gaussian that it samples, the levels and the whole against closed
 * forms, terms, batches, and a chain that runs away.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

#define CHAINS 4000

/* x_0' of one pixel of a diagonal prior: Euler steps of the flow, written out. */
static double flow(double x, double sigma, int64_t n, double end, double m, double l,
	const gr_prior *prior)
{
	double a = pow(sigma, 1.0 / 7.0);
	double b = pow(end, 1.0 / 7.0);
	for (int64_t i = 0; i < n; i++) {
		double s = pow(a + (double)i / (double)n * (b - a), 7.0);
		double next = pow(a + (double)(i + 1) / (double)n * (b - a), 7.0);
		/* the prior is told the base step of that level, within its range */
		double A = gr_prior_alpha_bar(prior, gr_prior_time(prior, 1.0 / (1.0 + s * s)));
		double level = 1.0 / (1.0 + s * s);
		double x_t = sqrt(level) * x;
		double eps = sqrt(1.0 - A) * (x_t - sqrt(A) * m) / (A * l + 1.0 - A);
		double x0 = (x_t - sqrt(1.0 - level) * eps) / sqrt(level);
		x += (next - s) * (x - x0) / s;
	}
	return x;
}

/*
 * The last level alone, whose step returns the chain's end: mean and variance over independent chains
 * against precision 1/sigma^2 + 2c d^2/tau^2 and right side x_0'/sigma^2 + 2c d y/tau^2, d = 1 or 0.
 */
static void check_chain(const char *method, double c)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=1", 2, 2, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, CHAINS, method, "1");
	double A = gr_prior_alpha_bar(p.prior, 0.0);
	gr_schedule *schedule = gr_prior_respace(p.prior, "1");
	A = gr_schedule_alpha_bar(schedule, 0);
	gr_schedule_free(schedule);
	double sigma = sqrt((1.0 - A) / A);
	const double tau = 0.02;
	/* one state for all, so that all chains sample one law */
	double start[] = {0.3, -0.2, 0.5, 0.1};
	opts.start = gr_contiguous(
		gr_expand(gr_from_f64(GR_F64, start, GR_DIMS(1, 1, 2, 2)), GR_DIMS(CHAINS, 1, 2, 2)));
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s: %s", method, gr_error_message());
	const double *v = gr_tensor_data_const(x);
	for (int64_t i = 0; i < 4; i++) {
		bool measured = p.matrix[i * 4 + i] != 0.0;
		double x0 = flow(start[i] / sqrt(A), sigma, 5, 0.005, p.mean[i], 0.25, p.prior);
		double precision = 1.0 / (sigma * sigma) + (measured ? 2.0 * c / (tau * tau) : 0.0);
		double right = x0 / (sigma * sigma) + (measured ? 2.0 * c * p.y[i] / (tau * tau) : 0.0);
		double mean = 0.0;
		double variance = 0.0;
		for (int64_t n = 0; n < CHAINS; n++)
			mean += v[n * 4 + i] / CHAINS;
		for (int64_t n = 0; n < CHAINS; n++)
			variance += (v[n * 4 + i] - mean) * (v[n * 4 + i] - mean) / CHAINS;
		double deviation = sqrt(1.0 / precision);
		cr_expect(fabs(mean - right / precision) < 5.0 * deviation / sqrt(CHAINS),
			"%s: mean %g, expected %g", method, mean, right / precision);
		/* 5 standard deviations of a variance, and 3 % for the size of the steps */
		cr_expect(fabs(variance * precision - 1.0) < 5.0 * sqrt(2.0 / CHAINS) + 0.03,
			"%s: variance %g, expected %g", method, variance, 1.0 / precision);
	}
	linear_gaussian_free(&p);
}

Test(daps, chain_samples_its_gaussian)
{
	/* steps h far below the variances: 1e-4 at the first level, 2e-4 = tau^2 / 2 where measured */
	check_chain("daps:end=0.005,tau=0.02,h=4e-6,chain=400", 1.0);
	check_chain("daps:end=0.005,tau=0.02,h=4e-6,chain=400,legacy=1", 0.5);
	check_chain("daps:end=0.005,tau=0.02,h=4e-7,chain=400,momentum=0.9", 1.0);
}

/* Twice the misfit's half over tau^2 is the likelihood of sigma = tau / sqrt(2), which is much below the
 * prior's deviation: the posterior mean is within 2 % of its distance from the prior's. */
Test(daps, whole_meets_the_posterior_mean)
{
	linear_gaussian p;
	double mean[LG_MAX];
	double c[LG_MAX * LG_MAX];
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.05);
	gr_solver_opts opts =
		linear_gaussian_opts(&p, 1000, "daps:tau=0.0707106781,h=1e-3,ratio=1,chain=60", "daps:40");
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	linear_gaussian_posterior(&p, NULL, 0.0, mean, c);
	double off = 0.0;
	double from = 0.0;
	double floor = 0.0;
	for (int64_t i = 0; i < p.D; i++) {
		double is = 0.0;
		for (int64_t n = 0; n < 1000; n++)
			is += ((const double *)gr_tensor_data_const(x))[n * p.D + i] / 1000.0;
		off += (is - mean[i]) * (is - mean[i]);
		from += mean[i] * mean[i];
		floor += c[i * p.D + i] / 1000.0;
	}
	cr_expect(sqrt(off) < 0.02 * sqrt(from) + 3.0 * sqrt(floor), "%g of %g, noise %g", sqrt(off),
		sqrt(from), sqrt(floor));
	linear_gaussian_free(&p);
}

static gr_tensor *pull(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return gr_sumsq(gr_add_s(ctx->x0_hat, -5.0), GR_AXES(1, 2, 3), false);
}

Test(daps, terms_batches_and_counts)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, true, 0.1);
	cr_expect(linear_gaussian_same_alone(&p, "daps:chain=10"), "%s", gr_error_message());
	cr_expect(linear_gaussian_same_alone(&p, "latent_daps:chain=10"), "%s", gr_error_message());
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "daps:chain=20,tau=0.1", "6");
	gr_tensor *plain = gr_solver_solve(&opts);
	gr_term *term = gr_term_new("pull", pull, NULL,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_ESTIMATE, .weight = 3.0));
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	gr_tensor *apart = gr_sub(gr_solver_result(s), plain);
	double up = gr_item(gr_mean(apart, GR_ALL_AXES, false));
	cr_expect(up > 1e-4, "the term pulls upwards: %g", up);
	cr_expect_eq(gr_solver_evaluations(s), 30);
	cr_expect_eq(gr_solver_gradients(s), 0);
	gr_solver_free(s);
	gr_term_free(term);
	linear_gaussian_free(&p);
}

Test(daps, a_chain_that_runs_away_is_an_error)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "identity", 2, 2, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "daps:h=1,chain=200", "3");
	cr_expect_null(gr_solver_solve(&opts));
	cr_expect_eq(gr_error_code(), GR_ENUMERIC, "%s", gr_error_message());
	gr_error_clear();
	linear_gaussian_free(&p);
}
