/*
 * Solvers, by the methods that sample: their steps against the formulas written out per pixel, the law of its samples, and
 * what it promises about batches, threads, resuming, memory and errors.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/noise.h"
#include "inverse_check.h"

/* --- formulas --- */

typedef struct naive_case {
	const char *name;
	const char *method;
	double eta;
	bool no_clip;
	const char *respacing;
} naive_case;

/* x of one pixel with prior N(m, l), after every step; z as the keys give it. */
static double naive_pixel(const naive_case *c, const gr_schedule *s, gr_key key, int64_t pixel,
	double m, double l)
{
	double x = gr_key_normal(gr_key_fold_name(key, "start"), (uint64_t)pixel);
	for (int64_t j = gr_schedule_count(s) - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(s, j);
		double Ap = j > 0 ? gr_schedule_alpha_bar(s, j - 1) : 1.0;
		double beta = 1.0 - A / Ap;
		uint64_t t = (uint64_t)gr_schedule_timestep(s, j);
		double z = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "step"), t), (uint64_t)pixel);
		/* E[x0 | x_t] by conditioning */
		double x0 = m + sqrt(A) * l / (A * l + 1.0 - A) * (x - sqrt(A) * m);
		if (!c->no_clip)
			x0 = fmin(fmax(x0, -1.0), 1.0);
		if (j == 0)
			z = 0.0;
		if (strcmp(c->method, "ddpm") == 0) {
			double v = beta * (1.0 - Ap) / (1.0 - A);
			x = beta * sqrt(Ap) / (1.0 - A) * x0 + (1.0 - Ap) * sqrt(1.0 - beta) / (1.0 - A) * x +
				sqrt(v) * z;
		} else {
			double sigma = c->eta * sqrt((1.0 - Ap) / (1.0 - A) * (1.0 - A / Ap));
			double eps = (x - sqrt(A) * x0) / sqrt(1.0 - A);
			x = sqrt(Ap) * x0 + sqrt(1.0 - Ap - sigma * sigma) * eps + sigma * z;
		}
	}
	return x;
}

Test(solver, steps_follow_the_formulas)
{
	static const naive_case cases[] = {
		{"ddpm", "ddpm", 0.0, false, "20"},
		{"ddpm, not clipped", "ddpm", 0.0, true, "20"},
		{"ddpm, all steps", "ddpm", 0.0, false, NULL},
		{"ddim", "ddim", 0.0, false, "ddim25"},
		{"ddim, eta 0.5", "ddim:eta=0.5", 0.5, false, "10,15,20"},
		{"ddim, eta 1, not clipped", "ddim:eta=1", 1.0, true, "7"},
		{"one step", "ddpm", 0.0, false, "1"},
	};
	double l[] = {0.1, 0.5, 1.5, 0.0, 0.3, 0.7};
	double m[] = {0.0, 0.4, -0.7, 0.2, 0.9, -0.1};
	gr_prior *p =
		gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts, .mean = gr_from_f64(GR_F64, m, GR_DIMS(6)),
								  .variances = gr_from_f64(GR_F64, l, GR_DIMS(6))),
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 3));
	for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
		const naive_case *c = &cases[k];
		gr_scope_begin();
		gr_schedule *s = gr_prior_respace(p, c->respacing);
		gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = p, .n = 3,
			.keys = some_keys(1, 3), .method = c->method, .respacing = c->respacing,
			.no_clip = c->no_clip, .dtype = GR_F64));
		cr_assert_not_null(x, "%s: %s", c->name, gr_error_message());
		for (int64_t i = 0; i < 18; i++) {
			double expected =
				naive_pixel(c, s, gr_key_seed((uint64_t)(1 + i / 6)), i % 6, m[i % 6], l[i % 6]);
			double value = gr_tensor_at(x, (const int64_t[]){i / 6, 0, i / 3 % 2, i % 3});
			/* x0 from eps loses a factor 1/sqrt(A) <= 160 of the last digits */
			cr_expect(fabs(value - expected) < 1e-11, "%s: %g, expected %g", c->name, value,
				expected);
		}
		gr_schedule_free(s);
		gr_scope_end();
	}
	gr_prior_free(p);
}

/* --- law of the samples --- */

#define D 6
#define SAMPLES 4000

/*
 * Mean and covariance of SAMPLES samples against N(m, C). A mean has standard deviation
 * sqrt(C_ii / n), a covariance sqrt((C_ii C_jj + C_ij^2) / n); five of each are allowed, plus
 * `bias`, a relative error of the covariance from the finite number of steps.
 */
static void check_moments(const gr_tensor *x, const double *mean, const double *c, double bias,
	const char *name)
{
	double *v = malloc(SAMPLES * D * sizeof(double));
	cr_assert_eq(gr_tensor_to_f64(x, v), GR_OK);
	for (int64_t i = 0; i < D; i++) {
		double sum = 0.0;
		for (int64_t n = 0; n < SAMPLES; n++)
			sum += v[n * D + i] / SAMPLES;
		double allowed = 5.0 * sqrt(c[i * D + i] / SAMPLES);
		cr_expect(fabs(sum - mean[i]) < allowed, "%s: mean %g, expected %g", name, sum, mean[i]);
		for (int64_t j = 0; j <= i; j++) {
			double cov = 0.0;
			for (int64_t n = 0; n < SAMPLES; n++)
				cov += (v[n * D + i] - mean[i]) * (v[n * D + j] - mean[j]) / SAMPLES;
			double both = c[i * D + i] * c[j * D + j];
			allowed =
				5.0 * sqrt((both + c[i * D + j] * c[i * D + j]) / SAMPLES) + bias * sqrt(both);
			cr_expect(fabs(cov - c[i * D + j]) < allowed, "%s: covariance %g, expected %g +- %g",
				name, cov, c[i * D + j], allowed);
		}
	}
	free(v);
}

Test(solver, reproduces_a_gaussian)
{
	static const naive_case cases[] = {
		{"ddpm", "ddpm", 0.0, true, "200"},
		{"ddim", "ddim", 0.0, true, "200"},
	};
	double mean[D];
	double c[D * D];
	gaussian_moments(mean, c, D, 0.25, true);
	gr_prior *p = gaussian_prior(1, 2, 3, 0.25, true);
	for (int k = 0; k < 2; k++) {
		gr_tensor *x = gr_solver_solve(
			GR_OPTS(gr_solver_opts, .prior = p, .n = SAMPLES, .keys = some_keys(1, SAMPLES),
				.method = cases[k].method, .respacing = cases[k].respacing, .no_clip = true));
		cr_assert_not_null(x, "%s", gr_error_message());
		check_moments(x, mean, c, 0.02, cases[k].name);
	}
	gr_prior_free(p);
}

/* --- batches, threads, resuming --- */

typedef struct guided {
	gr_prior *prior;
	gr_operator *A;
	gr_term *term;
	gr_key keys[3];
	gr_solver_opts opts;
} guided;

/* DPS on the tiny U-Net, samples begin..end-1 of three measurements. */
static void guided_new(guided *g, int64_t begin, int64_t end)
{
	gr_tensor *x = gr_clamp(nn_normal(9, GR_F32, GR_DIMS(3, 3, 16, 16)), -1.0, 1.0);
	gr_key keys[3];
	for (int64_t i = 0; i < 3; i++) {
		keys[i] = gr_measurement_key(4, gr_squeeze(batch_of(x, i, i + 1), 0));
		g->keys[i] = gr_sample_key(keys[i], 0);
	}
	int64_t n = end - begin;
	g->prior = tiny_prior();
	g->A = gr_operator_new("inpaint_random",
		GR_OPTS(gr_operator_opts, .height = 16, .width = 16, .n = n, .keys = keys + begin));
	g->term = gr_dps_term(g->A, gr_measure(g->A, batch_of(x, begin, end), 0.05), 0.5);
	g->opts = (gr_solver_opts){.size = sizeof(g->opts),
		.prior = g->prior,
		.n = n,
		.keys = g->keys + begin,
		.respacing = "12"};
}

static void guided_free(guided *g)
{
	gr_term_free(g->term);
	gr_operator_free(g->A);
	gr_prior_free(g->prior);
}

static gr_tensor *guided_run(int64_t begin, int64_t end, bool with_term)
{
	guided g;
	guided_new(&g, begin, end);
	gr_term *terms[] = {g.term, NULL};
	g.opts.terms = with_term ? terms : NULL;
	gr_tensor *x = gr_solver_solve(&g.opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	guided_free(&g);
	return x;
}

Test(solver, sample_alone_is_sample_in_a_batch)
{
	for (int with_term = 0; with_term < 2; with_term++) {
		gr_tensor *all = guided_run(0, 3, with_term);
		for (int64_t i = 0; i < 3; i++)
			cr_expect(nn_same_bits(guided_run(i, i + 1, with_term), batch_of(all, i, i + 1)),
				"sample %d, %s", (int)i, with_term ? "dps" : "no term");
	}
}

Test(solver, threads_do_not_matter)
{
	gr_set_threads(1);
	gr_tensor *one = guided_run(0, 3, true);
	gr_set_threads(2);
	cr_expect(nn_same_bits(guided_run(0, 3, true), one));
}

static int remember_loss(const gr_solver_report *report, void *payload)
{
	*(double *)payload = report->loss;
	return 0;
}

/* What a term subtracts is its slope along x_t, network and clipping included: by differences, on a
 * Gaussian prior, whose estimate is another multiple of x_t in every entry. */
static gr_tensor *first_step(gr_prior *p, gr_term *const *terms, gr_tensor *start, double *loss)
{
	gr_solver *s;
	const gr_solver_opts opts = {.size = sizeof(opts),
		.prior = p,
		.n = 1,
		.keys = some_keys(7, 1),
		.method = "ddim",
		.respacing = "5",
		.dtype = GR_F64,
		.start = start,
		.terms = terms,
		.on_step = loss ? remember_loss : NULL,
		.payload = loss};
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_step(s), GR_OK, "%s", gr_error_message());
	gr_tensor *x = gr_stop_gradient(gr_solver_state(s, 0));
	gr_solver_free(s);
	return x;
}

Test(solver, guidance_is_the_slope_along_x_t)
{
	double l[] = {0.01, 0.05, 0.2, 0.5};
	gr_prior *p = gr_prior_gaussian_new(GR_OPTS(gr_gaussian_opts,
											.variances = gr_from_f64(GR_F64, l, GR_DIMS(4))),
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2));
	gr_operator *A = gr_operator_new("identity",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 2, .width = 2));
	gr_term *term = gr_dps_term(A, gr_full(GR_F64, GR_DIMS(1, 1, 2, 2), 0.4), 1.0);
	gr_term *terms[] = {term, NULL};
	gr_tensor *start = gr_mul_s(nn_normal(3, GR_F64, GR_DIMS(1, 1, 2, 2)), 0.5);
	gr_tensor *moved = gr_sub(first_step(p, NULL, start, NULL), first_step(p, terms, start, NULL));
	for (int64_t i = 0; i < 4; i++) {
		double h = 1e-5;
		double up = 0.0;
		double down = 0.0;
		gr_tensor *along = gr_zeros(GR_F64, GR_DIMS(1, 1, 2, 2));
		((double *)gr_tensor_data(along))[i] = h;
		first_step(p, terms, gr_add(start, along), &up);
		first_step(p, terms, gr_sub(start, along), &down);
		double slope = (up - down) / (2.0 * h);
		double value = gr_tensor_at(moved, (int64_t[]){0, 0, i / 2, i % 2});
		cr_expect(fabs(value - slope) < 1e-8, "%d: %.12g, by differences %.12g", (int)i, value,
			slope);
	}
	gr_term_free(term);
	gr_operator_free(A);
	gr_prior_free(p);
}

Test(solver, guidance_lowers_the_residual)
{
	cr_expect(nn_distance(guided_run(0, 3, true), guided_run(0, 3, false)) > 0.01);
}

/* A weight of 0 leaves every bit. */
Test(solver, zero_weight_is_no_term)
{
	guided g;
	guided_new(&g, 0, 3);
	gr_tensor *y = gr_zeros(GR_F32, GR_DIMS(3, 3, 16, 16));
	gr_term *zero = gr_dps_term(g.A, y, 0.0);
	gr_term *terms[] = {zero, NULL};
	g.opts.terms = terms;
	cr_expect(nn_same_bits(gr_solver_solve(&g.opts), guided_run(0, 3, false)));
	gr_term_free(zero);
	guided_free(&g);
}

/* Two terms act as their sum. */
Test(solver, terms_add_up)
{
	guided g;
	guided_new(&g, 0, 1);
	gr_tensor *y = gr_full(GR_F32, GR_DIMS(1, 3, 16, 16), 0.2);
	gr_term *whole = gr_dps_term(g.A, y, 0.5);
	gr_term *part = gr_dps_term(g.A, y, 0.2);
	gr_term *rest = gr_dps_term(g.A, y, 0.3);
	gr_term *one[] = {whole, NULL};
	gr_term *two[] = {part, rest, NULL};
	g.opts.terms = one;
	gr_tensor *a = gr_solver_solve(&g.opts);
	g.opts.terms = two;
	gr_tensor *b = gr_solver_solve(&g.opts);
	cr_expect(nn_distance(a, b) < 1e-4, "%g", nn_distance(a, b));
	gr_term_free(whole);
	gr_term_free(part);
	gr_term_free(rest);
	guided_free(&g);
}

/* Saved after k steps, as doubles through a buffer, and continued by a new sampler. */
Test(solver, resuming_changes_nothing)
{
	gr_tensor *whole = guided_run(0, 3, true);
	for (int64_t k = 0; k <= 12; k += 4) {
		guided g;
		gr_solver *s;
		guided_new(&g, 0, 3);
		gr_term *terms[] = {g.term, NULL};
		g.opts.terms = terms;
		cr_assert_eq(gr_solver_new(&s, &g.opts), GR_OK);
		for (int64_t i = 0; i < k; i++)
			cr_assert_eq(gr_solver_step(s), GR_OK);
		cr_expect_eq(gr_solver_done(s), k);
		float *saved = malloc(3 * 3 * 256 * sizeof(float));
		cr_assert_eq(gr_tensor_to_f32(gr_solver_state(s, 0), saved), GR_OK);
		gr_solver_free(s);

		cr_assert_eq(gr_solver_new(&s, &g.opts), GR_OK);
		gr_tensor *x = gr_from_f32(GR_F32, saved, GR_DIMS(3, 3, 16, 16));
		cr_assert_eq(gr_solver_restore(s, &x, k), GR_OK);
		cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
		cr_expect(nn_same_bits(gr_solver_state(s, 0), whole), "after %d steps", (int)k);
		free(saved);
		gr_solver_free(s);
		guided_free(&g);
	}
}

Test(solver, steady_state_allocates_nothing)
{
	guided g;
	gr_solver *s;
	guided_new(&g, 0, 3);
	gr_term *terms[] = {g.term, NULL};
	g.opts.terms = terms;
	cr_assert_eq(gr_solver_new(&s, &g.opts), GR_OK);
	cr_assert_eq(gr_solver_step(s), GR_OK);
	gr_memory before = gr_memory_stats();
	for (int i = 0; i < 6; i++)
		cr_assert_eq(gr_solver_step(s), GR_OK);
	gr_memory after = gr_memory_stats();
	cr_expect_eq(after.system_allocs, before.system_allocs);
	cr_expect_eq(after.tensors_live, before.tensors_live);
	gr_solver_free(s);
	guided_free(&g);
}

/* --- callbacks and stopping --- */

typedef struct seen {
	int calls, stop_at;
	int64_t last_t;
	double loss;
} seen;

static int watch_steps(const gr_solver_report *r, void *payload)
{
	seen *w = payload;
	w->calls++;
	cr_expect_eq(r->step, w->calls);
	cr_expect_eq(r->steps, 12);
	cr_expect_lt(r->t, w->last_t);
	cr_expect_eq(r->terms, 1);
	double sum = gr_item(gr_sum(r->value[0], GR_ALL_AXES, false));
	cr_expect(fabs(r->loss - 0.5 * sum / 3.0) < 1e-5 * r->loss);
	cr_expect(!gr_is_tracked(r->x));
	w->last_t = r->t;
	w->loss = r->loss;
	return w->calls == w->stop_at;
}

Test(solver, reports_and_stops)
{
	guided g;
	gr_solver *s;
	seen w = {.stop_at = 5, .last_t = 1000};
	guided_new(&g, 0, 3);
	gr_term *terms[] = {g.term, NULL};
	g.opts.terms = terms;
	g.opts.on_step = watch_steps;
	g.opts.payload = &w;
	cr_assert_eq(gr_solver_new(&s, &g.opts), GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_done(s), 5);
	cr_expect(gr_is_solver_stopped(s));
	cr_assert_eq(gr_solver_run(s), GR_OK);
	cr_expect_eq(gr_solver_done(s), 12);
	cr_expect_eq(w.last_t, 0);
	cr_expect(nn_same_bits(gr_solver_state(s, 0), guided_run(0, 3, true)));
	cr_expect_eq(gr_solver_step(s), GR_ESTATE);
	gr_error_clear();
	gr_solver_free(s);
	w.calls = 0;
	w.last_t = 1000;
	cr_expect_null(gr_solver_solve(&g.opts));
	cr_expect_eq(gr_error_code(), GR_ESTATE);
	gr_error_clear();
	guided_free(&g);
}

Test(solver, interrupt)
{
	guided g;
	gr_solver *s;
	guided_new(&g, 0, 3);
	cr_assert_eq(gr_solver_new(&s, &g.opts), GR_OK);
	gr_interrupt();
	cr_expect_eq(gr_solver_run(s), GR_OK);
	cr_expect_eq(gr_solver_done(s), 0);
	gr_solver_free(s);
	guided_free(&g);
}

/* --- priors of other kinds --- */

typedef struct wrapped {
	const gr_prior *inner;
	gr_prediction kind;
	double variance; /* learned v, or NaN for none */
	int64_t bad;     /* sample that becomes NaN at the second call, or -1 */
	int calls;
} wrapped;

static gr_status wrapped_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	wrapped *w = self;
	gr_status status = gr_prior_predict(w->inner, call);
	if (status)
		return status;
	double A = gr_prior_alpha_bar(p, call->t[0]);
	gr_tensor *eps = call->prediction;
	gr_tensor *x0 = gr_predicted_x0(GR_PREDICT_EPS, call->x_t, eps, A);
	if (w->kind == GR_PREDICT_X0)
		call->prediction = x0;
	if (w->kind == GR_PREDICT_V)
		call->prediction = gr_axpby(eps, sqrt(A), x0, -sqrt(1.0 - A));
	if (!isnan(w->variance))
		call->variance = gr_full(gr_tensor_dtype(eps), 4, gr_tensor_dims(eps), w->variance);
	if (++w->calls == 2 && w->bad >= 0) {
		gr_tensor *poison = gr_zeros(gr_tensor_dtype(eps), 4, gr_tensor_dims(eps));
		((double *)gr_tensor_data(poison))[w->bad * 4 + 1] = NAN;
		call->prediction = gr_add(call->prediction, poison);
	}
	return GR_OK;
}

static const gr_prior_table wrapped_table = {.name = "wrapped", .predict = wrapped_predict};

static gr_tensor *wrapped_run(wrapped *w)
{
	gr_prior *p = gr_prior_new(&wrapped_table, w,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2, .prediction = w->kind));
	gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = p, .n = 3,
		.keys = some_keys(1, 3), .respacing = "15", .dtype = GR_F64));
	gr_prior_free(p);
	return x;
}

Test(solver, parametrisation_does_not_matter)
{
	gr_prior *inner = gaussian_prior(1, 2, 2, 0.3, true);
	wrapped w = {.inner = inner, .kind = GR_PREDICT_EPS, .variance = NAN, .bad = -1};
	gr_tensor *x = wrapped_run(&w);
	for (int kind = GR_PREDICT_X0; kind <= GR_PREDICT_V; kind++) {
		w.kind = (gr_prediction)kind;
		cr_expect(nn_distance(wrapped_run(&w), x) < 1e-11, "kind %d", kind);
	}
	gr_prior_free(inner);
}

/* v = -1 is the small variance; v = 1 is beta, which is larger. */
Test(solver, learned_variance)
{
	gr_prior *inner = gaussian_prior(1, 2, 2, 0.3, true);
	wrapped w = {.inner = inner, .variance = NAN, .bad = -1};
	gr_tensor *x = wrapped_run(&w);
	w.variance = -1.0;
	cr_expect(nn_distance(wrapped_run(&w), x) < 1e-12);
	w.variance = 1.0;
	cr_expect(nn_distance(wrapped_run(&w), x) > 1e-3);
	gr_prior_free(inner);
}

Test(solver, not_a_number)
{
	gr_prior *inner = gaussian_prior(1, 2, 2, 0.3, true);
	wrapped w = {.inner = inner, .variance = NAN, .bad = 1};
	cr_expect_null(wrapped_run(&w));
	cr_expect_eq(gr_error_code(), GR_ENUMERIC);
	cr_expect_not_null(strstr(gr_error_message(), "sample 1 is not finite after step 2 of 15"),
		"%s", gr_error_message());
	gr_error_clear();
	gr_prior_free(inner);
}

/* --- wrong use, memory --- */

Test(solver, wrong_options)
{
	gr_prior *p = gaussian_prior(1, 2, 2, 0.3, false);
	const gr_key *keys = some_keys(1, 4);
	const gr_solver_opts wrong[] = {
		{.n = 1, .keys = keys},
		{.prior = p, .keys = keys},
		{.prior = p, .n = 2},
		{.prior = p, .n = 2, .keys = keys, .method = "ddpm:eta=1"},
		{.prior = p, .n = 2, .keys = keys, .method = "ddim:eta=2"},
		{.prior = p, .n = 2, .keys = keys, .method = "ddjm"},
		{.prior = p, .n = 3, .keys = keys, .particles = 2},
		{.prior = p, .n = 2, .keys = keys, .dtype = GR_I64},
		{.prior = p, .n = 2, .keys = keys, .respacing = "2000"},
		{.prior = p, .n = 2, .keys = keys, .start = gr_zeros(GR_F32, GR_DIMS(2, 1, 2, 3))},
	};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		gr_solver *s;
		cr_expect_neq(gr_solver_new(&s, &wrong[i]), GR_OK, "%d", (int)i);
		cr_expect_null(s);
		cr_expect(gr_failed());
		gr_error_clear();
	}
	gr_solver *s;
	gr_operator *A = gr_operator_new("identity", NULL);
	gr_term *term = gr_dps_term(A, gr_zeros(GR_F32, GR_DIMS(1)), 1.0);
	gr_term *many[GR_SOLVER_MAX_TERMS + 2] = {NULL};
	for (int i = 0; i <= GR_SOLVER_MAX_TERMS; i++)
		many[i] = term;
	gr_solver_opts opts = {.size = sizeof(opts), .prior = p, .n = 2, .keys = keys, .terms = many};
	cr_expect_eq(gr_solver_new(&s, &opts), GR_EARG);
	gr_error_clear();
	gr_term_free(term);
	gr_operator_free(A);
	opts.terms = NULL;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK);
	cr_expect_eq(gr_solver_restore(s, (gr_tensor *[]){gr_solver_state(s, 0)}, 1001), GR_EARG);
	gr_error_clear();
	cr_expect_eq(gr_solver_restore(s, (gr_tensor *[]){gr_zeros(GR_F64, GR_DIMS(2, 1, 2, 2))}, 1),
		GR_ESHAPE);
	gr_error_clear();
	gr_solver_free(s);
	gr_solver_free(NULL);
	gr_prior_free(p);
}

/* The n-th allocation of a guided run of two steps fails, for every n. */
Test(solver, memory_runs_out)
{
	gr_prior *p = gaussian_prior(1, 4, 4, 0.3, true);
	gr_operator *A = gr_operator_new("blur_gauss:taps=3",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
	gr_term *term = gr_dps_term(A, gr_zeros(GR_F32, GR_DIMS(2, 1, 4, 4)), 0.5);
	gr_term *terms[] = {term, NULL};
	for (uint64_t n = 1;; n++) {
		gr_memory before = gr_memory_stats();
		gr_scope_begin();
		gr_memory_fail_at(n);
		gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = p, .n = 2,
			.keys = some_keys(1, 2), .respacing = "2", .terms = terms));
		gr_memory_fail_at(0);
		bool made = x != NULL;
		cr_expect_eq(gr_error_code(), made ? GR_OK : GR_EMEM, "%d: %s", (int)n, gr_error_message());
		gr_error_clear();
		gr_scope_end();
		cr_expect_eq(gr_memory_stats().tensors_live, before.tensors_live, "%d", (int)n);
		if (made)
			break;
		cr_assert_lt(n, 5000u);
	}
	gr_term_free(term);
	gr_operator_free(A);
	gr_prior_free(p);
}
