/* gradus sweep: settings searched on validation images, and the best of them. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "exp.h"

#define MAX_TEXT 512

typedef struct sweep_flags {
	const char *prior, *operator_, *solver, *input, *metric, *output;
	gr_arg_list terms, over;
	double sigma, scale;
	int64_t steps, particles, limit, draws, seed, threads;
	bool resume, quiet;
} sweep_flags;

/* The settings of the experiment `sweep`, as --set would give them. */
typedef struct settings {
	char text[16][MAX_TEXT + 32];
	const char *list[17];
	int count;
} settings;

static void add(settings *s, const char *format, ...) GR_PRINTF(2, 3);
static void add(settings *s, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(s->text[s->count], sizeof s->text[0], format, args);
	va_end(args);
	s->list[s->count] = s->text[s->count];
	s->count++;
}

static void join(char *out, size_t size, const gr_arg_list *list, const char *between)
{
	size_t used = 0;
	out[0] = '\0';
	for (int i = 0; i < list->count && used < size; i++)
		used +=
			(size_t)snprintf(out + used, size - used, "%s%s", i > 0 ? between : "", list->item[i]);
}

static void fill(settings *s, const sweep_flags *f)
{
	char terms[MAX_TEXT], over[MAX_TEXT];
	join(terms, sizeof terms, &f->terms, " ");
	join(over, sizeof over, &f->over, ";");
	add(s, "over=%s", over);
	add(s, "prior=%s", f->prior);
	add(s, "operator_=%s", f->operator_);
	add(s, "solver=%s", f->solver);
	add(s, "terms=%s", terms);
	add(s, "images=%s", f->input);
	add(s, "n=%lld", (long long)f->limit);
	add(s, "steps=%lld", (long long)f->steps);
	add(s, "particles=%lld", (long long)f->particles);
	add(s, "sigma=%.17g", f->sigma);
	add(s, "scale=%.17g", f->scale);
	add(s, "draws=%lld", (long long)f->draws);
	add(s, "seed=%lld", (long long)f->seed);
}

/* The line with the best score; for a score that should be neither large nor small (the residual, in
 * units of sigma) the one next to 1. */
static const gr_exp_line *best_of(const gr_exp_table *t, int column)
{
	const gr_exp_line *best = NULL;
	double least = INFINITY;
	for (int i = 0; i < t->lines; i++) {
		double v = t->line[i].cell[column].one.mean;
		int better = gr__score_columns[column].better;
		double cost = better == 0 ? fabs(v - 1.0) : -better * v;
		if (t->line[i].entry != NULL && cost < least) {
			least = cost;
			best = &t->line[i];
		}
	}
	return best;
}

static gr_status report(const gr_experiment *x, const gr_exp_opts *o, int column)
{
	gr_exp_table t = {0};
	gr_exp_set *e = gr__exp_open(x, o);
	gr_status status = e != NULL ? gr__exp_collect(&t, e, o->output) : gr_error_code();
	const gr_exp_line *best = status == GR_OK ? best_of(&t, column) : NULL;
	if (status == GR_OK) {
		gr__exp_markdown(stdout, e, &t);
		if (best != NULL)
			printf("\nbest by %s: %s\n", gr__score_columns[column].name, best->method);
	}
	gr__exp_table_free(&t);
	gr__exp_free(e);
	return status;
}

static int run(const sweep_flags *f)
{
	settings s = {.count = 0};
	int column = gr__score_find(f->metric, strlen(f->metric));
	if (column < 0) {
		fprintf(stderr, "gradus sweep: no score '%s'; there are", f->metric);
		for (int i = 0; i < GR_SCORES; i++)
			fprintf(stderr, "%s %s", i > 0 ? "," : "", gr__score_columns[i].name);
		fprintf(stderr, "\n");
		return GR_EXIT_USAGE;
	}
	fill(&s, f);
	const gr_exp_opts o = {.size = sizeof o,
		.preset = GR_PRESET_SMALL,
		.output = f->output,
		.parameters = s.list,
		.resume = f->resume,
		.quiet = f->quiet};
	const gr_experiment *x = gr_experiment_find("sweep");
	gr_status status = f->threads > 0 ? gr_set_threads((int)f->threads) : GR_OK;
	if (status == GR_OK)
		status = gr_exp_run(x, &o);
	if (status == GR_OK)
		status = report(x, &o, column);
	if (status == GR_OK)
		return GR_EXIT_OK;
	int code = gr__exit_report("sweep", status);
	return gr_interrupted() ? GR_EXIT_INTERRUPTED : code;
}

int gr_cmd_sweep(int argc, char **argv)
{
	sweep_flags f;
	const gr_arg args[] = {
		{"over", GR_ARG_LIST, NULL, "NAME=V,V,... or NAME~LOW..HIGH; may be repeated", &f.over},
		{"input", GR_ARG_STRING, NULL, "validation images: PNG file or folder", &f.input},
		{"output", GR_ARG_STRING, NULL, "folder to make", &f.output},
		{"prior", GR_ARG_STRING, "fashion", "the prior", &f.prior},
		{"operator", GR_ARG_STRING, "inpaint_box", "measurement; {NAME} stands for a value",
			&f.operator_},
		{"solver", GR_ARG_STRING, "dps", "solver; {NAME} likewise", &f.solver},
		{"term", GR_ARG_LIST, NULL, "a further term; {NAME} likewise", &f.terms},
		{"metric", GR_ARG_STRING, "psnr", "score that decides, a column of metrics.csv", &f.metric},
		{"sigma", GR_ARG_DOUBLE, "0.05", "noise; also a name for --over", &f.sigma},
		{"scale", GR_ARG_DOUBLE, "1", "weight of the DPS term; likewise", &f.scale},
		{"steps", GR_ARG_INT, "100", "steps; likewise", &f.steps},
		{"particles", GR_ARG_INT, "1", "samples for each image", &f.particles},
		{"limit", GR_ARG_INT, "0", "take this many images at most, 0 for all", &f.limit},
		{"draws", GR_ARG_INT, "0", "points drawn at random, 0: every combination", &f.draws},
		{"seed", GR_ARG_INT, "0", "of draws, noise and samples", &f.seed},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &f.threads},
		{"resume", GR_ARG_FLAG, NULL, "continue the search in --output", &f.resume},
		{"quiet", GR_ARG_FLAG, NULL, "no progress on stderr", &f.quiet},
	};
	const gr_command command = {
		.name = "sweep",
		.usage = "--over NAME=V,V --input PATH --output DIR [options]",
		.summary = "Search settings on validation images: a grid, or random draws.",
		.examples = {"gradus sweep --over scale=0.5,1,2 --input val --output s",
			"gradus sweep --solver mmps:cg={cg} --over cg=1,3,5 --input val --output s"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (f.over.count == 0 || f.input == NULL || f.output == NULL) {
		fprintf(stderr,
			"gradus sweep: --over, --input and --output are needed; see gradus sweep "
			"--help\n");
		return GR_EXIT_USAGE;
	}
	return run(&f);
}
