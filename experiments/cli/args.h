/*
 * Options of the command line, as a table per command: name, type, default, help and where the
 * value goes. `--name value` and `--name=value`; other words are positional. The table also prints
 * the help text. Exit codes of the program are listed here, since every command returns one.
 */
#ifndef GRADUS_CLI_ARGS_H
#define GRADUS_CLI_ARGS_H

#include "gradus/base.h"

enum {
	GR_EXIT_OK = 0,
	GR_EXIT_FAILED = 1,        /* a check or comparison did not hold */
	GR_EXIT_USAGE = 2,         /* options that make no sense */
	GR_EXIT_FILE = 3,          /* a missing or malformed file */
	GR_EXIT_NUMERIC = 4,       /* NaN or infinity where a number was due */
	GR_EXIT_MEMORY = 5,        /* out of memory */
	GR_EXIT_INTERRUPTED = 130, /* by SIGINT or SIGTERM, state saved */
};

typedef enum gr_arg_type {
	GR_ARG_STRING, /* const char *, NULL by default */
	GR_ARG_INT,    /* int64_t */
	GR_ARG_DOUBLE, /* double */
	GR_ARG_FLAG,   /* bool, takes no value */
	GR_ARG_LIST,   /* gr_arg_list: may be given again and again */
} gr_arg_type;

#define GR_ARG_LIST_MAX 16

typedef struct gr_arg_list {
	const char *item[GR_ARG_LIST_MAX];
	int count;
} gr_arg_list;

typedef struct gr_arg {
	const char *name; /* without the dashes */
	gr_arg_type type;
	const char *fallback; /* default, as it would be typed; NULL: none (0, false) */
	const char *help;
	void *target;
} gr_arg;

typedef struct gr_command {
	const char *name;    /* "train" */
	const char *usage;   /* what follows the name: "unet --data PATH --output DIR [options]" */
	const char *summary; /* one line */
	const char *examples[2];
	const gr_arg *args;
	int nargs;
} gr_command;

/* Run the command: what gr__args_parse returns when all is well. */
#define GR_ARGS_RUN (-1)

/*
 * Parse argv[1..argc-1]. Targets get defaults first. Positional words go to words[0..], at most
 * max_words of them, *nwords tells how many. Returns GR_ARGS_RUN, or the exit code: 0 after --help
 * (printed on stdout), 2 after one line on stderr about what is wrong.
 */
int gr__args_parse(const gr_command *c, int argc, char **argv, const char **words, int max_words,
	int *nwords);

/* The entry of names[0..n-1] nearest to `word`, NULL when none is near. */
const char *gr__args_nearest(const char *word, const char *const *names, int n);

/* Exit code for a status. */
int gr__exit_code(gr_status status);
/* Print "gradus NAME: MESSAGE" of the recorded error on stderr; returns its exit code. */
int gr__exit_report(const char *command, gr_status status);
/* The same for commands whose input is a file of any origin: what it holds and we do not support is
 * the file's fault and not the options'. */
int gr__exit_report_file(const char *command, gr_status status);

#endif
