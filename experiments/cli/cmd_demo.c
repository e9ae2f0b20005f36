/* gradus demo: three inverse problems on shipped images, a table and a picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "restore.h"
#include "runfolder.h"

#define TASKS 3
#define PATH_SIZE 4096

/* Scales: chosen on training images, docs/priors.md says how. */
static const struct {
	const char *spec;
	double scale;
} tasks[TASKS] = {{"inpaint_box", 1.0}, {"sr_bicubic", 2.0}, {"blur_gauss", 3.0}};

typedef struct demo_flags {
	const char *output;
	int64_t steps, images, threads;
	bool quiet;
} demo_flags;

static int parse(demo_flags *f, int argc, char **argv)
{
	const gr_arg args[] = {
		{"output", GR_ARG_STRING, NULL, "folder to make; default: demo, demo-2, ...", &f->output},
		{"images", GR_ARG_INT, "8", "how many of the held-out images", &f->images},
		{"steps", GR_ARG_INT, "100", "steps of the sampler", &f->steps},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f->threads},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f->quiet},
	};
	const gr_command command = {
		.name = "demo",
		.usage = "[options]",
		.summary = "Restore held-out images from a hole, from a quarter of the resolution and from "
				   "blur.",
		.examples = {"gradus demo", "gradus demo --images 4 --output /tmp/demo"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	return gr__args_parse(&command, argc, argv, NULL, 0, &words);
}

/* The first of demo, demo-2, ... that is not there yet. */
static void choose_output(char *path, size_t size)
{
	snprintf(path, size, "demo");
	for (int i = 2; gr__runfolder_has(".", path); i++)
		snprintf(path, size, "demo-%d", i);
}

static gr_status solve_task(gr_restored **r, int i, const demo_flags *f, const char *input,
	const char *output)
{
	char folder[PATH_SIZE];
	snprintf(folder, sizeof folder, "%s/%s", output, tasks[i].spec);
	gr_restore_config config = {
		.prior = "fashion",
		.spec = tasks[i].spec,
		.solver = "dps",
		.terms = "",
		.input = input,
		.sigma = 0.05,
		.scale = tasks[i].scale,
		.steps = f->steps,
		.particles = 1,
		.limit = f->images,
	};
	gr_restore_opts opts = {.output = folder, .quiet = f->quiet};
	return gr__restore_run(r, &config, &opts);
}

/* One picture of all tasks: the truth once, then each task's measurement, baseline and sample. */
static gr_status write_panel(gr_restored *const *r, const char *output)
{
	gr_panel_row rows[1 + 3 * TASKS];
	gr_scope_begin();
	for (int i = 0; i < TASKS; i++) {
		gr_panel_row of_task[5];
		gr__restore_panel_rows(r[i], of_task);
		rows[0] = of_task[0];
		memcpy(rows + 1 + 3 * i, of_task + 1, 3 * sizeof *rows);
	}
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/panel.png", output);
	gr_status status = gr__panel_write(path, 1 + 3 * TASKS, rows, r[0]->images->n);
	gr_scope_end();
	return status;
}

int gr_cmd_demo(int argc, char **argv)
{
	demo_flags f;
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	char output[PATH_SIZE - 64], input[PATH_SIZE], prior[PATH_SIZE - 16];
	if (f.output != NULL)
		snprintf(output, sizeof output, "%s", f.output);
	else
		choose_output(output, sizeof output);
	gr_status status = gr__prior_find(prior, sizeof prior, "fashion");
	snprintf(input, sizeof input, "%s/images", prior);
	if (status == GR_OK && f.threads > 0)
		status = gr_set_threads((int)f.threads);
	gr_restored *r[TASKS] = {NULL};
	double seconds = 0.0;
	for (int i = 0; i < TASKS && status == GR_OK; i++) {
		status = solve_task(&r[i], i, &f, input, output);
		seconds += status == GR_OK ? r[i]->seconds : 0.0;
	}
	if (status == GR_OK)
		status = write_panel(r, output);
	if (status == GR_OK) {
		printf("Diffusion posterior sampling against classical baselines: %lld held-out images, "
			   "noise sigma 0.05, %lld steps, %.0f s.\n\n",
			(long long)r[0]->images->n, (long long)f.steps, seconds);
		gr__restore_header(stdout, 1);
		for (int i = 0; i < TASKS; i++)
			gr__restore_rows(stdout, r[i], tasks[i].spec);
		printf("\nThe picture: %s/panel.png\n", output);
	} else {
		code = gr__exit_report("demo", status);
	}
	for (int i = 0; i < TASKS; i++)
		gr__restored_free(r[i]);
	return status == GR_OK ? GR_EXIT_OK : gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
}
