/* gradus model: what is known of networks and their files; a table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} subcommands[] = {
	{"info", gr_cmd_model_info, "list the tensors of a checkpoint of any format"},
	{"describe", gr_cmd_model_describe, "size of a network by its configuration"},
	{"run", gr_cmd_model_run, "apply a network to arrays, with gradients"},
	{"reconstruct", gr_cmd_model_reconstruct, "images through an autoencoder, and what is lost"},
};

#define NSUBCOMMANDS ((int)(sizeof subcommands / sizeof *subcommands))

static void print_usage(FILE *stream)
{
	fprintf(stream, "usage: gradus model SUBCOMMAND [options]\n\nsubcommands:\n");
	for (int i = 0; i < NSUBCOMMANDS; i++)
		fprintf(stream, "  %-12s %s\n", subcommands[i].name, subcommands[i].summary);
	fprintf(stream, "\nexamples:\n  gradus model info vae.pth\n  gradus model info --help\n");
}

int gr_cmd_model(int argc, char **argv)
{
	const char *names[NSUBCOMMANDS];
	const char *word = argc > 1 ? argv[1] : "";
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
		print_usage(stdout);
		return GR_EXIT_OK;
	}
	for (int i = 0; i < NSUBCOMMANDS; i++) {
		names[i] = subcommands[i].name;
		if (strcmp(word, names[i]) == 0)
			return subcommands[i].run(argc - 1, argv + 1);
	}
	if (*word == '\0') {
		fprintf(stderr, "gradus model: no subcommand; see gradus model --help\n");
		return GR_EXIT_USAGE;
	}
	const char *near = gr__args_nearest(word, names, NSUBCOMMANDS);
	fprintf(stderr, "gradus model: unknown subcommand '%s'%s%s; see gradus model --help\n", word,
		near ? "; did you mean " : "", near ? near : "");
	return GR_EXIT_USAGE;
}
