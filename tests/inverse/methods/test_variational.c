/*
 * RLSD, RED-diff and SDS: trajectories against the recursions written out per pixel, gradients through
 * a decoder, limits of the prior's weight, what is counted, and independence of the batch.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/method.h"
#include "gradus/ops.h"
#include "linear_gaussian.h"

#define LAMBDA 0.15
#define RHO 0.07

typedef struct adam {
	double m, v;
} adam;

static double move(adam *a, double x, double g, double lr, int64_t k)
{
	a->m = 0.9 * a->m + 0.1 * g;
	a->v = 0.99 * a->v + 0.01 * g * g;
	double root = sqrt(a->v / (1.0 - pow(0.99, (double)k)));
	return x - lr * (a->m / (1.0 - pow(0.9, (double)k))) / (root + 1e-8);
}

/* One pixel behind a mask, with an independent prior: the particle and its image. */
typedef struct pixel {
	const linear_gaussian *p;
	const gr_schedule *schedule;
	gr_key key;
	int64_t i;
	double kept, entries; /* measured entries, all entries, of all particles */
	double lambda, data, lr_z, lr_x;
	bool augment;
	double z, x;
} pixel;

static void run(pixel *c)
{
	const linear_gaussian *p = c->p;
	bool measured = p->matrix[c->i * p->D + c->i] != 0.0;
	double l = p->covariance[c->i * p->D + c->i];
	double m = p->mean[c->i];
	adam of_z = {0};
	adam of_x = {0};
	int64_t k = 0;
	for (int64_t j = gr_schedule_count(c->schedule) - 1; j >= 0; j--) {
		double A = gr_schedule_alpha_bar(c->schedule, j);
		double eps = gr_key_normal(gr_key_fold(gr_key_fold_name(c->key, "noise"), (uint64_t)k),
			(uint64_t)c->i);
		double z_t = sqrt(A) * c->z + sqrt(1.0 - A) * eps;
		double hat = sqrt(1.0 - A) * (z_t - sqrt(A) * m) / (A * l + 1.0 - A);
		double pull = c->augment ? (c->z - c->x) / c->entries
			: measured           ? c->data * (c->z - p->y[c->i]) / c->kept
								 : 0.0;
		double w = sqrt((1.0 - A) / A);
		double g = pull + c->lambda * w * (hat - eps) / c->entries;
		k++;
		c->z = move(&of_z, c->z, g, c->lr_z, k);
		if (!c->augment)
			continue;
		g = (measured ? (c->x - p->y[c->i]) / c->kept : 0.0) + RHO * (c->x - c->z) / c->entries;
		c->x = move(&of_x, c->x, g, c->lr_x, k);
	}
}

/* Four samples, two particles each; starts are the method's. */
static void check(const char *method, double lambda, double data, double lr_z, bool augment,
	bool from_y)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 4, method, "30");
	opts.particles = 2;
	gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
	gr_tensor *result = gr_solver_solve(&opts);
	cr_assert_not_null(result, "%s: %s", method, gr_error_message());
	for (int64_t i = 0; i < 64; i++) {
		gr_key key = gr_key_seed((uint64_t)(1 + i / 16));
		pixel c = {.p = &p,
			.schedule = schedule,
			.key = key,
			.i = i % 16,
			.kept = 2.0 * 12.0,
			.entries = 2.0 * 16.0,
			.lambda = lambda,
			.data = data,
			.lr_z = lr_z,
			.lr_x = 0.4,
			.augment = augment};
		c.z = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "start"), 0), (uint64_t)c.i);
		c.x = gr_key_normal(gr_key_fold_name(key, "start image"), (uint64_t)c.i);
		if (from_y)
			c.z = p.y[c.i];
		run(&c);
		double expected = augment ? c.x : c.z;
		double value = gr_tensor_at(result, (const int64_t[]){i / 16, 0, i / 4 % 4, i % 4});
		cr_expect(fabs(value - expected) < 1e-9, "%s: %g, expected %g", method, value, expected);
	}
	gr_schedule_free(schedule);
	linear_gaussian_free(&p);
}

Test(variational, trajectories_follow_the_formulas)
{
	check("rlsd", LAMBDA, 1.0, 0.8, true, false);
	check("rlsd:augment=0,lr_z=0.3", LAMBDA, 1.0, 0.3, false, false);
	check("reddiff", 0.25, 1.0, 0.1, false, true);
	check("reddiff:data=2,lambda=1,lr=0.5", 1.0, 2.0, 0.5, false, true);
	check("sds", 1.0, 0.0, 0.5, false, false);
}

/* --- through a decoder --- */

/* [N,1,2,2] -> [N,1,4,4]: every number four times, and its sine. */
static gr_tensor *decode(void *self, gr_tensor *z)
{
	(void)self;
	int64_t N = gr_tensor_dim(z, 0);
	gr_tensor *wide = gr_expand(gr_reshape(z, GR_DIMS(N, 2, 1, 2, 1)), GR_DIMS(N, 2, 2, 2, 2));
	return gr_sin(gr_reshape(wide, GR_DIMS(N, 1, 4, 4)));
}

static gr_tensor *encode(void *self, gr_tensor *image)
{
	(void)self;
	return gr_slice(gr_slice(image, 2, 0, 4, 2), 3, 0, 4, 2);
}

/* x_0 ~ N(0, 1/4): eps = sqrt(1-A) x_t / (A/4 + 1-A) */
static gr_status predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	(void)self;
	double A = gr_prior_alpha_bar(p, call->t[0]);
	call->prediction = gr_mul_s(call->x_t, sqrt(1.0 - A) / (0.25 * A + 1.0 - A));
	return call->prediction ? GR_OK : gr_error_code();
}

static const gr_prior_table latent_table = {.name = "four times",
	.predict = predict,
	.encode = encode,
	.decode = decode};

static double at(gr_tensor *x, int64_t n, int64_t i, int64_t j)
{
	return gr_tensor_at(x, (const int64_t[]){n, 0, i, j});
}

Test(variational, gradients_through_a_decoder)
{
	gr_prior *prior = gr_prior_new(&latent_table, NULL,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 2, .width = 2));
	gr_operator *A = gr_operator_new("inpaint_half",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
	gr_tensor *y = gr_operator_apply(A, nn_normal(5, GR_F64, GR_DIMS(4, 1, 4, 4)));
	gr_solver *s;
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = prior, .n = 4, .keys = some_keys(1, 4),
						 .method = "rlsd", .A = A, .y = y, .sigma = 0.1, .particles = 2,
						 .respacing = "2", .dtype = GR_F64)),
		GR_OK, "%s", gr_error_message());
	gr_tensor *z = gr_tensor_retain(gr_solver_state(s, 0));
	gr_tensor *x = gr_tensor_retain(gr_solver_state(s, 3));
	cr_assert_eq(gr_solver_step(s), GR_OK, "%s", gr_error_message());
	double level = gr_prior_alpha_bar(prior, 999.0);
	double w = sqrt((1.0 - level) / level);
	for (int64_t i = 0; i < 16; i++) {
		int64_t n = i / 4, h = i / 2 % 2, v = i % 2;
		double zi = at(z, n, h, v);
		gr_key key = gr_key_fold(gr_key_fold_name(some_keys(1, 4)[n], "noise"), 0);
		double eps = gr_key_normal(key, (uint64_t)(i % 4));
		double z_t = sqrt(level) * zi + sqrt(1.0 - level) * eps;
		double delta = sqrt(1.0 - level) * z_t / (0.25 * level + 1.0 - level) - eps;
		double g = LAMBDA * w * delta / (2.0 * 4.0);
		for (int64_t k = 0; k < 4; k++)
			g += cos(zi) * (sin(zi) - at(x, n, 2 * h + k / 2, 2 * v + k % 2)) / (2.0 * 16.0);
		double value = 10.0 * at(gr_solver_state(s, 1), n, h, v);
		cr_expect(fabs(value - g) < 1e-8 * (1.0 + fabs(g)), "%.12g, expected %.12g", value, g);
		/* the image goes after the decoded new particle */
		double decoded = sin(at(gr_solver_state(s, 0), n, h, v));
		for (int64_t k = 0; k < 4; k++) {
			int64_t r = 2 * h + k / 2, c = 2 * v + k % 2;
			double xi = at(x, n, r, c);
			g = RHO * (xi - decoded) / 32.0 + (c >= 2 ? (xi - at(y, n, r, c)) / 16.0 : 0.0);
			value = 10.0 * at(gr_solver_state(s, 4), n, r, c);
			cr_expect(fabs(value - g) < 1e-8, "%.12g, expected %.12g", value, g);
		}
	}
	gr_tensor_release(z);
	gr_tensor_release(x);
	cr_assert_eq(gr_solver_run(s), GR_OK);
	cr_expect(nn_same_bits(gr_solver_result(s), gr_solver_state(s, 0)));
	cr_expect(nn_same_bits(gr_solver_image(s), gr_solver_state(s, 3)));
	cr_expect_eq(gr_solver_evaluations(s), 2);
	cr_expect_eq(gr_solver_gradients(s), 0);
	gr_solver_free(s);
	gr_operator_free(A);
	gr_prior_free(prior);
}

/* --- limits, starts, batches --- */

/* With little weight of the prior the measured pixels are y; with much all are around its mean. */
Test(variational, limits_of_the_priors_weight)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 4, 4, 0.01, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 200, "reddiff:lambda=1e-6,lr=0.02", "400");
	gr_tensor *x = gr_solver_solve(&opts);
	cr_expect(nn_distance(gr_operator_apply(p.A, x), opts.y) < 0.02);
	opts.method = "reddiff:lambda=1e4,lr=0.02";
	opts.y = gr_add_s(opts.y, 3.0);
	x = gr_mean(gr_solver_solve(&opts), GR_AXES(0), false);
	for (int64_t i = 0; i < 16; i++) {
		double value = gr_tensor_at(x, (const int64_t[]){0, i / 4, i % 4});
		cr_expect(fabs(value - p.mean[i]) < 0.05, "%g, mean %g", value, p.mean[i]);
	}
	linear_gaussian_free(&p);
}

Test(variational, starts_where_the_operator_allows)
{
	static const char *const operators[] = {"sr_mean:factor=2", "blur_motion:taps=3", "hdr"};
	for (int k = 0; k < 3; k++) {
		gr_prior *prior = gaussian_prior(1, 4, 4, 0.25, true);
		gr_operator *A = gr_operator_new(operators[k],
			GR_OPTS(gr_operator_opts, .channels = 1, .height = 4, .width = 4));
		gr_tensor *y = gr_operator_apply(A, nn_normal(5, GR_F64, GR_DIMS(2, 1, 4, 4)));
		gr_solver *s;
		cr_assert_eq(gr_solver_new(&s,
						 GR_OPTS(gr_solver_opts, .prior = prior, .n = 2, .keys = some_keys(1, 2),
							 .method = "reddiff", .A = A, .y = y, .respacing = "4",
							 .dtype = GR_F64)),
			GR_OK, "%s: %s", operators[k], gr_error_message());
		gr_tensor *mu = gr_solver_state(s, 0);
		if (k == 0)
			cr_expect(nn_distance(gr_operator_apply(A, mu), y) < 1e-12);
		if (k == 1)
			cr_expect(nn_same_bits(mu, gr_operator_adjoint(A, y)));
		cr_assert_eq(gr_solver_run(s), GR_OK, "%s: %s", operators[k], gr_error_message());
		gr_solver_free(s);
		gr_operator_free(A);
		gr_prior_free(prior);
	}
}

Test(variational, a_unit_is_the_same_in_any_batch)
{
	static const char *const methods[] = {"rlsd", "rlsd:augment=0", "reddiff", "sds"};
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, true, 0.1);
	for (int k = 0; k < 4; k++)
		cr_expect(linear_gaussian_same_alone(&p, methods[k]), "%s: %s", methods[k],
			gr_error_message());
	linear_gaussian_free(&p);
}

/* 2 (x - 1)^2 */
static gr_tensor *pull(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	cr_expect_not_null(ctx->x_t);
	return gr_mul_s(gr_sumsq(gr_add_s(ctx->x0_hat, -1.0), GR_AXES(1, 2, 3), false), 2.0);
}

/* The noisy state is the step's, and its gradient goes to the particle as it is. */
static gr_tensor *noisy(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return gr_mul_s(gr_sumsq(gr_add_s(ctx->x_t, -1.0), GR_AXES(1, 2, 3), false), 2.0);
}

static gr_tensor *first_moment(const linear_gaussian *p, gr_term_fn fn)
{
	gr_solver *s;
	gr_solver_opts opts = linear_gaussian_opts(p, 2, "sds", "5");
	gr_term *term = fn ? gr_term_new("pull", fn, NULL,
							 GR_OPTS(gr_term_opts, .hooks = GR_AT_ESTIMATE, .weight = 0.5))
					   : NULL;
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_step(s), GR_OK, "%s", gr_error_message());
	gr_tensor *m = gr_mul_s(gr_solver_state(s, 1), 1.0);
	gr_solver_free(s);
	gr_term_free(term);
	return m;
}

Test(variational, terms_join_the_difference)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "identity", 2, 2, 0.25, false, 0.1);
	gr_tensor *plain = first_moment(&p, NULL);
	gr_tensor *pulled = first_moment(&p, pull);
	gr_tensor *of_noisy = first_moment(&p, noisy);
	double A = gr_prior_alpha_bar(p.prior, 999.0);
	double factor = 0.1 * sqrt((1.0 - A) / A) / 4.0 * 2.0; /* (1 - b1) w / entries, of 2 (x - 1) */
	for (int64_t i = 0; i < 8; i++) {
		gr_key key = some_keys(1, 2)[i / 4];
		int64_t place[] = {i / 4, 0, i / 2 % 2, i % 2};
		double z = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "start"), 0), (uint64_t)(i % 4));
		double e = gr_key_normal(gr_key_fold(gr_key_fold_name(key, "noise"), 0), (uint64_t)(i % 4));
		double z_t = sqrt(A) * z + sqrt(1.0 - A) * e;
		double by = gr_tensor_at(pulled, place) - gr_tensor_at(plain, place);
		cr_expect(fabs(by - factor * (z - 1.0)) < 1e-10, "%g", by);
		by = gr_tensor_at(of_noisy, place) - gr_tensor_at(plain, place);
		cr_expect(fabs(by - factor * (z_t - 1.0)) < 1e-10, "%g", by);
	}
	linear_gaussian_free(&p);
}
