/*
 * Noise schedules against the values of the published models (computed with their own scripts;
 * twelve digits) and against the identities that hold for every schedule.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

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

/* --- flows and levels --- */

Test(schedule, flow_is_uniform_in_time)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_FLOW));
	cr_assert_eq(gr_schedule_count(s), 1000);
	cr_assert_eq(gr_schedule_alpha_bar(s, 999), 0.0);
	cr_assert_eq(gr_schedule_beta(s, 999), 1.0);
	cr_assert(isinf(gr_schedule_sigma(s, 999)));
	for (int64_t j = 0; j < 999; j++) {
		double t = (double)(j + 1) / 1000.0;
		near(gr_schedule_sigma(s, j), t / (1.0 - t), 1e-10, "sigma");
	}
	/* the first step from noise alone: x_{j-1} = sqrt(Ap) x_0 + sqrt(1-Ap) z */
	near(gr_schedule_posterior_c1(s, 999), sqrt(gr_schedule_alpha_bar(s, 998)), 1e-14, "c1");
	cr_assert_eq(gr_schedule_posterior_c2(s, 999), 0.0);
	near(gr_schedule_posterior_variance(s, 999), 1.0 - gr_schedule_alpha_bar(s, 998), 1e-14, "v");
	gr_schedule_free(s);
	const int counts[] = {1, 50, 250, 333, 1000};
	for (int i = 0; i < COUNT(counts); i++) {
		char text[16];
		snprintf(text, sizeof(text), "%d", counts[i]);
		s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_FLOW, .respacing = text));
		cr_assert_eq(gr_schedule_count(s), counts[i]);
		for (int64_t j = 0; j < counts[i]; j++)
			cr_assert_eq(gr_schedule_timestep(s, j),
				(int64_t)floor((double)(j + 1) * 1000.0 / counts[i] + 0.5) - 1);
		cr_assert_eq(gr_schedule_alpha_bar(s, counts[i] - 1), 0.0);
		cr_assert(isfinite(gr_schedule_posterior_log_variance(s, 0)));
		gr_schedule_free(s);
	}
}

/* Steps of RED-diff and RLSD: count, first and last of each list. */
Test(schedule, rlsd_lists)
{
	static const struct {
		const char *text;
		int64_t count, first, last;
	} lists[] = {{"rlsd:999", 998, 999, 2}, {"rlsd:500", 499, 999, 3}, {"rlsd:200", 199, 996, 6},
		{"rlsd:100", 99, 991, 11}};
	for (int i = 0; i < COUNT(lists); i++) {
		gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_SQRT_LINEAR,
			.beta_first = 0.00085, .beta_last = 0.012, .respacing = lists[i].text));
		int64_t n = gr_schedule_count(s);
		cr_assert_eq(n, lists[i].count);
		cr_assert_eq(gr_schedule_timestep(s, n - 1), lists[i].first);
		cr_assert_eq(gr_schedule_timestep(s, 0), lists[i].last);
		cr_assert_eq(gr_schedule_timestep(s, 1) - lists[i].last,
			gr_schedule_timestep(s, n - 1) - gr_schedule_timestep(s, n - 2));
		gr_schedule_free(s);
	}
}

static gr_schedule *levels(gr_schedule_kind kind, const char *text)
{
	gr_schedule *s = gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = kind, .respacing = text));
	cr_assert_not_null(s, "%s: %s", text, gr_error_message());
	return s;
}

/* sigma of the k-th step from the noisiest. */
static double sigma_at(const gr_schedule *s, int64_t k)
{
	return gr_schedule_sigma(s, gr_schedule_count(s) - 1 - k);
}

Test(schedule, levels_of_edm_and_daps)
{
	/* Karras et al. 2022, Table 1, at N = 18: the first levels of the grid, 80 to 0.002 */
	gr_schedule *s = levels(GR_SCHEDULE_EDM, "edm:18");
	cr_assert_eq(gr_schedule_count(s), 18);
	const double edm[] = {80.0, 57.586, 40.786, 28.375};
	for (int64_t k = 0; k < COUNT(edm); k++)
		near(sigma_at(s, k), edm[k], 2e-5, "edm");
	near(sigma_at(s, 17), 0.002, 1e-9, "edm, last");
	gr_schedule_free(s);
	/* DAPS, latent: repeated from its description */
	s = levels(GR_SCHEDULE_LINEAR, "daps:50,min=0.1,max=10");
	near(sigma_at(s, 0), 10.0, 1e-12, "daps_0");
	near(sigma_at(s, 1), 9.34434, 1e-6, "daps_1");
	near(sigma_at(s, 25), 1.45073, 4e-6, "daps_25");
	near(sigma_at(s, 49), 0.113780, 5e-6, "daps_49");
	gr_schedule_free(s);
	s = levels(GR_SCHEDULE_LINEAR, "daps:200");
	near(sigma_at(s, 0), 100.0, 1e-12, "daps, pixel");
	gr_schedule_free(s);
	/* defaults keep within the process: linear begins at 0.01 */
	s = levels(GR_SCHEDULE_LINEAR, "edm:18");
	near(sigma_at(s, 17), sqrt(1e-4 / (1.0 - 1e-4)), 1e-9, "least noise");
	cr_assert_eq(gr_schedule_timestep(s, 0), 0);
	gr_schedule_free(s);
}

Test(schedule, levels_of_flows)
{
	gr_schedule *even = levels(GR_SCHEDULE_FLOW, "50");
	gr_schedule *same = levels(GR_SCHEDULE_FLOW, "flow:50");
	gr_schedule *shifted = levels(GR_SCHEDULE_FLOW, "flow:28,shift=4");
	gr_schedule *em = levels(GR_SCHEDULE_FLOW, "em:5");
	for (int64_t j = 0; j < 50; j++) {
		cr_assert_eq(gr_schedule_time(same, j), gr_schedule_time(even, j));
		cr_assert_eq(gr_schedule_alpha_bar(same, j), gr_schedule_alpha_bar(even, j));
	}
	for (int64_t j = 0; j < 28; j++) {
		double u = (double)(j + 1) / 28.0, t = 4.0 * u / (1.0 + 3.0 * u);
		cr_assert(fabs(gr_schedule_time(shifted, j) - (1000.0 * t - 1.0)) < 1e-9);
	}
	const double times[] = {0.04, 0.28, 0.52, 0.76, 1.0}; /* evenly, 1 to 0.04 */
	for (int64_t j = 0; j < 5; j++)
		cr_assert(fabs(gr_schedule_time(em, j) - (1000.0 * times[j] - 1.0)) < 1e-9);
	gr_schedule_free(even);
	gr_schedule_free(same);
	gr_schedule_free(shifted);
	gr_schedule_free(em);
}

/* Between base steps: log A linear, fractional times; whole where a level is a base step. */
Test(schedule, levels_lie_between_base_steps)
{
	gr_schedule *base = gr_schedule_new(NULL);
	gr_schedule *s = levels(GR_SCHEDULE_LINEAR, "edm:40,min=0.02,max=150");
	for (int64_t j = 0; j < 40; j++) {
		double t = gr_schedule_time(s, j);
		int64_t below = (int64_t)t;
		double low = log(gr_schedule_alpha_bar(base, below));
		double high = log(gr_schedule_alpha_bar(base, below + 1));
		near(log(gr_schedule_alpha_bar(s, j)), low + (t - (double)below) * (high - low), 1e-9,
			"log A");
		near(gr_schedule_beta(s, j),
			1.0 - gr_schedule_alpha_bar(s, j) / gr_schedule_alpha_bar_prev(s, j), 1e-15, "beta");
		cr_assert_eq(gr_schedule_timestep(s, j), (int64_t)rint(t));
	}
	gr_schedule_free(s);
	gr_schedule_free(base);
}

Test(schedule, wrong_levels)
{
	static const struct {
		gr_schedule_kind kind;
		const char *text, *says;
	} wrong[] = {
		{GR_SCHEDULE_LINEAR, "edm:18,max=1000", "a noise level of 1000"},
		{GR_SCHEDULE_LINEAR, "edm:18,min=0.001", "a noise level of"},
		{GR_SCHEDULE_LINEAR, "edm:18,min=3,max=2", "below"},
		{GR_SCHEDULE_LINEAR, "edm:18,rho=x", "malformed"},
		{GR_SCHEDULE_LINEAR, "edm:18,shift=2", "malformed"},
		{GR_SCHEDULE_LINEAR, "edm:18,", "malformed"},
		{GR_SCHEDULE_LINEAR, "edm:0", "malformed"},
		{GR_SCHEDULE_LINEAR, "edm", "malformed"},
		{GR_SCHEDULE_LINEAR, "edm:18 ", "malformed"},
		{GR_SCHEDULE_LINEAR, "karras:18", "malformed"},
		{GR_SCHEDULE_LINEAR, "flow:10", "a noise level of inf"},
		{GR_SCHEDULE_LINEAR, "rlsd:1000", "hint: rlsd:999"},
		{GR_SCHEDULE_FLOW, "rlsd:1", "expected rlsd:N"},
		{GR_SCHEDULE_FLOW, "1001", "1000 steps"},
		{GR_SCHEDULE_FLOW, "em:5,last=2", "does not lie below"},
	};
	for (int i = 0; i < COUNT(wrong); i++) {
		cr_expect_null(gr_schedule_new(GR_OPTS(gr_schedule_opts, .kind = wrong[i].kind,
						   .respacing = wrong[i].text)),
			"%s", wrong[i].text);
		cr_expect_eq(gr_error_code(), GR_EARG);
		cr_expect_not_null(strstr(gr_error_message(), wrong[i].says), "%s: %s", wrong[i].text,
			gr_error_message());
		gr_error_clear();
	}
	cr_expect_null(gr_schedule_new(
		GR_OPTS(gr_schedule_opts, .kind = GR_SCHEDULE_EDM, .sigma_min = 3.0, .sigma_max = 2.0)));
	cr_expect_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
