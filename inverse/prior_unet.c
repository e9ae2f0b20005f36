/*
 * The U-Net as a prior, in memory (gr_prior_unet_new) or from a folder (gr_prior_open).
 *
 * A folder holds weights.safetensors and config.json:
 *     { "format": "gradus-prior-1", "model": "unet", "channels": 3, "height": 32, "width": 32,
 *       "prediction": "eps", "schedule": { "kind": "linear", "steps": 1000 },
 *       "unet": { the fields of gr_unet_config }, ... }
 * Other members of the outer object (data, training) are for people. The text is hostile until it
 * has been read: an unknown name inside "unet" or "schedule" is an error, not a default.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "gradus/json.h"
#include "gradus/ops.h"
#include "prior_priv.h"

#define MAX_CONFIG_BYTES 1000000
#define MAX_PATH_BYTES 4096

/* --- the prior --- */

static void unet_free(void *self)
{
	gr_unet_free(self);
}

static void unet_set_recompute(void *self, bool on)
{
	gr_unet_set_recompute(self, on);
}

static gr_status unet_predict(void *self, const gr_prior *p, gr_prior_call *call)
{
	const gr_unet *net = self;
	gr_dtype dtype = gr_unet_get_config(net)->dtype;
	int64_t N = gr_tensor_dim(call->x_t, 0);
	int64_t C = gr_prior_dims(p)[0];
	if (gr_tensor_dtype(call->x_t) != dtype)
		return gr_error_set(GR_EDTYPE, "prior unet: x_t is %s, the network %s",
			gr_dtype_name(gr_tensor_dtype(call->x_t)), gr_dtype_name(dtype));
	gr_tensor *t = gr_from_f64(dtype, call->t, GR_DIMS(N));
	gr_tensor *out = gr_unet_forward(net, call->x_t, t, NULL);
	if (!out)
		return gr_error_code();
	call->prediction = out;
	if (gr_tensor_dim(out, 1) == 2 * C) {
		call->prediction = gr_slice(out, 1, 0, C, 1);
		call->variance = gr_slice(gr_stop_gradient(out), 1, C, 2 * C, 1);
		return call->prediction && call->variance ? GR_OK : gr_error_code();
	}
	return GR_OK;
}

gr_prior *gr_prior_unet_new(gr_unet *net, const gr_prior_opts *opts)
{
	static const gr_prior_table table = {.name = "unet",
		.predict = unet_predict,
		.free = unet_free,
		.set_recompute = unet_set_recompute};
	const gr_unet_config *config = net ? gr_unet_get_config(net) : NULL;
	gr_status status = GR_OK;
	if (!config)
		status = gr_failed() ? gr_error_code()
							 : gr_error_set(GR_EARG, "prior unet: the network is NULL");
	else if (opts && opts->channels != config->in_channels)
		status = gr_error_set(GR_EARG, "prior unet: %lld channels, the network has %lld",
			(long long)opts->channels, (long long)config->in_channels);
	else if (config->out_channels != config->in_channels &&
		config->out_channels != 2 * config->in_channels)
		status = gr_error_set(GR_EARG, "prior unet: %lld channels out, %lld in",
			(long long)config->out_channels, (long long)config->in_channels);
	else if (config->num_classes > 0)
		status = gr_error_set(GR_EUNSUPPORTED, "prior unet: the network wants class labels");
	else
		status = gr_module_set_trainable(gr_unet_module(net), false);
	if (status) {
		gr_unet_free(net);
		return NULL;
	}
	return gr_prior_new(&table, net, opts);
}

/* --- config.json --- */

typedef struct reader {
	const char *path; /* of config.json, for messages */
	gr_unet_config unet;
	gr_schedule_opts schedule;
	gr_prior_opts prior;
} reader;

static gr_status malformed(const reader *r, const char *name, const char *expected)
{
	return gr_error_set(GR_EFORMAT, "%s: \"%s\" is missing or not %s", r->path, name, expected);
}

static gr_status read_integer(const reader *r, const gr_json *v, const char *name, int64_t *out)
{
	if (!v || v->kind != GR_JSON_NUMBER || !v->is_int || v->integer < 0 || v->integer > 1000000)
		return malformed(r, name, "an integer from 0 to 1000000");
	*out = v->integer;
	return GR_OK;
}

static gr_status read_text(const reader *r, const gr_json *object, const char *name,
	const char *const *choices, int *out)
{
	const gr_json *v = gr_json_find(object, name);
	char expected[128] = "one of";
	for (int i = 0; choices[i]; i++) {
		if (v && v->kind == GR_JSON_STRING && strcmp(v->string, choices[i]) == 0) {
			*out = i;
			return GR_OK;
		}
		size_t used = strlen(expected);
		snprintf(expected + used, sizeof(expected) - used, " \"%s\"", choices[i]);
	}
	return malformed(r, name, expected);
}

/* A list of numbers; *count of them. */
static gr_status read_list(const reader *r, const gr_json *v, double *out, int *count)
{
	int n = 0;
	if (v->kind != GR_JSON_ARRAY || v->count > GR_UNET_MAX_LEVELS)
		return malformed(r, v->name, "a short list of numbers");
	for (const gr_json *e = v->child; e; e = e->next) {
		if (e->kind != GR_JSON_NUMBER || !(e->number > 0.0 && e->number < 1e6))
			return malformed(r, v->name, "a short list of positive numbers");
		out[n++] = e->number;
	}
	*count = n;
	return GR_OK;
}

typedef struct unet_field {
	const char *name;
	size_t offset;
	bool flag; /* bool, else int64_t */
} unet_field;

#define INTEGER(field) \
	{ \
#field, offsetof(gr_unet_config, field), false \
	}
#define FLAG(field) \
	{ \
#field, offsetof(gr_unet_config, field), true \
	}
static const unet_field unet_fields[] = {
	INTEGER(image_size),
	INTEGER(in_channels),
	INTEGER(model_channels),
	INTEGER(out_channels),
	INTEGER(num_res_blocks),
	INTEGER(num_heads),
	INTEGER(num_head_channels),
	INTEGER(num_heads_upsample),
	INTEGER(num_classes),
	INTEGER(norm_groups),
	FLAG(use_scale_shift_norm),
	FLAG(resblock_updown),
	FLAG(use_new_attention_order),
	FLAG(no_conv_resample),
};

static gr_status read_unet_field(reader *r, const gr_json *v)
{
	double list[GR_UNET_MAX_LEVELS];
	if (strcmp(v->name, "channel_mult") == 0)
		return read_list(r, v, r->unet.channel_mult, &r->unet.num_levels);
	if (strcmp(v->name, "attention_ds") == 0) {
		gr_status status = read_list(r, v, list, &r->unet.num_attention);
		for (int i = 0; i < r->unet.num_attention && !status; i++) {
			if (list[i] != floor(list[i]))
				status = malformed(r, v->name, "a list of integers");
			r->unet.attention_ds[i] = (int64_t)list[i];
		}
		return status;
	}
	for (size_t i = 0; i < sizeof(unet_fields) / sizeof(unet_fields[0]); i++) {
		void *field = (char *)&r->unet + unet_fields[i].offset;
		if (strcmp(v->name, unet_fields[i].name) != 0)
			continue;
		if (!unet_fields[i].flag)
			return read_integer(r, v, v->name, field);
		if (v->kind != GR_JSON_BOOL)
			return malformed(r, v->name, "true or false");
		*(bool *)field = v->boolean;
		return GR_OK;
	}
	return gr_error_set(GR_EFORMAT, "%s: \"unet\" has no option \"%s\"", r->path, v->name);
}

static gr_status read_schedule(reader *r, const gr_json *v)
{
	static const char *const kinds[] = {"linear", "cosine", "sqrt_linear", NULL};
	int kind = 0;
	if (!v || v->kind != GR_JSON_OBJECT)
		return malformed(r, "schedule", "an object");
	gr_status status = read_text(r, v, "kind", kinds, &kind);
	r->schedule.kind = (gr_schedule_kind)kind;
	for (const gr_json *e = v->child; e && !status; e = e->next) {
		bool first = strcmp(e->name, "beta_first") == 0;
		if (strcmp(e->name, "kind") == 0)
			continue;
		if (strcmp(e->name, "steps") == 0)
			status = read_integer(r, e, e->name, &r->schedule.steps);
		else if (!first && strcmp(e->name, "beta_last") != 0)
			status =
				gr_error_set(GR_EFORMAT, "%s: \"schedule\" has no option \"%s\"", r->path, e->name);
		else if (e->kind != GR_JSON_NUMBER)
			status = malformed(r, e->name, "a number");
		else
			*(first ? &r->schedule.beta_first : &r->schedule.beta_last) = e->number;
	}
	return status;
}

static gr_status read_config(reader *r, const gr_json *root)
{
	static const char *const formats[] = {"gradus-prior-1", NULL};
	static const char *const models[] = {"unet", NULL};
	static const char *const predictions[] = {"eps", "x0", "v", NULL};
	int choice = 0;
	r->prior = (gr_prior_opts){.size = sizeof(r->prior), .schedule = &r->schedule};
	r->schedule.size = sizeof(r->schedule);
	r->unet.size = sizeof(r->unet);
	gr_status status = read_text(r, root, "format", formats, &choice);
	if (!status)
		status = read_text(r, root, "model", models, &choice);
	if (!status)
		status = read_text(r, root, "prediction", predictions, &choice);
	r->prior.prediction = (gr_prediction)choice;
	if (!status)
		status = read_integer(r, gr_json_find(root, "channels"), "channels", &r->prior.channels);
	if (!status)
		status = read_integer(r, gr_json_find(root, "height"), "height", &r->prior.height);
	if (!status)
		status = read_integer(r, gr_json_find(root, "width"), "width", &r->prior.width);
	if (!status)
		status = read_schedule(r, gr_json_find(root, "schedule"));
	const gr_json *unet = gr_json_find(root, "unet");
	if (!status && (!unet || unet->kind != GR_JSON_OBJECT))
		status = malformed(r, "unet", "an object");
	for (const gr_json *v = unet ? unet->child : NULL; v && !status; v = v->next)
		status = read_unet_field(r, v);
	if (!status && r->unet.model_channels < 1)
		status = malformed(r, "model_channels", "positive");
	return status;
}

/* The file's text, *bytes of it, to be freed; NULL with an error recorded. */
static char *read_file(const char *path, size_t *bytes)
{
	FILE *f = fopen(path, "rb");
	if (!f) {
		gr_error_set(GR_EIO,
			"%s: cannot be opened; hint: a prior is a folder with config.json and "
			"weights.safetensors, as `gradus train` writes it",
			path);
		return NULL;
	}
	char *text = gr_alloc(MAX_CONFIG_BYTES + 1);
	*bytes = text ? fread(text, 1, MAX_CONFIG_BYTES + 1, f) : 0;
	bool failed = ferror(f) != 0;
	fclose(f);
	if (text && (failed || *bytes > MAX_CONFIG_BYTES)) {
		gr_error_set(failed ? GR_EIO : GR_EFORMAT, "%s: %s", path,
			failed ? "cannot be read" : "too long for a configuration");
		gr_free(text);
		return NULL;
	}
	return text;
}

static gr_status read_config_file(reader *r)
{
	size_t bytes = 0;
	char *text = read_file(r->path, &bytes);
	if (!text)
		return gr_error_code();
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, bytes, NULL, &error);
	gr_free(text);
	if (!doc)
		return gr_error_set(error.code, "%s: byte %zu: %s", r->path, error.offset, error.reason);
	gr_status status = read_config(r, gr_json_root(doc));
	gr_json_free(doc);
	return status;
}

/* --- the folder --- */

static gr_status load_weights(gr_unet *net, const char *path)
{
	gr_archive *weights = NULL;
	gr_status status = gr_safetensors_read(&weights, path);
	if (!status)
		status = gr_module_load(gr_unet_module(net), weights, NULL);
	gr_archive_free(weights);
	return status;
}

gr_status gr_prior_open(gr_prior **out, const char *folder)
{
	char path[MAX_PATH_BYTES];
	reader r = {.path = path};
	if (!out || !folder)
		return gr_error_set(GR_EARG, "prior open: %s is NULL", out ? "the folder" : "out");
	*out = NULL;
	if (strlen(folder) + sizeof("/weights.safetensors") > sizeof(path))
		return gr_error_set(GR_EARG, "prior open: the path is too long");
	snprintf(path, sizeof(path), "%s/config.json", folder);
	gr_status status = read_config_file(&r);
	if (status)
		return status;
	gr_unet *net = gr_unet_new(&r.unet);
	if (!net)
		return gr_error_code();
	snprintf(path, sizeof(path), "%s/weights.safetensors", folder);
	gr_scope_begin();
	status = load_weights(net, path);
	gr_status ended = gr_scope_end();
	status = status ? status : ended;
	if (status) {
		gr_unet_free(net);
		return status;
	}
	*out = gr_prior_unet_new(net, &r.prior);
	return *out ? GR_OK : gr_error_code();
}
