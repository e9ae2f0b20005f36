/* DDIM whose noise takes the gradient of the terms: one of them written out, and none. */
#include <criterion/criterion.h>

#include <math.h>

#include "gradus/ops.h"
#include "linear_gaussian.h"

/* <x_t, 1>, 2 in its second step and after */
static gr_tensor *slope(void *self, const gr_term_ctx *ctx)
{
	(void)self;
	return gr_mul_s(gr_sum(ctx->x_t, GR_AXES(1, 2, 3), false), ctx->step > 0 ? 2.0 : 1.0);
}

Test(guided_eps, moves_the_noise)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "identity", 2, 2, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "guided_eps", "7");
	gr_tensor *plain = gr_solver_solve(&opts);
	opts.method = "ddim";
	cr_expect(nn_same_bits(gr_solver_solve(&opts), plain), "%s", gr_error_message());
	opts.method = "guided_eps";
	gr_term *term = gr_term_new("slope", slope, NULL, GR_OPTS(gr_term_opts, .weight = 0.02));
	gr_term *terms[] = {term, NULL};
	opts.terms = terms;
	gr_tensor *x = gr_solver_solve(&opts);
	gr_schedule *schedule = gr_prior_respace(p.prior, opts.respacing);
	for (int64_t i = 0; i < 8; i++) {
		gr_key key = gr_key_fold_name(opts.keys[i / 4], "start");
		double state = gr_key_normal(key, (uint64_t)(i % 4));
		for (int64_t j = 6; j >= 0; j--) {
			double A = gr_schedule_alpha_bar(schedule, j);
			double Ap = j > 0 ? gr_schedule_alpha_bar(schedule, j - 1) : 1.0;
			double eps = sqrt(1.0 - A) * (state - sqrt(A) * p.mean[i % 4]) / (0.25 * A + 1.0 - A);
			eps += 0.02 * (j < 6 ? 2.0 : 1.0);
			double x0 = (state - sqrt(1.0 - A) * eps) / sqrt(A);
			state = sqrt(Ap) * x0 + sqrt(1.0 - Ap) * eps;
		}
		double value = gr_tensor_at(x, (const int64_t[]){i / 4, 0, i / 2 % 2, i % 2});
		cr_expect(fabs(value - state) < 1e-9, "%g, expected %g", value, state);
	}
	gr_schedule_free(schedule);
	gr_term_free(term);
	linear_gaussian_free(&p);
}
