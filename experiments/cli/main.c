/* The program `gradus`: finds the command and runs it. SIGINT and SIGTERM stop it cleanly. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "seeing.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"demo", gr_cmd_demo, "restore shipped images in three ways and show them"},
	{"solve", gr_cmd_solve, "restore images from measurements"},
	{"table", gr_cmd_table, "run a table or figure of the papers"},
	{"repro", gr_cmd_repro, "the papers' tables: what runs here, what others need"},
	{"plan", gr_cmd_plan, "what a table would take, before it runs"},
	{"sweep", gr_cmd_sweep, "search settings on validation images"},
	{"merge", gr_cmd_merge, "put the shards of a table together"},
	{"sample", gr_cmd_sample, "draw images from a prior"},
	{"certify", gr_cmd_certify, "score solvers against posteriors known exactly"},
	{"case", gr_cmd_case, "such a posterior as files, and samples of it scored"},
	{"train", gr_cmd_train, "train a network on images"},
	{"evaluate", gr_cmd_evaluate, "measure a trained network on images it has not seen"},
	{"data", gr_cmd_data, "solve partial differential equations for data"},
	{"prior", gr_cmd_prior, "list the trained networks, show one"},
	{"images", gr_cmd_images, "write images of a dataset as PNG files"},
	{"model", gr_cmd_model, "list a checkpoint, describe and run a network"},
	{"convert", gr_cmd_convert, "write a checkpoint as safetensors"},
	{"ops", gr_cmd_ops, "what every op computes, checked on this machine"},
	{"explain", gr_cmd_explain, "derive the gradient of an example, as text or as a page"},
	{"bench", gr_cmd_bench, "time ops and network steps"},
};

#define NCOMMANDS ((int)(sizeof(commands) / sizeof(commands[0])))

/* The first signal asks for a clean stop, the second one kills. */
static void on_signal(int number)
{
	gr_interrupt();
	signal(number, SIG_DFL);
}

static void print_usage(FILE *stream)
{
	fprintf(stream, "usage: gradus COMMAND [options]\n\ncommands:\n");
	for (int i = 0; i < NCOMMANDS; i++)
		fprintf(stream, "  %-12s %s\n", commands[i].name, commands[i].summary);
	fprintf(stream, "\ngradus COMMAND --help tells more; gradus --version prints the version\n");
}

/* A limit that cannot be read is told before anything runs into it. */
static bool is_limit_readable(void)
{
	const char *text = getenv("GRADUS_MEMORY_LIMIT");
	uint64_t bytes;
	if (text == NULL || gr_memory_named(&bytes, text) == GR_OK)
		return true;
	fprintf(stderr, "gradus: GRADUS_MEMORY_LIMIT: %s\n", gr_error_message());
	return false;
}

int main(int argc, char **argv)
{
	const char *names[NCOMMANDS];
	if (!is_limit_readable())
		return GR_EXIT_USAGE;
	if (argc < 2) {
		print_usage(stderr);
		return GR_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		print_usage(stdout);
		return GR_EXIT_OK;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("gradus %s\n", gr_version());
		return GR_EXIT_OK;
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	for (int i = 0; i < NCOMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return gr__seeing_end(commands[i].run(argc - 1, argv + 1));
		names[i] = commands[i].name;
	}
	const char *near = gr__args_nearest(argv[1], names, NCOMMANDS);
	fprintf(stderr, "gradus: unknown command '%s'%s%s; see gradus --help\n", argv[1],
		near ? "; did you mean " : "", near ? near : "");
	return GR_EXIT_USAGE;
}
