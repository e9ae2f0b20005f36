/*
 * Priors from folders (docs/priors.md, "Format"): folder.c reads what all networks have, the kind's own
 * file its members, by the functions here. The text is hostile until it has been read.
 */
#include "prior_folder_priv.h"

#include <stdio.h>
#include <string.h>

#include "gradus/io.h"

static const struct {
	const char *model;
	gr_status (*open)(gr_prior **out, const prior_folder *f, gr_prior_find_fn find);
} openers[] = {
	{"unet", gr__prior_folder_unet},
	{"sit", gr__prior_folder_sit},
	{"edm", gr__prior_folder_edm},
};
#define OPENERS (sizeof(openers) / sizeof(openers[0]))

/* --- members --- */

gr_status gr__prior_folder_malformed(const prior_folder *f, const char *name, const char *expected)
{
	return gr_error_set(GR_EFORMAT, "%s/config.json: \"%s\" is missing or not %s", f->path, name,
		expected);
}

gr_status gr__prior_folder_integer(const prior_folder *f, const gr_json *v, const char *name,
	int64_t *out)
{
	if (!v || v->kind != GR_JSON_NUMBER || !v->is_int || v->integer < 0 || v->integer > 1000000)
		return gr__prior_folder_malformed(f, name, "an integer from 0 to 1000000");
	*out = v->integer;
	return GR_OK;
}

gr_status gr__prior_folder_number(const prior_folder *f, const char *name, double fallback,
	double *out)
{
	const gr_json *v = gr_json_find(f->root, name);
	*out = v && v->kind == GR_JSON_NUMBER ? v->number : fallback;
	return !v || v->kind == GR_JSON_NUMBER ? GR_OK
										   : gr__prior_folder_malformed(f, name, "a number");
}

const gr_json *gr__prior_folder_object(const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	if (v && v->kind == GR_JSON_OBJECT)
		return v;
	gr__prior_folder_malformed(f, name, "an object");
	return NULL;
}

const char *gr__prior_folder_text(const prior_folder *f, const char *name)
{
	const gr_json *v = gr_json_find(f->root, name);
	if (v && v->kind == GR_JSON_STRING)
		return v->string;
	gr__prior_folder_malformed(f, name, "a text");
	return NULL;
}

gr_status gr__prior_folder_choice(const prior_folder *f, const gr_json *object, const char *name,
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
	return gr__prior_folder_malformed(f, name, expected);
}

gr_status gr__prior_folder_schedule(const prior_folder *f, gr_schedule_opts *out)
{
	const gr_json *v = gr_json_find(f->root, "schedule");
	static const char *const kinds[] = {"linear", "cosine", "sqrt_linear", NULL};
	int kind = 0;
	if (!v || v->kind != GR_JSON_OBJECT)
		return gr__prior_folder_malformed(f, "schedule", "an object");
	gr_status status = gr__prior_folder_choice(f, v, "kind", kinds, &kind);
	out->kind = (gr_schedule_kind)kind;
	for (const gr_json *e = v->child; e && !status; e = e->next) {
		bool first = strcmp(e->name, "beta_first") == 0;
		if (strcmp(e->name, "kind") == 0)
			continue;
		if (strcmp(e->name, "steps") == 0)
			status = gr__prior_folder_integer(f, e, e->name, &out->steps);
		else if (!first && strcmp(e->name, "beta_last") != 0)
			status = gr_error_set(GR_EFORMAT, "%s/config.json: \"schedule\" has no option \"%s\"",
				f->path, e->name);
		else if (e->kind != GR_JSON_NUMBER)
			status = gr__prior_folder_malformed(f, e->name, "a number");
		else
			*(first ? &out->beta_first : &out->beta_last) = e->number;
	}
	return status;
}

/* --- weights --- */

gr_status gr__prior_folder_load(const prior_folder *f, gr_module *m)
{
	gr_archive *weights = NULL;
	gr_scope_begin();
	gr_status status = gr_safetensors_read(&weights, f->weights);
	if (!status)
		status = gr_module_load(m, weights, NULL);
	gr_archive_free(weights);
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

/* --- other folders --- */

/* Whether there is a folder of a network. */
static bool has_config(const char *folder)
{
	char path[2 * FOLDER_PATH + 32];
	snprintf(path, sizeof(path), "%s/config.json", folder);
	FILE *file = fopen(path, "rb");
	if (file)
		fclose(file);
	return file != NULL;
}

static gr_status check_hash(const prior_folder *other, const prior_folder *f, const char *member)
{
	char hex[65];
	const gr_json *hash = gr_json_find(f->root, member);
	gr_status status = hash ? gr__folder_sha256(other, hex) : GR_OK;
	if (status || !hash || (hash->kind == GR_JSON_STRING && strcmp(hash->string, hex) == 0))
		return status;
	return gr_error_set(GR_EFORMAT,
		"%s: its SHA-256 is not the \"%s\" of %s/config.json: this is not what the prior was "
		"trained "
		"with",
		other->weights, member, f->path);
}

gr_status gr__prior_folder_beside(prior_folder *other, const prior_folder *f, gr_prior_find_fn find,
	const char *member, const char *hash_member)
{
	char path[2 * FOLDER_PATH + 8];
	const char *name = gr__prior_folder_text(f, member);
	*other = (prior_folder){.model = NULL};
	if (!name)
		return gr_error_code();
	bool absolute = name[0] == '/';
	if (strlen(name) >= FOLDER_PATH)
		return gr_error_set(GR_EFORMAT, "%s/config.json: \"%s\" is too long a name", f->path,
			member);
	/* the path may be a link, or ".": what lies beside the folder is one level up */
	snprintf(path, sizeof(path), "%s%s%s", absolute ? "" : f->path, absolute ? "" : "/../", name);
	gr_status status = GR_OK;
	if (!has_config(path) && !absolute && find)
		status = find(path, FOLDER_PATH, name);
	if (!status)
		status = gr__folder_read(other, path);
	return status ? status : check_hash(other, f, hash_member);
}

/* --- the folder --- */

static gr_status open_kind(gr_prior **out, const prior_folder *f, gr_prior_find_fn find)
{
	char known[64] = "one of";
	for (size_t i = 0; i < OPENERS; i++) {
		if (strcmp(openers[i].model, f->model) == 0)
			return openers[i].open(out, f, find);
		size_t used = strlen(known);
		snprintf(known + used, sizeof(known) - used, " \"%s\"", openers[i].model);
	}
	return gr__prior_folder_malformed(f, "model", known);
}

gr_status gr_prior_open_with(gr_prior **out, const char *folder, gr_prior_find_fn find)
{
	prior_folder f;
	if (!out || !folder)
		return gr_error_set(GR_EARG, "prior open: %s is NULL", out ? "the folder" : "out");
	*out = NULL;
	gr_status status = gr__folder_read(&f, folder);
	if (!status)
		status = open_kind(out, &f, find);
	gr__folder_close(&f);
	return status;
}

gr_status gr_prior_open(gr_prior **out, const char *folder)
{
	return gr_prior_open_with(out, folder, NULL);
}
