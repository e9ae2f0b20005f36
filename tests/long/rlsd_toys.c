/*
 * RLSD's two toys, with the settings and reference numbers of their published description: a prior of
 * two modes one of whose coordinates is measured, and phase retrieval in one dimension. 200 and 100
 * seeds at least; coverage within 0.05 and distances within 0.15 of the references. The repulsion is written
 * here anew, in double and without the library's.
 */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/law.h"
#include "gradus/ops.h"
#include "inverse_check.h"

#define MOST 6
#define WIDE 16

/* Stable Diffusion's schedule. */
static const gr_schedule_opts schedule = {.size = sizeof(schedule),
	.kind = GR_SCHEDULE_SQRT_LINEAR,
	.beta_first = 0.00085,
	.beta_last = 0.012};

/* --- repulsion --- */

static int rising(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double square_distance(const double *a, const double *b, int64_t V)
{
	double sum = 0.0;
	for (int64_t k = 0; k < V; k++)
		sum += (a[k] - b[k]) * (a[k] - b[k]);
	return sum;
}

/* R^i of one unit of N vectors; zero for two, whose kernel is infinitely wide. */
static void push(const double *phi, int64_t N, int64_t V, double *R)
{
	memset(R, 0, (size_t)(N * V) * sizeof(*R));
	for (int64_t i = 0; i < N && N > 2; i++) {
		double d[MOST];
		int64_t n = 0;
		double K = 0.0;
		for (int64_t j = 0; j < N; j++)
			if (j != i)
				d[n++] = sqrt(square_distance(phi + i * V, phi + j * V, V));
		qsort(d, (size_t)n, sizeof(*d), rising);
		double median = d[(n - 1) / 2];
		double h = median * median / log((double)(N - 1)) + 1e-12;
		for (int64_t j = 0; j < N; j++) {
			double k = exp(-square_distance(phi + i * V, phi + j * V, V) / h);
			K += j == i ? 0.0 : k;
			for (int64_t c = 0; c < V; c++)
				R[i * V + c] += 2.0 / h * k * (phi[i * V + c] - phi[j * V + c]);
		}
		for (int64_t c = 0; c < V; c++)
			R[i * V + c] /= K;
	}
}

/* -sigma_t <phi, R>, whose gradient is -sigma_t R; phi is z, or z_t. */
static gr_tensor *repel(void *self, const gr_term_ctx *ctx)
{
	bool noisy = *(const bool *)self;
	gr_tensor *x = noisy ? ctx->x_t : ctx->x0_hat;
	int64_t n = gr_tensor_dim(x, 0);
	int64_t V = gr_tensor_size(x) / n;
	double *phi = malloc((size_t)(n * V) * sizeof(*phi));
	gr_tensor *R = gr_empty(GR_F64, 4, gr_tensor_dims(x));
	gr_tensor_to_f64(gr_stop_gradient(x), phi);
	for (int64_t u = 0; u < n; u += ctx->particles)
		push(phi + u * V, ctx->particles, V, (double *)gr_tensor_data(R) + u * V);
	free(phi);
	gr_tensor *value = gr_sum(gr_mul(x, R), GR_AXES(1, 2, 3), false);
	return gr_mul_s(value, -sqrt(1.0 - ctx->alpha_bar));
}

/* Particles [seeds N,1,1,V] after RLSD, the states z and the images x; keys of seed, then particle. */
static void distill(const gr_prior *prior, const gr_operator *A, gr_tensor *y, double sigma,
	int64_t seeds, int64_t N, double gamma, bool noisy, double *z, double *x)
{
	int64_t n = seeds * N;
	gr_solver *s;
	gr_term *term = gr_term_new("repulsion", repel, &noisy,
		GR_OPTS(gr_term_opts, .hooks = GR_AT_ESTIMATE, .weight = gamma));
	gr_term *terms[] = {gamma > 0.0 ? term : NULL, NULL};
	cr_assert_eq(gr_solver_new(&s,
					 GR_OPTS(gr_solver_opts, .prior = prior, .n = n, .keys = some_keys(1, n),
						 .method = "rlsd:lr_z=0.05,lr_x=0.05", .A = A, .y = y, .sigma = sigma,
						 .particles = N, .no_clip = true, .dtype = GR_F64, .terms = terms)),
		GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_solver_steps(s), 998);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_solver_evaluations(s), 998);
	cr_expect_eq(gr_solver_gradients(s), 0);
	gr_tensor_to_f64(gr_solver_state(s, 0), z);
	gr_tensor_to_f64(gr_solver_image(s), x);
	gr_solver_free(s);
	gr_term_free(term);
}

/* Mean over units and pairs of the distance between particles. */
static double mean_pair(const double *v, int64_t units, int64_t N, int64_t V)
{
	double sum = 0.0;
	for (int64_t u = 0; u < units; u++)
		for (int64_t i = 0; i < N; i++)
			for (int64_t j = 0; j < i; j++)
				sum += sqrt(square_distance(v + (u * N + i) * V, v + (u * N + j) * V, V));
	return sum / (double)(units * N * (N - 1) / 2);
}

/* --- A: two modes, one coordinate measured --- */

#define PARTICLES_A 2400 /* at most */

typedef struct toy_a {
	int64_t N;
	double gamma;
	bool noisy;
	double coverage, pair, mode, residual;
} toy_a;

static void run_a(toy_a *t)
{
	static double z[PARTICLES_A * 2];
	static double x[PARTICLES_A * 2];
	double means[] = {-2.0, 0.0, 2.0, 0.0};
	double measured[] = {0.0, 0.1};
	int64_t seeds = t->gamma > 0.0 ? 200 : PARTICLES_A / t->N;
	int64_t n = seeds * t->N;
	gr_scope_begin();
	gr_law *law = gr_law_mixture(GR_OPTS(gr_mixture_opts,
		.means = gr_from_f64(GR_F64, means, GR_DIMS(2, 2)), .variance = 0.04));
	gr_prior *prior = gr_prior_law_new(law,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = 2, .schedule = &schedule));
	gr_operator *A = gr_operator_new("inpaint_half",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 1, .width = 2));
	gr_tensor *y = gr_contiguous(
		gr_expand(gr_from_f64(GR_F64, measured, GR_DIMS(1, 1, 1, 2)), GR_DIMS(n, 1, 1, 2)));
	distill(prior, A, y, 0.0, seeds, t->N, t->gamma, t->noisy, z, x);
	t->coverage = t->mode = t->residual = 0.0;
	for (int64_t u = 0; u < seeds; u++) {
		bool found[2] = {false, false};
		for (int64_t i = u * t->N; i < (u + 1) * t->N; i++) {
			double left = hypot(z[2 * i] + 2.0, z[2 * i + 1]);
			double right = hypot(z[2 * i] - 2.0, z[2 * i + 1]);
			found[left < right ? 0 : 1] = true;
			t->mode += fmin(left, right) / (double)n;
			t->residual += fabs(x[2 * i + 1] - 0.1) / (double)n;
		}
		t->coverage += found[0] && found[1] ? 1.0 / (double)seeds : 0.0;
	}
	t->pair = mean_pair(z, seeds, t->N, 2);
	gr_operator_free(A);
	gr_prior_free(prior);
	gr_law_free(law);
	gr_scope_end();
}

Test(rlsd_toys, two_modes)
{
	static const toy_a table[] = {
		{4, 0.0, false, 0.83, 1.95, 0.14, 0.0008},
		{4, 0.1, false, 0.99, 2.52, 0.19, 0.0008},
		{4, 0.3, false, 1.00, 2.70, 0.26, 0.0008},
		{4, 1.0, false, 1.00, 2.84, 0.36, 0.0009},
		{3, 0.0, false, 0.80, 2.18, 0.15, 0.0008},
		{3, 0.3, false, 1.00, 2.75, 0.30, 0.0008},
		{6, 0.0, false, 0.99, 2.08, 0.15, 0.0008},
		{2, 0.0, false, 0.47, 1.95, 0.15, 0.0008},
		{4, 0.3, true, 0.99, 2.43, 0.15, 0.0008},
		{4, 1.0, true, 1.00, 2.59, 0.14, 0.0008},
		{4, 3.0, true, 1.00, 2.73, 0.12, 0.0007},
	};
	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++) {
		const toy_a *known = &table[k];
		toy_a t = *known;
		run_a(&t);
		printf("A: N %d, gamma %g, %s: coverage %.3f (%.2f), pair %.3f (%.2f), mode %.3f (%.2f), "
			   "residual %.5f (%.4f)\n",
			(int)t.N, t.gamma, t.noisy ? "noisy" : "clean", t.coverage, known->coverage, t.pair,
			known->pair, t.mode, known->mode, t.residual, known->residual);
		/*
		 * Without repulsion the chains are independent: coverage is 1 - 2^(1-N), and is held against
		 * that over more seeds. The reference is a frequency of 200 seeds, of standard deviation
		 * 0.023 for N = 4 (0.83 beside 0.875), and its distance, that of pairs in one mode or in
		 * two, has 0.058 or more: two of these are allowed to it.
		 */
		double coverage = t.gamma > 0.0 ? known->coverage : 1.0 - pow(2.0, 1.0 - (double)t.N);
		double own = t.gamma > 0.0 ? 0.0 : 2.0 * 0.058;
		cr_expect(fabs(t.coverage - coverage) <= 0.05, "N %d, gamma %g: %g", (int)t.N, t.gamma,
			t.coverage);
		cr_expect(fabs(t.pair - known->pair) <= 0.15 + own, "N %d, gamma %g: pair %g", (int)t.N,
			t.gamma, t.pair);
		cr_expect(fabs(t.mode - known->mode) <= 0.15, "N %d, gamma %g: mode %g", (int)t.N, t.gamma,
			t.mode);
		cr_expect(t.residual < 0.0016, "N %d, gamma %g: residual %g", (int)t.N, t.gamma,
			t.residual);
	}
}

/* Two particles: ln(N - 1) = 0, and no weight changes a bit. */
Test(rlsd_toys, two_particles_do_not_repel)
{
	toy_a without = {.N = 2, .gamma = 1e-300};
	toy_a with = {.N = 2, .gamma = 10.0};
	run_a(&without);
	run_a(&with);
	cr_expect_eq(with.pair, without.pair);
	cr_expect_eq(with.mode, without.mode);
	cr_expect_eq(with.residual, without.residual);
}

/* --- B: phase retrieval, both orientations --- */

#define SEEDS_B 100
#define PADDED 24

static gr_tensor *amplitude(void *self, gr_tensor *x)
{
	(void)self;
	gr_tensor *u = gr_pad(gr_affine(x, 0.5, 0.5), 3, 4, 4);
	gr_tensor *pair[] = {gr_mul_s(u, 1.0 / sqrt(PADDED)), gr_mul_s(u, 0.0)};
	return gr_norm(gr_fft(gr_stack(2, pair, 4), 3), GR_AXES(4), false);
}

static void template(double *u)
{
	for (int c = 0; c < WIDE; c++)
		u[c] = c < 3 ? 0.9 : c < 6 ? -0.8 + 0.3 * c : -0.9 + 0.05 * c;
}

typedef struct toy_b {
	double gamma, both, psnr, pair, rmse;
} toy_b;

/* PSNR on the scale of [0,1]: a difference counts half. */
static double psnr(const double *x, const double *truth, bool mirrored)
{
	double error = 0.0;
	for (int c = 0; c < WIDE; c++) {
		double d = 0.5 * (x[c] - truth[mirrored ? WIDE - 1 - c : c]);
		error += d * d / WIDE;
	}
	return 10.0 * log10(1.0 / (error + 1e-10));
}

static void run_b(toy_b *t)
{
	static double z[SEEDS_B * 4 * WIDE];
	static double x[SEEDS_B * 4 * WIDE];
	static double truth[SEEDS_B * WIDE];
	double means[2 * WIDE];
	template(means);
	for (int c = 0; c < WIDE; c++)
		means[WIDE + c] = means[WIDE - 1 - c];
	gr_scope_begin();
	gr_law *law = gr_law_mixture(GR_OPTS(gr_mixture_opts,
		.means = gr_from_f64(GR_F64, means, GR_DIMS(2, WIDE)), .variance = 0.15 * 0.15));
	gr_prior *prior = gr_prior_law_new(law,
		GR_OPTS(gr_prior_opts, .channels = 1, .height = 1, .width = WIDE, .schedule = &schedule));
	gr_operator *A = gr_operator_user("amplitude", amplitude, NULL,
		GR_OPTS(gr_operator_user_opts, .channels = 1, .height = 1, .width = WIDE,
			.nonlinear = true));
	for (int64_t i = 0; i < SEEDS_B * WIDE; i++)
		truth[i] = means[i % WIDE] + 0.15 * gr_key_normal(gr_key_seed(77), (uint64_t)i);
	gr_tensor *images = gr_from_f64(GR_F64, truth, GR_DIMS(SEEDS_B, 1, 1, 1, WIDE));
	images = gr_contiguous(gr_expand(images, GR_DIMS(SEEDS_B, 4, 1, 1, WIDE)));
	gr_tensor *clean = gr_operator_apply(A, gr_reshape(images, GR_DIMS(SEEDS_B * 4, 1, 1, WIDE)));
	gr_tensor *noise = gr_random_normal(gr_key_seed(78), GR_F64, GR_DIMS(SEEDS_B, 1, 1, 1, PADDED));
	noise = gr_expand(noise, GR_DIMS(SEEDS_B, 4, 1, 1, PADDED));
	gr_tensor *y = gr_axpby(clean, 1.0,
		gr_reshape(gr_contiguous(noise), GR_DIMS(SEEDS_B * 4, 1, 1, PADDED)), 0.001);
	distill(prior, A, y, 0.001, SEEDS_B, 4, t->gamma, false, z, x);
	gr_tensor *r =
		gr_sub(y, gr_operator_apply(A, gr_from_f64(GR_F64, x, GR_DIMS(SEEDS_B * 4, 1, 1, WIDE))));
	t->rmse = sqrt(gr_item(gr_mean(gr_square(r), GR_ALL_AXES, false)));
	t->both = t->psnr = 0.0;
	for (int64_t u = 0; u < SEEDS_B; u++) {
		bool found[2] = {false, false};
		for (int64_t i = 4 * u; i < 4 * u + 4; i++) {
			double as_is = psnr(x + i * WIDE, truth + u * WIDE, false);
			double mirrored = psnr(x + i * WIDE, truth + u * WIDE, true);
			found[0] = found[0] || as_is > 15.0;
			found[1] = found[1] || mirrored > 15.0;
			t->psnr += fmax(as_is, mirrored) / (SEEDS_B * 4);
		}
		t->both += found[0] && found[1] ? 1.0 / SEEDS_B : 0.0;
	}
	t->pair = mean_pair(x, SEEDS_B, 4, WIDE);
	gr_operator_free(A);
	gr_prior_free(prior);
	gr_law_free(law);
	gr_scope_end();
}

Test(rlsd_toys, phase_retrieval)
{
	static const toy_b table[] = {
		{0.0, 0.86, 20.32, 2.25, 0.0072},
		{3.0, 0.99, 20.35, 2.56, 0.0071},
		{10.0, 0.99, 19.89, 2.59, 0.0072},
		{30.0, 0.98, 19.46, 2.65, 0.0071},
	};
	toy_b got[4];
	for (int k = 0; k < 4; k++) {
		got[k] = table[k];
		run_b(&got[k]);
		printf("B: gamma %g: both %.3f (%.2f), PSNR %.2f (%.2f), pair %.3f (%.2f), RMSE %.5f "
			   "(%.4f)\n",
			got[k].gamma, got[k].both, table[k].both, got[k].psnr, table[k].psnr, got[k].pair,
			table[k].pair, got[k].rmse, table[k].rmse);
		cr_expect(got[0].psnr - got[k].psnr < 1.0, "gamma %g costs %g dB", got[k].gamma,
			got[0].psnr - got[k].psnr);
		cr_expect(k == 0 || got[k].pair > got[k - 1].pair, "gamma %g: pair %g", got[k].gamma,
			got[k].pair);
		cr_expect(k == 0 || got[k].both >= 0.95, "gamma %g: both %g", got[k].gamma, got[k].both);
	}
	cr_expect(got[0].both < 0.95, "without repulsion: both %g", got[0].both);
}
