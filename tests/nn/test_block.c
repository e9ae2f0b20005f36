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

static gr_tensor *scaled(const void *layer, gr_tensor *x, const void *shared)
{
	const double *factor = layer, *more = shared;
	return gr_mul_s(gr_mul_s(x, *factor), *more);
}

Test(block, a_chain_holds_one_tensor)
{
	const double factor = 2.0, more = 0.5;
	gr_tensor *x = gr_full(GR_F32, GR_DIMS(1000), 3.0);
	gr_tensor *h = gr_tensor_retain(x);
	const uint64_t live = gr_memory_stats().tensors_live;
	for (int i = 0; i < 4; i++)
		h = gr__block_advance(h, scaled, &factor, &more);
	cr_assert_eq(gr_memory_stats().tensors_live, live + 1);
	cr_assert_eq(gr_tensor_at(h, (const int64_t[]){999}), 3.0);
	gr_tensor_release(h);
	gr_error_set(GR_EARG, "before");
	cr_assert_null(gr__block_advance(NULL, scaled, &factor, &more));
	gr_error_clear();
}
