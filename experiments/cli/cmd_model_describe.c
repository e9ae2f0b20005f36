/*
 * gradus model describe: the size of a network built from its configuration alone. With --size, what
 * one evaluation of it would take, by a dry run (gradus/estimate.h) that needs neither the memory nor
 * the time; with --run it is evaluated for real besides, with random weights.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "commands.h"
#include "gradus/estimate.h"
#include "gradus/ops.h"
#include "model_open.h"

typedef struct description {
	const char *arch, *config; /* as gr__model_open() takes them */
	const char *storage, *only;
	int64_t height, width;
	bool run;
} description;

/* A row of the table: how to evaluate, and what came of it in either kind of run. */
typedef struct evaluation {
	const char *name;
	bool to_input, to_params, recompute;
	const description *d;
	bool has_gradient; /* in what the example brings */
	uint64_t peak;
	double seconds;
} evaluation;

static const evaluation evaluations[] = {
	{.name = "forward"},
	{.name = "to the input", .to_input = true},
	{.name = "to the input, recomputed", .to_input = true, .recompute = true},
	{.name = "to the parameters", .to_params = true},
	{.name = "to the parameters, recomputed", .to_params = true, .recompute = true},
};

static double seconds_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Cotangents of ones for the outputs found in `from`. */
static gr_status add_cotangents(gr_archive *in, const gr_archive *from)
{
	static const char *const names[][2] = {{"y", "r"}, {"moments", "r_moments"},
		{"latent", "r_latent"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const gr_tensor *y = gr_archive_find(from, names[i][0]);
		if (y == NULL)
			continue;
		gr_tensor *r = gr_full(gr_tensor_dtype(y), gr_tensor_ndim(y), gr_tensor_dims(y), 1.0);
		gr_status status = r == NULL ? gr_error_code() : gr_archive_add(in, names[i][1], r);
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}

/* The shapes of the outputs are those of a first evaluation, which is not counted. */
static gr_status prepare(gr_model *m, evaluation *e, gr_archive *in)
{
	gr_status status = gr_module_set_trainable(gr_model_module(m), false);
	if (status == GR_OK)
		status = gr__model_store(m, e->d->storage);
	if (status == GR_OK)
		status = gr_module_init(gr_model_module(m), gr_key_seed(0));
	if (status == GR_OK)
		status = gr_model_example(m, e->d->height, e->d->width, gr_key_seed(1), in);
	e->has_gradient = gr_model_has_gradient(m, in);
	gr_archive *first = gr_archive_new();
	if (status == GR_OK)
		status = first == NULL ? gr_error_code() : GR_OK;
	if (status == GR_OK && (e->to_input || e->to_params)) {
		status = gr_model_run(m, in, false, first);
		if (status == GR_OK)
			status = add_cotangents(in, first);
	}
	gr_archive_free(first);
	if (status == GR_OK && e->to_params)
		status = gr_module_set_trainable(gr_model_module(m), true);
	(void)gr_model_set_recompute(m, e->recompute);
	return status;
}

static gr_status evaluate(gr_model *m, evaluation *e, const gr_archive *in)
{
	gr_archive *out = gr_archive_new();
	gr_tensor **grads =
		gr_alloc((size_t)gr_module_param_count(gr_model_module(m)) * sizeof *grads + 1);
	gr_status status = out == NULL || grads == NULL ? gr_error_code() : gr_scope_begin();
	gr_memory_reset_peak();
	const double start = seconds_now();
	if (status == GR_OK)
		status = e->to_params ? gr_model_grad_params(m, in, grads)
							  : gr_model_run(m, in, e->to_input, out);
	e->seconds = seconds_now() - start;
	e->peak = gr_memory_stats().bytes_peak;
	gr_scope_end();
	gr_free(grads);
	gr_archive_free(out);
	return status;
}

/* From nothing to nothing, as gr_estimate() wants it. */
static gr_status build_and_evaluate(void *ctx)
{
	evaluation *e = ctx;
	gr_model *m = NULL;
	gr_archive *in = gr_archive_new();
	gr_status status = in == NULL
		? gr_error_code()
		: gr__model_open_sized(&m, e->d->arch, e->d->config, e->d->height, e->d->width);
	if (status == GR_OK)
		status = prepare(m, e, in);
	if (status == GR_OK)
		status = evaluate(m, e, in);
	gr_archive_free(in);
	gr_model_free(m);
	return status;
}

static const double mib = 1048576.0;

/* What a network can do; the first row tells whether there are gradients. */
typedef struct abilities {
	bool recompute, gradient;
} abilities;

static gr_status print_row(const evaluation *kind, const description *d, abilities *can,
	double *forward_flops)
{
	evaluation dry = *kind, real = *kind;
	gr_cost cost;
	dry.d = real.d = d;
	gr_status status = gr_estimate(&cost, build_and_evaluate, &dry);
	if (status != GR_OK)
		return status;
	can->gradient = dry.has_gradient;
	/* A gradient's run holds the first evaluation too. */
	const double flops = *forward_flops == 0.0 ? cost.flops : cost.flops - *forward_flops;
	if (*forward_flops == 0.0)
		*forward_flops = cost.flops;
	printf("| %s | %.3f | %.1f |", kind->name, 1e-9 * flops, (double)dry.peak / mib);
	if (d->run) {
		gr_scope_begin();
		status = build_and_evaluate(&real);
		gr_scope_end();
		printf(" %.1f | %.2f |", (double)real.peak / mib, real.seconds);
	}
	printf("\n");
	return status;
}

static gr_status print_table(const description *d, abilities *can)
{
	double forward_flops = 0.0;
	gr_status status = GR_OK;
	printf("\n| one sample of %lld x %lld | GFLOP | MiB at the peak, weights included |%s\n"
		   "|---|---|---|%s\n",
		(long long)d->height, (long long)d->width, d->run ? " MiB measured | seconds |" : "",
		d->run ? "---|---|" : "");
	for (size_t i = 0; i < sizeof evaluations / sizeof *evaluations && status == GR_OK; i++) {
		const evaluation *e = &evaluations[i];
		const bool constant = strcmp(d->storage, "f32") != 0; /* and is no parameter of a step */
		if (i > 0 && d->only != NULL && strstr(e->name, d->only) == NULL)
			continue;
		if ((can->recompute || !e->recompute) && !(constant && e->to_params) &&
			(can->gradient || !(e->to_input || e->to_params)))
			status = print_row(e, d, can, &forward_flops);
	}
	return status;
}

static gr_status describe(const char *word, description *d)
{
	gr_model *m = NULL;
	bool is_arch = false;
	for (int i = 0; gr_model_arch(i) != NULL; i++)
		is_arch = is_arch || strcmp(word, gr_model_arch(i)) == 0;
	if (is_arch)
		d->arch = word;
	else
		d->config = word;
	gr_status status = gr__model_open_sized(&m, d->arch, d->config, d->height, d->width);
	abilities can = {false, false};
	if (status == GR_OK) {
		const gr_module *root = gr_model_module(m);
		const double numbers = (double)gr_module_size(root);
		printf("architecture: %s\nparameters: %lld\ntensors: %lld\n", gr_model_name(m),
			(long long)gr_module_size(root), (long long)gr_module_param_count(root));
		printf("weights: %.1f MiB in f32, %.1f MiB in f16\n", 4.0 * numbers / mib,
			2.0 * numbers / mib);
		can = (abilities){gr_model_set_recompute(m, false), false};
	}
	gr_model_free(m);
	return status == GR_OK && d->height > 0 ? print_table(d, &can) : status;
}

int gr_cmd_model_describe(int argc, char **argv)
{
	const char *config, *size, *storage, *only, *word = NULL;
	bool list, run;
	int64_t threads;
	const gr_arg args[] = {
		{"config", GR_ARG_STRING, NULL, "options of ARCH, a JSON file; default: its own defaults",
			&config},
		{"size", GR_ARG_STRING, NULL,
			"HxW of an image, or a latent for networks on those: what an evaluation takes", &size},
		{"storage", GR_ARG_STRING, "f32",
			"weights in memory: f32, or f16 or bf16, half the size and widened when used",
			&storage},
		{"run", GR_ARG_FLAG, NULL, "with --size: evaluate it besides, with random weights", &run},
		{"only", GR_ARG_STRING, NULL, "the forward row, and those whose names hold this text",
			&only},
		{"list", GR_ARG_FLAG, NULL, "the architectures", &list},
		{"threads", GR_ARG_INT, "0", "0: all cores", &threads},
	};
	const gr_command command = {
		.name = "model describe",
		.usage = "ARCH|CONFIG.json [options]",
		.summary = "Size of a network by its configuration, and what one evaluation takes.",
		.examples = {"gradus model describe taesd --size 256x256 --run",
			"gradus model describe config.json"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, &word, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (list) {
		gr__model_list();
		return GR_EXIT_OK;
	}
	long long height = 0, width = 0;
	char rest;
	if (words == 0 ||
		(size != NULL &&
			(sscanf(size, "%lldx%lld%c", &height, &width, &rest) != 2 || height < 1 || width < 1 ||
				height > 65536 || width > 65536))) {
		fprintf(stderr, "gradus model describe: %s; see gradus model describe --help\n",
			words == 0 ? "no ARCH" : "--size is not HxW");
		return GR_EXIT_USAGE;
	}
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	description d = {.config = config,
		.storage = storage,
		.only = only,
		.height = height,
		.width = width,
		.run = run};
	if (status == GR_OK)
		status = describe(word, &d);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("model describe", status);
}
