/* gradus images: some images of a dataset as PNG files. */
#include <stdio.h>
#include <string.h>

#include "args.h"
#include "commands.h"
#include "data_path.h"
#include "gradus/io.h"
#include "runfolder.h"

static gr_status write_one(gr_dataset *d, int64_t i, const char *output)
{
	char path[4096];
	int64_t label = gr_dataset_label(d, i);
	int n = label < 0
		? snprintf(path, sizeof path, "%s/%05lld.png", output, (long long)i)
		: snprintf(path, sizeof path, "%s/%05lld_%lld.png", output, (long long)i, (long long)label);
	if (n < 0 || (size_t)n >= sizeof path)
		return gr_error_set(GR_EARG, "--output is too long");
	gr_scope_begin();
	gr_tensor *x = gr_dataset_image(d, i);
	gr_status status = x == NULL ? gr_error_code() : gr_png_write(path, x, NULL);
	gr_scope_end();
	return status;
}

static gr_status export(const char *data, const char *output, int64_t first, int64_t count,
	int64_t size)
{
	gr_dataset *d = NULL;
	gr_status status = gr__data_open(&d, data, size, 0);
	if (status != GR_OK)
		return status;
	int64_t n = gr_dataset_describe(d).count;
	if (first < 0 || count < 1 || first > n || count > n - first)
		status = gr_error_set(GR_EARG, "--first %lld --count %lld: there are %lld images",
			(long long)first, (long long)count, (long long)n);
	if (status == GR_OK && gr__runfolder_has(".", output) && output[0] != '/')
		status = gr_error_set(GR_EARG, "%s exists; choose another --output", output);
	if (status == GR_OK)
		status = gr__runfolder_make(output);
	for (int64_t i = first; i < first + count && status == GR_OK; i++)
		status = write_one(d, i, output);
	gr_dataset_free(d);
	return status;
}

int gr_cmd_images(int argc, char **argv)
{
	const char *data, *output;
	int64_t first, count, size;
	const gr_arg args[] = {
		{"data", GR_ARG_STRING, "fashion-test", "fashion, fashion-test, or a path as for train",
			&data},
		{"output", GR_ARG_STRING, NULL, "folder to make", &output},
		{"first", GR_ARG_INT, "0", "number of the first image", &first},
		{"count", GR_ARG_INT, "64", "how many", &count},
		{"image-size", GR_ARG_INT, "0", "centre smaller images on zeros of this side", &size},
	};
	const gr_command command = {
		.name = "images",
		.usage = "--output DIR [options]",
		.summary = "Write images of a dataset as NUMBER_LABEL.png.",
		.examples = {"gradus images --data fashion-test --count 64 --output held-out",
			"gradus images --data fashion --first 1000 --count 32 --output validation"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	int words;
	int code = gr__args_parse(&command, argc, argv, NULL, 0, &words);
	if (code != GR_ARGS_RUN)
		return code;
	if (output == NULL) {
		fprintf(stderr, "gradus images: --output is missing; see gradus images --help\n");
		return GR_EXIT_USAGE;
	}
	gr_status status = export(data, output, first, count, size);
	if (status != GR_OK)
		return gr__exit_report("images", status);
	printf("%s\n", output);
	return GR_EXIT_OK;
}
