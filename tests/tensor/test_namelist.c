/* Names in order of arrival, found by hash. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "io/namelist_priv.h"

static int freed;

static void count_free(void *value)
{
	(void)value;
	freed++;
}

Test(namelist, finds_what_was_appended)
{
	static int values[500];
	gr_namelist l;
	gr__namelist_init(&l);
	cr_assert_null(gr__namelist_find(&l, "0"));
	for (int i = 0; i < 500; i++) {
		char name[16];
		snprintf(name, sizeof name, "%03d", i);
		bool added = gr__namelist_append(&l, name, &values[i]);
		cr_assert(added);
	}
	for (int i = 0; i < 500; i++) {
		char name[16];
		snprintf(name, sizeof name, "%03d", i);
		const gr_namelist_entry *e = gr__namelist_find(&l, name);
		cr_assert(e != NULL && e->value == &values[i]);
		cr_assert_eq(e, gr__namelist_at(&l, i));
		cr_assert_str_eq(e->name, name);
	}
	cr_assert_null(gr__namelist_find(&l, "500"));
	cr_assert_null(gr__namelist_find(&l, NULL));
	cr_assert_null(gr__namelist_at(&l, 500));
	cr_assert_null(gr__namelist_at(&l, -1));
	gr__namelist_free(&l, count_free);
	cr_assert_eq(freed, 500);
	cr_assert_eq(l.count, 0);
	cr_assert_null(gr__namelist_find(&l, "000"));
}
