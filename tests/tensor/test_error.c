/* The error record: first wins, sticky, with the call site. */
#include <criterion/criterion.h>
#include <string.h>

#include "fail.h"
#include "gradus/io.h"

Test(error, first_wins_until_cleared)
{
	cr_assert(!gr_failed());
	cr_assert_str_empty(gr_error_message());
	gr_error_set(GR_ESHAPE, "first %d", 1);
	gr_error_set(GR_EMEM, "second");
	cr_assert(gr_failed());
	cr_assert_eq(gr_error_code(), GR_ESHAPE);
	cr_assert_str_eq(gr_error_message(), "first 1");
	gr_error_clear();
	cr_assert(!gr_failed());
}

Test(error, operations_name_their_call_site)
{
	gr_at("dps.c", 41);
	cr_assert_eq(gr__fail(GR_EARG, "conv2d", "no good"), GR_EARG);
	cr_assert_str_eq(gr_error_message(), "conv2d: no good at dps.c:41");
	gr_error_clear();
	gr__fail(GR_EARG, "conv2d", "no good; hint: better");
	cr_assert_str_eq(gr_error_message(), "conv2d: no good at dps.c:41; hint: better");
	gr_error_clear();
	gr__fail(GR_EIO, "png", "x.png: no such file");
	cr_assert_str_eq(gr_error_message(), "png: x.png: no such file");
}

/* An op was called before, and memory ran out while a file was read: the op is not to blame. */
Test(error, files_have_no_call_site)
{
	gr_at("dps.c", 41);
	gr_archive *a = NULL;
	gr_status status = gr_npz_read(&a, "no such file.npz");
	cr_assert_eq(status, GR_EIO);
	gr_error_clear();
	gr__fail(GR_EMEM, "npz", "no memory");
	cr_assert_str_eq(gr_error_message(), "npz: no memory");
}

Test(error, every_code_has_its_text)
{
	cr_assert_str_eq(gr_error_text(GR_OK), "ok");
	cr_assert_str_eq(gr_error_text(GR_ENUMERIC), "numerical failure");
	cr_assert_str_eq(gr_error_text(-1000), "unknown error");
}

Test(error, interrupt_is_seen)
{
	cr_assert(!gr_interrupted());
	gr_interrupt();
	cr_assert(gr_interrupted());
}

Test(error, version_is_a_version)
{
	int major, minor, patch;
	cr_assert_eq(sscanf(gr_version(), "%d.%d.%d", &major, &minor, &patch), 3);
}
