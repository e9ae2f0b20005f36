/* The configuration of a restoration as JSON: written into the run's folder, read to run again. */
#include <string.h>

#include "gradus/json.h"
#include "restore.h"
#include "runfolder.h"

/* The one list of fields: kind, member, name in the file. */
#define FIELDS(TEXT, REAL, INT) \
	TEXT(prior, "prior") \
	TEXT(spec, "operator") \
	TEXT(solver, "solver") \
	TEXT(terms, "terms") \
	TEXT(input, "input") \
	REAL(sigma, "sigma") \
	REAL(scale, "scale") \
	INT(steps, "steps") \
	INT(particles, "particles") \
	INT(limit, "limit") \
	INT(seed, "seed")

static void add_text(gr_text *t, const char *name, const char *value)
{
	gr__text_add(t, ",\n  \"%s\": ", name);
	gr__text_json(t, value);
}

char *gr__restore_config_text(const gr_restore_config *c)
{
	gr_text t = {0};
	gr__text_add(&t, "{\n  \"command\": \"solve\"");
#define TEXT(member, name) add_text(&t, name, c->member);
#define REAL(member, name) gr__text_add(&t, ",\n  \"%s\": %.17g", name, c->member);
#define INT(member, name) gr__text_add(&t, ",\n  \"%s\": %lld", name, (long long)c->member);
	FIELDS(TEXT, REAL, INT)
#undef TEXT
#undef REAL
#undef INT
	gr__text_add(&t, "\n}\n");
	return t.text;
}

static const char *read_text(const gr_json *root, const char *name, const char *path)
{
	const gr_json *v = gr_json_find(root, name);
	if (v == NULL || v->kind != GR_JSON_STRING) {
		gr_error_set(GR_EFORMAT, "%s: \"%s\" is missing or not a string", path, name);
		return NULL;
	}
	return gr_strdup(v->string);
}

static double read_real(const gr_json *root, const char *name, const char *path)
{
	const gr_json *v = gr_json_find(root, name);
	if (v == NULL || v->kind != GR_JSON_NUMBER) {
		gr_error_set(GR_EFORMAT, "%s: \"%s\" is missing or not a number", path, name);
		return 0.0;
	}
	return v->number;
}

static int64_t read_int(const gr_json *root, const char *name, const char *path)
{
	const gr_json *v = gr_json_find(root, name);
	if (v == NULL || v->kind != GR_JSON_NUMBER || !v->is_int) {
		gr_error_set(GR_EFORMAT, "%s: \"%s\" is missing or not a whole number", path, name);
		return 0;
	}
	return v->integer;
}

/* Misspelt fields must not be ignored in silence. */
static void check_names(const gr_json *root, const char *path)
{
	static const char *const known[] = {"command",
#define NAME(member, name) name,
		FIELDS(NAME, NAME, NAME)
#undef NAME
	};
	for (const gr_json *v = root->child; v != NULL; v = v->next) {
		bool found = false;
		for (size_t i = 0; i < sizeof known / sizeof *known && !found; i++)
			found = strcmp(v->name, known[i]) == 0;
		if (!found)
			gr_error_set(GR_EFORMAT, "%s: unknown field \"%s\"", path, v->name);
	}
}

gr_status gr__restore_config_read(gr_restore_config *c, const char *path)
{
	char folder[4096];
	*c = (gr_restore_config){.prior = NULL}; /* what is cleared is what was read */
	snprintf(folder, sizeof folder, "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash != NULL)
		*slash = '\0';
	char *text = gr__runfolder_read(slash != NULL ? folder : ".", slash != NULL ? slash + 1 : path);
	if (text == NULL)
		return gr_error_code();
	gr_json_error error;
	gr_json_doc *doc = gr_json_parse(text, strlen(text), NULL, &error);
	gr_free(text);
	if (doc == NULL)
		return gr_error_set(error.code, "%s: byte %zu: %s", path, error.offset, error.reason);
	const gr_json *root = gr_json_root(doc);
	if (root->kind != GR_JSON_OBJECT)
		gr_error_set(GR_EFORMAT, "%s: not a JSON object", path);
	else
		check_names(root, path);
#define TEXT(member, name) c->member = read_text(root, name, path);
#define REAL(member, name) c->member = read_real(root, name, path);
#define INT(member, name) c->member = read_int(root, name, path);
	FIELDS(TEXT, REAL, INT)
#undef TEXT
#undef REAL
#undef INT
	gr_json_free(doc);
	return gr_error_code();
}

void gr__restore_config_clear(gr_restore_config *c)
{
#define TEXT(member, name) \
	gr_free((void *)(uintptr_t)c->member); \
	c->member = NULL;
#define SKIP(member, name)
	FIELDS(TEXT, SKIP, SKIP)
#undef TEXT
#undef SKIP
}

const char *gr__restore_solver_name(char *name, size_t size, const gr_restore_config *c)
{
	snprintf(name, size, "%.*s", (int)strcspn(c->solver, ":"), c->solver);
	return name;
}
