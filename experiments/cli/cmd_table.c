/* gradus table: run a table or figure of the papers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "exp.h"
#include "table_args.h"

typedef struct table_flags {
	gr_table_args table;
	const char *output, *shard, *config;
	int64_t threads;
	bool list, dry_run, resume, quiet;
} table_flags;

static int usage_error(const char *text, const char *word)
{
	fprintf(stderr, "gradus table: %s%s; see gradus table --help\n", text, word);
	return GR_EXIT_USAGE;
}

static int print_list(void)
{
	for (int i = 0; gr_experiment_at(i) != NULL; i++) {
		const gr_experiment *x = gr_experiment_at(i);
		printf("%-24s %s\n", x->name, x->title);
		for (const gr_exp_param *p = x->params; p->name != NULL; p++)
			printf("    %-20s full %s, small %s, smoke %s: %s\n", p->name, p->value[0], p->value[1],
				p->value[2], p->help);
	}
	return GR_EXIT_OK;
}

/* "i/N", i counted from 1. */
static bool read_shard(gr_exp_opts *o, const char *text)
{
	char *end;
	if (text == NULL)
		return true;
	o->shard = strtoll(text, &end, 10) - 1;
	if (end == text || *end != '/')
		return false;
	const char *count = end + 1;
	o->shards = strtoll(count, &end, 10);
	return end != count && *end == '\0' && o->shard >= 0 && o->shard < o->shards &&
		o->shards <= 4096;
}

static int run(const gr_experiment *x, const gr_exp_opts *opts, const table_flags *f)
{
	gr_status status = f->threads > 0 ? gr_set_threads((int)f->threads) : GR_OK;
	if (status == GR_OK)
		status = f->dry_run ? gr_exp_list(x, opts, stdout) : gr_exp_run(x, opts);
	if (status != GR_OK) {
		int code = gr__exit_report("table", status);
		return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
	}
	if (f->dry_run || opts->shards > 1)
		return GR_EXIT_OK;
	char *text = gr__runfolder_read(opts->output, "table.md");
	if (text == NULL)
		return gr__exit_report("table", gr_error_code());
	printf("%s\n%s/panel.png\n", text, opts->output);
	gr_free(text);
	return GR_EXIT_OK;
}

/* What a folder's config.json says, into --output. */
static int run_config(const table_flags *f)
{
	gr_exp_config c;
	gr_status status = gr__exp_config_read(&c, f->config);
	const gr_experiment *x = gr_experiment_find(c.name);
	if (status == GR_OK && x == NULL)
		status = gr_error_set(GR_EFORMAT, "%s/config.json: no table '%s'", f->config, c.name);
	c.opts.output = f->output;
	c.opts.resume = f->resume;
	c.opts.quiet = f->quiet;
	int code = status == GR_OK ? run(x, &c.opts, f) : gr__exit_report("table", status);
	gr__exp_config_clear(&c);
	return code;
}

int gr_cmd_table(int argc, char **argv)
{
	table_flags f;
	const gr_arg args[] = {
		{"list", GR_ARG_FLAG, NULL, "print the tables with their parameters and stop", &f.list},
		GR_TABLE_ARGS(&f.table),
		{"output", GR_ARG_STRING, NULL, "folder to make", &f.output},
		{"config", GR_ARG_STRING, NULL, "run again what this folder's config.json says", &f.config},
		{"shard", GR_ARG_STRING, NULL, "i/N: every N-th image from the i-th; then gradus merge",
			&f.shard},
		{"resume", GR_ARG_FLAG, NULL, "continue the run in --output", &f.resume},
		{"dry-run", GR_ARG_FLAG, NULL, "print the rows with their settings and stop", &f.dry_run},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f.threads},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f.quiet},
	};
	const gr_command command = {
		.name = "table",
		.usage = "NAME --output DIR [options]",
		.summary = "Run a table or figure of the papers, with intervals and paired tests.",
		.examples = {"gradus table --list", "gradus table dps_pixel --preset smoke --output t"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *name = NULL;
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (f.list)
		return print_list();
	if (f.output == NULL && !f.dry_run)
		return usage_error("--output is missing", "");
	if (f.config != NULL)
		return run_config(&f);
	code = gr__table_args_read(&f.table, "table", name);
	if (code != GR_ARGS_RUN)
		return code;
	gr_exp_opts *o = &f.table.opts;
	if (!read_shard(o, f.shard))
		return usage_error("--shard is i/N with 1 <= i <= N, not ", f.shard);
	o->output = f.output;
	o->resume = f.resume;
	o->quiet = f.quiet;
	return run(f.table.x, o, &f);
}
