/*
 * Twisted sequential Monte Carlo: weighted particles tend to the posterior as their number grows,
 * on a Gaussian and on a mixture, with a good twisting function and with a poor one.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/law.h"
#include "gradus/noise.h"
#include "linear_gaussian.h"
#include "plane_mixture.h"

#define UNITS 16

/* Root mean square, over units and coordinates, of (weighted mean of a unit's K particles less the
 * posterior's) / sqrt(C_ii). */
static double error_of_means(const linear_gaussian *p, int64_t K, const char *method)
{
	double mean[LG_MAX];
	double C[LG_MAX * LG_MAX];
	gr_solver *s = NULL;
	gr_solver_opts opts = linear_gaussian_opts(p, UNITS * K, method, "60");
	opts.particles = K;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	const double *x = gr_tensor_data_const(gr_solver_state(s, 0));
	const double *w = gr_tensor_data_const(gr_solver_state(s, 1));
	cr_assert_str_eq(gr_solver_state_name(s, 1), "log_weight");
	linear_gaussian_posterior(p, NULL, 0.0, mean, C);
	double sum = 0.0;
	for (int64_t u = 0; u < UNITS; u++)
		for (int64_t d = 0; d < p->D; d++) {
			double total = 0.0;
			double found = 0.0;
			double largest = -INFINITY;
			for (int64_t i = u * K; i < (u + 1) * K; i++)
				largest = fmax(largest, w[i]);
			for (int64_t i = u * K; i < (u + 1) * K; i++) {
				total += exp(w[i] - largest);
				found += exp(w[i] - largest) * x[i * p->D + d];
			}
			double off = found / total - mean[d];
			sum += off * off / C[d * p->D + d];
		}
	gr_solver_free(s);
	return sqrt(sum / (double)(UNITS * p->D));
}

/* An exact sampler's error would be 1 / sqrt(K): 0.25, 0.0625. */
Test(smc, error_falls_with_the_particles)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.2);
	static const char *const methods[] = {"smc", "smc:moments=0"};
	for (int i = 0; i < 2; i++) {
		double few = error_of_means(&p, 16, methods[i]);
		double many = error_of_means(&p, 256, methods[i]);
		/* 16 times the particles, a quarter of the error; with 128 numbers each, within a third */
		cr_expect(many < 0.33 * few, "%s: %g, then %g", methods[i], few, many);
		cr_expect(many < 2.0 / 16.0, "%s: %g", methods[i], many);
	}
	linear_gaussian_free(&p);
}

/* The moments of one unit, resampled: five standard deviations of an effective half. */
Test(smc, samples_follow_the_posterior)
{
	linear_gaussian p;
	double mean[LG_MAX];
	double C[LG_MAX * LG_MAX];
	const int64_t K = 4000;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.2);
	gr_solver_opts opts = linear_gaussian_opts(&p, K, "smc", "100");
	opts.particles = K;
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	linear_gaussian_posterior(&p, NULL, 0.0, mean, C);
	gr_tensor *off =
		gr_sub(gr_reshape(x, GR_DIMS(K, p.D)), gr_from_f64(GR_F64, mean, GR_DIMS(p.D)));
	gr_tensor *shift = gr_mean(off, GR_AXES(0), false);
	gr_tensor *square = gr_mean(gr_square(off), GR_AXES(0), false);
	for (int64_t d = 0; d < p.D; d++) {
		double c = C[d * p.D + d];
		double m = gr_tensor_at(shift, (const int64_t[]){d});
		double v = gr_tensor_at(square, (const int64_t[]){d});
		cr_expect(fabs(m) < 5.0 * sqrt(2.0 * c / (double)K), "mean %lld: %g", (long long)d, m);
		/* 100 steps leave a bias of about 2 % */
		cr_expect(fabs(v - c) < (5.0 * sqrt(4.0 / (double)K) + 0.03) * c, "variance %lld: %g %g",
			(long long)d, v, c);
	}
	linear_gaussian_free(&p);
}

/* On a mixture, where no other method here is exact: part of the mass on one side of a line that
 * lies between components. */
Test(smc, weighs_the_modes_of_a_mixture)
{
	static double row[] = {0.8, -0.6};
	static double seen[] = {0.4};
	const int64_t K = 3000;
	gr_law *law = plane_mixture_law(true);
	gr_linear_data data = {gr_from_f64(GR_F64, row, GR_DIMS(1, 2)),
		gr_from_f64(GR_F64, seen, GR_DIMS(1)), 0.3};
	gr_prior *prior =
		gr_prior_law_new(law, GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = 2));
	gr_operator *A = plane_operator(row);
	gr_solver_opts opts = {.size = sizeof(opts),
		.prior = prior,
		.n = K,
		.keys = some_keys(1, K),
		.method = "smc",
		.A = A,
		.y = gr_full(GR_F64, GR_DIMS(K, 1, 1, 1), seen[0]),
		.sigma = data.sigma,
		.respacing = "100",
		.no_clip = true,
		.particles = K,
		.dtype = GR_F64};
	gr_tensor *x = gr_reshape(gr_solver_solve(&opts), GR_DIMS(K, 2));
	cr_assert_not_null(x, "%s", gr_error_message());
	gr_tensor *exact = gr_law_draw(law, &data, 20000, gr_key_seed(5));
	for (int d = 0; d < 2; d++) {
		gr_tensor *ours = gr_mean(gr_gt_s(gr_slice(x, 1, d, d + 1, 1), 0.5), GR_ALL_AXES, false);
		gr_tensor *theirs =
			gr_mean(gr_gt_s(gr_slice(exact, 1, d, d + 1, 1), 0.5), GR_ALL_AXES, false);
		double off = gr_item(ours) - gr_item(theirs);
		cr_expect(fabs(off) < 5.0 * sqrt(0.25 * 2.0 / (double)K), "%d: %g", d, off);
	}
	gr_operator_free(A);
	gr_prior_free(prior);
	gr_law_free(law);
}

/* Units are what a sample is elsewhere: alone or in a batch, and after a pause, the same bits. */
Test(smc, units_do_not_mix)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.2);
	gr_solver_opts opts = linear_gaussian_opts(&p, 24, "smc", "12");
	opts.particles = 8;
	gr_tensor *all = gr_solver_solve(&opts);
	cr_assert_not_null(all, "%s", gr_error_message());

	gr_solver *s = NULL;
	gr_solver *again = NULL;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(gr_solver_step(s), GR_OK);
	gr_tensor *states[] = {gr_solver_state(s, 0), gr_solver_state(s, 1)};
	cr_assert_eq(gr_solver_new(&again, &opts), GR_OK);
	cr_assert_eq(gr_solver_restore(again, states, 5), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_run(again), GR_OK);
	cr_expect(nn_same_bits(gr_solver_result(again), all));
	gr_solver_free(s);
	gr_solver_free(again);

	opts.keys += 8;
	opts.n = 8;
	opts.y = batch_of(opts.y, 8, 16);
	cr_expect(nn_same_bits(gr_solver_solve(&opts), batch_of(all, 8, 16)));
	linear_gaussian_free(&p);
}

static void expect_refused(const gr_solver_opts *opts, const char *word)
{
	gr_solver *s;
	cr_expect_eq(gr_solver_new(&s, opts), GR_EUNSUPPORTED, "%s", gr_error_message());
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
}

Test(smc, what_does_not_fit_is_refused)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.2);
	gr_solver_opts opts = linear_gaussian_opts(&p, 4, "smc", "12");
	opts.sigma = 0.0;
	expect_refused(&opts, "sigma");
	opts.sigma = 0.2;
	gr_term *term = gr_dps_term(p.A, opts.y, 0.3);
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	expect_refused(&opts, "dps");
	gr_term_free(term);
	linear_gaussian_free(&p);
}
