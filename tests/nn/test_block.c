/* Leaving a forward pass: the result stays, temporaries go. */
#include <criterion/criterion.h>

#include "block.h"
#include "nn_check.h"

Test(block, keeps_the_result_only)
{
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(1000), 2.0);
	const uint64_t live = gr_memory_stats().tensors_live;
	gr_scope_begin();
	gr_tensor *y = gr_square(gr_square(x));
	y = gr__block_leave(y);
	cr_assert_eq(gr_memory_stats().tensors_live, live + 1);
	cr_assert_eq(gr_tensor_at(y, (const int64_t[]){999}), 16.0);
	gr_scope_begin();
	cr_assert_null(gr__block_leave(NULL));
	cr_assert_not(gr_failed());
}
