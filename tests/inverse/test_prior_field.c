/* The random field against the Gaussian of its covariance, written out. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/law.h"
#include "inverse_check.h"

static gr_tensor *eps_of(const gr_prior *p, gr_tensor *x, const double *t)
{
	gr_prior_call call = {.x_t = x, .t = t};
	return gr_prior_predict(p, &call) ? NULL : call.prediction;
}

static gr_tensor *covariance_of(const gr_law *law)
{
	gr_tensor *mean = NULL;
	gr_tensor *C = NULL;
	cr_assert_eq(gr_law_moments(&mean, &C, law, NULL), GR_OK, "%s", gr_error_message());
	return C;
}

/* The same at all places, of the variance asked for, and falling with the distance on the torus. */
Test(prior_field, covariance_is_stationary)
{
	const int64_t H = 6;
	const int64_t W = 5;
	gr_law *law = gr_law_field(
		GR_OPTS(gr_field_opts, .height = H, .width = W, .variance = 0.7, .length = 1.2));
	gr_tensor *C = covariance_of(law);
	for (int64_t a = 0; a < H * W; a++)
		for (int64_t b = 0; b < H * W; b++) {
			int64_t dy = (b / W - a / W + H) % H;
			int64_t dx = (b % W - a % W + W) % W;
			double c = gr_tensor_at(C, (const int64_t[]){a, b});
			double same = gr_tensor_at(C, (const int64_t[]){0, dy * W + dx});
			cr_expect(fabs(c - same) < 1e-13);
		}
	cr_expect(fabs(gr_tensor_at(C, (const int64_t[]){0, 0}) - 0.7) < 1e-13);
	for (int64_t j = 1; j <= W / 2; j++)
		cr_expect(gr_tensor_at(C, (const int64_t[]){0, j}) <
			gr_tensor_at(C, (const int64_t[]){0, j - 1}));
	gr_law_free(law);
}

Test(prior_field, is_the_gaussian_of_its_covariance)
{
	static const int64_t sizes[][2] = {{4, 6}, {5, 3}, {1, 7}};
	const double t[] = {10.0, 400.0, 400.0};
	for (int i = 0; i < 3; i++) {
		int64_t H = sizes[i][0];
		int64_t W = sizes[i][1];
		gr_tensor *mean = nn_normal(1, GR_F64, GR_DIMS(H, W));
		gr_law *law = gr_law_field(GR_OPTS(gr_field_opts, .height = H, .width = W, .variance = 0.5,
			.length = 2.0, .smoothness = 1.0, .mean = mean));
		gr_law *dense = gr_law_mixture(GR_OPTS(gr_mixture_opts,
			.means = gr_reshape(mean, GR_DIMS(1, H * W)), .covariances = covariance_of(law)));
		const gr_prior_opts opts = {.size = sizeof(opts), .channels = 1, .height = H, .width = W};
		gr_prior *p = gr_prior_law_new(law, &opts);
		gr_prior *q = gr_prior_law_new(dense, &opts);
		gr_tensor *x = nn_normal(2, GR_F64, GR_DIMS(3, 1, H, W));
		gr_tensor *eps = eps_of(p, x, t);
		cr_expect(nn_distance(eps, eps_of(q, x, t)) < 1e-12, "%s", gr_error_message());
		cr_expect(nn_distance(eps_of(p, gr_cast(x, GR_F32), t), eps) < 1e-6);
		gr_tensor *flat = gr_reshape(x, GR_DIMS(3, H * W));
		cr_expect(nn_distance(gr_law_log_density(law, flat, 0.3),
					  gr_law_log_density(dense, flat, 0.3)) < 1e-12);
		gr_prior_free(p);
		gr_prior_free(q);
		gr_law_free(law);
		gr_law_free(dense);
	}
}

Test(prior_field, posterior_is_the_gaussian_s)
{
	gr_law *law = gr_law_field(GR_OPTS(gr_field_opts, .height = 4, .width = 4, .length = 1.5));
	gr_tensor *C = covariance_of(law);
	gr_law *dense = gr_law_mixture(GR_OPTS(gr_mixture_opts,
		.means = gr_zeros(GR_F64, GR_DIMS(1, 16)), .covariances = gr_unsqueeze(C, 0)));
	const gr_linear_data data = {nn_normal(3, GR_F64, GR_DIMS(5, 16)),
		nn_normal(4, GR_F64, GR_DIMS(5)), 0.3};
	gr_tensor *mean = NULL;
	gr_tensor *after = NULL;
	gr_tensor *mean_dense = NULL;
	gr_tensor *after_dense = NULL;
	cr_assert_eq(gr_law_moments(&mean, &after, law, &data), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_law_moments(&mean_dense, &after_dense, dense, &data), GR_OK);
	cr_expect(nn_distance(mean, mean_dense) < 1e-10);
	cr_expect(nn_distance(after, after_dense) < 1e-10);
	/* draws have that covariance: their mean square along three directions */
	gr_tensor *x = gr_sub(gr_law_draw(law, &data, 20000, gr_key_seed(5)), mean);
	gr_tensor *u = nn_normal(6, GR_F64, GR_DIMS(16, 3));
	gr_tensor *found = gr_mean(gr_square(gr_matmul(x, u)), GR_AXES(0), false);
	gr_tensor *expected = gr_sum(gr_mul(u, gr_matmul(after, u)), GR_AXES(0), false);
	cr_expect(nn_distance(found, expected) < 5.0 * sqrt(2.0 / 20000.0));
	gr_law_free(law);
	gr_law_free(dense);
}

Test(prior_field, wrong_options)
{
	gr_tensor *uneven = gr_arange(GR_F64, 16, 1.0, 1.0);
	const gr_field_opts wrong[] = {
		{.height = 4},
		{.height = 4, .width = 4, .variance = -1.0},
		{.height = 4, .width = 4, .length = NAN},
		{.height = 4, .width = 4, .spectrum = uneven},
		{.height = 4, .width = 4, .spectrum = gr_full(GR_F64, GR_DIMS(4, 4), -1.0)},
		{.height = 4, .width = 5, .mean = uneven},
	};
	for (int i = 0; i < 6; i++) {
		cr_expect_null(gr_law_field(&wrong[i]));
		cr_expect(gr_error_code() == (i == 5 ? GR_ESHAPE : GR_EARG), "%d: %s", i,
			gr_error_message());
		gr_error_clear();
	}
	gr_law *law = gr_law_field(GR_OPTS(gr_field_opts, .height = 4, .width = 4));
	cr_expect_null(
		gr_prior_law_new(law, GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 8)));
	cr_expect_eq(gr_error_code(), GR_ESHAPE);
	gr_error_clear();
	gr_law_free(law);
}
