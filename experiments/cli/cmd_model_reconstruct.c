/*
 * gradus model reconstruct: images through an autoencoder, and what is lost: the PSNR of each, clamped
 * to the images' range, and their mean. Latents are means, without noise.
 */
#include <inttypes.h>
#include <stdio.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "gradus/io.h"
#include "gradus/metric.h"
#include "gradus/ops.h"
#include "model_open.h"
#include "runfolder.h"

typedef struct reconstruction {
	const char *arch, *config, *weights, *data, *output, *storage;
	int64_t limit;
} reconstruction;

/* Reconstruction i as a PNG, beside the table. */
static gr_status write_image(const reconstruction *o, gr_tensor *y, int64_t i)
{
	char path[4096];
	int n = snprintf(path, sizeof path, "%s/%05" PRId64 ".png", o->output, i);
	if (n < 0 || (size_t)n >= sizeof path)
		return gr_error_set(GR_EARG, "--output is too long");
	y = gr_clamp(gr_affine(y, 0.5, 0.5), 0.0, 1.0);
	y = gr_squeeze(y, 0);
	return y == NULL ? gr_error_code() : gr_png_write(path, y, NULL);
}

static gr_status measure(const reconstruction *o, const gr_model *m, gr_dataset *data, int64_t i,
	double *sum)
{
	double psnr = 0.0;
	gr_tensor *x = gr__data_images(data, i, 1);
	gr_tensor *y = gr_model_reconstruct(m, x);
	gr_status status = y == NULL ? gr_error_code() : gr_psnr(&psnr, y, x, NULL);
	if (status == GR_OK && o->output != NULL)
		status = write_image(o, y, i);
	if (status == GR_OK)
		printf("| %" PRId64 " | %.2f |\n", i, psnr);
	*sum += psnr;
	return status;
}

static gr_status measure_all(const reconstruction *o, const gr_model *m, gr_dataset *data)
{
	const int64_t count = gr_dataset_describe(data).count;
	gr_status status = o->output == NULL ? GR_OK : gr__runfolder_make(o->output);
	double sum = 0.0;
	printf("| image | PSNR, dB |\n|---|---|\n");
	for (int64_t i = 0; i < count && status == GR_OK; i++) {
		gr_scope_begin();
		status = measure(o, m, data, i, &sum);
		gr_status ended = gr_scope_end();
		status = status != GR_OK ? status : ended;
	}
	if (status == GR_OK)
		printf("| mean of %" PRId64 " | %.2f |\n", count, sum / (double)count);
	return status;
}

static gr_status run(const reconstruction *o)
{
	gr_model *m = NULL;
	gr_dataset *data = NULL;
	gr_status status = gr__model_open(&m, o->arch, o->config);
	if (status == GR_OK)
		status = gr_module_set_trainable(gr_model_module(m), false);
	if (status == GR_OK)
		status = gr__model_store(m, o->storage);
	if (status == GR_OK)
		status = gr__model_load(m, o->weights);
	if (status == GR_OK)
		status = gr__data_open(&data, o->data, 0, o->limit);
	if (status == GR_OK)
		status = measure_all(o, m, data);
	gr_dataset_free(data);
	gr_model_free(m);
	return status;
}

int gr_cmd_model_reconstruct(int argc, char **argv)
{
	reconstruction o = {.arch = NULL};
	int64_t threads;
	const gr_arg args[] = {
		{"config", GR_ARG_STRING, NULL, "the network's options, a JSON file", &o.config},
		{"weights", GR_ARG_STRING, NULL,
			"a checkpoint of any format, or CHILD=FILE,CHILD=FILE for parts", &o.weights},
		{"data", GR_ARG_STRING, NULL, "images: a folder of PNG files, or a path as for train",
			&o.data},
		{"limit", GR_ARG_INT, "0", "the first images alone; 0: all", &o.limit},
		{"output", GR_ARG_STRING, NULL, "folder for the reconstructions as PNG files", &o.output},
		{"storage", GR_ARG_STRING, "f32",
			"weights in memory: f32, or f16 or bf16, half the size and widened when used",
			&o.storage},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &threads},
	};
	const gr_command command = {
		.name = "model reconstruct",
		.usage = "ARCH --weights FILE --data DIR [options]",
		.summary = "Images through an autoencoder, and the PSNR of what comes back.",
		.examples = {"gradus model reconstruct taesd --config config.json --weights "
					 "encoder=e.pth,decoder=d.pth --data photos"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, &o.arch, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words == 0 || o.weights == NULL || o.data == NULL) {
		fprintf(stderr,
			"gradus model reconstruct: ARCH, --weights and --data are needed; see gradus model "
			"reconstruct --help\n");
		return GR_EXIT_USAGE;
	}
	gr_status status = threads > 0 ? gr_set_threads((int)threads) : GR_OK;
	if (status == GR_OK) {
		gr_set_recording(false);
		status = run(&o);
	}
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("model reconstruct", status);
}
