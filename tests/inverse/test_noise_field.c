/* Coloured noise: its covariance, its keys, and that solvers of a prior draw it. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/noise_field.h"
#include "inverse_check.h"

#define H 4
#define W 5
#define MANY 4000

static gr_noise_field *field(double length)
{
	return gr_noise_field_new(
		GR_OPTS(gr_noise_field_opts, .height = H, .width = W, .length = length));
}

/* C(p, q) = exp(-|p - q| / (2 length^2)) + 1e-4 [p = q], within five standard errors. */
static void check_covariance(const double *x, int64_t stride, double length)
{
	for (int a = 0; a < H * W; a++) {
		for (int b = 0; b <= a; b++) {
			double is = 0.0;
			for (int64_t i = 0; i < MANY; i++)
				is += x[i * stride + a] * x[i * stride + b] / MANY;
			double apart = hypot((double)(a / W - b / W) / H, (double)(a % W - b % W) / W);
			double c = exp(-apart / (2.0 * length * length)) + (a == b ? 1e-4 : 0.0);
			cr_expect(fabs(is - c) < 5.0 * sqrt((1.0 + c * c) / MANY), "%d %d: %g, expected %g", a,
				b, is, c);
		}
	}
}

Test(noise_field, covariance)
{
	gr_noise_field *f = field(0.3);
	cr_assert_not_null(f, "%s", gr_error_message());
	gr_tensor *x = gr_noise_field_draw(f, MANY, some_keys(1, MANY), 2, GR_F64);
	cr_assert_not_null(x, "%s", gr_error_message());
	const double *v = gr_tensor_data_const(x);
	check_covariance(v, 2 * H * W, 0.3);
	double across = 0.0; /* channels are independent */
	for (int64_t i = 0; i < MANY; i++)
		across += v[i * 2 * H * W] * v[i * 2 * H * W + H * W] / MANY;
	cr_expect(fabs(across) < 5.0 / sqrt(MANY), "%g", across);
	gr_tensor *one = gr_noise_field_draw(f, 1, some_keys(3, 1), 2, GR_F64);
	cr_expect(nn_same_bits(one, batch_of(x, 2, 3)));
	gr_noise_field_free(f);
}

/* The start of a run, and what its steps draw. */
Test(noise_field, of_a_prior)
{
	gr_prior *p = gaussian_prior(1, H, W, 1.0, false);
	cr_assert_eq(gr_prior_set_noise(p, field(0.3)), GR_OK, "%s", gr_error_message());
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = MANY, .keys = some_keys(1, MANY),
						 .respacing = "2", .dtype = GR_F64)),
		GR_OK, "%s", gr_error_message());
	check_covariance(gr_tensor_data_const(gr_solver_state(s, 0)), H * W, 0.3);
	gr_solver_free(s);
	cr_assert_eq(gr_prior_set_noise(p, NULL), GR_OK);
	gr_status status = gr_prior_set_noise(p,
		gr_noise_field_new(GR_OPTS(gr_noise_field_opts, .height = W, .width = H)));
	cr_expect_eq(status, GR_ESHAPE);
	gr_error_clear();
	gr_prior_free(p);
}

Test(noise_field, refused)
{
	cr_expect_null(field(-1.0));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_expect_null(
		gr_noise_field_new(GR_OPTS(gr_noise_field_opts, .height = 16, .width = 16, .length = 2.0)));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
}
