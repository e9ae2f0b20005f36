/* What the commands that take a table have in common: its name, a preset, settings. */
#ifndef GRADUS_CLI_TABLE_ARGS_H
#define GRADUS_CLI_TABLE_ARGS_H

#include "args.h"
#include "gradus/experiment.h"

typedef struct gr_table_args {
	const gr_experiment *x;
	gr_exp_opts opts;
	const char *preset;
	gr_arg_list set;
	const char *settings[GR_ARG_LIST_MAX + 1];
} gr_table_args;

/* Their rows in a command's list of options. */
#define GR_TABLE_ARGS(t) \
	{"preset", GR_ARG_STRING, "small", "full, small or smoke", &(t)->preset}, \
	{ \
		"set", GR_ARG_LIST, NULL, "NAME=VALUE in place of the preset's; may be repeated", \
			&(t)->set \
	}

/* After parsing: the table of that name and its options, of which the rest are 0. GR_ARGS_RUN, or an
 * exit code after a line on stderr. */
int gr__table_args_read(gr_table_args *t, const char *command, const char *name);

#endif
