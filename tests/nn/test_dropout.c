/* Dropout: rate, scale, dependence on the key. */
#include <criterion/criterion.h>

#include <math.h>

#include "nn_check.h"

Test(dropout, rate_and_scale)
{
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(100, 100), 1.0);
	gr_tensor *y = gr_dropout(x, 0.2, gr_key_seed(1));
	double kept = gr_item(gr_sum(gr_gt_s(y, 0.0), GR_ALL_AXES, false));
	cr_assert_lt(fabs(kept - 8000.0), 200.0); /* five standard deviations of 40 */
	cr_assert_float_eq(gr_item(gr_max(y, GR_ALL_AXES, false)), 1.25, 1e-6);
	cr_assert(nn_same_bits(y, gr_dropout(x, 0.2, gr_key_seed(1))));
	cr_assert_not(nn_same_bits(y, gr_dropout(x, 0.2, gr_key_seed(2))));
	cr_assert_eq(gr_dropout(x, 0.0, gr_key_seed(1)), x);
	cr_assert_null(gr_dropout(x, 1.0, gr_key_seed(1)));
	cr_assert_eq(gr_error_code(), GR_EARG);
	gr_error_clear();
}
