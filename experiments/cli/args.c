/* Parsing of options by table (see args.h): no getopt, since help and hints come from the table. */
#include "args.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seeing.h"

#define MAX_ARGS 64
#define MAX_NAME 64

/* Levenshtein distance, capped by the length of names. */
static int distance(const char *a, const char *b)
{
	int row[MAX_NAME + 1];
	int n = (int)strlen(b);
	if (n > MAX_NAME)
		return MAX_NAME;
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];
		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);
			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

const char *gr__args_nearest(const char *word, const char *const *names, int n)
{
	const char *best = NULL;
	size_t length = strlen(word);
	int least = length < 4 ? 2 : 4; /* so many edits are no longer the same word */
	for (int i = 0; i < n; i++) {
		int d = distance(word, names[i]);
		if (length >= 3 && strncmp(word, names[i], length) == 0)
			d = 1; /* a beginning */
		if (d < least) {
			least = d;
			best = names[i];
		}
	}
	return best;
}

static const char *metavar(gr_arg_type type)
{
	switch (type) {
	case GR_ARG_STRING: return " TEXT";
	case GR_ARG_INT: return " N";
	case GR_ARG_DOUBLE: return " X";
	default: return "";
	}
}

/* The i-th option: the command's own, then those of every command; NULL behind the last. */
static const gr_arg *option(const gr_command *c, int i)
{
	int shared;
	const gr_arg *seeing = gr__seeing_args(&shared);
	if (i < c->nargs)
		return &c->args[i];
	return i < c->nargs + shared ? &seeing[i - c->nargs] : NULL;
}

static void print_help(const gr_command *c)
{
	printf("usage: gradus %s %s\n\n%s\n\noptions:\n", c->name, c->usage, c->summary);
	const gr_arg *a;
	for (int i = 0; (a = option(c, i)) != NULL; i++) {
		char left[MAX_NAME + 16];
		snprintf(left, sizeof(left), "%s%s%s", a->name[1] ? "--" : "-", a->name, metavar(a->type));
		printf("  %-24s %s", left, a->help);
		if (a->fallback)
			printf(" (default %s)", a->fallback);
		printf("\n");
	}
	printf("  %-24s %s\n\nexamples:\n", "--help", "this text");
	for (int i = 0; i < 2 && c->examples[i]; i++)
		printf("  %s\n", c->examples[i]);
}

/* False when the text is not of the type. */
static bool assign(const gr_arg *a, const char *text)
{
	char *end;
	errno = 0;
	switch (a->type) {
	case GR_ARG_STRING: *(const char **)a->target = text; return true;
	case GR_ARG_INT: {
		long long n = strtoll(text, &end, 10);
		*(int64_t *)a->target = n;
		return errno == 0 && end != text && *end == '\0';
	}
	case GR_ARG_DOUBLE: {
		double x = strtod(text, &end);
		*(double *)a->target = x;
		return end != text && *end == '\0' && isfinite(x);
	}
	case GR_ARG_LIST: {
		gr_arg_list *list = a->target;
		if (list->count < GR_ARG_LIST_MAX)
			list->item[list->count] = text;
		return list->count++ < GR_ARG_LIST_MAX;
	}
	default: *(bool *)a->target = strcmp(text, "1") == 0; return true;
	}
}

static int usage_error(const gr_command *c, const char *what, const char *word, const char *hint)
{
	fprintf(stderr, "gradus %s: %s '%s'%s%s; see gradus %s --help\n", c->name, what, word,
		hint ? "; did you mean --" : "", hint ? hint : "", c->name);
	return GR_EXIT_USAGE;
}

/* "--name", or "-n"; a lone dash and negative numbers are words. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9') &&
		word[1] != '.';
}

/* "--n" for "-n" too: the table's names bear no dashes. */
static const char *option_name(const char *word)
{
	return word + (word[1] == '-' ? 2 : 1);
}

static int unknown_option(const gr_command *c, const char *word)
{
	const char *names[MAX_ARGS + 1];
	int n = 0;
	const gr_arg *a;
	for (int i = 0; (a = option(c, i)) != NULL && n < MAX_ARGS; i++)
		names[n++] = a->name;
	names[n++] = "help";
	char name[MAX_NAME];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
	const char *near = gr__args_nearest(option_name(name), names, n);
	return usage_error(c, "unknown option", name, near);
}

static const gr_arg *find(const gr_command *c, const char *name)
{
	size_t length = strcspn(name, "=");
	const gr_arg *a;
	for (int i = 0; (a = option(c, i)) != NULL; i++) {
		if (strlen(a->name) == length && strncmp(a->name, name, length) == 0)
			return a;
	}
	return NULL;
}

/* The option at argv[*at]; moves *at to the last word it took. */
static int parse_option(const gr_command *c, int argc, char **argv, int *at)
{
	const char *word = argv[*at];
	const gr_arg *a = find(c, option_name(word));
	if (!a)
		return unknown_option(c, word);
	const char *value = strchr(word, '=');
	if (a->type == GR_ARG_FLAG) {
		if (value)
			return usage_error(c, "no value is expected in", word, NULL);
		*(bool *)a->target = true;
		return GR_ARGS_RUN;
	}
	if (value)
		value++;
	else if (*at + 1 < argc && !is_option(argv[*at + 1]))
		value = argv[++*at];
	else
		return usage_error(c, "no value after", word, NULL);
	if (!assign(a, value)) {
		fprintf(stderr, "gradus %s: --%s: '%s' is not %s\n", c->name, a->name, value,
			a->type == GR_ARG_INT        ? "a whole number"
				: a->type == GR_ARG_LIST ? "taken, there are too many"
										 : "a number");
		return GR_EXIT_USAGE;
	}
	return GR_ARGS_RUN;
}

int gr__args_parse(const gr_command *c, int argc, char **argv, const char **words, int max_words,
	int *nwords)
{
	*nwords = 0;
	const gr_arg *a;
	for (int i = 0; (a = option(c, i)) != NULL; i++) {
		if (a->fallback)
			assign(a, a->fallback);
		else if (a->type == GR_ARG_STRING)
			*(const char **)a->target = NULL;
		else if (a->type == GR_ARG_LIST)
			((gr_arg_list *)a->target)->count = 0;
		else
			assign(a, "0");
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help(c);
			return GR_EXIT_OK;
		}
		if (is_option(argv[i])) {
			int code = parse_option(c, argc, argv, &i);
			if (code != GR_ARGS_RUN)
				return code;
		} else if (*nwords < max_words) {
			words[(*nwords)++] = argv[i];
		} else {
			return usage_error(c, "unexpected word", argv[i], NULL);
		}
	}
	gr__seeing_begin();
	return GR_ARGS_RUN;
}

int gr__exit_code(gr_status status)
{
	switch (status) {
	case GR_OK: return GR_EXIT_OK;
	case GR_EIO:
	case GR_EFORMAT: return GR_EXIT_FILE;
	case GR_ENUMERIC: return GR_EXIT_NUMERIC;
	case GR_EMEM: return GR_EXIT_MEMORY;
	default: return GR_EXIT_USAGE;
	}
}

int gr__exit_report(const char *command, gr_status status)
{
	const char *message = gr_error_message();
	fprintf(stderr, "gradus %s: %s\n", command, *message ? message : gr_error_text(status));
	return gr__exit_code(status);
}

int gr__exit_report_file(const char *command, gr_status status)
{
	int code = gr__exit_report(command, status);
	return status == GR_EUNSUPPORTED ? GR_EXIT_FILE : code;
}
