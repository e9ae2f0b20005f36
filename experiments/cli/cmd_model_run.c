/*
 * gradus model run: apply a network to arrays in a file, and differentiate it. Inputs, outputs,
 * cotangents and gradients go by the names of docs/models.md.
 */
#include <stdio.h>

#include "args.h"
#include "commands.h"
#include "model_open.h"

typedef struct run_options {
	const char *arch, *config, *weights, *input, *output, *precision, *storage;
	bool grad;
} run_options;

static gr_status run(const run_options *o)
{
	gr_model *m = NULL;
	gr_archive *in = NULL, *out = gr_archive_new();
	gr_status status = out == NULL ? GR_EMEM : gr__model_open(&m, o->arch, o->config);
	if (status == GR_OK)
		status = gr_module_set_trainable(gr_model_module(m), false);
	if (status == GR_OK)
		status = gr__model_store(m, o->storage);
	if (status == GR_OK)
		status = gr__model_load(m, o->weights);
	if (status == GR_OK)
		status = gr_npz_read(&in, o->input);
	if (status == GR_OK)
		status = gr_model_run(m, in, o->grad, out);
	if (status == GR_OK)
		status = gr_npz_write(o->output, out);
	for (int64_t i = 0; status == GR_OK && i < gr_archive_count(out); i++) {
		char text[128];
		printf("%s: %s\n", gr_archive_name(out, i),
			gr_tensor_describe(gr_archive_tensor(out, i), text, sizeof text));
	}
	gr_archive_free(in);
	gr_archive_free(out);
	gr_model_free(m);
	return status;
}

int gr_cmd_model_run(int argc, char **argv)
{
	run_options o;
	int64_t threads;
	const gr_arg args[] = {
		{"config", GR_ARG_STRING, NULL, "the network's options, a JSON file", &o.config},
		{"weights", GR_ARG_STRING, NULL,
			"a checkpoint of any format, or CHILD=FILE,CHILD=FILE for parts", &o.weights},
		{"input", GR_ARG_STRING, NULL, ".npz with x, t, context, labels, z; r, r_moments",
			&o.input},
		{"output", GR_ARG_STRING, NULL, ".npz for y, moments, projected; grad_x, grad_z",
			&o.output},
		{"grad", GR_ARG_FLAG, NULL, "also the gradient of sum(y r) in the input", &o.grad},
		{"precision", GR_ARG_STRING, "direct",
			"of convolutions: direct, or f32 (Winograd's algorithm: faster, more rounding)",
			&o.precision},
		{"storage", GR_ARG_STRING, "f32",
			"weights in memory: f32, or f16 or bf16, half the size and widened when used",
			&o.storage},
		{"threads", GR_ARG_INT, "0", "0: all cores; changes no result", &threads},
	};
	const gr_command command = {
		.name = "model run",
		.usage = "ARCH --config FILE --weights FILE --input FILE --output FILE [options]",
		.summary = "Apply a network to arrays, and differentiate it in its input.",
		.examples = {"gradus model run dinov2 --config config.json --weights vits.pth --input "
					 "x.npz "
					 "--output y.npz --grad",
			"gradus model run taesd --weights encoder=e.pth,decoder=d.pth --input x.npz --output "
			"y.npz"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	o.arch = NULL;
	int code = gr__args_parse(&command, argc, argv, &o.arch, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words == 0 || o.weights == NULL || o.input == NULL || o.output == NULL) {
		fprintf(stderr,
			"gradus model run: ARCH, --weights, --input and --output are needed; see "
			"gradus model run --help\n");
		return GR_EXIT_USAGE;
	}
	gr_precision precision;
	gr_status status = gr_precision_named(&precision, o.precision);
	if (status == GR_OK)
		status = gr_set_precision(precision);
	if (status == GR_OK && threads > 0)
		status = gr_set_threads((int)threads);
	if (status == GR_OK)
		status = run(&o);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("model run", status);
}
