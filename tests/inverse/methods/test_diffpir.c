/* DiffPIR: every step against the proximal point and the step written out, and y met without noise. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

typedef struct watched {
	const linear_gaussian *p;
	double lambda, before[LG_MAX], worst;
} watched;

/* x0' from x_t by dense algebra: (H^T H + rho I) x = H^T y + rho E[x_0 | x_t]. */
static void proximal(const watched *w, double alpha_bar, double *x0)
{
	linear_gaussian blind = *w->p;
	double mean[LG_MAX];
	double m[LG_MAX * LG_MAX];
	double rho = w->lambda * w->p->sigma * w->p->sigma * alpha_bar / (1.0 - alpha_bar);
	int64_t D = blind.D;
	blind.sigma = 1e100; /* y says nothing */
	linear_gaussian_posterior(&blind, w->before, alpha_bar, mean, m);
	for (int64_t i = 0; i < D; i++) {
		x0[i] = rho * mean[i];
		for (int64_t j = 0; j < D; j++)
			m[i * D + j] = i == j ? rho : 0.0;
		for (int64_t k = 0; k < blind.M; k++) {
			x0[i] += blind.matrix[k * D + i] * blind.y[k];
			for (int64_t j = 0; j < D; j++)
				m[i * D + j] += blind.matrix[k * D + i] * blind.matrix[k * D + j];
		}
	}
	solve_dense(m, x0, D, 1);
}

static int watch_step(const gr_solver_report *r, void *payload)
{
	watched *w = payload;
	double expected[LG_MAX];
	double x0[LG_MAX];
	proximal(w, r->alpha_bar, expected);
	gr_tensor_to_f64(r->x0_hat, x0);
	for (int64_t i = 0; i < w->p->D; i++)
		w->worst = fmax(w->worst, fabs(x0[i] - expected[i]));
	gr_tensor_to_f64(r->x, w->before);
	return 0;
}

Test(diffpir, each_estimate_is_the_proximal_point)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, true, 0.2);
	watched w = {.p = &p, .lambda = 3.0};
	gr_solver *s;
	gr_solver_opts opts = linear_gaussian_opts(&p, 1, "diffpir:lambda=3,cg=400", "5,5,10");
	opts.on_step = watch_step;
	opts.payload = &w;
	cr_assert_eq(gr_solver_new(&s, &opts), GR_OK, "%s", gr_error_message());
	gr_tensor_to_f64(gr_solver_state(s, 0), w.before);
	cr_assert_eq(gr_solver_run(s), GR_OK, "%s", gr_error_message());
	cr_expect(w.worst < 1e-5, "%g", w.worst); /* rho falls to 1e-6 times the largest eigenvalue */
	cr_expect_eq(gr_solver_evaluations(s), 20);
	cr_expect_eq(gr_solver_gradients(s), 0);
	cr_expect(linear_gaussian_same_alone(&p, "diffpir"));
	gr_solver_free(s);
	linear_gaussian_free(&p);
}

Test(diffpir, meets_a_measurement_without_noise)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 4, 4, 0.25, true, 0.0);
	gr_solver_opts opts = linear_gaussian_opts(&p, 3, "diffpir", "10");
	gr_tensor *x = gr_solver_solve(&opts);
	cr_assert_not_null(x, "%s", gr_error_message());
	cr_expect(nn_distance(gr_operator_apply(p.A, x), opts.y) < 1e-11);
	linear_gaussian_free(&p);
}

/* zeta 0 draws nothing, so only the first state tells keys apart. */
Test(diffpir, zeta_is_the_noise)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 4, 4, 0.25, true, 0.1);
	for (int zeta = 0; zeta < 2; zeta++) {
		gr_solver_opts opts =
			linear_gaussian_opts(&p, 2, zeta ? "diffpir:zeta=1" : "diffpir:zeta=0", "6");
		opts.start = gr_zeros(GR_F64, GR_DIMS(2, 1, 4, 4));
		gr_tensor *x = gr_solver_solve(&opts);
		cr_assert_not_null(x, "%s", gr_error_message());
		cr_expect_eq(nn_same_bits(batch_of(x, 0, 1), batch_of(x, 1, 2)), zeta == 0);
	}
	linear_gaussian_free(&p);
}
