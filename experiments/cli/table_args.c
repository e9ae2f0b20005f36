/* See table_args.h. */
#include "table_args.h"

#include <stdio.h>
#include <string.h>

int gr__table_args_read(gr_table_args *t, const char *command, const char *name)
{
	t->opts = (gr_exp_opts){.size = sizeof t->opts, .parameters = t->settings};
	t->x = gr_experiment_find(name);
	memset(t->settings, 0, sizeof t->settings);
	memcpy(t->settings, t->set.item, (size_t)t->set.count * sizeof *t->settings);
	if (t->x == NULL) {
		const char *names[128];
		int n = 0;
		for (; n < 128 && gr_experiment_at(n) != NULL; n++)
			names[n] = gr_experiment_at(n)->name;
		const char *near = name != NULL ? gr__args_nearest(name, names, n) : NULL;
		fprintf(stderr, "gradus %s: %s%s%s%s%s; gradus table --list prints them\n", command,
			name == NULL ? "no name of a table" : "no table '", name == NULL ? "" : name,
			name == NULL ? "" : "'", near != NULL ? "; did you mean " : "",
			near != NULL ? near : "");
		return GR_EXIT_USAGE;
	}
	t->opts.preset = gr_preset_named(t->preset);
	return gr_failed() ? gr__exit_report(command, gr_error_code()) : GR_ARGS_RUN;
}
