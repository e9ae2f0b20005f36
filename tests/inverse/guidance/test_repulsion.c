/*
 * Repulsion: against its equations written out in double, derivatives with what is held constant,
 * symmetry, particles that coincide or are too few, gates, and what a run does with it.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "gradus/repulsion.h"
#include "term_check.h"

#define V 5

/* phi[j] of unit u as numbers. */
static void rows(const gr_tensor *phi, int64_t first, int64_t N, double v[][V])
{
	for (int64_t i = 0; i < N; i++)
		for (int64_t k = 0; k < V; k++)
			v[i][k] = gr_tensor_at(phi, (const int64_t[]){first + i, k});
}

static double distance(const double *a, const double *b)
{
	double s = 0.0;
	for (int k = 0; k < V; k++)
		s += (a[k] - b[k]) * (a[k] - b[k]);
	return sqrt(s);
}

/* median_j d_ij^2 / ln(N - 1), the lower median found by counting. */
static double bandwidth(double v[][V], int64_t N, int64_t i)
{
	for (int64_t j = 0; j < N; j++) {
		int64_t below = 0;
		double d = distance(v[i], v[j]);
		for (int64_t l = 0; l < N; l++)
			below += l != i && distance(v[i], v[l]) < d;
		if (j != i && below == (N - 2) / 2)
			return d * d / log((double)(N - 1)) + 1e-12;
	}
	return NAN;
}

/* -log sum_j k(phi, phi_j) of particle i at `at`, the others and h held. */
static double minus_log(double v[][V], int64_t N, int64_t i, const double *at, double h)
{
	double K = 0.0;
	for (int64_t j = 0; j < N; j++) {
		double d = distance(at, v[j]);
		K += j == i ? 0.0 : exp(-d * d / h);
	}
	return -log(K);
}

static gr_tensor *gradient(gr_tensor *phi, int64_t N, const gr_kernel_opts *o, gr_tensor **value)
{
	gr_tensor *leaf = gr_watch(phi);
	gr_tensor *grad = NULL;
	gr_tensor *v = gr_repulsion(leaf, N, o);
	if (value)
		*value = v ? gr_stop_gradient(v) : NULL;
	return gr_grad(&grad, gr_sum(v, GR_ALL_AXES, false), 1, &leaf, NULL) ? NULL : grad;
}

/* Acceptance 1 of the specification: R by central differences of -log sum_j k. */
Test(repulsion, gradient_is_minus_r)
{
	for (int64_t N = 3; N <= 6; N++) {
		gr_tensor *phi = nn_normal((uint64_t)N, GR_F64, GR_DIMS(2 * N, V));
		gr_tensor *value = NULL;
		gr_tensor *grad = gradient(phi, N, NULL, &value);
		cr_assert(grad, "%s", gr_error_message());
		for (int64_t u = 0; u < 2; u++) {
			double v[6][V];
			double sum = 0.0;
			rows(phi, u * N, N, v);
			for (int64_t i = 0; i < N; i++) {
				double h = bandwidth(v, N, i);
				sum -= minus_log(v, N, i, v[i], h);
				for (int k = 0; k < V; k++) {
					double up[V];
					double down[V];
					memcpy(up, v[i], sizeof(up));
					memcpy(down, v[i], sizeof(down));
					up[k] += 1e-6;
					down[k] -= 1e-6;
					double R = (minus_log(v, N, i, up, h) - minus_log(v, N, i, down, h)) / 2e-6;
					double got = -gr_tensor_at(grad, (const int64_t[]){u * N + i, k});
					cr_expect_float_eq(got, R, 1e-8 * fmax(1.0, fabs(R)), "N %d: %g, %g", (int)N,
						got, R);
				}
			}
			cr_expect_float_eq(gr_tensor_at(value, &u), sum, 1e-12);
		}
	}
}

/* R points away from the others: down the term, the nearest two part. */
Test(repulsion, particles_move_apart)
{
	gr_tensor *phi = gr_mul_s(nn_normal(9, GR_F64, GR_DIMS(4, V)), 0.1);
	gr_tensor *moved = gr_axpby(phi, 1.0, gradient(phi, 4, NULL, NULL), -1e-3);
	double before[4][V];
	double after[4][V];
	rows(phi, 0, 4, before);
	rows(moved, 0, 4, after);
	double sum = 0.0;
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			sum += distance(after[i], after[j]) - distance(before[i], before[j]);
	cr_expect_gt(sum, 0.0);
}

Test(repulsion, symmetric_and_equivariant)
{
	/* two pairs mirrored in the origin: opposite pushes */
	gr_tensor *half = nn_normal(10, GR_F64, GR_DIMS(2, V));
	gr_tensor *both[] = {half, gr_neg(half)};
	gr_tensor *grad = gradient(gr_concat(2, both, 0), 4, NULL, NULL);
	cr_expect_lt(nn_distance(gr_slice(grad, 0, 0, 2, 1), gr_neg(gr_slice(grad, 0, 2, 4, 1))),
		1e-13);
	/* another order of particles, the same order of pushes */
	gr_tensor *phi = nn_normal(11, GR_F64, GR_DIMS(5, V));
	gr_tensor *order = gr_from(GR_I64, (const int64_t[]){3, 0, 4, 1, 2}, GR_DIMS(5));
	gr_tensor *mixed = gradient(gr_gather(phi, 0, order), 5, NULL, NULL);
	cr_expect_lt(nn_distance(mixed, gr_gather(gradient(phi, 5, NULL, NULL), 0, order)), 1e-13);
	/* units do not see each other */
	gr_tensor *alone = gradient(batch_of(phi, 0, 3), 3, NULL, NULL);
	gr_tensor *pair[] = {batch_of(phi, 0, 3), nn_normal(12, GR_F64, GR_DIMS(3, V))};
	gr_tensor *two = gradient(gr_concat(2, pair, 0), 3, NULL, NULL);
	cr_expect(nn_same_bits(alone, batch_of(two, 0, 3)));
}

Test(repulsion, variants)
{
	gr_tensor *phi = nn_normal(13, GR_F64, GR_DIMS(4, V));
	gr_tensor *divided = gradient(phi, 4, NULL, NULL);
	gr_tensor *value = NULL;
	/* one bandwidth for all, and log K against K: the gradients of a value's two forms */
	const gr_kernel_opts one = {.bandwidth = GR_BANDWIDTH_MEDIAN};
	const gr_kernel_opts plain = {.undivided = true};
	gr_tensor *shared = gradient(phi, 4, &one, NULL);
	gr_tensor *raw = gradient(phi, 4, &plain, &value);
	double v[4][V];
	double K = 0.0;
	rows(phi, 0, 4, v);
	for (int64_t i = 0; i < 4; i++)
		K += exp(-minus_log(v, 4, i, v[i], bandwidth(v, 4, i)));
	cr_expect_float_eq(gr_item(value), K, 1e-12);
	double Ki = exp(-minus_log(v, 4, 2, v[2], bandwidth(v, 4, 2)));
	cr_expect_lt(nn_distance(batch_of(raw, 2, 3), gr_mul_s(batch_of(divided, 2, 3), Ki)), 1e-12);
	cr_expect_gt(nn_distance(shared, divided), 1e-3);
	/* ln N in place of ln(N - 1): narrower kernels */
	const gr_kernel_opts wide = {.bandwidth = GR_BANDWIDTH_LN_N};
	gr_tensor *log_n = gradient(phi, 4, &wide, NULL);
	double h = bandwidth(v, 4, 1) * log(3.0) / log(4.0);
	double up[V];
	memcpy(up, v[1], sizeof(up));
	up[0] += 1e-6;
	double R = (minus_log(v, 4, 1, up, h) - minus_log(v, 4, 1, v[1], h)) / 1e-6;
	cr_expect_float_eq(-gr_tensor_at(log_n, (const int64_t[]){1, 0}), R, 1e-5);
	/* the diagonal kept: every K one larger, medians over N with the 0 */
	const gr_kernel_opts self = {.with_self = true, .undivided = true};
	gr_repulsion(phi, 4, &self);
	cr_expect_not(gr_failed());
}

static void expect_error(gr_tensor *phi, int64_t N, const char *word)
{
	cr_expect_null(gr_repulsion(phi, N, NULL));
	cr_expect_eq(gr_error_code(), GR_EARG);
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
}

Test(repulsion, few_or_coinciding_particles)
{
	gr_tensor *phi = nn_normal(14, GR_F64, GR_DIMS(2, V));
	expect_error(phi, 1, "no other");
	expect_error(phi, 2, "bandwidth=lnN");
	/* let be, they do nothing; by ln N they part */
	gr_tensor *none = gradient(phi, 2, &(gr_kernel_opts){.pairs = true}, NULL);
	cr_expect_eq(dot(none, none), 0.0);
	gr_tensor *some = gradient(phi, 2, &(gr_kernel_opts){.bandwidth = GR_BANDWIDTH_LN_N}, NULL);
	cr_expect_gt(dot(some, some), 0.0);
	gr_tensor *same = gr_full(GR_F64, GR_DIMS(4, V), 0.7);
	for (int b = 0; b < 3; b++) {
		const gr_kernel_opts o = {.bandwidth = (gr_bandwidth)b, .pairs = true};
		gr_tensor *grad = gradient(same, 4, &o, NULL);
		cr_expect_eq(dot(grad, grad), 0.0);
		grad = gradient(batch_of(same, 0, 2), 2, &o, NULL);
		cr_expect_eq(dot(grad, grad), 0.0);
	}
}

/* --- the term --- */

static gr_tensor *pushed(const gr_repulsion_opts *o, const gr_prior *p, gr_hook hook, gr_tensor *x)
{
	gr_term *term = gr_repulsion_term(o);
	gr_tensor *grad = NULL;
	double value = toy_value(term, p, hook, x, 3, &grad);
	gr_term_free(term);
	return isnan(value) ? NULL : grad;
}

/* The gradient is J^T of the kernel's at the vectors, in every space and of both sources. */
Test(repulsion, every_space_and_source)
{
	gr_prior *p = toy_latent_prior();
	gr_feature *f = toy_feature(NULL);
	gr_tensor *x = nn_normal(15, GR_F64, GR_DIMS(6, 2, 4, 4));
	for (int space = 0; space < 3; space++)
		for (int source = 1; source <= 2; source++)
			for (int h = 0; h < 2; h++) {
				gr_hook hook = h == 0 ? GR_HOOK_PREDICT : GR_HOOK_ESTIMATE;
				const gr_repulsion_opts o = {.weight = 1.0,
					.source = (gr_repulsion_source)source,
					.decoded = space == 1,
					.feature = space == 2 ? f : NULL};
				if (hook == GR_HOOK_ESTIMATE && source == GR_REPULSE_NOISY)
					continue;
				gr_term_ctx ctx = toy_ctx(p, hook, x, 3);
				gr_tensor *leaf = h == 0 ? ctx.x_t : ctx.x0_hat;
				gr_tensor *from = source == GR_REPULSE_NOISY ? ctx.x_t : ctx.x0_hat;
				from = space > 0 ? gr_prior_decode(p, from) : from;
				from = space == 2 ? gr_feature_vector(f, from) : gr_reshape(from, GR_DIMS(6, -1));
				gr_tensor *at = gradient(gr_stop_gradient(from), 3, NULL, NULL);
				gr_tensor *expected = NULL;
				gr_status status = gr_grad(&expected, from, 1, &leaf,
					GR_OPTS(gr_grad_opts, .cotangent = gr_mul_s(at, sqrt(1.0 - ctx.alpha_bar))));
				cr_assert_eq(status, GR_OK, "%s", gr_error_message());
				double off = nn_distance(pushed(&o, p, hook, x), expected);
				cr_expect_lt(off, 1e-12, "space %d source %d hook %d: %g", space, source, h, off);
			}
	const gr_repulsion_opts noisy = {.weight = 1.0, .source = GR_REPULSE_NOISY};
	cr_expect_null(pushed(&noisy, p, GR_HOOK_ESTIMATE, x));
	cr_expect_eq(gr_error_code(), GR_EUNSUPPORTED);
	gr_error_clear();
	gr_feature_release(f);
	gr_prior_free(p);
}

/* At base step 400 of 1000: 599 have passed. */
Test(repulsion, gates_and_annealing)
{
	gr_prior *p = toy_pixel_prior();
	gr_tensor *x = nn_normal(16, GR_F64, GR_DIMS(3, 1, 8, 8));
	gr_tensor *plain = pushed(&(gr_repulsion_opts){.weight = 1.0, .anneal = GR_ANNEAL_NONE}, p,
		GR_HOOK_PREDICT, x);
	double A = gr_prior_alpha_bar(p, 400.0);
	const struct {
		gr_repulsion_opts o;
		double factor;
	} cases[] = {
		{{.weight = 1.0}, sqrt(1.0 - A)},
		{{.weight = 1.0, .anneal = GR_ANNEAL_RATIO}, sqrt((1.0 - A) / A)},
		{{.weight = 1.0, .sigma_break = 600.0}, sqrt(1.0 - A)},
		{{.weight = 1.0, .sigma_break = 599.0}, 0.0},
		{{.weight = 1.0, .least_ratio = 1.0}, sqrt(1.0 - A)},
		{{.weight = 1.0, .least_ratio = 3.0}, 0.0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		gr_tensor *got = pushed(&cases[i].o, p, GR_HOOK_PREDICT, x);
		gr_tensor *off = gr_axpby(got, 1.0, plain, -cases[i].factor);
		cr_expect_lt(dot(off, off), 1e-24, "case %d", (int)i);
	}
	gr_prior_free(p);
}

/* gamma = 0, and pairs that are let be, change no bit; units are the same alone. */
Test(repulsion, runs)
{
	gr_prior *p = toy_latent_prior();
	const gr_term_problem problem = {.size = sizeof problem, .prior = p, .particles = 3};
	gr_term *none[] = {gr_term_open("repulsion:pixel:0", &problem), NULL};
	gr_term *some[] = {gr_term_open("repulsion:0.05,source=clean", &problem), NULL};
	cr_assert(none[0] && some[0], "%s", gr_error_message());
	gr_tensor *plain = toy_solve(p, "ddpm", NULL, 20, 6, 3, GR_F32);
	gr_tensor *with = toy_solve(p, "ddpm", some, 20, 6, 3, GR_F32);
	cr_assert(with, "%s", gr_error_message());
	cr_expect(nn_same_bits(toy_solve(p, "ddpm", none, 20, 6, 3, GR_F32), plain));
	cr_expect_gt(nn_distance(with, plain), 1e-4);
	for (int64_t u = 0; u < 2; u++)
		cr_expect(nn_same_bits(toy_solve(p, "ddpm", some, 20 + 3 * (uint64_t)u, 3, 3, GR_F32),
			batch_of(with, 3 * u, 3 * u + 3)));
	gr_term_free(none[0]);
	gr_term_free(some[0]);

	gr_term_problem pair = problem;
	pair.particles = 2;
	cr_expect_null(gr_term_open("repulsion:50", &pair));
	cr_expect_not_null(strstr(gr_error_message(), "ln(N - 1) = 0"), "%s", gr_error_message());
	gr_error_clear();
	gr_term *still[] = {gr_term_open("repulsion:50,pairs=1", &pair), NULL};
	cr_expect(nn_same_bits(toy_solve(p, "ddim", still, 20, 4, 2, GR_F32),
		toy_solve(p, "ddim", NULL, 20, 4, 2, GR_F32)));
	gr_term_free(still[0]);
	pair.particles = 1;
	cr_expect_null(gr_term_open("repulsion:50", &pair));
	gr_error_clear();
	gr_prior_free(p);
}
