/*
 * gradus model describe: the size of a network built from its configuration alone. With --size it
 * is also run once forward and once backward to the input, with random weights, and the time and
 * memory that took are told; nothing is estimated.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "commands.h"
#include "gradus/ops.h"
#include "model_open.h"

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

/* One evaluation; a row of the table. */
static gr_status measure(const gr_model *m, gr_archive *in, bool grad)
{
	gr_archive *out = gr_archive_new();
	if (out == NULL)
		return GR_EMEM;
	gr_memory_reset_peak();
	const double start = seconds_now();
	gr_status status = gr_model_run(m, in, grad, out);
	if (status == GR_OK) {
		printf("| %s | %.2f | %.1f |\n", grad ? "forward and backward to the input" : "forward",
			seconds_now() - start, (double)gr_memory_stats().bytes_peak / 1048576.0);
		if (!grad)
			status = add_cotangents(in, out);
	}
	gr_archive_free(out);
	return status;
}

static gr_status run_once(gr_model *m, int64_t height, int64_t width)
{
	gr_archive *in = gr_archive_new();
	gr_status status = in == NULL ? GR_EMEM : gr_module_set_trainable(gr_model_module(m), false);
	if (status == GR_OK)
		status = gr_module_init(gr_model_module(m), gr_key_seed(0));
	if (status == GR_OK)
		status = gr_model_example(m, height, width, gr_key_seed(1), in);
	if (status == GR_OK)
		printf("\n| one sample of %lld x %lld | seconds | MiB at the peak, weights included |\n"
			   "|---|---|---|\n",
			(long long)height, (long long)width);
	for (int grad = 0; grad < 2 && status == GR_OK; grad++)
		status = measure(m, in, grad != 0);
	gr_archive_free(in);
	return status;
}

static gr_status describe(const char *word, const char *config, int64_t height, int64_t width)
{
	gr_model *m = NULL;
	bool is_arch = false;
	for (int i = 0; gr_model_arch(i) != NULL; i++)
		is_arch = is_arch || strcmp(word, gr_model_arch(i)) == 0;
	gr_status status = is_arch ? gr__model_open(&m, word, config) : gr__model_open(&m, NULL, word);
	if (status == GR_OK) {
		const gr_module *root = gr_model_module(m);
		const double numbers = (double)gr_module_size(root);
		printf("architecture: %s\nparameters: %lld\ntensors: %lld\n", gr_model_name(m),
			(long long)gr_module_size(root), (long long)gr_module_param_count(root));
		printf("weights: %.1f MiB in f32, %.1f MiB in f16\n", 4.0 * numbers / 1048576.0,
			2.0 * numbers / 1048576.0);
		if (height > 0)
			status = run_once(m, height, width);
	}
	gr_model_free(m);
	return status;
}

int gr_cmd_model_describe(int argc, char **argv)
{
	const char *config, *size, *word = NULL;
	bool list;
	int64_t threads;
	const gr_arg args[] = {
		{"config", GR_ARG_STRING, NULL, "options of ARCH, a JSON file; default: its own defaults",
			&config},
		{"size", GR_ARG_STRING, NULL,
			"HxW of an image, or a latent for networks on those: run it once", &size},
		{"list", GR_ARG_FLAG, NULL, "the architectures", &list},
		{"threads", GR_ARG_INT, "0", "0: all cores", &threads},
	};
	const gr_command command = {
		.name = "model describe",
		.usage = "ARCH|CONFIG.json [options]",
		.summary = "Size of a network by its configuration, and what one evaluation takes.",
		.examples = {"gradus model describe taesd --size 256x256",
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
	if (status == GR_OK)
		status = describe(word, config, height, width);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("model describe", status);
}
