/* gradus solve: restore images from measurements of them, by a prior and a solver. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "gradus/operator.h"
#include "restore.h"
#include "solve_matrix.h"

typedef struct solve_flags {
	gr_restore_config config;
	gr_restore_opts opts;
	const char *config_path;
	int64_t threads;
	bool list, matrix;
	gr_arg_list terms;
	char joined[4096]; /* they, separated by blanks */
} solve_flags;

static int parse(solve_flags *f, int argc, char **argv)
{
	gr_restore_config *c = &f->config;
	gr_restore_opts *o = &f->opts;
	const gr_arg args[] = {
		{"prior", GR_ARG_STRING, "fashion", "name of a shipped prior, or a folder", &c->prior},
		{"operator", GR_ARG_STRING, "inpaint_box",
			"measurement, with options as inpaint_box:box=8; see --list", &c->spec},
		{"solver", GR_ARG_STRING, "dps", "a solver, with parameters as mmps:cg=3; see --list",
			&c->solver},
		{"term", GR_ARG_LIST, NULL, "a further term, as tv:0.1; may be repeated; see --list",
			&f->terms},
		{"input", GR_ARG_STRING, NULL, "a PNG file, or a folder of them", &c->input},
		{"output", GR_ARG_STRING, NULL, "folder to make for this run", &o->output},
		{"sigma", GR_ARG_DOUBLE, "0.05", "noise, for images in [-1,1]", &c->sigma},
		{"steps", GR_ARG_INT, "100", "steps of the sampler, of the prior's 1000", &c->steps},
		{"scale", GR_ARG_DOUBLE, "1.0", "zeta of the DPS term: weight of the likelihood gradient",
			&c->scale},
		{"particles", GR_ARG_INT, "1", "samples for each image", &c->particles},
		{"seed", GR_ARG_INT, "0", "of noise, masks and samples", &c->seed},
		{"limit", GR_ARG_INT, "0", "take this many images at most, 0 for all", &c->limit},
		{"config", GR_ARG_STRING, NULL, "run again what this config.json says", &f->config_path},
		{"batch", GR_ARG_INT, "32", "samples worked on at a time; changes no result", &o->chunk},
		{"recompute", GR_ARG_FLAG, NULL,
			"less memory, more time: run the network's stages again for gradients; changes no "
			"result",
			&o->recompute},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f->threads},
		{"resume", GR_ARG_FLAG, NULL, "continue the run in --output", &o->resume},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &o->quiet},
		{"list", GR_ARG_FLAG, NULL, "print the operators, solvers and terms and stop", &f->list},
		{"matrix", GR_ARG_FLAG, NULL,
			"try every solver with every term, print docs/solver-terms.md", &f->matrix},
	};
	const gr_command command = {
		.name = "solve",
		.usage = "--input PATH --output DIR [options]",
		.summary = "Restore images: measures each image, then samples what it may have been.",
		.examples = {"gradus solve --operator inpaint_box --input photo.png --output run1",
			"gradus solve --operator sr_bicubic --input folder --output run2 --particles 4"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	for (int i = 0; code == GR_ARGS_RUN && i < f->terms.count; i++) {
		size_t used = strlen(f->joined);
		snprintf(f->joined + used, sizeof f->joined - used, "%s%s", i > 0 ? " " : "",
			f->terms.item[i]);
	}
	c->terms = f->joined;
	return code;
}

static int print_lists(void)
{
	printf("operators\n");
	for (int i = 0; i < gr_operator_count(); i++)
		printf("%-18s %s\n", gr_operator_list_name(i), gr_operator_list_help(i));
	printf("\nsolvers (those without a measurement of their own are guided by the DPS term)\n");
	for (int i = 0; gr_named_solver_at(i) != NULL; i++)
		printf("%-16s %s\n", gr_named_solver_at(i)->name, gr_named_solver_at(i)->doc);
	for (int i = 0; i < gr_method_count(); i++)
		printf("%-16s %s\n", gr_method_list_name(i), gr_method_list_help(i));
	printf("\nterms\n");
	for (int i = 0; i < gr_term_kind_count(); i++)
		printf("%-16s %s\n", gr_term_kind_at(i)->name, gr_term_kind_at(i)->doc);
	return GR_EXIT_OK;
}

static int usage_error(const char *text)
{
	fprintf(stderr, "gradus solve: %s; see gradus solve --help\n", text);
	return GR_EXIT_USAGE;
}

static int run(const solve_flags *f)
{
	gr_restored *r = NULL;
	gr_status status = gr_error_code();
	if (status == GR_OK && f->config.input == NULL)
		return usage_error("--input is missing");
	if (f->opts.output == NULL)
		return usage_error("--output is missing");
	if (status == GR_OK && f->threads > 0)
		status = gr_set_threads((int)f->threads);
	if (status == GR_OK)
		status = gr__restore_run(&r, &f->config, &f->opts);
	if (status != GR_OK) {
		int code = gr__exit_report("solve", status);
		return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
	}
	gr__restore_header(stdout, r->config.particles);
	gr__restore_rows(stdout, r, r->config.spec);
	printf("\nprior evaluations per sample: %g, with a gradient: %g\n%s/panel.png\n",
		gr__restore_nfe(r, r->evaluations), gr__restore_nfe(r, r->gradients), f->opts.output);
	gr__restored_free(r);
	return GR_EXIT_OK;
}

int gr_cmd_solve(int argc, char **argv)
{
	solve_flags f = {0};
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	if (f.matrix) {
		gr_status status = gr__solve_matrix();
		return status == GR_OK ? GR_EXIT_OK : gr__exit_report("solve", status);
	}
	if (f.list)
		return print_lists();
	if (f.config_path == NULL)
		return run(&f);
	/* An error stays recorded; run() reports it after those of usage. */
	(void)gr__restore_config_read(&f.config, f.config_path);
	code = run(&f);
	gr__restore_config_clear(&f.config);
	return code;
}
