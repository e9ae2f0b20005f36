/*
 * DPS: the term's value and gradient, where the gradient is zero, and the linear-Gaussian problem
 * whose posterior is known (gradus/term.h has the equation).
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inverse_check.h"
#include "gradus/noise.h"

/* The value for x0_hat = clamp(2 x_t - 0.1), and its gradient if wanted. */
static gr_tensor *value_at(const gr_term *term, gr_tensor *x, gr_tensor **grad)
{
	gr_tensor *leaf = gr_watch(x);
	gr_term_ctx ctx = {.x_t = leaf,
		.x0_hat = gr_clamp(gr_affine(leaf, 2.0, -0.1), -1.0, 1.0),
		.particles = 1};
	gr_tensor *value = gr_term_eval(term, &ctx);
	if (grad && gr_grad(grad, gr_sum(value, GR_ALL_AXES, false), 1, &leaf, NULL))
		return NULL;
	return value;
}

Test(dps, value_and_gradient)
{
	gr_operator *A = gr_operator_new("sr_bicubic:factor=2",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 6, .width = 8));
	gr_tensor *x = gr_mul_s(nn_normal(1, GR_F64, GR_DIMS(3, 1, 6, 8)), 0.5);
	gr_tensor *y = nn_normal(2, GR_F64, GR_DIMS(3, 1, 3, 4));
	gr_term *term = gr_dps_term(A, y, 0.5);
	gr_tensor *grad;
	gr_tensor *value = value_at(term, x, &grad);
	cr_assert_not_null(value, "%s", gr_error_message());
	for (int64_t i = 0; i < 3; i++) {
		gr_tensor *x0 = gr_clamp(gr_affine(batch_of(x, i, i + 1), 2.0, -0.1), -1.0, 1.0);
		gr_tensor *r = gr_sub(batch_of(y, i, i + 1), gr_operator_apply(A, x0));
		cr_expect(fabs(gr_tensor_at(value, &i) - sqrt(dot(r, r))) < 1e-13);
		gr_tensor *d = nn_normal(3, GR_F64, GR_DIMS(1, 1, 6, 8));
		/* away from the clamp's kinks for a step of 1e-6, with these numbers */
		gr_term *one = gr_dps_term(A, batch_of(y, i, i + 1), 1.0);
		double up = gr_item(value_at(one, gr_axpby(batch_of(x, i, i + 1), 1.0, d, 1e-6), NULL));
		double down = gr_item(value_at(one, gr_axpby(batch_of(x, i, i + 1), 1.0, d, -1e-6), NULL));
		double slope = dot(batch_of(grad, i, i + 1), d);
		cr_expect(fabs((up - down) / 2e-6 - slope) < 1e-8, "%g %g", (up - down) / 2e-6, slope);
		gr_term_free(one);
	}
	/* Pixels that are clipped have no gradient. */
	for (int64_t k = 0; k < 144; k++) {
		const int64_t at[] = {k / 48, 0, k / 8 % 6, k % 8};
		bool clipped = fabs(2.0 * gr_tensor_at(x, at) - 0.1) > 1.0;
		cr_expect_eq(gr_tensor_at(grad, at) == 0.0, clipped);
	}
	gr_term_free(term);
	gr_operator_free(A);
}

Test(dps, gradient_is_zero_where_the_norm_is)
{
	gr_operator *A = gr_operator_new("inpaint_box",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(1, 1, 4, 4), 0.25);
	gr_term *term = gr_dps_term(A, gr_operator_apply(A, gr_affine(x, 2.0, -0.1)), 1.0);
	gr_tensor *grad;
	cr_expect_eq(gr_item(value_at(term, x, &grad)), 0.0);
	cr_expect_eq(dot(grad, grad), 0.0);
	gr_term_free(term);
	gr_operator_free(A);
}

Test(dps, wrong_arguments)
{
	gr_operator *A = gr_operator_new("identity", NULL);
	gr_tensor *y = gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 31));
	cr_expect_null(gr_dps_term(A, NULL, 1.0));
	gr_error_clear();
	cr_expect_null(gr_dps_term(NULL, y, 1.0));
	gr_error_clear();
	cr_expect_null(gr_dps_term(A, y, INFINITY));
	gr_error_clear();
	gr_term *term = gr_dps_term(A, y, 1.0);
	gr_term_ctx ctx = {.x_t = gr_zeros(GR_F32, GR_DIMS(1, 3, 32, 32)), .particles = 1};
	ctx.x0_hat = ctx.x_t;
	cr_expect_null(gr_term_eval(term, &ctx));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_term_free(term);
	gr_operator_free(A);
}

/* --- the linear-Gaussian problem --- */

#define D 16
#define SAMPLES 400

typedef struct posterior {
	int64_t M;
	double mean[D], trace; /* of the posterior */
	double moved;          /* |posterior mean - prior mean| */
} posterior;

/* N(m + K (y - A m), C - K A C), K = C A^T (A C A^T + sigma^2 I)^-1. */
static void solve_posterior(posterior *q, const gr_operator *A, const gr_tensor *y, double sigma)
{
	double m[D];
	double C[D * D];
	double a[D * D]; /* [M,D] */
	double AC[D * D];
	double K[D * D]; /* [M,D], transposed */
	double S[D * D];
	double r[D];
	gaussian_moments(m, C, D, 0.25, true);
	q->M = gr_tensor_size(y);
	for (int64_t i = 0; i < D; i++) {
		double unit[D] = {0};
		double column[D];
		unit[i] = 1.0;
		gr_tensor *x = gr_from_f64(GR_F64, unit, GR_DIMS(1, 1, 4, 4));
		cr_assert_eq(gr_tensor_to_f64(gr_operator_apply(A, x), column), GR_OK);
		for (int64_t k = 0; k < q->M; k++)
			a[k * D + i] = column[k];
	}
	cr_assert_eq(gr_tensor_to_f64(y, r), GR_OK);
	for (int64_t k = 0; k < q->M; k++)
		for (int64_t i = 0; i < D; i++) {
			AC[k * D + i] = 0.0;
			for (int64_t j = 0; j < D; j++)
				AC[k * D + i] += a[k * D + j] * C[j * D + i];
			K[k * D + i] = AC[k * D + i];
			r[k] -= a[k * D + i] * m[i];
		}
	for (int64_t k = 0; k < q->M; k++)
		for (int64_t l = 0; l < q->M; l++) {
			S[k * q->M + l] = k == l ? sigma * sigma : 0.0;
			for (int64_t i = 0; i < D; i++)
				S[k * q->M + l] += AC[k * D + i] * a[l * D + i];
		}
	solve_dense(S, K, q->M, D);
	q->trace = q->moved = 0.0;
	for (int64_t i = 0; i < D; i++) {
		double move = 0.0;
		q->trace += C[i * D + i];
		for (int64_t k = 0; k < q->M; k++) {
			move += K[k * D + i] * r[k];
			q->trace -= K[k * D + i] * AC[k * D + i];
		}
		q->mean[i] = m[i] + move;
		q->moved += move * move;
	}
	q->moved = sqrt(q->moved);
}

/* |sample mean - posterior mean| and the sum of sample variances. */
static void measure(const gr_tensor *x, const posterior *q, double *error, double *trace)
{
	double *v = malloc(SAMPLES * D * sizeof(double));
	cr_assert_eq(gr_tensor_to_f64(x, v), GR_OK);
	*error = *trace = 0.0;
	for (int64_t i = 0; i < D; i++) {
		double mean = 0.0;
		for (int64_t n = 0; n < SAMPLES; n++)
			mean += v[n * D + i] / SAMPLES;
		for (int64_t n = 0; n < SAMPLES; n++)
			*trace += (v[n * D + i] - mean) * (v[n * D + i] - mean) / (SAMPLES - 1);
		*error += (mean - q->mean[i]) * (mean - q->mean[i]);
	}
	*error = sqrt(*error);
	free(v);
}

/*
 * DPS is not exact: it replaces p(y|x_t) by p(y|x0_hat) with a step of fixed length, which fits the
 * noise in y too closely and narrows the samples. With zeta 0.128 and 200 steps, 1000 samples gave
 * a mean off by 9 % (sr_mean) and 2 % (inpaint_box) of the distance between prior and posterior
 * mean, and 0.89 and 0.92 of the posterior's variance. The bounds leave room for the error of the
 * mean of 400 samples, sqrt(trace / 400), 7 % of that distance, and of their variance, 3 %.
 * Without guidance the mean is off by 100 %.
 */
Test(dps, linear_gaussian_posterior)
{
	static const struct {
		const char *spec;
		double sigma;
	} cases[] = {{"sr_mean:factor=2", 0.1}, {"inpaint_box", 0.05}};
	gr_key keys[SAMPLES];
	for (int64_t i = 0; i < SAMPLES; i++)
		keys[i] = gr_sample_key(gr_key_seed(11), i);
	gr_prior *p = gaussian_prior(1, 4, 4, 0.25, true);
	for (int k = 0; k < 2; k++) {
		posterior q;
		double error;
		double trace;
		gr_operator *A = gr_operator_new(cases[k].spec,
			GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4, .n = 1,
				.keys = some_keys(11, 1)));
		gr_solver_opts opts = {.size = sizeof(opts),
			.prior = p,
			.n = 1,
			.keys = some_keys(77, 1),
			.no_clip = true,
			.respacing = "200"};
		gr_tensor *y = gr_measure(A, gr_solver_solve(&opts), cases[k].sigma);
		cr_assert_not_null(y, "%s", gr_error_message());
		solve_posterior(&q, A, y, cases[k].sigma);

		const int64_t *out = gr_operator_out_dims(A);
		gr_tensor *each = gr_contiguous(gr_expand(y, GR_DIMS(SAMPLES, out[0], out[1], out[2])));
		gr_term *term = gr_dps_term(A, each, 0.128);
		gr_term *terms[] = {term, NULL};
		opts.n = SAMPLES;
		opts.keys = keys;
		measure(gr_solver_solve(&opts), &q, &error, &trace);
		cr_expect(error > 0.8 * q.moved, "%s: without guidance %g of %g", cases[k].spec, error,
			q.moved);
		opts.terms = terms;
		measure(gr_solver_solve(&opts), &q, &error, &trace);
		cr_expect(error < 0.2 * q.moved, "%s: mean off by %g of %g", cases[k].spec, error, q.moved);
		cr_expect(trace > 0.8 * q.trace && trace < 1.02 * q.trace, "%s: variance %g, posterior %g",
			cases[k].spec, trace, q.trace);
		gr_term_free(term);
		gr_operator_free(A);
	}
	gr_prior_free(p);
	cr_assert_eq(gr_scope_end(), GR_OK, "%s", gr_error_message());
}
