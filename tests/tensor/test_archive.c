/* gr_archive: order, look-up, ownership, refusals. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "gradus/io.h"

Test(archive, keeps_order_and_finds)
{
	gr_archive *a = gr_archive_new();
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof name, "block.%d.weight", i * 7 % 1000);
		gr_scope_begin();
		cr_assert_eq(gr_archive_add(a, name, gr_scalar(GR_F32, i)), GR_OK);
		cr_assert_eq(gr_scope_end(), GR_OK);
	}
	cr_assert_eq(gr_archive_count(a), 1000);
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof name, "block.%d.weight", i * 7 % 1000);
		cr_assert_str_eq(gr_archive_name(a, i), name);
		cr_assert_eq(gr_archive_find(a, name), gr_archive_tensor(a, i));
		cr_assert(gr_item(gr_archive_find(a, name)) == i);
	}
	cr_assert_null(gr_archive_find(a, "block"));
	cr_assert_null(gr_archive_find(a, NULL));
	cr_assert_null(gr_archive_name(a, -1));
	cr_assert_null(gr_archive_name(a, 1000));
	cr_assert_null(gr_archive_tensor(a, 1000));
	cr_assert_not(gr_failed());
	gr_archive_free(a);
	cr_assert_eq(gr_memory_stats().tensors_live, 0);
}

Test(archive, metadata)
{
	gr_archive *a = gr_archive_new();
	cr_assert_null(gr_archive_meta(a, "k"));
	cr_assert_eq(gr_archive_set_meta(a, "k", "v"), GR_OK);
	cr_assert_eq(gr_archive_set_meta(a, "", "empty"), GR_OK);
	cr_assert_eq(gr_archive_set_meta(a, "k", "new"), GR_OK);
	cr_assert_eq(gr_archive_meta_count(a), 2);
	cr_assert_str_eq(gr_archive_meta(a, "k"), "new");
	cr_assert_str_eq(gr_archive_meta_name(a, 1), "");
	cr_assert_null(gr_archive_meta_name(a, 2));
	cr_assert_eq(gr_archive_set_meta(a, "k", NULL), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_archive_set_meta(a, "k", "\xff"), GR_EARG);
	gr_archive_free(a);
}

Test(archive, refuses)
{
	gr_archive *a = gr_archive_new();
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(2));
	char name[1026];
	memset(name, 'n', sizeof name);
	name[1024] = '\0';
	cr_assert_eq(gr_archive_add(a, name, t), GR_OK);
	name[1024] = 'n';
	name[1025] = '\0';
	cr_assert_eq(gr_archive_add(a, name, t), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_archive_add(a, "x", t), GR_OK);
	cr_assert_eq(gr_archive_add(a, "x", t), GR_EARG);
	cr_assert_not_null(strstr(gr_error_message(), "'x'"));
	gr_error_clear();
	cr_assert_eq(gr_archive_add(a, "\xc3", t), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr_archive_add(a, NULL, t), GR_EARG);
	cr_assert_eq(gr_archive_add(NULL, "y", t), GR_EARG);
	cr_assert_eq(gr_archive_add(a, "y", NULL), GR_EARG);
	cr_assert_eq(gr_archive_count(a), 2);
	cr_assert_eq(gr_archive_count(NULL), 0);
	cr_assert_eq(gr_archive_meta_count(NULL), 0);
	gr_archive_free(a);
	gr_archive_free(NULL);
}

/* Adding is all or nothing. */
Test(archive, without_memory)
{
	gr_archive *a = gr_archive_new();
	gr_tensor *t = gr_zeros(GR_F32, GR_DIMS(2));
	uint64_t fails = 0;
	for (int i = 0; i < 100; i++) {
		char name[16];
		snprintf(name, sizeof name, "%d", i);
		for (uint64_t n = 1;; n++) {
			gr_memory_fail_at(n);
			gr_status status =
				i % 2 ? gr_archive_add(a, name, t) : gr_archive_set_meta(a, name, name);
			gr_memory_fail_at(0);
			if (status == GR_OK)
				break;
			cr_assert_eq(status, GR_EMEM);
			gr_error_clear();
			cr_assert_null(
				i % 2 ? (void *)gr_archive_find(a, name) : (void *)gr_archive_meta(a, name));
			fails++;
		}
	}
	cr_assert_gt(fails, 150);
	cr_assert_eq(gr_archive_count(a), 50);
	cr_assert_eq(gr_archive_meta_count(a), 50);
	gr_archive_free(a);
	gr_memory_fail_at(1);
	cr_assert_null(gr_archive_new());
	cr_assert_eq(gr_error_code(), GR_EMEM);
}
