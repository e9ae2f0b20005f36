/*
 * Optimisations inside a step, driven by a method of this test: Adam against its formula, where a
 * sample stops, independence of the batch, terms at the estimate, evaluations at other levels.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/method.h"
#include "inverse_check.h"

#define STEPS 40

/* (x - c_i)^2 / 2 summed, c the sample's first noise number times 4: how far it has to go. */
static gr_tensor *distance(gr_solver *s, gr_method_step *k, gr_tensor *x, void *self)
{
	(void)k;
	(void)self;
	gr_tensor *target = gr_mul_s(gr_solver_noise(s, "target", 0), 4.0);
	return gr_mul_s(gr_sumsq(gr_sub(x, target), GR_AXES(1, 2, 3), false), 0.5);
}

static gr_inner_opts inner = {.size = sizeof inner};

static gr_status inner_step(gr_solver *s, gr_method_step *k)
{
	gr_tensor *x0 = gr_affine(k->x_t, 0.0, 0.0);
	k->x0_hat = gr_solver_minimise(s, k, x0, distance, NULL, &inner);
	return gr_solver_set_state(s, 0, k->x0_hat);
}

static const gr_method minimiser = {
	.name = "minimiser",
	.doc = "goes to a random point",
	.source = "none",
	.hooks = GR_AT_ESTIMATE,
	.step = inner_step,
};

static gr_tensor *run(int64_t first, int64_t n, gr_term *const *terms)
{
	static gr_prior *prior;
	if (!prior) {
		prior = gr_prior_gaussian_new(NULL,
			GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = 1));
		cr_assert_eq(gr_method_register(&minimiser), GR_OK, "%s", gr_error_message());
	}
	gr_tensor *x = gr_solver_solve(
		GR_OPTS(gr_solver_opts, .prior = prior, .n = n, .keys = some_keys((uint64_t)first, n),
			.method = "minimiser", .respacing = "1", .dtype = GR_F64, .terms = terms));
	cr_assert_not_null(x, "%s", gr_error_message());
	return x;
}

/* Algorithm 1 of Adam by hand; stops as gr_inner_opts says. */
static double by_hand(double c, const gr_inner_opts *o)
{
	double x = 0.0;
	double m = 0.0;
	double v = 0.0;
	double before[STEPS] = {0};
	for (int64_t i = 0; i < o->iterations; i++) {
		double g = x - c;
		double loss = 0.5 * g * g;
		before[i] = loss;
		bool last =
			loss < o->enough || (o->window > 0 && i >= o->window && loss > before[i - o->window]);
		if (last && o->stop_before)
			break;
		m = o->adam.beta1 * m + (1.0 - o->adam.beta1) * g;
		v = o->adam.beta2 * v + (1.0 - o->adam.beta2) * g * g;
		double n = (double)(i + 1);
		double move = m / (1.0 - pow(o->adam.beta1, n)) /
			(sqrt(v / (1.0 - pow(o->adam.beta2, n))) + o->adam.eps);
		x = (1.0 - o->adam.lr * o->adam.decay) * x - o->adam.lr * move;
		if (last)
			break;
	}
	return x;
}

static void expect_by_hand(const char *what)
{
	gr_tensor *x = run(1, 5, NULL);
	for (int64_t i = 0; i < 5; i++) {
		gr_key key = gr_key_fold(gr_key_fold_name(some_keys(1 + (uint64_t)i, 1)[0], "target"), 0);
		double expected = by_hand(4.0 * gr_key_normal(key, 0), &inner);
		double value = gr_tensor_at(x, (int64_t[]){i, 0, 0, 0});
		cr_expect(fabs(value - expected) < 1e-12, "%s: sample %d: %.15g, expected %.15g", what,
			(int)i, value, expected);
	}
}

Test(solver_inner, adam_and_where_samples_stop)
{
	inner = (gr_inner_opts){.size = sizeof inner, .adam = GR_ADAM(0.3), .iterations = STEPS};
	expect_by_hand("plain");
	inner.adam = (gr_adam){.lr = 0.5, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-3, .decay = 0.1};
	expect_by_hand("other constants");
	inner.enough = 0.02;
	expect_by_hand("enough, after the step");
	inner.stop_before = true;
	expect_by_hand("enough, before the step");
	inner.enough = 0.0;
	inner.window = 4;
	expect_by_hand("window");
	inner.iterations = 0;
	expect_by_hand("nothing to do");
}

Test(solver_inner, a_sample_is_the_same_in_any_batch)
{
	inner = (gr_inner_opts){.size = sizeof inner,
		.adam = GR_ADAM(0.3),
		.iterations = STEPS,
		.enough = 0.05,
		.window = 6};
	gr_tensor *all = run(1, 6, NULL);
	for (int64_t i = 0; i < 6; i++) {
		gr_tensor *one = run(1 + i, 1, NULL);
		cr_expect_eq(gr_tensor_at(one, (int64_t[]){0, 0, 0, 0}),
			gr_tensor_at(all, (int64_t[]){i, 0, 0, 0}), "sample %d", (int)i);
	}
}

/* 2 (x - 1)^2, said of the estimate. */
static gr_tensor *pull(void *self, const gr_term_ctx *ctx)
{
	int64_t *calls = self;
	cr_expect_null(ctx->x_t);
	cr_expect_eq(ctx->step, *calls);
	cr_expect_eq(ctx->steps, inner.iterations);
	++*calls;
	gr_tensor *image = gr_term_image(ctx);
	cr_expect_eq(image, ctx->x0_hat, "a pixel prior's image");
	return gr_mul_s(gr_sumsq(gr_add_s(image, -1.0), GR_AXES(1, 2, 3), false), 2.0);
}

Test(solver_inner, terms_join_the_loss)
{
	inner = (gr_inner_opts){.size = sizeof inner,
		.adam = GR_ADAM(0.05),
		.iterations = 3000,
		.terms = true};
	int64_t calls = 0;
	gr_term *term = gr_term_new("pull", pull, &calls,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_PREDICT | GR_AT_ESTIMATE, .weight = 0.5));
	gr_tensor *x = run(1, 1, (gr_term *[]){term, NULL});
	gr_key key = gr_key_fold(gr_key_fold_name(some_keys(1, 1)[0], "target"), 0);
	double c = 4.0 * gr_key_normal(key, 0);
	/* least of (x - c)^2 / 2 + (x - 1)^2 */
	double expected = (c + 2.0) / 3.0;
	double value = gr_tensor_at(x, (int64_t[]){0, 0, 0, 0});
	cr_expect(fabs(value - expected) < 1e-6, "%g, expected %g", value, expected);
	cr_expect_eq(calls, 3000);
	gr_term_free(term);
}

static gr_tensor *no_loss(gr_solver *s, gr_method_step *k, gr_tensor *x, void *self)
{
	(void)s;
	(void)k;
	(void)self;
	return gr_reshape(x, GR_DIMS(-1, 1));
}

static gr_status wrong_step(gr_solver *s, gr_method_step *k)
{
	return gr_solver_set_state(s, 0, gr_solver_minimise(s, k, k->x_t, no_loss, NULL, &inner));
}

static const gr_method wrong = {.name = "wrong",
	.doc = "its loss is none",
	.source = "none",
	.step = wrong_step};

/* At other levels the exact estimate of a Gaussian, and each look is counted. */
static gr_status look_step(gr_solver *s, gr_method_step *k)
{
	const double levels[] = {0.9, 0.5, 0.1};
	for (int i = 0; i < 3; i++) {
		gr_estimate_at at;
		gr_status status = gr_solver_evaluate(s, k->x_t, levels[i], &at);
		if (status)
			return status;
		double A = levels[i];
		double m = 0.3 * sin(0.0);
		double x = gr_tensor_at(k->x_t, (int64_t[]){0, 0, 0, 0});
		double expected = m + sqrt(A) * 0.5 / (A * 0.5 + 1.0 - A) * (x - sqrt(A) * m);
		double value = gr_tensor_at(at.x0_raw, (int64_t[]){0, 0, 0, 0});
		cr_expect(fabs(value - expected) < 1e-9, "%g: %g, expected %g", A, value, expected);
	}
	return gr_solver_set_state(s, 0, k->x_t);
}

static const gr_method looks = {.name = "looks",
	.doc = "three looks",
	.source = "none",
	.step = look_step};

Test(solver_inner, errors_and_looks)
{
	cr_assert_eq(gr_method_register(&wrong), GR_OK);
	cr_assert_eq(gr_method_register(&looks), GR_OK);
	gr_prior *p = gaussian_prior(1, 1, 1, 0.5, false);
	gr_solver *s;
	inner = (gr_inner_opts){.size = sizeof inner, .adam = GR_ADAM(0.1), .iterations = 2};
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 1, .keys = some_keys(1, 1),
						 .method = "wrong", .dtype = GR_F64)),
		GR_OK);
	cr_expect_eq(gr_solver_step(s), GR_ESHAPE);
	gr_error_clear();
	gr_solver_free(s);
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = p, .n = 1, .keys = some_keys(1, 1),
						 .method = "looks", .respacing = "2", .dtype = GR_F64)),
		GR_OK);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_evaluations(s), 6);
	cr_expect_eq(gr_solver_gradients(s), 0);
	gr_solver_free(s);
	gr_prior_free(p);
}
