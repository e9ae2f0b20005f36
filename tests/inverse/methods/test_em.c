/* Euler-Maruyama: the law of its samples, the Brownian path, strong convergence along it. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>

#include "flow_gaussian.h"
#include "gradus/method.h"

#define MANY 3000

/* Mean and variance of each pixel, within five standard errors and the error of 250 steps. */
Test(em, reproduces_a_gaussian)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const gr_solver_opts opts = flow_gaussian_opts(p, MANY, "em", "em:250");
	const double *x = gr_tensor_data_const(gr_solver_solve(&opts));
	cr_assert_not_null(x, "%s", gr_error_message());
	for (int d = 0; d < FG_D; d++) {
		double m = flow_gaussian_mean[d], l = flow_gaussian_variance[d], mean = 0.0, c = 0.0;
		for (int i = 0; i < MANY; i++)
			mean += x[i * FG_D + d] / MANY;
		for (int i = 0; i < MANY; i++)
			c += (x[i * FG_D + d] - m) * (x[i * FG_D + d] - m) / MANY;
		cr_expect(fabs(mean - m) < 5.0 * sqrt(l / MANY), "mean %g, expected %g", mean, m);
		/* REPA's last step, from 0.04 to 0, returns E[x_0 | z]: its variance is missing */
		double s = 0.04 / 0.96, missing = l * s * s / (l + s * s);
		cr_expect(fabs(c + missing - l) < (5.0 * sqrt(2.0 / MANY) + 0.02) * l,
			"variance %g, expected %g", c, l - missing);
	}
	gr_prior_free(p);
}

/* Without noise it is the flow. */
Test(em, without_noise_it_is_euler)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const gr_solver_opts em = flow_gaussian_opts(p, 3, "em:noise=0", "40");
	const gr_solver_opts euler = flow_gaussian_opts(p, 3, "euler", "40");
	cr_expect(nn_distance(gr_solver_solve(&em), gr_solver_solve(&euler)) < 1e-13);
	gr_prior_free(p);
}

Test(em, path_is_brownian)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	gr_solver *s;
	const gr_solver_opts opts = flow_gaussian_opts(p, MANY, "em", "10");
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK);
	const double at[] = {0.0, 1.0 / 3.0, 0.34, 0.5, 0.9, 1.0};
	const double *w[6];
	for (int k = 0; k < 6; k++)
		w[k] = gr_tensor_data_const(gr_solver_path(s, at[k]));
	int64_t count = MANY * FG_D;
	double se = sqrt(1.0 / (double)count);
	for (int a = 0; a < 5; a++) {
		for (int b = a; b < 5; b++) {
			/* increments: variance their length, others independent */
			double sum = 0.0, la = at[a + 1] - at[a], lb = at[b + 1] - at[b];
			for (int64_t i = 0; i < count; i++)
				sum += (w[a + 1][i] - w[a][i]) * (w[b + 1][i] - w[b][i]) / (double)count;
			double expected = a == b ? la : 0.0;
			cr_expect(fabs(sum - expected) < 5.0 * se * sqrt(la * lb * (a == b ? 2.0 : 1.0)),
				"%d %d: %g, expected %g", a, b, sum, expected);
		}
	}
	for (int64_t i = 0; i < count; i++)
		cr_assert_eq(w[0][i], 0.0);
	cr_expect_null(gr_solver_path(s, 1.5));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	gr_solver_free(s);
	gr_prior_free(p);
}

/* Root mean square of a - b. */
static double apart(const gr_tensor *a, const gr_tensor *b)
{
	const double *x = gr_tensor_data_const(a), *y = gr_tensor_data_const(b);
	double sum = 0.0;
	for (int64_t i = 0; i < gr_tensor_size(a); i++)
		sum += (x[i] - y[i]) * (x[i] - y[i]);
	return sqrt(sum / (double)gr_tensor_size(a));
}

/* N and 2N steps see one path: they meet as 1/N, which independent noise would not. */
Test(em, one_path_for_all_step_counts)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	const char *const counts[] = {"32", "64", "128", "256"};
	gr_tensor *x[4];
	for (int k = 0; k < 4; k++) {
		const gr_solver_opts opts = flow_gaussian_opts(p, 200, "em", counts[k]);
		x[k] = gr_solver_solve(&opts);
	}
	gr_solver_opts other = flow_gaussian_opts(p, 200, "em", "64");
	other.start = NULL;
	other.keys = some_keys(1001, 200);
	double unrelated = apart(x[0], gr_solver_solve(&other));
	for (int k = 0; k < 2; k++) {
		double coarse = apart(x[k], x[k + 1]), fine = apart(x[k + 1], x[k + 2]);
		double order = log2(coarse / fine);
		cr_expect(order > 0.7 && order < 1.4, "%s: order %g", counts[k], order);
		cr_expect(coarse < 0.15 * unrelated, "%s: %g of %g", counts[k], coarse, unrelated);
	}
	gr_prior_free(p);
}

/* A sample is the same alone. */
Test(em, alone_and_in_a_batch)
{
	gr_prior *p = flow_gaussian_new(GR_SCHEDULE_FLOW);
	gr_solver_opts opts = flow_gaussian_opts(p, 3, "em", "10");
	gr_tensor *all = gr_solver_solve(&opts);
	gr_key key = opts.keys[1];
	opts.keys = &key;
	opts.n = 1;
	cr_expect(nn_same_bits(gr_solver_solve(&opts), batch_of(all, 1, 2)));
	gr_prior_free(p);
}
