/*
 * gradus model info: format, digest and tensors of a checkpoint, as a table. Only names and shapes
 * are read, so a file of many gigabytes is listed at once; the digest reads it whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "gradus/checkpoint.h"

/* "[64,3,3,3]". */
static void print_shape(const gr_tensor_info *t)
{
	printf("[");
	for (int i = 0; i < t->ndim; i++)
		printf("%s%" PRId64, i > 0 ? "," : "", t->dims[i]);
	printf("]");
}

/* The name as it is, or escaped when it holds what a terminal might obey. */
static void print_name(const char *name)
{
	char quoted[1100];
	bool plain = true;
	for (const char *c = name; *c != '\0'; c++)
		plain = plain && *c > ' ' && *c <= '~';
	printf("%s", plain ? name : gr_quote(quoted, sizeof quoted, name, strlen(name)));
}

static void print_tensors(const gr_tensorfile *f)
{
	gr_tensor_info t;
	printf("\n| name | type | shape | bytes |\n|---|---|---|---|\n");
	for (int64_t i = 0; gr_tensorfile_info(f, i, &t); i++) {
		printf("| ");
		print_name(t.name);
		printf(" | %s | ", t.type);
		print_shape(&t);
		if (t.refused != NULL)
			printf(" | not readable: %s |\n", t.refused);
		else
			printf(" | %" PRIu64 " |\n", t.bytes);
	}
}

static void print_summary(const gr_tensorfile *f, const char *digest)
{
	gr_tensor_info t;
	int64_t numbers = 0, unreadable = 0;
	uint64_t bytes = 0;
	for (int64_t i = 0; gr_tensorfile_info(f, i, &t); i++) {
		bool is_float = t.dtype != GR_I64 && t.dtype != GR_U8;
		numbers += t.refused == NULL && is_float ? t.count : 0;
		bytes += t.bytes;
		unreadable += t.refused != NULL;
	}
	const char *guess = gr_checkpoint_guess(f);
	printf("format: %s\n", gr_tensorfile_format(f));
	if (*gr_tensorfile_root(f) != '\0') {
		char root[300];
		const char *path = gr_tensorfile_root(f);
		printf("state dict at: %s\n", gr_quote(root, sizeof root, path, strlen(path)));
	}
	printf("sha256: %s\n", digest);
	printf("architecture: %s\n", guess != NULL ? guess : "unknown");
	printf("tensors: %" PRId64 "\nparameters: %" PRId64 "\nbytes: %" PRIu64 "\n",
		gr_tensorfile_count(f), numbers, bytes);
	if (unreadable > 0)
		printf("not readable: %" PRId64 "\n", unreadable);
}

int gr_cmd_model_info(int argc, char **argv)
{
	gr_checkpoint_opts opts = {.size = sizeof opts};
	bool brief;
	const gr_arg args[] = {
		{"root", GR_ARG_STRING, NULL, "where the state dict is, such as /ema/model", &opts.root},
		{"strict", GR_ARG_FLAG, NULL, "refuse a pickle that calls more than tensors", &opts.strict},
		{"check", GR_ARG_FLAG, NULL, "compare the CRC-32 of a zip archive's members",
			&opts.check_crc},
		{"brief", GR_ARG_FLAG, NULL, "without the table of tensors", &brief},
	};
	const gr_command command = {
		.name = "model info",
		.usage = "FILE [options]",
		.summary = "List the tensors of a checkpoint: safetensors (or its index), PyTorch, NumPy.",
		.examples = {"gradus model info taef2_decoder.pth",
			"gradus model info last.ckpt --root /state_dict --brief"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *path = NULL;
	int words;
	int code = gr__args_parse(&command, argc, argv, &path, 1, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (words == 0) {
		fprintf(stderr, "gradus model info: no FILE; see gradus model info --help\n");
		return GR_EXIT_USAGE;
	}
	char digest[65];
	gr_tensorfile *f;
	gr_status status = gr_checkpoint_open(&f, path, &opts);
	if (status == GR_OK)
		status = gr_sha256_file(path, digest);
	if (status == GR_OK) {
		print_summary(f, digest);
		if (!brief)
			print_tensors(f);
	}
	gr_tensorfile_close(f);
	return status == GR_OK ? GR_EXIT_OK : gr__exit_report_file("model info", status);
}
