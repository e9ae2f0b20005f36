/*
 * gradus explain: the derivation of the gradient of a built-in example, as text, as a drawing for
 * Graphviz or as a page for a browser. A program of one's own calls gradus/explain.h.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "explain_examples.h"
#include "gradus/explain.h"
#include "gradus/io.h"

typedef gr_status (*writer)(gr_tensor *y, const gr_explain_opts *opts, FILE *stream);

static const struct {
	const char *name, *endings[2];
	writer write;
} formats[] = {
	{"text", {".txt", ".text"}, gr_explain},
	{"dot", {".dot", ".gv"}, gr_explain_dot},
	{"html", {".html", ".htm"}, gr_explain_html},
};

static bool ends_with(const char *text, const char *ending)
{
	size_t n = strlen(text), m = strlen(ending);
	return n >= m && strcmp(text + n - m, ending) == 0;
}

/* By name, else by the ending of the output, else text; NULL for a name that is none. */
static writer choose(const char *name, const char *output)
{
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		if (name != NULL && strcmp(name, formats[i].name) == 0)
			return formats[i].write;
		for (int e = 0; e < 2 && name == NULL && output != NULL; e++) {
			if (ends_with(output, formats[i].endings[e]))
				return formats[i].write;
		}
	}
	return name == NULL ? gr_explain : NULL;
}

static gr_status write_to(const char *output, writer write, gr_tensor *y,
	const gr_explain_opts *opts)
{
	gr_outfile *file = NULL;
	if (output == NULL)
		return write(y, opts, stdout);
	gr_at("", 0);
	gr_status status = gr_outfile_open(&file, output);
	if (status != GR_OK)
		return status;
	status = write(y, opts, gr_outfile_stream(file));
	if (status == GR_OK)
		return gr_outfile_commit(file);
	gr_outfile_abandon(file);
	return status;
}

static gr_status explain(const gr_explain_example *e, writer write, const char *output,
	int64_t level)
{
	gr_status status = gr_explain_begin(!e->large);
	(void)gr_scope_begin();
	gr_tensor *y = status == GR_OK ? e->build() : NULL;
	status = gr_error_code();
	const gr_explain_opts opts = {.size = sizeof opts, .title = e->title, .level = (int)level};
	if (status == GR_OK)
		status = write_to(output, write, y, &opts);
	gr_scope_end();
	gr_explain_end();
	return status;
}

static int unknown(const char *what, const char *word)
{
	fprintf(stderr, "gradus explain: unknown %s '%s'; see gradus explain --help\n", what, word);
	return GR_EXIT_USAGE;
}

int gr_cmd_explain(int argc, char **argv)
{
	const char *format, *output, *name = NULL;
	int64_t level;
	const gr_arg args[] = {
		{"format", GR_ARG_STRING, NULL, "text, dot or html; default: as --output ends, else text",
			&format},
		{"output", GR_ARG_STRING, NULL, "file to write; default: standard output", &output},
		{"level", GR_ARG_INT, "1", "parts of a parameter's name that make a layer of a summary",
			&level},
	};
	const gr_command command = {
		.name = "explain",
		.usage = "[EXAMPLE] [options]",
		.summary = "Derive the gradient of an example: what was computed, and each rule on the way "
				   "back.\nWithout EXAMPLE: list them.",
		.examples = {"gradus explain mlp", "gradus explain dps --output dps.html"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	const gr_explain_example *e = NULL;
	for (int i = 0; (e = gr__explain_example(i)) != NULL; i++) {
		if (words == 0)
			printf("%-10s %s\n", e->name, e->help);
		else if (strcmp(e->name, name) == 0)
			break;
	}
	if (words == 0)
		return GR_EXIT_OK;
	writer write = choose(format, output);
	if (e == NULL)
		return unknown("example", name);
	if (write == NULL)
		return unknown("format", format);
	if (level < 1 || level > 8) {
		fprintf(stderr, "gradus explain: --level must be 1..8\n");
		return GR_EXIT_USAGE;
	}
	gr_status status = explain(e, write, output, level);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report("explain", status);
}
