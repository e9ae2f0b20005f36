/*
 * ReSample: whole trajectories written out per sample, as corrected and as released, and the
 * coefficients of its flow version.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "consistency_priv.h"
#include "gradus/ops.h"
#include "linear_gaussian.h"

#define D 16

typedef struct wanted {
	int64_t every, travel, pixel, latent;
	bool released;
} wanted;

static bool is_measured(const linear_gaussian *p, int64_t i)
{
	return p->matrix[i * D + i] != 0.0;
}

static void predict(const linear_gaussian *p, const double *x, double A, double *eps)
{
	double l = p->covariance[0];
	for (int64_t i = 0; i < D; i++)
		eps[i] = sqrt(1.0 - A) * (x[i] - sqrt(A) * p->mean[i]) / (A * l + 1.0 - A);
}

static void estimate(const double *x, const double *eps, double A, bool released, double *x0)
{
	for (int64_t i = 0; i < D; i++)
		x0[i] = (x[i] - (released ? 1.0 - A : sqrt(1.0 - A)) * eps[i]) / sqrt(A);
}

/* AdamW on mean((y - x)^2) over all entries, missing ones being 0. */
static void fit(const linear_gaussian *p, double lr, int64_t iterations, double *x)
{
	double m[D] = {0}, v[D] = {0};
	for (int64_t k = 1; k <= iterations; k++) {
		double loss = 0.0;
		for (int64_t i = 0; i < D; i++) {
			double r = is_measured(p, i) ? p->y[i] - x[i] : 0.0;
			double g = -2.0 * r / D;
			loss += r * r / D;
			m[i] = 0.9 * m[i] + 0.1 * g;
			v[i] = 0.999 * v[i] + 0.001 * g * g;
			double root = sqrt(v[i] / (1.0 - pow(0.999, (double)k)));
			x[i] = (1.0 - lr * 0.01) * x[i] -
				lr * (m[i] / (1.0 - pow(0.9, (double)k))) / (root + 1e-8);
		}
		if (loss < 1e-6)
			break;
	}
}

static void run(const linear_gaussian *p, const gr_schedule *schedule, gr_key key, const wanted *o,
	double *x)
{
	double l = p->covariance[0];
	int64_t S = gr_schedule_count(schedule);
	for (int64_t i = 0; i < D; i++)
		x[i] = gr_key_normal(gr_key_fold_name(key, "start"), (uint64_t)i);
	for (int64_t j = S - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(schedule, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double eps[D], x0[D], told[D], norm = 0.0;
		predict(p, x, A, eps);
		estimate(x, eps, A, false, x0);
		estimate(x, eps, A, o->released, told);
		for (int64_t i = 0; i < D; i++)
			norm += is_measured(p, i) ? (p->y[i] - told[i]) * (p->y[i] - told[i]) : 0.0;
		double b = o->released ? 1.0 - A : sqrt(1.0 - A);
		double slope = (1.0 - b * sqrt(1.0 - A) / (A * l + 1.0 - A)) / sqrt(A);
		for (int64_t i = 0; i < D; i++) {
			double g = is_measured(p, i) ? -(p->y[i] - told[i]) / sqrt(norm) * slope : 0.0;
			x[i] = sqrt(Ap) * x0[i] + sqrt(1.0 - Ap) * eps[i] - 0.5 * A * g;
		}
		if (j == 0)
			fit(p, 5e-3, o->latent, x);
		if (j == 0 || j > S - S / 3 || j % o->every != 0)
			continue;
		double z[D];
		memcpy(z, x, sizeof(z));
		for (int64_t q = 1; q <= o->travel && q <= j; q++) {
			double at = gr_schedule_alpha_bar(schedule, j - q);
			double c = o->released ? gr_schedule_alpha_bar(schedule, j - q + 1) : at;
			double cp = o->released ? at
				: j - q > 0         ? gr_schedule_alpha_bar(schedule, j - q - 1)
									: 1.0;
			predict(p, z, at, eps);
			estimate(z, eps, c, o->released, told);
			estimate(z, eps, c, false, x0);
			for (int64_t i = 0; i < D; i++)
				z[i] = sqrt(cp) * x0[i] + sqrt(1.0 - cp) * eps[i];
		}
		bool image = j >= S / 3;
		fit(p, image ? 1e-2 : 5e-3, image ? o->pixel : o->latent, told);
		double v = 40.0 * (1.0 - Ap) / (1.0 - A) * (1.0 - A / Ap);
		for (int64_t i = 0; i < D; i++) {
			uint64_t t = (uint64_t)gr_schedule_timestep(schedule, j);
			double n =
				gr_key_normal(gr_key_fold(gr_key_fold_name(key, "resample"), t), (uint64_t)i);
			x[i] = (v * sqrt(Ap) * told[i] + (1.0 - Ap) * x[i]) / (v + 1.0 - Ap) +
				n / sqrt(1.0 / v + 1.0 / (1.0 - Ap));
		}
	}
}

static void check(const char *method, const wanted *o)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, method, "12");
	gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s: %s", method, gr_error_message());
	for (int64_t n = 0; n < 2; n++) {
		double expected[D];
		run(&p, schedule, opts.keys[n], o, expected);
		double off =
			nn_distance(batch_of(x, n, n + 1), gr_from_f64(GR_F64, expected, GR_DIMS(1, 1, 4, 4)));
		cr_expect(off < 1e-8, "%s: sample %d: %g", method, (int)n, off);
	}
	gr_schedule_free(schedule);
	cr_expect(linear_gaussian_same_alone(&p, method), "%s", gr_error_message());
	linear_gaussian_free(&p);
}

Test(resample, follows_the_formulas)
{
	check("resample:latent=0", &(wanted){.every = 10, .travel = 5, .pixel = 2000});
	check("resample:every=2,travel=3,pixel=20,latent=15",
		&(wanted){.every = 2, .travel = 3, .pixel = 20, .latent = 15});
	check("resample:every=3,travel=5,pixel=9,latent=9,released=1",
		&(wanted){.every = 3, .travel = 5, .pixel = 9, .latent = 9, .released = true});
}

/* Numbers of the release for 250 steps (for the second deviation a description has 0.195062, which its
 * own variances do not give), and the consistent weight c / (1 + c). */
Test(resample, coefficients_of_the_flow)
{
	static const double known[][5] = {
		{150, 1.048147, 0.16, 0.867566, 0.372572},
		{200, 0.779888, 0.04, 0.951213, 0.195060},
		{240, 0.597488, 0.0016, 0.997329, 0.039947},
	};
	for (int i = 0; i < 3; i++) {
		double t = 1.0 - known[i][0] / 250.0;
		gr_consistency_law law = gr__consistency_flow(t, t - 1.0 / 250.0, 0, 80.0);
		cr_expect(fabs(law.v - known[i][1]) < 1e-6, "%.7g", law.v);
		cr_expect(fabs(law.u - known[i][2]) < 1e-12, "%.7g", law.u);
		cr_expect(fabs(law.a - (1.0 - t)) < 1e-15);
		cr_expect(fabs(law.v / (law.v + law.u) - known[i][3]) < 1e-6);
		cr_expect(fabs(sqrt(law.v * law.u / (law.v + law.u)) - known[i][4]) < 1e-6);
		law = gr__consistency_flow(t, t - 1.0 / 250.0, 1, 10.0);
		cr_expect(fabs(law.v / (law.v + law.u) - 10.0 / 11.0) < 1e-12);
		cr_expect(fabs(law.a - (1.0 - t + 1.0 / 250.0)) < 1e-15);
	}
}

/* Without a fit it is latent_dps up to t = 1/N; with fits the result is the last of them. */
Test(resample, flow_version_goes_on_from_latent_dps)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "resample_flow:iterations=400", "30");
	gr_term *term = gr_dps_term(p.A, opts.y, 0.1);
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_step(s), GR_OK, "%s", gr_error_message()); /* step 0 resamples */
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_evaluations(s), 29);
	gr_tensor *r = gr_sub(opts.y, gr_operator_apply(p.A, gr_solver_result(s)));
	double misfit = gr_item(gr_mean(gr_square(r), GR_ALL_AXES, false));
	cr_expect(misfit < 1e-4, "%g", misfit);
	gr_solver_free(s);
	cr_expect(linear_gaussian_same_alone(&p, "resample_flow:iterations=20"), "%s",
		gr_error_message());
	gr_term_free(term);
	linear_gaussian_free(&p);
}
