/* gradus merge: the shards of a table put together. */
#include <stdio.h>

#include "args.h"
#include "commands.h"
#include "gradus/experiment.h"
#include "runfolder.h"

#define MAX_SHARDS 256

int gr_cmd_merge(int argc, char **argv)
{
	const char *output = NULL;
	const gr_arg args[] = {
		{"output", GR_ARG_STRING, NULL, "folder to make", &output},
	};
	const gr_command command = {
		.name = "merge",
		.usage = "SHARD SHARD ... --output DIR",
		.summary = "Put the shards of a table together: the same files as one run writes.",
		.examples = {"gradus table dps_pixel --shard 1/2 --output a",
			"gradus merge a b --output whole"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *folder[MAX_SHARDS];
	int n;
	int code = gr__args_parse(&command, argc, argv, folder, MAX_SHARDS, &n);
	if (code != GR_ARGS_RUN)
		return code;
	if (output == NULL) {
		fprintf(stderr, "gradus merge: --output is missing; see gradus merge --help\n");
		return GR_EXIT_USAGE;
	}
	gr_status status = gr_exp_merge(output, folder, n);
	if (status != GR_OK)
		return gr__exit_report("merge", status);
	char *text = gr__runfolder_read(output, "table.md");
	if (text == NULL)
		return gr__exit_report("merge", gr_error_code());
	printf("%s\n%s/panel.png\n", text, output);
	gr_free(text);
	return GR_EXIT_OK;
}
