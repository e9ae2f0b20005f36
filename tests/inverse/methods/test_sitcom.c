/*
 * SITCOM: the inner optimisation and where it stops written out per sample, its phase of terms, what
 * is counted, and independence of the batch.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

#define D 16

typedef struct wanted {
	double lr, lambda, pull;
	int64_t iterations;
	bool noiseless;
} wanted;

/* One sample behind a mask, with an independent prior. */
static void run(const linear_gaussian *p, const gr_schedule *schedule, gr_key key, const wanted *o,
	int64_t *looks, double *x)
{
	double l = p->covariance[0];
	int64_t count = gr_schedule_count(schedule);
	for (int64_t i = 0; i < D; i++)
		x[i] = gr_key_normal(gr_key_fold_name(key, "start"), (uint64_t)i);
	*looks = 0;
	for (int64_t j = count - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(schedule, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
		double slope = sqrt(A) * l / (A * l + 1.0 - A); /* dx_0/dv */
		double v[D], x0[D], m[D] = {0}, u[D] = {0};
		double within = (p->sigma + 0.001) * (p->sigma + 0.001) * D;
		memcpy(v, x, sizeof(v));
		for (int64_t k = 1; k <= o->iterations; k++) {
			double misfit = 0.0;
			double away = 0.0;
			++*looks;
			for (int64_t i = 0; i < D; i++) {
				double r = 0.0;
				x0[i] = p->mean[i] + slope * (v[i] - sqrt(A) * p->mean[i]);
				if (p->matrix[i * D + i] != 0.0)
					r = p->y[i] - x0[i];
				misfit += r * r;
				away += (v[i] - x[i]) * (v[i] - x[i]);
			}
			double loss = (o->noiseless ? sqrt(misfit) : misfit) + o->lambda * away;
			if (!o->noiseless && loss < within)
				break;
			for (int64_t i = 0; i < D; i++) {
				double g = p->matrix[i * D + i] != 0.0 ? -slope * (p->y[i] - x0[i]) : 0.0;
				g = (o->noiseless ? g / sqrt(misfit) : 2.0 * g) + 2.0 * o->lambda * (v[i] - x[i]);
				m[i] = 0.9 * m[i] + 0.1 * g;
				u[i] = 0.999 * u[i] + 0.001 * g * g;
				double root = sqrt(u[i] / (1.0 - pow(0.999, (double)k)));
				v[i] -= o->lr * (m[i] / (1.0 - pow(0.9, (double)k))) / (root + 1e-8);
			}
		}
		for (int64_t i = 0; i < D; i++) {
			if (p->matrix[i * D + i] != 0.0)
				x0[i] += 2.0 * o->pull * (p->y[i] - x0[i]);
			double z =
				gr_key_normal(gr_key_fold(gr_key_fold_name(key, "step"), (uint64_t)(count - 1 - j)),
					(uint64_t)i);
			x[i] = sqrt(Ap) * x0[i] + sqrt(1.0 - Ap) * z;
		}
	}
}

static void check(const char *method, double sigma, const wanted *o)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, sigma);
	gr_solver_opts opts = linear_gaussian_opts(&p, 3, method, NULL);
	gr_schedule *schedule = gr_prior_respace(p.prior, "ddim20");
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_steps(s), 20);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s: %s", method, gr_error_message());
	int64_t most = 0;
	for (int64_t n = 0; n < 3; n++) {
		double x[D];
		int64_t looks;
		run(&p, schedule, opts.keys[n], o, &looks, x);
		most = looks > most ? looks : most;
		double off = nn_distance(batch_of(gr_solver_result(s), n, n + 1),
			gr_from_f64(GR_F64, x, GR_DIMS(1, 1, 4, 4)));
		cr_expect(off < 1e-7, "%s: sample %d: %g", method, (int)n, off);
	}
	cr_expect(gr_solver_evaluations(s) >= most && gr_solver_evaluations(s) <= 20 * o->iterations);
	cr_expect_eq(gr_solver_gradients(s), gr_solver_evaluations(s));
	gr_solver_free(s);
	gr_schedule_free(schedule);
	cr_expect(linear_gaussian_same_alone(&p, method), "%s", gr_error_message());
	linear_gaussian_free(&p);
}

Test(sitcom, follows_the_released_loop)
{
	check("sitcom", 0.05, &(wanted){.lr = 0.02, .iterations = 30});
	check("sitcom:lr=0.1,iterations=8,pull=0.5", 0.3,
		&(wanted){.lr = 0.1, .iterations = 8, .pull = 0.5});
	check("sitcom:lambda=1,lr=0.05", 0.1, &(wanted){.lr = 0.05, .iterations = 30, .lambda = 1.0});
	check("sitcom:noiseless=1,iterations=12", 0.0,
		&(wanted){.lr = 0.02, .iterations = 12, .noiseless = true});
}

/* Says something in every second iteration, and then (x - 1)^2. */
static gr_tensor *pull(void *self, const gr_term_ctx *ctx)
{
	int64_t *asked = self;
	int64_t n = gr_tensor_dim(ctx->x0_hat, 0);
	cr_expect_eq(ctx->steps, 30);
	++*asked;
	if (ctx->step % 2)
		return gr_zeros(GR_F64, 1, &n);
	return gr_sumsq(gr_add_s(ctx->x0_hat, -1.0), GR_AXES(1, 2, 3), false);
}

/* Fifteen steps of a constant sign by a new Adam, of rate 0.02 each, before the noise; no more looks. */
Test(sitcom, terms_act_in_a_phase_of_their_own)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, 0.05);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "sitcom", "1");
	gr_tensor *plain = gr_solver_solve(&opts);
	int64_t asked = 0;
	gr_term *term = gr_term_new("pull", pull, &asked,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = 1.0));
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	cr_expect_eq(asked, 30);
	for (int64_t i = 0; i < 32; i++) {
		int64_t at[] = {i / 16, 0, i / 4 % 4, i % 4};
		double from = gr_tensor_at(plain, at) - 1.0;
		double to = gr_tensor_at(x, at) - 1.0;
		double m = 0.0;
		double v = 0.0;
		for (int64_t k = 1; k <= 15; k++) {
			m = 0.9 * m + 0.1 * 2.0 * from;
			v = 0.999 * v + 0.001 * 4.0 * from * from;
			double root = sqrt(v / (1.0 - pow(0.999, (double)k)));
			from -= 0.02 * (m / (1.0 - pow(0.9, (double)k))) / (root + 1e-8);
		}
		cr_expect(fabs(to - from) < 1e-9, "%g, expected %g", to, from);
	}
	gr_term_free(term);
	linear_gaussian_free(&p);
}
