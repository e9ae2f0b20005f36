/* gradus sample: images drawn from a prior, as one grid. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "canvas.h"
#include "commands.h"
#include "gradus/noise.h"
#include "gradus/ops.h"
#include "gradus/prior.h"
#include "gradus/solver.h"
#include "runfolder.h"

#define AT_ONCE 32

typedef struct sample_flags {
	const char *prior, *output, *sampler;
	int64_t n, steps, seed, threads;
	bool quiet;
} sample_flags;

static int parse(sample_flags *f, int argc, char **argv)
{
	const gr_arg args[] = {
		{"prior", GR_ARG_STRING, "fashion", "name of a shipped prior, or a folder", &f->prior},
		{"n", GR_ARG_INT, "16", "how many", &f->n},
		{"output", GR_ARG_STRING, NULL, "PNG file to make", &f->output},
		{"sampler", GR_ARG_STRING, "ddim", "method, with parameters: ddpm, ddim, ddim:eta=0.5",
			&f->sampler},
		{"steps", GR_ARG_INT, "50", "steps, of the prior's 1000", &f->steps},
		{"seed", GR_ARG_INT, "0", "sample i depends on the seed and i alone", &f->seed},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f->threads},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f->quiet},
	};
	const gr_command command = {
		.name = "sample",
		.usage = "--output FILE.png [options]",
		.summary = "Draw images from a prior.",
		.examples = {"gradus sample --prior fashion -n 16 --output grid.png",
			"gradus sample --sampler ddpm --steps 1000 --seed 7 --output fine.png"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	return gr__args_parse(&command, argc, argv, NULL, 0, &words);
}

/* Samples first..first+m-1 into out [n,C,H,W]. */
static gr_status draw(gr_tensor *out, const gr_prior *prior, const sample_flags *f, int64_t first,
	int64_t m)
{
	gr_key keys[AT_ONCE];
	gr_key base = gr_key_fold_name(gr_key_seed((uint64_t)f->seed), "sample");
	for (int64_t i = 0; i < m; i++)
		keys[i] = gr_key_fold(base, (uint64_t)(first + i));
	char respacing[32];
	snprintf(respacing, sizeof respacing, "%lld", (long long)f->steps);
	gr_scope_begin();
	gr_tensor *x = gr_solver_solve(GR_OPTS(gr_solver_opts, .prior = prior, .n = m, .keys = keys,
		.method = f->sampler, .respacing = respacing));
	int64_t pixels = gr_tensor_size(out) / f->n;
	if (x != NULL)
		gr_tensor_to_f32(x, (float *)gr_tensor_data(out) + first * pixels);
	return gr_scope_end();
}

static gr_status draw_all(const sample_flags *f, const gr_prior *prior)
{
	const int64_t *dims = gr_prior_dims(prior);
	gr_tensor *all = gr_zeros(GR_F32, GR_DIMS(f->n, dims[0], dims[1], dims[2]));
	gr_status status = all == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < f->n && status == GR_OK; first += AT_ONCE) {
		int64_t m = f->n - first < AT_ONCE ? f->n - first : AT_ONCE;
		status = draw(all, prior, f, first, m);
		if (status == GR_OK && !f->quiet)
			fprintf(stderr, "sample: %lld of %lld\n", (long long)(first + m), (long long)f->n);
	}
	int64_t columns = (int64_t)ceil(sqrt((double)f->n));
	int64_t scale = dims[2] < 64 ? 2 : 1;
	return status == GR_OK ? gr__canvas_grid(f->output, all, columns, scale, 2) : status;
}

int gr_cmd_sample(int argc, char **argv)
{
	sample_flags f = {0};
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	if (f.output == NULL || f.n < 1 || f.n > 100000 || f.steps < 1) {
		fprintf(stderr,
			"gradus sample: needs --output FILE.png, -n in 1..100000, --steps of 1 or more\n");
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
		status = gr_prior_open(&prior, folder);
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
	printf("%s\n", f.output);
	return GR_EXIT_OK;
}
