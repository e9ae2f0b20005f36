/* Metrics: values that can be told by hand, a naive SSIM, what is clamped and left out. */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/metric.h"
#include "gradus/noise.h"
#include "inverse_check.h"

Test(metric, psnr_by_hand)
{
	double out[3];
	gr_tensor *reference = gr_full(GR_F32, GR_DIMS(3, 3, 12, 12), 0.25);
	/* off by 0.2 in [-1,1] is 0.1 in [0,1]: 20 dB */
	gr_tensor *x = gr_add_s(reference, 0.2);
	cr_assert_eq(gr_psnr(out, x, reference, NULL), GR_OK);
	for (int i = 0; i < 3; i++)
		cr_expect(fabs(out[i] - 20.0) < 1e-5, "%g", out[i]);
	cr_assert_eq(gr_psnr(out, reference, reference, NULL), GR_OK);
	cr_expect(isinf(out[0]) && out[0] > 0.0);
	/* 3 and 1 are the same pixel after clamping */
	gr_tensor *white = gr_full(GR_F32, GR_DIMS(3, 3, 12, 12), 1.0);
	cr_assert_eq(gr_psnr(out, gr_full(GR_F32, GR_DIMS(3, 3, 12, 12), 3.0), white, NULL), GR_OK);
	cr_expect(isinf(out[0]));
	cr_expect_eq(gr_psnr(out, gr_zeros(GR_F32, GR_DIMS(3, 3, 12, 11)), white, NULL), GR_ESHAPE);
	gr_error_clear();
	double nan_value[] = {NAN, 0.0, 0.0, 0.0};
	gr_tensor *bad = gr_from_f64(GR_F32, nan_value, GR_DIMS(1, 1, 2, 2));
	cr_assert_eq(gr_psnr(out, bad, gr_zeros(GR_F32, GR_DIMS(1, 1, 2, 2)), NULL), GR_OK);
	cr_expect(isnan(out[0]));
}

/* Wrong inside the hole alone: the PSNR of the missing pixels is lower by the ratio of areas. */
Test(metric, psnr_of_missing_pixels)
{
	double all[2];
	double hole[2];
	gr_operator *A = gr_operator_new("inpaint_box:box=8", NULL);
	gr_tensor *mask = gr_operator_support(A, GR_F64);
	gr_tensor *reference = gr_zeros(GR_F64, GR_DIMS(2, 3, 32, 32));
	gr_tensor *x = gr_add(reference, gr_mul_s(gr_rsub_s(mask, 1.0), 0.2));
	cr_assert_eq(gr_psnr(all, x, reference, NULL), GR_OK);
	cr_assert_eq(gr_psnr(hole, x, reference, GR_OPTS(gr_psnr_opts, .leave_out = mask)), GR_OK);
	for (int i = 0; i < 2; i++) {
		cr_expect(fabs(hole[i] - 20.0) < 1e-10, "%g", hole[i]);
		cr_expect(fabs(all[i] - 20.0 - 10.0 * log10(1024.0 / 64.0)) < 1e-10);
	}
	gr_tensor *everything = gr_full(GR_F64, GR_DIMS(1, 1, 32, 32), 1.0);
	cr_assert_eq(gr_psnr(all, x, reference, GR_OPTS(gr_psnr_opts, .leave_out = everything)), GR_OK);
	cr_expect(isnan(all[0]));
	gr_operator_free(A);
}

/* A mask for each channel: off by 0.2 where it is not measured, and there alone. */
Test(metric, masks_of_channels)
{
	double out[2];
	gr_operator *A = gr_operator_new("pde_sparse:missing=0.5",
		GR_OPTS(gr_operator_opts, .channels = 2, .n = 2, .keys = some_keys(1, 2)));
	gr_tensor *mask = gr_operator_support(A, GR_F64);
	gr_tensor *reference = gr_zeros(GR_F64, GR_DIMS(2, 2, 32, 32));
	gr_tensor *x = gr_mul_s(gr_rsub_s(mask, 1.0), 0.2);
	cr_assert_eq(gr_psnr(out, x, reference, GR_OPTS(gr_psnr_opts, .leave_out = mask)), GR_OK);
	cr_expect(fabs(out[0] - 20.0) < 1e-10 && fabs(out[1] - 20.0) < 1e-10);
	cr_assert_eq(gr_psnr(out, x, reference, NULL), GR_OK);
	cr_expect(fabs(out[0] - 20.0 - 10.0 * log10(2.0)) < 1e-10);
	cr_assert_eq(gr_residual_rms(out, A, gr_add_s(x, 0.3), gr_operator_apply(A, x)), GR_OK);
	cr_expect(fabs(out[0] - 0.3) < 1e-12 && fabs(out[1] - 0.3) < 1e-12, "%g", out[0]);
	gr_operator_free(A);
}

/* SSIM of one plane by its definition, weights in two dimensions. */
static double naive_ssim(const gr_tensor *x, const gr_tensor *y, int64_t n, int64_t c)
{
	int64_t H = gr_tensor_dim(x, 2);
	int64_t W = gr_tensor_dim(x, 3);
	double total = 0.0;
	for (int64_t i = 5; i < H - 5; i++)
		for (int64_t j = 5; j < W - 5; j++) {
			double s[6] = {0};
			for (int64_t p = -5; p <= 5; p++)
				for (int64_t q = -5; q <= 5; q++) {
					const int64_t at[] = {n, c, i + p, j + q};
					double w = exp(-(double)(p * p + q * q) / 4.5);
					double a = fmin(fmax(0.5 * gr_tensor_at(x, at) + 0.5, 0.0), 1.0);
					double b = fmin(fmax(0.5 * gr_tensor_at(y, at) + 0.5, 0.0), 1.0);
					const double term[] = {1.0, a, b, a * a, b * b, a * b};
					for (int k = 0; k < 6; k++)
						s[k] += w * term[k];
				}
			double mx = s[1] / s[0];
			double my = s[2] / s[0];
			double vx = s[3] / s[0] - mx * mx;
			double vy = s[4] / s[0] - my * my;
			double cov = s[5] / s[0] - mx * my;
			total += (2 * mx * my + 1e-4) * (2 * cov + 9e-4) /
				((mx * mx + my * my + 1e-4) * (vx + vy + 9e-4));
		}
	return total / (double)((H - 10) * (W - 10));
}

Test(metric, ssim)
{
	double out[2];
	gr_tensor *x = gr_mul_s(nn_normal(1, GR_F64, GR_DIMS(2, 2, 14, 19)), 0.6);
	gr_tensor *y = gr_add(x, gr_mul_s(nn_normal(2, GR_F64, GR_DIMS(2, 2, 14, 19)), 0.3));
	cr_assert_eq(gr_ssim(out, x, y, GR_SSIM_WANG2004), GR_OK);
	for (int64_t n = 0; n < 2; n++) {
		double expected = 0.5 * (naive_ssim(x, y, n, 0) + naive_ssim(x, y, n, 1));
		cr_expect(fabs(out[n] - expected) < 1e-12, "%g, expected %g", out[n], expected);
	}
	cr_assert_eq(gr_ssim(out, x, x, GR_SSIM_WANG2004), GR_OK);
	cr_expect(fabs(out[0] - 1.0) < 1e-12);
	gr_tensor *small = gr_zeros(GR_F32, GR_DIMS(1, 1, 10, 20));
	cr_expect_eq(gr_ssim(out, small, small, GR_SSIM_WANG2004), GR_ESHAPE);
	gr_error_clear();
}

/* Of the true image the residual is sigma, whatever part of it is measured. */
Test(metric, residual)
{
	static const char *const specs[] = {"inpaint_box", "inpaint_random", "sr_mean:factor=2",
		"blur_gauss", "identity"};
	int64_t n = 8;
	double out[8];
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(n, 3, 32, 32));
	for (int s = 0; s < 5; s++) {
		gr_operator *A =
			gr_operator_new(specs[s], GR_OPTS(gr_operator_opts, .n = n, .keys = some_keys(3, n)));
		cr_assert_eq(gr_residual_rms(out, A, x, gr_measure(A, x, 0.05)), GR_OK);
		/* at least 768 entries each: five standard deviations are 13 % */
		for (int64_t i = 0; i < n; i++)
			cr_expect(fabs(out[i] / 0.05 - 1.0) < 0.13, "%s %g", specs[s], out[i]);
		cr_assert_eq(gr_residual_rms(out, A, x, gr_operator_apply(A, x)), GR_OK);
		cr_expect(out[0] == 0.0);
		gr_operator_free(A);
	}
}
