/* --profile FILE and --check-finite of every command (gradus/trace.h). */
#include "seeing.h"

#include <stdio.h>

#include "gradus/trace.h"

static const char *profile_path;
static bool check_finite;
static gr_profile *profile;

const gr_arg *gr__seeing_args(int *n)
{
	static const gr_arg args[] = {
		{"profile", GR_ARG_STRING, NULL,
			"write a trace of every op for ui.perfetto.dev, and totals on stderr", &profile_path},
		{"check-finite", GR_ARG_FLAG, NULL, "stop at the first op that makes a NaN or an infinity",
			&check_finite},
	};
	*n = (int)(sizeof args / sizeof *args);
	return args;
}

void gr__seeing_begin(void)
{
	if (check_finite)
		gr_set_check_finite(true);
	if (profile_path != NULL && profile == NULL)
		profile = gr_profile_begin(NULL);
}

int gr__seeing_end(int code)
{
	if (profile == NULL)
		return code;
	gr_error_clear(); /* the command has reported its own */
	gr_profile_end(profile);
	gr_profile_print(profile, stderr);
	gr_status status = gr_profile_write_trace(profile, profile_path);
	gr_profile_free(profile);
	profile = NULL;
	if (status == GR_OK)
		return code;
	int own = gr__exit_report("profile", status);
	return code == GR_EXIT_OK ? own : code;
}
