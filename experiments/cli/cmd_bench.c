/*
 * gradus bench: the time of single ops and of whole network steps, as lines
 * case,variant,threads,ms,gflops,spread,mib. ms is the median of the repetitions, spread the
 * distance between their first and ninth deciles over it; gflops counts the nominal work (a direct
 * convolution's multiplications and additions); mib is the most that was held at once, inputs and
 * weights included. Cases are in bench_ops.c and bench_nets.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "bench.h"
#include "commands.h"

#define MAX_RUNS 256

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

typedef struct timing {
	double median, spread;
	double mib; /* at the peak of a run */
} timing;

static void free_data(gr_bench_data *d)
{
	gr_optim_free(d->optim);
	gr_params_free(&d->params);
	gr_module_free(d->tree);
	gr_unet_free(d->unet);
	gr_vit_free(d->vit);
	gr_vae_free(d->vae);
}

static gr_status run_once(gr_bench_data *d, const gr_bench_case *c, const gr_bench_part *part,
	double *time)
{
	gr_scope_begin();
	gr_status status = part->before != NULL ? part->before(d, c->p) : GR_OK;
	double start = seconds();
	if (status == GR_OK)
		status = part->run(d, c->p);
	*time = (seconds() - start) / (double)(part->count > 0 ? part->count : 1);
	(void)gr_scope_end();
	return status;
}

/* Two runs to warm up, then runs for about `budget` seconds, three at least. */
static gr_status measure(const gr_bench_case *c, const gr_bench_part *part, double budget,
	timing *out)
{
	gr_bench_data d = {0};
	double times[MAX_RUNS], warm;
	int n = 0;
	gr_scope_begin();
	gr_status status = c->family->setup(&d, c->p);
	for (int i = 0; i < 2 && status == GR_OK; i++)
		status = run_once(&d, c, part, &warm);
	gr_memory_reset_peak();
	double start = seconds();
	while (status == GR_OK && n < MAX_RUNS && (n < 3 || seconds() - start < budget))
		status = run_once(&d, c, part, &times[n++]);
	out->mib = (double)gr_memory_stats().bytes_peak / 1048576.0;
	free_data(&d);
	(void)gr_scope_end();
	if (status != GR_OK)
		return status;
	qsort(times, (size_t)n, sizeof *times, by_value);
	out->median = times[n / 2];
	out->spread = (times[(9 * (n - 1) + 5) / 10] - times[(n - 1 + 5) / 10]) / out->median;
	return GR_OK;
}

/* --- an earlier run to compare with --- */

typedef struct old_row {
	char name[96], variant[32];
	int threads;
	double ms;
} old_row;

typedef struct old_run {
	old_row *rows;
	int count;
} old_run;

/* Lines that are not case,variant,threads,ms,... are passed over; none at all is GR_EFORMAT. */
static gr_status read_old(old_run *old, const char *path)
{
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return gr_error_set(GR_EIO, "%s: %s", path, strerror(errno));
	char line[512];
	gr_status status = GR_OK;
	while (status == GR_OK && fgets(line, sizeof line, f) != NULL) {
		old_row row;
		if (sscanf(line, "%95[^,],%31[^,],%d,%lf", row.name, row.variant, &row.threads, &row.ms) !=
			4)
			continue;
		old_row *grown = realloc(old->rows, ((size_t)old->count + 1) * sizeof *grown);
		if (grown == NULL) {
			status = gr_error_set(GR_EMEM, "%s: no room for its rows", path);
			break;
		}
		old->rows = grown;
		old->rows[old->count++] = row;
	}
	fclose(f);
	if (status == GR_OK && old->count == 0)
		status = gr_error_set(GR_EFORMAT,
			"%s has no line case,variant,threads,ms,...; hint: give what `gradus bench` printed",
			path);
	return status;
}

static const old_row *find_old(const old_run *old, const char *name, const char *variant,
	int threads)
{
	for (int i = 0; i < old->count; i++) {
		const old_row *r = &old->rows[i];
		if (r->threads == threads && strcmp(r->name, name) == 0 && strcmp(r->variant, variant) == 0)
			return r;
	}
	return NULL;
}

/* --- the command --- */

typedef struct bench_flags {
	const char *only, *precision, *compare;
	int64_t threads;
	double budget;
	bool exact; /* `only` is the name of a case */
	old_run old;
} bench_flags;

static int parse(bench_flags *f, int argc, char **argv)
{
	const gr_arg args[] = {
		{"only", GR_ARG_STRING, NULL, "the case of this name, or all whose names contain it",
			&f->only},
		{"threads", GR_ARG_INT, "0", "this many; default: 1, then all cores", &f->threads},
		{"precision", GR_ARG_STRING, "f32",
			"f32, direct (without Winograd's algorithm) or bf16 (rounded operands)", &f->precision},
		{"seconds", GR_ARG_DOUBLE, "1", "time for each case", &f->budget},
		{"compare", GR_ARG_STRING, NULL,
			"lines of an earlier run: adds its time over this run's, above 1 where this is faster",
			&f->compare},
	};
	const gr_command command = {
		.name = "bench",
		.usage = "[options]",
		.summary = "Time ops and network steps: case,variant,threads,ms,gflops,spread,mib.",
		.examples = {"gradus bench", "gradus bench --only conv --threads 1"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	return gr__args_parse(&command, argc, argv, NULL, 0, &words);
}

static void print_row(const bench_flags *f, const char *name, const char *variant, int threads,
	const timing *t, double flops)
{
	printf("%s,%s,%d,%.5g,%.1f,%.2f,%.1f", name, variant, threads, 1e3 * t->median,
		flops / t->median / 1e9, t->spread, t->mib);
	if (f->compare != NULL) {
		const old_row *old = find_old(&f->old, name, variant, threads);
		if (old != NULL)
			printf(",%.2f", old->ms / (1e3 * t->median));
		else
			printf(",");
	}
	printf("\n");
	fflush(stdout);
}

static const gr_bench_case *const tables[] = {gr__bench_ops, gr__bench_nets};
#define NUM_TABLES ((int)(sizeof tables / sizeof *tables))

/* The name of part i of a case; NULL when there is none. */
static const char *part_name(char *buf, size_t size, const gr_bench_case *c, int i)
{
	if (i >= GR_BENCH_PARTS || c->family->parts[i].run == NULL)
		return NULL;
	snprintf(buf, size, "%s%s", c->name, c->family->parts[i].suffix);
	return buf;
}

static bool is_name(const char *text)
{
	char name[96];
	for (int k = 0; k < NUM_TABLES; k++) {
		for (const gr_bench_case *c = tables[k]; c->name != NULL; c++) {
			for (int i = 0; part_name(name, sizeof name, c, i) != NULL; i++) {
				if (strcmp(name, text) == 0)
					return true;
			}
		}
	}
	return false;
}

static bool is_selected(const bench_flags *f, const char *name)
{
	if (f->only == NULL)
		return true;
	return f->exact ? strcmp(name, f->only) == 0 : strstr(name, f->only) != NULL;
}

/* Every part of a case that the flags select; counts them. */
static gr_status run_case(const gr_bench_case *c, const bench_flags *f, int threads, int *matched)
{
	const gr_bench_part *parts = c->family->parts;
	char name[96];
	for (int i = 0; part_name(name, sizeof name, c, i) != NULL; i++) {
		bool blas = strcmp(parts[i].variant, "openblas") == 0;
		if (!is_selected(f, name) || (blas && threads > 1))
			continue;
		timing t;
		gr_status status = measure(c, &parts[i], f->budget, &t);
		if (status != GR_OK)
			return status;
		++*matched;
		print_row(f, name, parts[i].variant, threads, &t, parts[i].factor * c->family->flops(c->p));
	}
	return GR_OK;
}

static gr_status run_all(const bench_flags *f, int *matched)
{
	int list[2] = {f->threads > 0 ? (int)f->threads : 1, f->threads > 0 ? 0 : gr_threads()};
	gr_status status = GR_OK;
	for (int t = 0; t < 2 && list[t] > 0 && (t == 0 || list[1] != list[0]); t++) {
		if (status == GR_OK)
			status = gr_set_threads(list[t]);
		for (int k = 0; k < NUM_TABLES; k++) {
			for (const gr_bench_case *c = tables[k]; c->name != NULL && status == GR_OK; c++)
				status = run_case(c, f, list[t], matched);
		}
	}
	return status;
}

int gr_cmd_bench(int argc, char **argv)
{
	bench_flags f = {0};
	int code = parse(&f, argc, argv);
	if (code != GR_ARGS_RUN)
		return code;
	gr_precision precision;
	gr_status status = gr_precision_named(&precision, f.precision);
	if (status == GR_OK)
		status = gr_set_precision(precision);
	if (status == GR_OK && f.compare != NULL)
		status = read_old(&f.old, f.compare);
	f.exact = f.only != NULL && is_name(f.only);
	int matched = 0;
	if (status == GR_OK) {
		fprintf(stderr, "# gradus %s, %s kernels\n", gr_version(), gr_isa_name());
		printf("case,variant,threads,ms,gflops,spread,mib%s\n",
			f.compare != NULL ? ",speedup" : "");
		status = run_all(&f, &matched);
	}
	free(f.old.rows);
	if (status != GR_OK)
		return gr__exit_report("bench", status);
	if (matched > 0)
		return GR_EXIT_OK;
	fprintf(stderr, "gradus bench: no case's name contains '%s'\n", f.only);
	return GR_EXIT_USAGE;
}
