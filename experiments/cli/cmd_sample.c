/* gradus sample: images drawn from a prior, as one grid or as an array. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "canvas.h"
#include "commands.h"
#include "gradus/io.h"
#include "gradus/ops.h"
#include "runfolder.h"
#include "sample_draw.h"

typedef struct sample_flags {
	const char *prior, *output, *sampler, *steps;
	int64_t n, seed, threads, label, evaluations;
	double guidance;
	bool quiet;
} sample_flags;

static int parse(sample_flags *f, int argc, char **argv)
{
	const gr_arg args[] = {
		{"prior", GR_ARG_STRING, "fashion", "name of a shipped prior, or a folder", &f->prior},
		{"n", GR_ARG_INT, "16", "how many", &f->n},
		{"output", GR_ARG_STRING, NULL, "file to make: a grid in .png, or a dataset in .npy",
			&f->output},
		{"sampler", GR_ARG_STRING, "ddim",
			"method, with parameters: ddpm, ddim:eta=0.5, euler, heun, dpmpp2m, em", &f->sampler},
		{"steps", GR_ARG_STRING, "50",
			"how many of the prior's 1000, or levels: edm:18, flow:28,shift=4", &f->steps},
		{"class", GR_ARG_INT, "-1", "of a conditional prior; -1: none", &f->label},
		{"guidance", GR_ARG_DOUBLE, "1",
			"e_none + G (e_class - e_none); other than 1 it takes two evaluations", &f->guidance},
		{"seed", GR_ARG_INT, "0", "sample i depends on the seed and i alone", &f->seed},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f->threads},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f->quiet},
	};
	const gr_command command = {
		.name = "sample",
		.usage = "--output FILE [options]",
		.summary = "Draw images from a prior.",
		.examples = {"gradus sample --prior fashion -n 16 --output grid.png",
			"gradus sample --sampler heun --steps edm:18 --seed 7 --output few.png"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	return gr__args_parse(&command, argc, argv, NULL, 0, &words);
}

static bool ends_in(const char *path, const char *ending)
{
	size_t n = strlen(path), e = strlen(ending);
	return n >= e && strcmp(path + n - e, ending) == 0;
}

static gr_status draw_all(sample_flags *f, const gr_prior *prior)
{
	sample_draw d = {.command = f->quiet ? NULL : "sample",
		.method = f->sampler,
		.n = f->n,
		.steps = f->steps,
		.seed = f->seed};
	gr_tensor *all = gr__sample_draw(prior, &d);
	f->evaluations = d.evaluations;
	if (all == NULL)
		return gr_error_code();
	if (ends_in(f->output, ".npy")) /* as a dataset: f32 in 0..1 */
		return gr_npy_write(f->output, gr_clamp(gr_affine(all, 0.5, 0.5), 0.0, 1.0));
	int64_t columns = (int64_t)ceil(sqrt((double)f->n));
	return gr__canvas_grid(f->output, all, columns, gr_tensor_dim(all, 3) < 64 ? 2 : 1, 2);
}

int gr_cmd_sample(int argc, char **argv)
{
	sample_flags f = {0};
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	if (f.output == NULL || f.n < 1 || f.n > 100000) {
		fprintf(stderr, "gradus sample: needs --output FILE, -n in 1..100000\n");
		return GR_EXIT_USAGE;
	}
	if (access(f.output, F_OK) == 0) {
		fprintf(stderr, "gradus sample: %s exists; choose another --output\n", f.output);
		return GR_EXIT_USAGE;
	}
	char folder[4096];
	gr_prior *prior = NULL;
	gr_status status = f.threads > 0 ? gr_set_threads((int)f.threads) : GR_OK;
	if (status == GR_OK)
		status = gr__prior_find(folder, sizeof folder, f.prior);
	if (status == GR_OK)
		status = gr_prior_open_with(&prior, folder, gr__prior_find);
	if (status == GR_OK && f.label >= 0)
		status = gr_prior_set_class(prior,
			GR_OPTS(gr_class_opts, .label = f.label, .scale = f.guidance));
	if (status == GR_OK) {
		gr_scope_begin();
		status = draw_all(&f, prior);
		gr_scope_end();
	}
	gr_prior_free(prior);
	if (status != GR_OK) {
		code = gr__exit_report("sample", status);
		return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
	}
	printf("%s\n%" PRId64 " evaluations of the prior for each sample\n", f.output, f.evaluations);
	return GR_EXIT_OK;
}
