/* Scopes own what is made in them; escaping moves one level up; retaining outlives all. */
#include <criterion/criterion.h>

#include "gradus/tensor.h"

static uint64_t live(void)
{
	return gr_memory_stats().tensors_live;
}

Test(scope, end_frees_what_was_made)
{
	uint64_t before = live();
	uint64_t bytes = gr_memory_stats().bytes_in_use;
	gr_scope_begin();
	for (int i = 0; i < 1000; i++)
		gr_zeros(GR_F32, GR_DIMS(10));
	cr_assert_eq(live(), before + 1000);
	cr_assert_eq(gr_scope_end(), GR_OK);
	cr_assert_eq(live(), before);
	cr_assert_eq(gr_memory_stats().bytes_in_use, bytes);
}

Test(scope, escape_moves_to_the_parent)
{
	gr_scope_begin();
	gr_scope_begin();
	gr_zeros(GR_F32, GR_DIMS(1));
	gr_tensor *kept = gr_escape(gr_full(GR_F32, GR_DIMS(1), 7.0));
	gr_zeros(GR_F32, GR_DIMS(1));
	gr_scope_end();
	cr_assert_eq(live(), 1);
	cr_assert_eq(gr_item(kept), 7.0);
	gr_scope_end();
	cr_assert_eq(live(), 0);
}

Test(scope, retained_tensors_survive)
{
	gr_scope_begin();
	gr_tensor *t = gr_tensor_retain(gr_full(GR_F32, GR_DIMS(1), 3.0));
	gr_scope_end();
	cr_assert_eq(gr_item(t), 3.0);
	gr_tensor_release(t);
	gr_tensor_release(NULL);
	cr_assert_eq(live(), 0);
}

Test(scope, end_reports_the_recorded_error)
{
	gr_scope_begin();
	gr_zeros(GR_F32, GR_DIMS(-1));
	cr_assert_eq(gr_scope_end(), GR_ESHAPE);
}

Test(scope, balanced_when_memory_runs_out)
{
	gr_tensor *outer = gr_zeros(GR_F32, GR_DIMS(1));
	gr_memory_fail_at(1);
	gr_status status = gr_scope_begin();
	gr_memory_fail_at(0);
	cr_assert_eq(gr_scope_end(), status);
	cr_assert_eq(gr_tensor_size(outer), 1, "an unopened scope's end must free nothing");
}
