/* gradus certify: how far every solver is from posteriors that are known exactly. */
#include <stdio.h>
#include <time.h>

#include "args.h"
#include "certify.h"
#include "commands.h"

static void print_list(void)
{
	for (int i = 0; gr__certify_row(i) != NULL; i++)
		printf("%-14s %s%s\n", gr__certify_row(i)->name, gr__certify_row(i)->what,
			gr__certify_row(i)->quick > 0 ? "" : " (not with --quick)");
}

static void print_progress(const char *line, void *payload)
{
	const struct timespec *start = payload;
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	fprintf(stderr, "%6.1f s  %s\n",
		(double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec), line);
}

int gr_cmd_certify(int argc, char **argv)
{
	bool list, quiet;
	const char *json, *picture;
	int64_t seed, threads;
	struct timespec start;
	gr_certify_opts opts = {0};
	const gr_arg args[] = {
		{"quick", GR_ARG_FLAG, NULL, "at most 8 dimensions, within a minute", &opts.quick},
		{"solver", GR_ARG_STRING, NULL, "one, with parameters as mmps:cg=3; default: all",
			&opts.solver},
		{"term", GR_ARG_STRING, NULL, "joins each solver, as tv:0.01; several with blanks",
			&opts.terms},
		{"scale", GR_ARG_DOUBLE, "1", "weight of the DPS term, for solvers that have it",
			&opts.scale},
		{"problem", GR_ARG_STRING, NULL, "one of --list; default: all", &opts.problem},
		{"steps", GR_ARG_INT, "0", "of each solver, 0: the problem's own", &opts.steps},
		{"seed", GR_ARG_INT, "0", "of problems and draws", &seed},
		{"json", GR_ARG_STRING, NULL, "write everything to this file", &json},
		{"picture", GR_ARG_STRING, NULL, "write samples beside exact ones as a PNG", &picture},
		{"list", GR_ARG_FLAG, NULL, "the problems; nothing is run", &list},
		{"quiet", GR_ARG_FLAG, NULL, "no progress", &quiet},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &threads},
	};
	const gr_command command = {
		.name = "certify",
		.usage = "[options]",
		.summary = "Score every solver against posteriors that are known exactly.",
		.examples = {"gradus certify --quick", "gradus certify --solver smc --problem modes-80x2"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (list) {
		print_list();
		return GR_EXIT_OK;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	opts.seed = (uint64_t)seed;
	opts.progress = quiet ? NULL : print_progress;
	opts.payload = &start;
	gr_certified *c = NULL;
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	if (status == GR_OK)
		status = gr__certify_run(&c, &opts);
	if (status == GR_OK)
		gr__certify_print(stdout, c);
	if (status == GR_OK && json != NULL)
		status = gr__certify_json(json, c);
	if (status == GR_OK && picture != NULL)
		status = gr__certify_picture(picture, c);
	gr__certified_free(c);
	if (status == GR_OK)
		return GR_EXIT_OK;
	code = gr__exit_report("certify", status);
	return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
}
