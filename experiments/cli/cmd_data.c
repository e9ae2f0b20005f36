/*
 * gradus data pde: coefficients and solutions of a partial differential equation, as an .npz file: a and
 * u, f32 [N,S,S], and mean and std, f64 [2], of all values of each, by which a prior normalises them.
 * Sample i depends on the seed and i alone.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "commands.h"
#include "gradus/io.h"
#include "pde.h"

#define AT_ONCE 16
#define SIDE_MAX 512

typedef struct data_flags {
	const char *equation, *output;
	int64_t count, size, seed, threads;
	bool quiet;
} data_flags;

/* Sums of values and of squares, of a and of u. */
typedef struct moments {
	double sum[2], squares[2];
} moments;

/* Sample `at` of a field: k is 0 for a, 1 for u. */
static void keep(gr_tensor *to, const double *from, int64_t at, int64_t nodes, moments *m, int k)
{
	float *out = (float *)gr_tensor_data(to) + at * nodes;
	for (int64_t i = 0; i < nodes; i++) {
		out[i] = (float)from[i];
		m->sum[k] += from[i];
		m->squares[k] += from[i] * from[i];
	}
}

/* Fill a and u [count,S,S], chunk by chunk. */
static gr_status make(const data_flags *f, gr_pde equation, gr_tensor *a, gr_tensor *u, moments *m)
{
	const int64_t nodes = f->size * f->size;
	gr_key key = gr_key_fold_name(gr_key_seed((uint64_t)f->seed), f->equation);
	double *buffer = gr_alloc((size_t)(2 * AT_ONCE * nodes) * sizeof *buffer);
	gr_status status = buffer == NULL ? gr_error_code() : GR_OK;
	for (int64_t first = 0; first < f->count && status == GR_OK; first += AT_ONCE) {
		const int64_t n = f->count - first < AT_ONCE ? f->count - first : AT_ONCE;
		double *solution = buffer + n * nodes;
		status = gr__pde_samples(buffer, solution, equation, f->size, first, n, key);
		for (int64_t i = 0; i < n && status == GR_OK; i++) {
			keep(a, buffer + i * nodes, first + i, nodes, m, 0);
			keep(u, solution + i * nodes, first + i, nodes, m, 1);
		}
		if (status == GR_OK && gr_interrupted())
			status = gr_error_set(GR_ESTATE, "interrupted");
		if (status == GR_OK && !f->quiet)
			fprintf(stderr, "data: %" PRId64 " of %" PRId64 "\n", first + n, f->count);
	}
	gr_free(buffer);
	return status;
}

static gr_status write_all(const data_flags *f, gr_tensor *a, gr_tensor *u, const moments *m)
{
	double mean[2], std[2];
	for (int k = 0; k < 2; k++) {
		const double n = (double)(f->count * f->size * f->size);
		mean[k] = m->sum[k] / n;
		std[k] = sqrt(fmax(0.0, m->squares[k] / n - mean[k] * mean[k]));
		printf("%s: mean %.6g, standard deviation %.6g\n", k == 0 ? "a" : "u", mean[k], std[k]);
	}
	gr_archive *archive = gr_archive_new();
	gr_status status = archive == NULL ? gr_error_code() : gr_archive_add(archive, "a", a);
	if (status == GR_OK)
		status = gr_archive_add(archive, "u", u);
	if (status == GR_OK)
		status = gr_archive_add(archive, "mean", gr_from_f64(GR_F64, mean, GR_DIMS(2)));
	if (status == GR_OK)
		status = gr_archive_add(archive, "std", gr_from_f64(GR_F64, std, GR_DIMS(2)));
	if (status == GR_OK)
		status = gr_npz_write(f->output, archive);
	gr_archive_free(archive);
	return status;
}

static gr_status run(const data_flags *f)
{
	gr_pde equation;
	moments m = {0};
	gr_status status = gr__pde_named(&equation, f->equation);
	if (status == GR_OK && f->threads > 0)
		status = gr_set_threads((int)f->threads);
	if (status != GR_OK)
		return status;
	gr_scope_begin();
	gr_tensor *a = gr_zeros(GR_F32, GR_DIMS(f->count, f->size, f->size));
	gr_tensor *u = gr_zeros(GR_F32, GR_DIMS(f->count, f->size, f->size));
	status = a == NULL || u == NULL ? gr_error_code() : make(f, equation, a, u, &m);
	if (status == GR_OK)
		status = write_all(f, a, u, &m);
	gr_status ended = gr_scope_end();
	return status != GR_OK ? status : ended;
}

int gr_cmd_data(int argc, char **argv)
{
	data_flags f = {0};
	const gr_arg args[] = {
		{"equation", GR_ARG_STRING, "darcy", "darcy, poisson, helmholtz or navier_stokes",
			&f.equation},
		{"count", GR_ARG_INT, "64", "how many", &f.count},
		{"size", GR_ARG_INT, "64", "side of the grid; even for navier_stokes", &f.size},
		{"output", GR_ARG_STRING, NULL, "the .npz file to make", &f.output},
		{"seed", GR_ARG_INT, "0", "sample i depends on the seed and i alone", &f.seed},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f.threads},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f.quiet},
	};
	const gr_command command = {
		.name = "data",
		.usage = "pde --output FILE.npz [options]",
		.summary =
			"Solve a partial differential equation for random coefficients: data to learn from.",
		.examples = {"gradus data pde --equation darcy --count 1000 --output darcy.npz",
			"gradus data pde --equation navier_stokes --count 4000 --output flow.npz"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *word;
	int words, code = gr__args_parse(&command, argc, argv, &word, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words != 1 || strcmp(word, "pde") != 0 || f.output == NULL || f.count < 1 ||
		f.count > 1000000 || f.size < 4 || f.size > SIDE_MAX || f.seed < 0) {
		fprintf(stderr,
			"gradus data: needs the word pde, --output, --count of 1 to 1000000 and --size of 4 to "
			"%d\n",
			SIDE_MAX);
		return GR_EXIT_USAGE;
	}
	if (access(f.output, F_OK) == 0) {
		fprintf(stderr, "gradus data: %s exists; choose another --output\n", f.output);
		return GR_EXIT_USAGE;
	}
	gr_status status = run(&f);
	if (status == GR_OK)
		return GR_EXIT_OK;
	code = gr__exit_report("data", status);
	return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
}
