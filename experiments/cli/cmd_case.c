/* gradus case: posteriors as folders for other software, and what it drew from them scored. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "case.h"
#include "commands.h"

static const gr_certify_row *find_row(const char *name)
{
	for (int i = 0; gr__certify_row(i) != NULL; i++)
		if (strcmp(gr__certify_row(i)->name, name) == 0)
			return gr__certify_row(i);
	return NULL;
}

static int export_case(int argc, char **argv)
{
	const char *output, *name = NULL;
	int64_t seed, index;
	const gr_arg args[] = {
		{"output", GR_ARG_STRING, NULL, "folder to write; needed", &output},
		{"index", GR_ARG_INT, "0", "which of the problem's measurements", &index},
		{"seed", GR_ARG_INT, "0", "of the problem", &seed},
	};
	const gr_command command = {
		.name = "case export",
		.usage = "NAME --output DIR [options]",
		.summary = "Write a problem of gradus certify as .npy and JSON.",
		.examples = {"gradus case export modes-80x2 --output case", "gradus certify --list"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	const gr_certify_row *row = words == 1 ? find_row(name) : NULL;
	if (row == NULL || output == NULL) {
		fprintf(stderr, "gradus case export: %s%s; see gradus case export --help\n",
			words == 0        ? "no NAME"
				: row == NULL ? "no problem is called so, gradus certify --list names them: "
							  : "no --output",
			words == 1 && row == NULL ? name : "");
		return GR_EXIT_USAGE;
	}
	gr_status status = gr__case_export(output, row, index, (uint64_t)seed);
	if (status == GR_OK)
		printf("%s: %s\n", output, row->what);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report("case export", status);
}

static int score_case(int argc, char **argv)
{
	const char *names[2] = {NULL, NULL};
	int64_t threads;
	const gr_arg args[] = {
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &threads},
	};
	const gr_command command = {
		.name = "case score",
		.usage = "DIR SAMPLES.npy",
		.summary = "Score samples [n,D] against the exact posterior of a case.",
		.examples = {"gradus case score case samples.npy", NULL},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, names, 2, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words != 2) {
		fprintf(stderr,
			"gradus case score: DIR and SAMPLES.npy are needed; see gradus case score "
			"--help\n");
		return GR_EXIT_USAGE;
	}
	gr_case_score s;
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	if (status == GR_OK)
		status = gr__case_score(&s, names[0], names[1]);
	if (status == GR_OK)
		gr__case_print(stdout, &s);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("case score", status);
}

static void print_usage(FILE *stream)
{
	fprintf(stream,
		"usage: gradus case SUBCOMMAND [options]\n\nsubcommands:\n"
		"  export       write a problem with a known posterior as .npy and JSON\n"
		"  score        score samples of any software against it\n");
}

int gr_cmd_case(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_usage(stdout);
		return GR_EXIT_OK;
	}
	if (strcmp(word, "export") == 0)
		return export_case(argc - 1, argv + 1);
	if (strcmp(word, "score") == 0)
		return score_case(argc - 1, argv + 1);
	fprintf(stderr, "gradus case: %s%s; see gradus case --help\n",
		*word == '\0' ? "no subcommand" : "unknown subcommand ", word);
	return GR_EXIT_USAGE;
}
