/* Pseudo-inverse guidance: exact for priors N(m, I), and for no other. */
#include <criterion/criterion.h>

#include "linear_gaussian.h"

static const char *const operators[] = {"sr_mean:factor=2", "blur_gauss:taps=3",
	"inpaint_box:box=2"};

Test(pigdm, is_exact_for_unit_covariance)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		linear_gaussian p;
		linear_gaussian_new(&p, operators[i], 4, 4, 1.0, false, 0.1);
		double worst = linear_gaussian_worst_step(&p, 3, "pigdm", "12");
		cr_expect(worst < 1e-8, "%s: %g %s", operators[i], worst, gr_error_message());
		cr_expect(linear_gaussian_same_alone(&p, "pigdm"));
		linear_gaussian_free(&p);
		linear_gaussian_new(&p, operators[i], 4, 4, 0.25, true, 0.1);
		cr_expect(linear_gaussian_worst_step(&p, 3, "pigdm", "12") > 1e-3, "%s", operators[i]);
		linear_gaussian_free(&p);
	}
}

Test(pigdm, samples_follow_the_posterior)
{
	linear_gaussian p;
	linear_gaussian_new(&p, "sr_mean:factor=2", 2, 4, 1.0, false, 0.3);
	double worst = linear_gaussian_moments(&p, 4000, "pigdm", "200", 0.03);
	cr_expect(worst < 1.0, "%g %s", worst, gr_error_message());
	linear_gaussian_free(&p);
}
