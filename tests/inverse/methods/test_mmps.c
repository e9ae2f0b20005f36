/*
 * Moment matching: every step's estimate is the closed form's, its samples follow the posterior, and
 * terms and batches are as with any method.
 */
#include <criterion/criterion.h>

#include <string.h>

#include "linear_gaussian.h"

static const char *const operators[] = {"sr_mean:factor=2", "blur_gauss:taps=3",
	"inpaint_box:box=2"};

Test(mmps, each_estimate_is_the_conditional_mean)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[i], 4, 4, 0.25, true, 0.1);
		double worst = linear_gaussian_worst_step(&p, 3, "mmps:cg=100", "12");
		cr_expect(worst < 1e-8, "%s: %g", operators[i], worst);
		/* and one iteration is not enough */
		cr_expect(linear_gaussian_worst_step(&p, 3, "mmps:cg=1", "12") > 1e-6);
		linear_gaussian_free(&p);
	}
}

/* The bias that is allowed is of 200 steps, as without a measurement. */
Test(mmps, samples_follow_the_posterior)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 0.25, true, 0.2);
	double noisy = linear_gaussian_moments(&p, 4000, "mmps:cg=20", "200", 0.03);
	cr_expect(noisy < 1.0, "eta 1: %g %s", noisy, gr_error_message());
	double flow = linear_gaussian_moments(&p, 4000, "mmps:eta=0,cg=20", "200", 0.03);
	cr_expect(flow < 1.0, "eta 0: %g %s", flow, gr_error_message());
	/* The prior's samples are far from it. */
	cr_expect(linear_gaussian_moments(&p, 4000, "ddpm", "50", 0.03) > 2.0);
	linear_gaussian_free(&p);
}

Test(mmps, terms_join_and_batches_do_not_matter)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, true, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 3, "mmps", "8");
	gr_tensor *plain = gr_solver_solve(&opts);
	gr_term *zero = gr_dps_term(p.A, opts.y, 0.0);
	gr_term *some = gr_dps_term(p.A, opts.y, 0.3);
	gr_term *terms[] = {zero, NULL};
	opts.terms = terms;
	cr_expect(nn_same_bits(gr_solver_solve(&opts), plain), "%s", gr_error_message());
	terms[0] = some;
	cr_expect(nn_distance(gr_solver_solve(&opts), plain) > 1e-4);
	cr_expect(linear_gaussian_same_alone(&p, "mmps"), "%s", gr_error_message());
	gr_term_free(zero);
	gr_term_free(some);
	linear_gaussian_free(&p);
}

static void expect_refused(const gr_solver_opts *opts, gr_status code, const char *word)
{
	gr_solver *s;
	cr_expect_eq(gr_solver_new(&s, opts), code, "%s", gr_error_message());
	cr_expect_not_null(strstr(gr_error_message(), word), "%s", gr_error_message());
	gr_error_clear();
}

Test(mmps, what_does_not_fit_is_refused)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 4, 4, 0.25, false, 0.1);
	gr_solver_opts opts = linear_gaussian_opts(&p, 2, "mmps", "4");
	gr_tensor *y = opts.y;
	opts.y = gr_zeros(GR_F64, GR_DIMS(2, 1, 2, 3));
	expect_refused(&opts, GR_ESHAPE, "[2,1,2,2]");
	gr_operator *other = gr_operator_new("identity",
		GR_OPTS(gr_operator_opts, .channels = 1, .height = 8, .width = 8));
	opts.A = other;
	expect_refused(&opts, GR_ESHAPE, "another size");
	opts.A = p.A;
	opts.y = y;
	opts.method = "mmps:cg=0";
	expect_refused(&opts, GR_EARG, "cg=0");
	gr_operator_free(other);
	linear_gaussian_free(&p);
}
