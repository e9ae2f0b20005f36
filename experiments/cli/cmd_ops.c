/* gradus ops: what every op computes, and the proof that it keeps its promises. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "ops_certificate.h"

#define MAX_OPS 1024

static void print_list(void)
{
	for (int i = 0; i < gr_op_count(); i++)
		printf("%-22s %s\n", gr_op_get(i)->name, gr_op_get(i)->math);
}

static int unknown(const char *word)
{
	const char *names[MAX_OPS];
	int n = gr_op_count() < MAX_OPS ? gr_op_count() : MAX_OPS;

	for (int i = 0; i < n; i++)
		names[i] = gr_op_get(i)->name;
	const char *near = gr__args_nearest(word, names, n);
	fprintf(stderr, "gradus ops: no op is called '%s'%s%s; see gradus ops --list\n", word,
		near ? "; did you mean " : "", near ? near : "");
	return GR_EXIT_USAGE;
}

int gr_cmd_ops(int argc, char **argv)
{
	bool list, markdown;
	const gr_arg args[] = {
		{"list", GR_ARG_FLAG, NULL, "names and mathematics alone; nothing is run", &list},
		{"markdown", GR_ARG_FLAG, NULL, "the certificate as the page docs/ops.md", &markdown},
	};
	const gr_command command = {
		.name = "ops",
		.usage = "[NAME] [options]",
		.summary = "Check every promise of every op on this machine, or show one op in full.",
		.examples = {"gradus ops", "gradus ops conv2d"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *name = NULL;
	const gr_op *ops[MAX_OPS];
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words + list + markdown > 1) {
		fprintf(stderr, "gradus ops: one of NAME, --list and --markdown; see gradus ops --help\n");
		return GR_EXIT_USAGE;
	}
	if (words == 1)
		return gr_op_find(name) != NULL ? gr__ops_card(gr_op_find(name)) : unknown(name);
	if (markdown)
		return gr__ops_page();
	if (list) {
		print_list();
		return GR_EXIT_OK;
	}
	int n = 0;
	for (int i = 0; i < gr_op_count() && n < MAX_OPS; i++)
		ops[n++] = gr_op_get(i);
	return gr__ops_certify(ops, n);
}
