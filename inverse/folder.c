/* The folder of a trained network: see netfolder.h. */
#include "netfolder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gradus/io.h"

#define FORMAT "gradus-prior-1"
#define MAX_CONFIG 1000000

static gr_status malformed(const prior_folder *f, const char *name, const char *expected)
{
	return gr_error_set(GR_EFORMAT, "%s/config.json: \"%s\" is missing or not %s", f->path, name,
		expected);
}

static const char *find_text(const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	return v != NULL && v->kind == GR_JSON_STRING ? v->string : NULL;
}

static gr_status read_members(prior_folder *f)
{
	static const char *const sides[] = {"channels", "height", "width"};
	const char *format = find_text(f, "format");
	if (format == NULL || strcmp(format, FORMAT) != 0)
		return malformed(f, "format", "\"" FORMAT "\"");
	f->model = find_text(f, "model");
	if (f->model == NULL)
		return malformed(f, "model", "a text");
	for (int i = 0; i < 3; i++) {
		const gr_json *v = gr_json_find(f->root, sides[i]);
		if (v == NULL || !v->is_int || v->integer < 1 || v->integer > 65536)
			return malformed(f, sides[i], "a number from 1 to 65536");
		f->dims[i] = v->integer;
	}
	return GR_OK;
}

/* The text of config.json, *bytes of it, to be freed; NULL with an error recorded. */
static char *read_text(const prior_folder *f, size_t *bytes)
{
	char path[FOLDER_PATH + 32];
	snprintf(path, sizeof path, "%s/config.json", f->path);
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		gr_error_set(GR_EIO,
			"%s: %s; hint: a trained network is a folder with config.json and weights.safetensors, "
			"as gradus train writes it",
			path, strerror(errno));
		return NULL;
	}
	char *text = gr_alloc(MAX_CONFIG + 1);
	*bytes = text != NULL ? fread(text, 1, MAX_CONFIG + 1, file) : 0;
	bool failed = ferror(file) != 0;
	fclose(file);
	if (text != NULL && (failed || *bytes > MAX_CONFIG)) {
		gr_error_set(failed ? GR_EIO : GR_EFORMAT, "%s: %s", path,
			failed ? "cannot be read" : "too long for a configuration");
		gr_free(text);
		return NULL;
	}
	return text;
}

static gr_status read_config(prior_folder *f)
{
	size_t bytes = 0;
	char *text = read_text(f, &bytes);
	if (text == NULL)
		return gr_error_code();
	gr_json_error error;
	f->doc = gr_json_parse(text, bytes, NULL, &error);
	gr_free(text);
	if (f->doc == NULL)
		return gr_error_set(error.code, "%s/config.json: byte %zu: %s", f->path, error.offset,
			error.reason);
	f->root = gr_json_root(f->doc);
	return read_members(f);
}

static bool is_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file != NULL)
		fclose(file);
	return file != NULL;
}

gr_status gr__folder_read(prior_folder *out, const char *path)
{
	*out = (prior_folder){0};
	if (strlen(path) >= sizeof out->path)
		return gr_error_set(GR_EARG, "folder: the path is too long");
	memcpy(out->path, path, strlen(path) + 1);
	gr_status status = read_config(out);
	snprintf(out->weights, sizeof out->weights, "%s/weights.safetensors", out->path);
	if (status == GR_OK && !is_file(out->weights)) {
		snprintf(out->weights, sizeof out->weights, "%s/ema.safetensors", out->path);
		if (!is_file(out->weights))
			snprintf(out->weights, sizeof out->weights, "%s/weights.safetensors", out->path);
	}
	return status;
}

void gr__folder_close(prior_folder *f)
{
	gr_json_free(f->doc);
	f->doc = NULL;
	f->root = NULL;
}

gr_status gr__folder_sha256(const prior_folder *f, char hex[65])
{
	return gr_sha256_file(f->weights, hex);
}

/* The options of the network, an object that is a member of its model's name. */
static gr_status find_options(const gr_json **out, const prior_folder *f, const char *model)
{
	*out = gr_json_find(f->root, f->model);
	if (strcmp(f->model, model) != 0)
		return gr_error_set(GR_EFORMAT, "%s: it holds a model \"%s\", expected \"%s\"", f->path,
			f->model, model);
	return *out != NULL && (*out)->kind == GR_JSON_OBJECT ? GR_OK
														  : malformed(f, model, "an object");
}

static gr_status load(const prior_folder *f, gr_module *m)
{
	gr_archive *weights = NULL;
	gr_status status = gr_scope_begin();
	if (status != GR_OK)
		return status;
	status = gr_safetensors_read(&weights, f->weights);
	if (status == GR_OK)
		status = gr_module_load(m, weights, NULL);
	if (status == GR_OK)
		status = gr_module_set_trainable(m, false);
	gr_archive_free(weights);
	gr_status ended = gr_scope_end();
	return status != GR_OK ? status : ended;
}

/* gr__folder_NAME(): options, network, weights. `model` is the name in config.json, `implied` what it
 * says beside the options. */
#define DEFINE_OPEN(name, model, implied) \
	gr_status gr__folder_##name(gr_##name **out, const prior_folder *f) \
	{ \
		gr_##name##_config config; \
		const gr_json *options; \
		*out = NULL; \
		gr_status status = find_options(&options, f, model); \
		if (status == GR_OK) \
			status = gr_##name##_config_from_json(&config, options); \
		if (status != GR_OK) \
			return status; \
		implied gr_##name *net = gr_##name##_new(&config); \
		if (net == NULL) \
			return gr_error_code(); \
		status = load(f, gr_##name##_module(net)); \
		if (status == GR_OK) \
			*out = net; \
		else \
			gr_##name##_free(net); \
		return status; \
	}

DEFINE_OPEN(vae, "autoencoder_kl", )
DEFINE_OPEN(vit, "dino", config.no_mask_token = true;)
DEFINE_OPEN(sit, "sit", )
DEFINE_OPEN(mpe_cnn, "mpe_cnn", )
