/* See folder.h. */
#include "folder.h"

#include <stdio.h>
#include <string.h>

#include "gradus/io.h"
#include "runfolder.h"

#define FORMAT "gradus-prior-1"

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

static gr_status read_config(prior_folder *f)
{
	char *text = gr__runfolder_read(f->path, "config.json");
	if (text == NULL)
		return gr_error_code();
	gr_json_error error;
	f->doc = gr_json_parse(text, strlen(text), NULL, &error);
	gr_free(text);
	if (f->doc == NULL)
		return gr_error_set(error.code, "%s/config.json: byte %zu: %s", f->path, error.offset,
			error.reason);
	f->root = gr_json_root(f->doc);
	return read_members(f);
}

gr_status gr__folder_open(prior_folder *out, const char *name)
{
	*out = (prior_folder){0};
	gr_status status = gr__prior_find(out->path, sizeof out->path, name);
	if (status == GR_OK)
		status = read_config(out);
	const char *file = "weights.safetensors";
	if (status == GR_OK && !gr__runfolder_has(out->path, file) &&
		gr__runfolder_has(out->path, "ema.safetensors"))
		file = "ema.safetensors";
	snprintf(out->weights, sizeof out->weights, "%s/%s", out->path, file);
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
