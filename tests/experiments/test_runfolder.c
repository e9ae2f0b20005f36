/* Run folders are made once, continued on request, and never overwritten. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runfolder.h"

static char top[] = "/tmp/gradus_run_XXXXXX";
static char path[64];

static void make(void)
{
	cr_assert_not_null(mkdtemp(top));
	snprintf(path, sizeof path, "%s/a/b", top);
}

static void clear(void)
{
	char command[128];
	snprintf(command, sizeof command, "rm -rf %s", top);
	cr_assert_eq(system(command), 0);
}

Test(runfolder, is_made_with_its_parents, .init = make, .fini = clear)
{
	cr_assert_eq(gr__runfolder_open(path, "{}\n", false), GR_OK, "%s", gr_error_message());
	char *text = gr__runfolder_read(path, "config.json");
	cr_assert_str_eq(text, "{}\n");
	gr_free(text);
}

Test(runfolder, is_not_taken_twice, .init = make, .fini = clear)
{
	cr_assert_eq(gr__runfolder_open(path, "{}\n", false), GR_OK);
	cr_assert_eq(gr__runfolder_open(path, "{}\n", false), GR_EARG);
	gr_error_clear();
	cr_assert_eq(gr__runfolder_open(path, "{}\n", true), GR_OK);
	cr_assert_eq(gr__runfolder_open(path, "{\"other\": 1}\n", true), GR_EARG);
	cr_assert_not_null(strstr(gr_error_message(), "config.json"));
}

Test(runfolder, an_empty_folder_may_be_used, .init = make, .fini = clear)
{
	cr_assert_eq(gr__runfolder_make(path), GR_OK);
	cr_assert_eq(gr__runfolder_open(path, "{}\n", false), GR_OK);
}

Test(runfolder, below_a_file_is_an_error, .init = make, .fini = clear)
{
	cr_assert_eq(gr__runfolder_write(top, "file", "x"), GR_OK);
	char inside[128];
	snprintf(inside, sizeof inside, "%s/file/run", top);
	cr_assert_eq(gr__runfolder_open(inside, "{}\n", false), GR_EIO);
}

Test(runfolder, files_are_removed_by_name, .init = make, .fini = clear)
{
	cr_assert_eq(gr__runfolder_make(path), GR_OK);
	gr__runfolder_write(path, "x", "1");
	gr__runfolder_write(top, "y", "2");
	cr_assert(gr__runfolder_has(path, "x"));
	char inner[64];
	snprintf(inner, sizeof inner, "%s/a", top);
	gr__runfolder_remove(inner, "b");
	cr_assert(!gr__runfolder_has(path, "x"));
	gr__runfolder_remove(top, "y");
	cr_assert(!gr__runfolder_has(top, "y"));
	cr_assert_null(gr__runfolder_read(top, "y"));
	cr_assert_eq(gr_error_code(), GR_EIO);
}

Test(runfolder, texts_grow_and_escape)
{
	gr_text t = {0};
	for (int i = 0; i < 1000; i++)
		gr__text_add(&t, "%d,", i % 10);
	cr_assert_eq(strlen(t.text), 2000);
	gr_free(t.text);
	t = (gr_text){0};
	gr__text_json(&t, "a\"b\\c\n\xc3\xa9");
	cr_assert_str_eq(t.text, "\"a\\\"b\\\\c\\u000a\xc3\xa9\"");
	gr_free(t.text);
}

Test(runfolder, an_unknown_prior_names_the_places)
{
	char found[256];
	cr_assert_eq(gr__prior_find(found, sizeof found, "no_such_prior"), GR_EIO);
	cr_assert_not_null(strstr(gr_error_message(), GRADUS_PRIORS_SOURCE_DIR));
}
