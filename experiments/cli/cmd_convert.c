/*
 * gradus convert: a checkpoint of any format to safetensors, with the same names, shapes and,
 * unless told otherwise, types. What is converted is checked: a finite value stays finite.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "args.h"
#include "commands.h"
#include "gradus/checkpoint.h"
#include "gradus/ops.h"

static bool is_float(gr_dtype dtype)
{
	return dtype != GR_I64 && dtype != GR_U8;
}

/* -1 when the word is no float type. */
static int find_dtype(const char *word)
{
	static const gr_dtype dtypes[] = {GR_F32, GR_F64, GR_F16, GR_BF16};
	for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
		if (strcmp(word, gr_dtype_name(dtypes[i])) == 0)
			return (int)dtypes[i];
	}
	return -1;
}

/* Values that are finite before and not after. */
static gr_status check_range(const char *name, const gr_tensor *before, const gr_tensor *after)
{
	char quoted[96];
	size_t n = (size_t)gr_tensor_size(before);
	double *x = gr_alloc((2 * n + 1) * sizeof *x);
	if (x == NULL)
		return GR_EMEM;
	gr_status status = gr_tensor_to_f64(before, x);
	if (status == GR_OK)
		status = gr_tensor_to_f64(after, x + n);
	for (size_t i = 0; i < n && status == GR_OK; i++) {
		if (isfinite(x[i]) && !isfinite(x[n + i]))
			status = gr_error_set(GR_ENUMERIC, "%g in %s does not fit %s; hint: --dtype bf16", x[i],
				gr_quote(quoted, sizeof quoted, name, strlen(name)),
				gr_dtype_name(gr_tensor_dtype(after)));
	}
	gr_free(x);
	return status;
}

/* Tensor i to the archive, as `dtype` when it is a float and dtype is one. */
static gr_status convert_one(const gr_tensorfile *f, int64_t i, int dtype, gr_archive *a)
{
	gr_tensor_info info;
	gr_tensorfile_info(f, i, &info);
	gr_status status = gr_scope_begin();
	gr_tensor *t = status == GR_OK ? gr_tensorfile_read(f, i) : NULL;
	gr_tensor *out = t;
	if (t != NULL && dtype >= 0 && is_float(info.dtype) && info.dtype != (gr_dtype)dtype) {
		out = gr_cast(t, (gr_dtype)dtype);
		status = out == NULL ? gr_error_code() : check_range(info.name, t, out);
	}
	if (status == GR_OK)
		status = out == NULL ? gr_error_code() : gr_archive_add(a, info.name, out);
	gr_scope_end();
	return status;
}

static gr_status copy_meta(gr_archive *to, const gr_archive *from)
{
	const char *key;
	gr_status status = GR_OK;
	for (int64_t i = 0; status == GR_OK && (key = gr_archive_meta_name(from, i)) != NULL; i++)
		status = gr_archive_set_meta(to, key, gr_archive_meta(from, key));
	return status;
}

static gr_status convert(const char *in, const char *out, int dtype, const gr_checkpoint_opts *opts)
{
	gr_tensorfile *f;
	gr_archive *a = NULL;
	gr_status status = gr_checkpoint_open(&f, in, opts);
	if (status == GR_OK)
		status = (a = gr_archive_new()) == NULL ? GR_EMEM : copy_meta(a, gr_tensorfile_meta(f));
	for (int64_t i = 0; i < gr_tensorfile_count(f) && status == GR_OK; i++)
		status = convert_one(f, i, dtype, a);
	if (status == GR_OK)
		status = gr_safetensors_write(out, a);
	gr_archive_free(a);
	gr_tensorfile_close(f);
	return status;
}

int gr_cmd_convert(int argc, char **argv)
{
	gr_checkpoint_opts opts = {.size = sizeof opts};
	const char *dtype_name;
	bool force;
	const gr_arg args[] = {
		{"dtype", GR_ARG_STRING, "keep", "type of the floats: f32, f64, f16, bf16 or keep",
			&dtype_name},
		{"root", GR_ARG_STRING, NULL, "where the state dict is, such as /ema/model", &opts.root},
		{"strict", GR_ARG_FLAG, NULL, "refuse a pickle that calls more than tensors", &opts.strict},
		{"force", GR_ARG_FLAG, NULL, "replace a file that exists", &force},
	};
	const gr_command command = {
		.name = "convert",
		.usage = "IN OUT.safetensors [options]",
		.summary = "Write a checkpoint of any format as safetensors.",
		.examples = {"gradus convert taef2_decoder.pth taef2_decoder.safetensors",
			"gradus convert v1-5.ckpt v1-5.safetensors --dtype f16"},
		.args = args,
		.nargs = (int)(sizeof args / sizeof *args),
	};
	const char *paths[2];
	int words;
	int code = gr__args_parse(&command, argc, argv, paths, 2, &words);
	if (code != GR_ARGS_RUN)
		return code;
	int dtype = find_dtype(dtype_name);
	if (words < 2) {
		fprintf(stderr, "gradus convert: IN and OUT are needed; see gradus convert --help\n");
		return GR_EXIT_USAGE;
	}
	if (dtype < 0 && strcmp(dtype_name, "keep") != 0) {
		fprintf(stderr, "gradus convert: --dtype '%s' is not f32, f64, f16, bf16 or keep\n",
			dtype_name);
		return GR_EXIT_USAGE;
	}
	if (!force && access(paths[1], F_OK) == 0) {
		fprintf(stderr, "gradus convert: %s exists; choose another name or --force\n", paths[1]);
		return GR_EXIT_USAGE;
	}
	gr_status status = convert(paths[0], paths[1], dtype, &opts);
	if (status != GR_OK)
		return gr__exit_report_file("convert", status);
	printf("%s\n", paths[1]);
	return GR_EXIT_OK;
}
