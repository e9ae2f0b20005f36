/* SDS: the gradient is w (eps_hat - eps), of any graph; weights, noise, counting, batches, misuse. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/noise.h"
#include "gradus/sds.h"
#include "term_check.h"

/* eps_hat - eps of sample i, by hand. */
static gr_tensor *difference(const gr_prior *p, gr_tensor *z, double t, const gr_key *key)
{
	double A = gr_prior_alpha_bar(p, t);
	gr_tensor *eps = gr_random_normal(*key, GR_F64,
		GR_DIMS(1, gr_tensor_dim(z, 1), gr_tensor_dim(z, 2), gr_tensor_dim(z, 3)));
	gr_prior_call call = {.x_t = gr_axpby(z, sqrt(A), eps, sqrt(1.0 - A)), .t = &t};
	gr_status status = gr_prior_predict(p, &call);
	cr_assert_eq(status, GR_OK);
	return gr_sub(call.prediction, eps);
}

Test(sds, gradient_is_the_difference)
{
	gr_prior *p = toy_latent_prior();
	gr_tensor *z = nn_normal(1, GR_F64, GR_DIMS(2, 2, 4, 4));
	const gr_key *keys = some_keys(60, 2);
	double s = sqrt((1.0 - gr_prior_alpha_bar(p, 300.0)) / gr_prior_alpha_bar(p, 300.0));
	const double weights[] = {s, sqrt(s), s * s, log(1.0 + s), fmin(s, 1.0), pow(s, 2.0 / 3.0),
		1.0};
	for (int rule = 0; rule <= GR_SDS_CONST; rule++) {
		gr_tensor *leaf = gr_watch(z);
		gr_tensor *grad = NULL;
		gr_tensor *value = gr_sds(p, leaf, 300.0, keys, (gr_sds_weight)rule);
		gr_status status = gr_grad(&grad, gr_sum(value, GR_ALL_AXES, false), 1, &leaf, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		for (int64_t i = 0; i < 2; i++) {
			gr_tensor *d = difference(p, batch_of(z, i, i + 1), 300.0, &keys[i]);
			double off = nn_distance(batch_of(grad, i, i + 1), gr_mul_s(d, weights[rule]));
			cr_expect_lt(off, 1e-12, "rule %d: %g", rule, off);
		}
	}
	/* of a graph of one's own: J^T of it */
	gr_tensor *theta = gr_watch(nn_normal(2, GR_F64, GR_DIMS(2, 2, 1, 1)));
	gr_tensor *grad = NULL;
	gr_tensor *made = gr_mul(z, gr_tanh(theta));
	gr_tensor *value = gr_sds(p, made, 300.0, keys, GR_SDS_CONST);
	gr_status status = gr_grad(&grad, gr_sum(value, GR_ALL_AXES, false), 1, &theta, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *d = difference(p, gr_stop_gradient(batch_of(made, 1, 2)), 300.0, &keys[1]);
	double th = tanh(gr_tensor_at(theta, (const int64_t[]){1, 0, 0, 0}));
	gr_tensor *zd = gr_mul(batch_of(z, 1, 2), d);
	double expected =
		(1.0 - th * th) * gr_item(gr_sum(gr_slice(zd, 1, 0, 1, 1), GR_ALL_AXES, false));
	cr_expect_float_eq(gr_tensor_at(grad, (const int64_t[]){1, 0, 0, 0}), expected, 1e-12);
	gr_prior_free(p);
}

/* One evaluation more for each, counted; samples alone and in a batch; 0 changes no bit. */
Test(sds, in_a_solver)
{
	gr_prior *p = toy_pixel_prior();
	const gr_term_problem problem = {.size = sizeof problem, .prior = p};
	gr_term *some[] = {gr_term_open("sds:0.05", &problem), NULL};
	gr_term *none[] = {gr_term_open("sds:0,from=0.9,to=0.1,w=clip", &problem), NULL};
	cr_assert(some[0] && none[0], "%s", gr_error_message());
	gr_tensor *plain = toy_solve(p, "ddpm", NULL, 70, 3, 1, GR_F32);
	gr_tensor *with = toy_solve(p, "ddpm", some, 70, 3, 1, GR_F32);
	cr_assert(with, "%s", gr_error_message());
	cr_expect(nn_same_bits(toy_solve(p, "ddpm", none, 70, 3, 1, GR_F32), plain));
	cr_expect_gt(nn_distance(with, plain), 1e-4);
	for (int64_t i = 0; i < 3; i++)
		cr_expect(nn_same_bits(toy_solve(p, "ddpm", some, 70 + (uint64_t)i, 1, 1, GR_F32),
			batch_of(with, i, i + 1)));
	gr_solver *s = NULL;
	gr_status status = gr_solver_new(&s,
		GR_OPTS(gr_solver_opts, .prior = p, .n = 1, .keys = some_keys(70, 1), .method = "ddim",
			.respacing = "4", .terms = some));
	if (!status)
		status = gr_solver_run(s);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_evaluations(s), 8);
	cr_expect_eq(gr_solver_gradients(s), 4);
	gr_solver_free(s);
	gr_term_free(some[0]);
	gr_term_free(none[0]);
	gr_prior_free(p);
}

Test(sds, misuse_is_an_error)
{
	gr_prior *p = toy_pixel_prior();
	gr_tensor *z = gr_zeros(GR_F64, GR_DIMS(1, 1, 8, 8));
	const gr_term_problem problem = {.size = sizeof problem, .prior = p};
	cr_expect_null(gr_sds(p, z, 300.0, NULL, GR_SDS_CONST));
	gr_error_clear();
	cr_expect_null(gr_sds(p, z, 1000.0, some_keys(1, 1), GR_SDS_CONST));
	gr_error_clear();
	cr_expect_null(gr_term_open("sds:1,w=fast", &problem));
	cr_expect_not_null(strstr(gr_error_message(), "linear"), "%s", gr_error_message());
	gr_error_clear();
	cr_expect_null(gr_term_open("sds:1,from=2", &problem));
	gr_error_clear();
	gr_prior_free(p);
}
