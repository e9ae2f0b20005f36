/*
 * gradus repro: the tables of the papers, row by row: what runs on this machine at which scale, what
 * the published setting would need; and the chosen one, run.
 */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "exp.h"

static const struct {
	const char *prefix, *paper;
} papers[] = {
	{"repa_", "Align & Invert: solving inverse problems via representational alignment (REPA)"},
	{"rlsd_", "Repulsive latent score distillation for solving inverse problems (RLSD)"},
	{"equireg_", "EquiReg: equivariance regularised diffusion for inverse problems"},
	{"dps_", "Diffusion posterior sampling, the common baseline"},
};

/* The rows of one table for a preset. */
static gr_status print_rows(const gr_experiment *x, gr_preset preset)
{
	gr_exp_set *e = gr__exp_open(x, &(gr_exp_opts){.size = sizeof(gr_exp_opts), .preset = preset});
	if (e == NULL)
		return gr_error_code();
	for (int i = 0; i < e->entries; i++) {
		const gr_exp_entry *row = &e->entry[i];
		const gr_restore_config *c = &row->config;
		printf("| %s | %s | %s | ", x->name, row->row.task, row->row.method);
		if (row->needs != NULL)
			printf("needs %s |\n", row->needs);
		else
			printf("%s: %lld images, %lld steps, %lld samples |\n",
				preset == GR_PRESET_FULL ? "run" : "scaled down", (long long)c->limit,
				(long long)c->steps, (long long)c->particles);
	}
	gr__exp_free(e);
	return GR_OK;
}

static gr_status print_papers(gr_preset preset)
{
	gr_status status = GR_OK;
	for (size_t k = 0; k < sizeof papers / sizeof *papers && status == GR_OK; k++) {
		bool any = false;
		for (int i = 0; gr_experiment_at(i) != NULL && status == GR_OK; i++) {
			const gr_experiment *x = gr_experiment_at(i);
			if (strncmp(x->name, papers[k].prefix, strlen(papers[k].prefix)) != 0)
				continue;
			if (!any)
				printf("%s\n\n| table | task | method | here |\n|---|---|---|---|\n",
					papers[k].paper);
			any = true;
			status = print_rows(x, preset);
		}
		if (any)
			printf("\n");
	}
	if (status == GR_OK)
		printf("gradus repro NAME --output DIR runs one.\n");
	return status;
}

int gr_cmd_repro(int argc, char **argv)
{
	const char *preset, *output;
	bool resume;
	const gr_arg args[] = {
		{"preset", GR_ARG_STRING, "small", "full, small or smoke", &preset},
		{"output", GR_ARG_STRING, NULL, "folder to make for the table NAME", &output},
		{"resume", GR_ARG_FLAG, NULL, "continue the run in --output", &resume},
	};
	const gr_command command = {
		.name = "repro",
		.usage = "[NAME --output DIR] [options]",
		.summary = "The papers' tables: which rows run here, at which scale, what others need.",
		.examples = {"gradus repro", "gradus repro dps_pixel --output t"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *name = NULL;
	int words;
	int code = gr__args_parse(&command, argc, argv, &name, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words > 0) {
		char *table[] = {"table", (char *)(uintptr_t)name, "--preset", (char *)(uintptr_t)preset,
			output != NULL ? "--output" : "--dry-run", (char *)(uintptr_t)output, NULL};
		char *more[] = {table[0], table[1], table[2], table[3], table[4], table[5], "--resume",
			NULL};
		return output != NULL ? gr_cmd_table(resume ? 7 : 6, more) : gr_cmd_table(5, table);
	}
	gr_preset p = gr_preset_named(preset);
	gr_status status = gr_failed() ? gr_error_code() : print_papers(p);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report("repro", status);
}
