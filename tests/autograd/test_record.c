/* Recording, on and off: off, a tracked operand costs what a constant costs. */
#include <criterion/criterion.h>

#include "gradus/ops.h"

/* One of each kind: elementwise, a view, a reduction, a product, a composition. */
static gr_tensor *work(gr_tensor *x)
{
	gr_tensor *h = gr_tanh(gr_mul(x, gr_transpose(x, 0, 1)));
	h = gr_matmul(h, gr_softmax(x));
	return gr_sum(gr_mse(h, gr_reshape(x, GR_DIMS(8, 8))), GR_ALL_AXES, false);
}

typedef struct cost {
	uint64_t blocks, bytes, tensors; /* handed out while it ran; left after it */
} cost;

static cost cost_of(gr_tensor *x, bool recording)
{
	gr_memory before = gr_memory_stats();
	bool was = gr_set_recording(recording);
	gr_scope_begin();
	gr_tensor *y = work(x);
	cr_expect(y != NULL, "%s", gr_error_message());
	cr_expect_eq(gr_is_tracked(y), recording && gr_is_tracked(x));
	gr_memory after = gr_memory_stats();
	gr_scope_end();
	gr_set_recording(was);
	return (cost){after.pool_allocs - before.pool_allocs, after.bytes_in_use - before.bytes_in_use,
		after.tensors_live - before.tensors_live};
}

Test(record, off_costs_what_a_constant_costs)
{
	gr_tensor *constant = gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(8, 8));
	gr_tensor *x = gr_watch(constant);
	cost_of(constant, true); /* the arrays of the scopes have their size */
	cost none = cost_of(constant, true), off = cost_of(x, false), on = cost_of(x, true);
	cr_expect_eq(off.blocks, none.blocks, "%llu blocks, %llu for a constant",
		(unsigned long long)off.blocks, (unsigned long long)none.blocks);
	cr_expect_eq(off.bytes, none.bytes);
	cr_expect_eq(off.tensors, none.tensors);
	cr_expect_gt(on.blocks, off.blocks);
	cr_expect_gt(on.bytes, off.bytes);
}

Test(record, the_switch_tells_what_it_was)
{
	bool first = gr_set_recording(false), second = gr_set_recording(true);
	cr_assert(first && !second);
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *g;
	gr_set_recording(false);
	gr_tensor *y = gr_mul(x, x);
	gr_set_recording(true);
	cr_expect_not(gr_is_tracked(y));
	gr_tensor *z = gr_mul(x, y); /* y is a constant from here on */
	gr_status status = gr_grad(&g, z, 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	cr_expect_eq(gr_item(g), 4.0);
}
