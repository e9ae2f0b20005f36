/* Scores of samples: exact ones reach the noise floor, and what is wrong with others shows. */
#include <criterion/criterion.h>

#include <math.h>

#include "certify.h"
#include "gradus/ops.h"

#define N 400

static const gr_certify_row *row_of(gr_certify_kind kind)
{
	int i = 0;
	while (gr__certify_row(i)->kind != kind)
		i++;
	return gr__certify_row(i);
}

/* Measurement 0 of the first problem of a kind. */
static gr_posterior *open_posterior(gr_certify_problem **problem, gr_certify_kind kind)
{
	gr_posterior *p = NULL;
	cr_assert_eq(gr__certify_problem_new(problem, row_of(kind), 2, 3), GR_OK, "%s",
		gr_error_message());
	gr_posterior_problem one = gr__certify_measurement(*problem, 0);
	cr_assert_eq(gr__posterior_new(&p, &one, N, 100, gr_key_seed(1)), GR_OK, "%s",
		gr_error_message());
	return p;
}

static void close_posterior(gr_posterior *p, gr_certify_problem *problem)
{
	gr__posterior_free(p);
	gr__certify_problem_free(problem);
}

static void score(double out[GR_DEVIATIONS], const gr_posterior *p, gr_tensor *x)
{
	cr_assert_eq(gr__posterior_score(out, p, x), GR_OK, "%s", gr_error_message());
}

Test(posterior, exact_samples_are_at_the_floor)
{
	static const gr_certify_kind kinds[] = {GR_CERTIFY_GAUSS, GR_CERTIFY_MODES, GR_CERTIFY_PHASE};
	for (int i = 0; i < 3; i++) {
		gr_certify_problem *problem = NULL;
		gr_posterior *p = open_posterior(&problem, kinds[i]);
		double a[GR_DEVIATIONS], b[GR_DEVIATIONS];
		score(a, p, gr__posterior_draw(p, N, gr_key_seed(1)));
		score(b, p, gr__posterior_draw(p, N, gr_key_seed(2)));
		double ratio = a[GR_DEVIATION_SLICED] / b[GR_DEVIATION_SLICED];
		cr_expect(ratio > 0.4 && ratio < 2.5, "%d: %g", i, ratio);
		/* |mean of N - m|^2 has the expectation Tr C / N */
		cr_expect(a[GR_DEVIATION_MEAN] < 4.0 / sqrt(N), "%d: %g", i, a[GR_DEVIATION_MEAN]);
		cr_expect(a[GR_DEVIATION_COVARIANCE] < 0.6, "%d: %g", i, a[GR_DEVIATION_COVARIANCE]);
		cr_expect(fabs(a[GR_DEVIATION_COVERAGE] - 0.9) < 0.04, "%d: %g", i,
			a[GR_DEVIATION_COVERAGE]);
		cr_expect(isnan(a[GR_DEVIATION_MODES]) == (kinds[i] == GR_CERTIFY_GAUSS));
		close_posterior(p, problem);
	}
}

/* A shift of s standard deviations is seen in the mean, halved spread in covariance and coverage. */
Test(posterior, what_is_wrong_shows)
{
	gr_certify_problem *problem = NULL;
	gr_posterior *p = open_posterior(&problem, GR_CERTIFY_WHITE);
	double exact[GR_DEVIATIONS], shifted[GR_DEVIATIONS], narrow[GR_DEVIATIONS];
	gr_tensor *x = gr__posterior_draw(p, N, gr_key_seed(1));
	score(exact, p, x);
	gr_tensor *mean = gr_mean(x, GR_AXES(0), true);
	score(shifted, p, gr_add_s(x, 0.5));
	score(narrow, p, gr_add(gr_mul_s(gr_sub(x, mean), 0.5), mean));
	cr_expect(shifted[GR_DEVIATION_SLICED] > 2.0 * exact[GR_DEVIATION_SLICED]);
	cr_expect(shifted[GR_DEVIATION_MEAN] > 4.0 * exact[GR_DEVIATION_MEAN]);
	cr_expect(shifted[GR_DEVIATION_COVARIANCE] - exact[GR_DEVIATION_COVARIANCE] < 1e-9);
	/* a covariance of a quarter is 3/4 away */
	cr_expect(fabs(narrow[GR_DEVIATION_COVARIANCE] - 0.75) < 0.1, "%g",
		narrow[GR_DEVIATION_COVARIANCE]);
	/* P(|z| < 1.645 / 2) = 0.589 */
	cr_expect(fabs(narrow[GR_DEVIATION_COVERAGE] - 0.589) < 0.04, "%g",
		narrow[GR_DEVIATION_COVERAGE]);
	cr_expect_eq(gr__posterior_score(exact, p, gr_zeros(GR_F64, GR_DIMS(N, 7))), GR_ESHAPE);
	gr_error_clear();
	close_posterior(p, problem);
}

/* Samples that all went to one mode have that mode's weight wrong, and the others'. */
Test(posterior, a_lost_mode_shows)
{
	gr_certify_problem *problem = NULL;
	gr_posterior *p = open_posterior(&problem, GR_CERTIFY_TOY_A);
	double both[GR_DEVIATIONS], one[GR_DEVIATIONS];
	gr_tensor *x = gr__posterior_draw(p, N, gr_key_seed(1));
	double fold[] = {1.0, 1.0};
	gr_tensor *right = gr_mul(gr_abs(x), gr_from_f64(GR_F64, fold, GR_DIMS(2)));
	score(both, p, x);
	score(one, p, right);
	cr_expect(both[GR_DEVIATION_MODES] < 5.0 * 0.5 / sqrt(N), "%g", both[GR_DEVIATION_MODES]);
	cr_expect(fabs(one[GR_DEVIATION_MODES] - 0.5) < 1e-6, "%g", one[GR_DEVIATION_MODES]);
	close_posterior(p, problem);
}

/* The magnitudes' posterior factorises over u = H x, which is N(H m, I): of each factor the part
 * u > 0 has a weight in closed form. */
Test(posterior, rejection_draws_follow_the_closed_form)
{
	gr_certify_problem *problem = NULL;
	gr_posterior *p = open_posterior(&problem, GR_CERTIFY_PHASE);
	gr_posterior_problem one = gr__certify_measurement(problem, 0);
	const int64_t n = 20000;
	gr_tensor *x = gr__posterior_draw(p, n, gr_key_seed(4));
	gr_tensor *u = gr_matmul(x, gr_transpose(one.matrix, 0, 1));
	gr_tensor *m =
		gr_matmul(gr_archive_find(problem->arrays, "means"), gr_transpose(one.matrix, 0, 1));
	for (int64_t j = 0; j < 2; j++) {
		double y = gr_tensor_at(one.y, (const int64_t[]){j});
		double mu = gr_tensor_at(m, (const int64_t[]){0, j});
		double s2 = one.sigma * one.sigma, v = s2 / (1.0 + s2), part[2];
		for (int side = 0; side < 2; side++) {
			/* N(u; mu, 1) N(y; +-u, sigma^2) = N(y; +-mu, 1 + sigma^2) N(u; c, v) */
			double sign = side == 0 ? 1.0 : -1.0, off = y - sign * mu;
			double c = (mu * s2 + sign * y) / (1.0 + s2);
			part[side] = exp(-0.5 * off * off / (1.0 + s2)) * 0.5 * erfc(-sign * c / sqrt(2.0 * v));
		}
		double expected = part[0] / (part[0] + part[1]);
		gr_tensor *positive = gr_gt_s(gr_slice(u, 1, j, j + 1, 1), 0.0);
		double found = gr_item(gr_mean(positive, GR_ALL_AXES, false));
		cr_expect(fabs(found - expected) < 5.0 * sqrt(0.25 / (double)n), "%g %g", found, expected);
	}
	close_posterior(p, problem);
}

Test(posterior, wrong_problems)
{
	gr_certify_problem *problem = NULL;
	gr_posterior *p = open_posterior(&problem, GR_CERTIFY_GAUSS);
	gr_posterior *q = NULL;
	gr_posterior_problem one = gr__certify_measurement(problem, 0);
	one.sigma = 0.0;
	cr_expect_eq(gr__posterior_new(&q, &one, N, 10, gr_key_seed(1)), GR_EARG);
	gr_error_clear();
	one.sigma = 1e-6;
	one.magnitude = true; /* next to nothing is accepted */
	cr_expect_eq(gr__posterior_new(&q, &one, N, 10, gr_key_seed(1)), GR_ENUMERIC);
	gr_error_clear();
	one.matrix = gr_zeros(GR_F64, GR_DIMS(4, 9));
	cr_expect_eq(gr__posterior_new(&q, &one, N, 10, gr_key_seed(1)), GR_ESHAPE);
	gr_error_clear();
	close_posterior(p, problem);
}
