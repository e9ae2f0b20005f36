/* The identity returns the values it is given. */
#include <criterion/criterion.h>

#include "inverse_check.h"
#include "gradus/operator.h"

Test(identity, returns_its_argument)
{
	gr_operator *A = gr_operator_new("identity", NULL);
	gr_tensor *x = nn_normal(1, GR_F32, GR_DIMS(2, 3, 32, 32));
	cr_expect(nn_same_bits(gr_operator_apply(A, x), x));
	cr_expect(nn_same_bits(gr_operator_adjoint(A, x), x));
	cr_expect_null(gr_operator_support(A, GR_F32));
	gr_operator_free(A);
}
