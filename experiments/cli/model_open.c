/*
 * Configurations and weights from the command line: see model_open.h.
 */
#include "model_open.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_MAX 65536
#define WEIGHTS_MAX 8192

static gr_status parse(gr_json_doc **out, const char *path, const char *text, size_t bytes)
{
	gr_json_error error;
	*out = gr_json_parse(text, bytes, NULL, &error);
	if (*out != NULL)
		return GR_OK;
	return gr_error_set(error.code, "%s: byte %zu: %s", path, error.offset, error.reason);
}

static gr_status read_config(gr_json_doc **out, const char *path)
{
	static char text[CONFIG_MAX];
	if (path == NULL)
		return parse(out, "the empty configuration", "{}", 2);
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return gr_error_set(GR_EIO, "%s: %s", path, strerror(errno));
	const size_t bytes = fread(text, 1, sizeof text, f);
	const bool failed = ferror(f) != 0;
	fclose(f);
	if (failed)
		return gr_error_set(GR_EIO, "%s: cannot be read", path);
	if (bytes == sizeof text)
		return gr_error_set(GR_EFORMAT, "%s: a configuration has less than %d bytes", path,
			CONFIG_MAX);
	return parse(out, path, text, bytes);
}

gr_status gr__model_open(gr_model **out, const char *arch, const char *config)
{
	return gr__model_open_sized(out, arch, config, 0, 0);
}

gr_status gr__model_open_sized(gr_model **out, const char *arch, const char *config, int64_t height,
	int64_t width)
{
	gr_json_doc *doc = NULL;
	*out = NULL;
	gr_status status = read_config(&doc, config);
	if (status == GR_OK)
		status = gr_model_new_sized(out, arch, gr_json_root(doc), height, width);
	gr_json_free(doc);
	return status;
}

gr_status gr__model_store(gr_model *m, const char *storage)
{
	static const gr_dtype types[] = {GR_F32, GR_F16, GR_BF16};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strcmp(storage, gr_dtype_name(types[i])) == 0)
			return types[i] == GR_F32 ? GR_OK : gr_module_set_storage(gr_model_module(m), types[i]);
	return gr_error_set(GR_EARG, "weights are kept in f32, f16 or bf16, not in '%s'", storage);
}

static gr_status load_file(gr_model *m, const char *path, const char *child)
{
	gr_tensorfile *f = NULL;
	gr_status status = gr_checkpoint_open(&f, path, NULL);
	if (status == GR_OK)
		status = gr_model_load(m, f, child);
	gr_tensorfile_close(f);
	return status;
}

gr_status gr__model_load(gr_model *m, const char *weights)
{
	char text[WEIGHTS_MAX];
	FILE *plain = strchr(weights, '=') == NULL ? NULL : fopen(weights, "rb");
	if (plain != NULL)
		fclose(plain);
	if (strchr(weights, '=') == NULL || plain != NULL)
		return load_file(m, weights, NULL);
	if (strlen(weights) >= sizeof text)
		return gr_error_set(GR_EARG, "the names of the weights are too long");
	strcpy(text, weights);
	for (char *part = text; part != NULL;) {
		char *next = strchr(part, ','), *file = strchr(part, '=');
		if (next != NULL)
			*next++ = '\0';
		if (file == NULL || (next != NULL && file > next))
			return gr_error_set(GR_EARG, "'%s' is not CHILD=FILE", part);
		*file++ = '\0';
		gr_status status = load_file(m, file, part);
		if (status != GR_OK)
			return status;
		part = next;
	}
	return GR_OK;
}

void gr__model_list(void)
{
	for (int i = 0; gr_model_arch(i) != NULL; i++)
		printf("  %-16s %s\n", gr_model_arch(i), gr_model_arch_summary(i));
}
