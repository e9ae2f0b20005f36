/*
 * Noise schedules against the values of the published models (computed with their own scripts;
 * twelve digits) and against the identities that hold for every schedule.
 */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/schedule.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

static void near(double got, double want, double relative, const char *what)
{
	cr_assert(fabs(got - want) <= relative * fabs(want), "%s: %.15g, expected %.15g", what, got,
		want);
}

Test(schedule, adm_linear)
{
	gr_schedule *s = gr_schedule_new(NULL);
	cr_assert_eq(gr_schedule_count(s), 1000);
	near(gr_schedule_beta(s, 1), 1.1991991992e-4, 1e-10, "beta_1");
	near(gr_schedule_beta(s, 500), 0.01005995996, 1e-9, "beta_500");
	const struct {
		int64_t t;
		double a;
	} bars[] = {{0, 0.9999}, {10, 0.997806572508}, {100, 0.895141590898}, {250, 0.521423030619},
		{500, 0.077796658365}, {750, 0.00330015836157}, {999, 4.03582976538e-5}};
	for (int i = 0; i < COUNT(bars); i++)
		near(gr_schedule_alpha_bar(s, bars[i].t), bars[i].a, 1e-11, "alpha_bar");
	near(gr_schedule_sigma(s, 999), 157.40728, 1e-7, "sigma_999");
	near(gr_schedule_posterior_log_variance(s, 1), -9.816725135, 1e-9, "log v_1");
	cr_assert_eq(gr_schedule_posterior_log_variance(s, 0),
		gr_schedule_posterior_log_variance(s, 1));
	near(gr_schedule_posterior_c1(s, 500), 0.003058057076, 1e-9, "c1_500");
	near(gr_schedule_posterior_c2(s, 500), 0.9941043508, 1e-9, "c2_500");
	gr_schedule_free(s);
}

Test(schedule, latent_diffusion)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_SQRT_LINEAR));
	near(gr_schedule_beta(s, 1), 1.50783468205e-3, 1e-11, "beta_1");
	near(gr_schedule_alpha_bar(s, 500), 0.114922000855, 1e-11, "A_500");
	near(gr_schedule_alpha_bar(s, 999), 1.42303975192e-4, 1e-11, "A_999");
	near(gr_schedule_sigma(s, 999), 83.822494, 1e-7, "sigma_999");
	near(gr_schedule_posterior_log_variance(s, 1), -7.192083743, 1e-9, "log v_1");
	gr_schedule_free(s);
	s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_SQRT_LINEAR,
		.beta_first = 0.00085, .beta_last = 0.012));
	near(gr_schedule_alpha_bar(s, 999), 4.66009851308e-3, 1e-11, "A_999");
	near(gr_schedule_posterior_c1(s, 500), 0.003506044334, 1e-9, "c1_500");
	gr_schedule_free(s);
}

/* prod (1 - beta_i) telescopes to f(t+1)/f(0) until the last, clipped, beta. */
Test(schedule, cosine)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_COSINE));
	const double half_pi = 1.57079632679489661923;
	for (int64_t t = 0; t < 999; t += 37) {
		double a = cos(((double)(t + 1) / 1000.0 + 0.008) / 1.008 * half_pi);
		double b = cos(0.008 / 1.008 * half_pi);
		near(gr_schedule_alpha_bar(s, t), a * a / (b * b), 1e-10, "alpha_bar");
	}
	cr_assert_eq(gr_schedule_beta(s, 999), 0.999);
	gr_schedule_free(s);
}

/* The kept steps of the published samplers: accumulated strides, rounded half to even. */
Test(schedule, respacing)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = "100"));
	const int64_t first[] = {0, 10, 20, 30, 40, 50, 61, 71}, last[] = {959, 969, 979, 989, 999};
	cr_assert_eq(gr_schedule_count(s), 100);
	cr_assert_eq(gr_schedule_base_steps(s), 1000);
	for (int i = 0; i < COUNT(first); i++)
		cr_assert_eq(gr_schedule_timestep(s, i), first[i]);
	for (int i = 0; i < COUNT(last); i++)
		cr_assert_eq(gr_schedule_timestep(s, 95 + i), last[i]);
	near(gr_schedule_beta(s, 0), 1e-4, 1e-12, "beta_0");
	near(gr_schedule_beta(s, 1), 0.002093636856, 1e-9, "beta_1");
	near(gr_schedule_beta(s, 99), 0.1821795309, 1e-9, "beta_99");
	gr_schedule_free(s);

	s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = "20"));
	const int64_t twenty[] = {0, 53, 105, 158, 210, 263, 315, 368};
	for (int i = 0; i < COUNT(twenty); i++)
		cr_assert_eq(gr_schedule_timestep(s, i), twenty[i]);
	cr_assert_eq(gr_schedule_timestep(s, 19), 999);
	near(gr_schedule_beta(s, 19), 0.647513727, 1e-8, "beta_19");
	gr_schedule_free(s);

	const struct {
		const char *text;
		int64_t stride, last;
	} strided[] = {{"ddim25", 40, 960}, {"ddim50", 20, 980}, {"ddim250", 4, 996}};
	for (int i = 0; i < COUNT(strided); i++) {
		s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = strided[i].text));
		cr_assert_eq(gr_schedule_timestep(s, 1), strided[i].stride);
		cr_assert_eq(gr_schedule_timestep(s, gr_schedule_count(s) - 1), strided[i].last);
		gr_schedule_free(s);
	}

	/* Sections of 334, 333, 333 steps: ends included in each. */
	s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = "2,3,1"));
	const int64_t sections[] = {0, 333, 334, 500, 666, 667};
	cr_assert_eq(gr_schedule_count(s), 6);
	for (int i = 0; i < 6; i++)
		cr_assert_eq(gr_schedule_timestep(s, i), sections[i]);
	gr_schedule_free(s);
}

/* A respaced schedule has the base schedule's alpha_bar at the kept steps, and posteriors are
 * those of Bayes' rule: precision adds up, 1/v = a/beta + 1/(1 - Ap). */
Test(schedule, identities)
{
	const char *respacings[] = {NULL, "100", "10,15,20", "ddim50", "1000"};
	gr_schedule *base = gr_schedule_new(NULL);
	for (int i = 0; i < COUNT(respacings); i++) {
		gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = respacings[i]));
		for (int64_t j = 0; j < gr_schedule_count(s); j++) {
			double a = gr_schedule_alpha_bar(base, gr_schedule_timestep(s, j));
			double prev = gr_schedule_alpha_bar_prev(s, j), beta = gr_schedule_beta(s, j);
			near(gr_schedule_alpha_bar(s, j), a, 1e-12, "alpha_bar");
			if (j == 0)
				continue;
			double v = gr_schedule_posterior_variance(s, j);
			near(1.0 / v, (1.0 - beta) / beta + 1.0 / (1.0 - prev), 1e-9, "posterior precision");
			near(gr_schedule_posterior_log_variance(s, j), log(v), 1e-12, "log variance");
			double mean = gr_schedule_posterior_c1(s, j) + gr_schedule_posterior_c2(s, j) * sqrt(a);
			near(mean, sqrt(prev), 1e-9, "mean of x_{j-1} when x_0 = 1");
		}
		gr_schedule_free(s);
	}
	gr_schedule_free(base);
}

Test(schedule, one_step)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = "1"));
	cr_assert_eq(gr_schedule_count(s), 1);
	cr_assert(isfinite(gr_schedule_posterior_log_variance(s, 0)));
	cr_assert_eq(gr_schedule_posterior_variance(s, 0), 0.0);
	gr_schedule_free(s);
}

Test(schedule, refuses)
{
	const char *bad[] = {"0", "-1", "1001", "ddim", "ddim7x", "ddim999", "10,", ",10", "10,,10",
		"600,600", "abc", "99999999999999999999"};
	for (int i = 0; i < COUNT(bad); i++) {
		cr_assert_null(gr_schedule_new(GR_OPTS(gr_schedule_opts, .respacing = bad[i])), "%s",
			bad[i]);
		cr_assert_eq(gr_error_code(), GR_EARG, "%s", bad[i]);
		gr_error_clear();
	}
	cr_assert_null(gr_schedule_new(GR_OPTS(gr_schedule_opts, .steps = -3)));
	gr_error_clear();
	cr_assert_null(gr_schedule_new(GR_OPTS(gr_schedule_opts, .steps = 10))); /* beta of 2 */
	gr_error_clear();
	gr_schedule *s = gr_schedule_new(NULL);
	cr_assert(isnan(gr_schedule_beta(s, 1000)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_schedule_timestep(s, -1), -1);
	gr_error_clear();
	gr_schedule_free(s);
	gr_schedule_free(NULL);
}
