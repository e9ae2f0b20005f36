/* The configuration of a run survives its file, and a misspelt field is not passed over. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "restore.h"
#include "runfolder.h"

static const gr_restore_config config = {
	.prior = "fashion",
	.spec = "inpaint_box:box=8",
	.solver = "dps",
	.terms = "tv:0.1 repulsion:10",
	.input = "a \"quoted\" folder",
	.sigma = 0.1,
	.scale = 1.0 / 3.0,
	.steps = 100,
	.particles = 4,
	.limit = 2,
	.seed = -5,
};

static gr_status read_back(gr_restore_config *out, const char *text)
{
	char top[] = "/tmp/gradus_config_XXXXXX", path[64];
	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(gr__runfolder_write(top, "config.json", text), GR_OK);
	snprintf(path, sizeof path, "%s/config.json", top);
	gr_status status = gr__restore_config_read(out, path);
	unlink(path);
	rmdir(top);
	return status;
}

Test(restore_config, survives_its_file)
{
	char *text = gr__restore_config_text(&config);
	gr_restore_config back = {0};
	cr_assert_eq(read_back(&back, text), GR_OK, "%s", gr_error_message());
	char *again = gr__restore_config_text(&back);
	cr_assert_str_eq(text, again);
	cr_assert_eq(back.scale, config.scale, "to the last bit");
	cr_assert_str_eq(back.input, config.input);
	cr_assert_eq(back.seed, -5);
	gr__restore_config_clear(&back);
	gr_free(text);
	gr_free(again);
}

Test(restore_config, unknown_missing_and_mistyped_fields_are_errors)
{
	char *text = gr__restore_config_text(&config);
	static const char *const wrong[][2] = {{"\"sigma\"", "\"sgima\""},
		{"\"steps\": 100", "\"steps\": 1.5"}, {"0.1", "\"0.1\""}};
	for (size_t i = 0; i < 3; i++) {
		char bad[1024];
		char *at = strstr(text, wrong[i][0]);
		cr_assert_not_null(at, "%s", wrong[i][0]);
		snprintf(bad, sizeof bad, "%.*s%s%s", (int)(at - text), text, wrong[i][1],
			at + strlen(wrong[i][0]));
		gr_restore_config back = {0};
		cr_assert_eq(read_back(&back, bad), GR_EFORMAT, "%s", wrong[i][1]);
		cr_assert_not_null(strstr(gr_error_message(), "config.json"));
		gr_error_clear();
		gr__restore_config_clear(&back);
	}
	gr_free(text);
	gr_restore_config back = {0};
	cr_assert_eq(read_back(&back, "[1"), GR_EFORMAT);
	gr_error_clear();
	cr_assert_eq(read_back(&back, "[]"), GR_EFORMAT);
}
