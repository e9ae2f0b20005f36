/* Moment matching by row sums: exact where the matrix is diagonal, and only there. */
#include <criterion/criterion.h>

#include "linear_gaussian.h"

Test(tmpd, is_exact_for_diagonal_systems)
{
	static const char *const operators[] = {"sr_mean:factor=2", "inpaint_box:box=2", "identity"};
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[i], 4, 4, 0.25, false, 0.1);
		double worst = linear_gaussian_worst_step(&p, 3, "tmpd", "12");
		cr_expect(worst < 1e-8, "%s: %g %s", operators[i], worst, gr_error_message());
		cr_expect(linear_gaussian_same_alone(&p, "tmpd"));
		linear_gaussian_free(&p);
	}
}

Test(tmpd, samples_follow_the_posterior)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "inpaint_box:box=2", 2, 4, 0.25, false, 0.2);
	/* What is left is the steps' own error: 1.16 of the bound with 200, 0.89 with 400, 0.60 here. */
	double worst = linear_gaussian_moments(&p, 4000, "tmpd", "800", 0.03);
	cr_expect(worst < 1.0, "%g %s", worst, gr_error_message());
	linear_gaussian_free(&p);
	linear_gaussian_new(&p, "blur_gauss:taps=3", 4, 4, 0.25, true, 0.1);
	cr_expect(linear_gaussian_worst_step(&p, 3, "tmpd", "12") > 1e-3);
	linear_gaussian_free(&p);
}
