/* Constants are held in both types, detached and contiguous. */
#include <criterion/criterion.h>

#include "constant_priv.h"
#include "inverse_check.h"

Test(constant, both_types)
{
	gr_constant c = {0};
	gr_scope_begin();
	gr_tensor *x = gr_watch(nn_normal(1, GR_F64, GR_DIMS(3, 4)));
	gr_tensor *turned = gr_transpose(x, 0, 1);
	cr_assert_eq(gr__constant_set(&c, turned), GR_OK);
	cr_expect(nn_distance(gr__constant_get(&c, GR_F64), turned) == 0.0);
	cr_expect(nn_distance(gr__constant_get(&c, GR_F32), turned) < 1e-7);
	gr_scope_end();
	cr_expect(gr_is_contiguous(gr__constant_get(&c, GR_F64)));
	cr_expect(!gr_is_tracked(gr__constant_get(&c, GR_F64)));
	cr_expect_eq(gr_tensor_dtype(gr__constant_get(&c, GR_F32)), GR_F32);
	gr__constant_clear(&c);
	gr__constant_clear(&c);
	cr_expect_null(gr__constant_get(&c, GR_F32));
	cr_expect_neq(gr__constant_set(&c, NULL), GR_OK);
}
