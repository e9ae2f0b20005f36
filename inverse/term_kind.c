/* The table of terms by name, and reading "name:word:weight,setting=value" (gradus/term_kind.h). */
#include "gradus/term_kind.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "term_priv.h"

#define MAX_REGISTERED 64
#define MAX_WORDS 4
#define MAX_SETTINGS 16
#define MAX_TEXT 1024

struct gr_term_spec {
	const gr_term_kind *kind;
	char text[MAX_TEXT]; /* cut into strings */
	const char *word[MAX_WORDS];
	int words;
	double weight;
	const char *name[MAX_SETTINGS];
	const char *value[MAX_SETTINGS];
	bool *used; /* [settings], apart: a spec is const to its kind */
	int settings;
};

static const gr_term_kind *const builtin[] = {
	&gr__term_kind_dps,
	&gr__term_kind_likelihood,
	&gr__term_kind_repa,
	&gr__term_kind_equireg,
	&gr__term_kind_repulsion,
	&gr__term_kind_sds,
	&gr__term_kind_gluing,
	&gr__term_kind_gml,
	&gr__term_kind_tv,
};
#define BUILTIN ((int)(sizeof builtin / sizeof *builtin))

static const gr_term_kind *registered[MAX_REGISTERED];
static int registered_count;

int gr_term_kind_count(void)
{
	return BUILTIN + registered_count;
}

const gr_term_kind *gr_term_kind_at(int i)
{
	if (i < 0 || i >= gr_term_kind_count())
		return NULL;
	return i < BUILTIN ? builtin[i] : registered[i - BUILTIN];
}

static const gr_term_kind *find(const char *name)
{
	for (int i = 0; i < gr_term_kind_count(); i++) {
		if (strcmp(gr_term_kind_at(i)->name, name) == 0)
			return gr_term_kind_at(i);
	}
	return NULL;
}

gr_status gr_term_kind_register(const gr_term_kind *kind)
{
	if (!kind || !kind->name || !kind->doc || !kind->source || !kind->open)
		return gr_error_set(GR_EARG, "term kind %s: name, doc, source and open are needed",
			kind && kind->name ? kind->name : "");
	if (find(kind->name))
		return gr_error_set(GR_EARG, "term kind %s: there is one of that name", kind->name);
	if (registered_count == MAX_REGISTERED)
		return gr_error_set(GR_EARG, "term kind %s: %d are registered already", kind->name,
			MAX_REGISTERED);
	registered[registered_count++] = kind;
	return GR_OK;
}

/* --- reading --- */

static bool read_number(const char *text, double *value)
{
	char *end = NULL;
	double number = strtod(text, &end);
	if (end == text || *end != '\0' || !isfinite(number))
		return false;
	*value = number;
	return true;
}

static gr_status no_kind(const char *name)
{
	char names[512] = "";
	for (int i = 0; i < gr_term_kind_count(); i++) {
		strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
		strncat(names, gr_term_kind_at(i)->name, sizeof names - strlen(names) - 1);
	}
	return gr_error_set(GR_EARG, "term: no kind '%s'; there are %s", name, names);
}

/* "name:word:weight" */
static gr_status split_head(gr_term_spec *spec, char *head)
{
	char *rest = NULL;
	char *part = strtok_r(head, ":", &rest);
	spec->kind = part ? find(part) : NULL;
	if (!spec->kind)
		return no_kind(part ? part : "");
	spec->weight = spec->kind->weight;
	while ((part = strtok_r(NULL, ":", &rest)) != NULL) {
		bool last = *rest == '\0';
		if (last && read_number(part, &spec->weight))
			return GR_OK;
		if (spec->words == MAX_WORDS)
			return gr_error_set(GR_EARG, "term %s: more than %d words", spec->kind->name,
				MAX_WORDS);
		spec->word[spec->words++] = part;
	}
	return GR_OK;
}

static gr_status split(gr_term_spec *spec, const char *text)
{
	if (strlen(text) >= MAX_TEXT)
		return gr_error_set(GR_EARG, "term: a text of %zu characters, at most %d", strlen(text),
			MAX_TEXT - 1);
	memcpy(spec->text, text, strlen(text) + 1);
	char *rest = NULL;
	char *head = strtok_r(spec->text, ",", &rest);
	gr_status status = split_head(spec, head ? head : spec->text);
	for (char *part; !status && (part = strtok_r(NULL, ",", &rest)) != NULL;) {
		char *equals = strchr(part, '=');
		if (!equals)
			return gr_error_set(GR_EARG, "term %s: '%s' is no setting, NAME=VALUE; hint: %s",
				spec->kind->name, part, spec->kind->doc);
		if (spec->settings == MAX_SETTINGS)
			return gr_error_set(GR_EARG, "term %s: more than %d settings", spec->kind->name,
				MAX_SETTINGS);
		*equals = '\0';
		spec->name[spec->settings] = part;
		spec->value[spec->settings++] = equals + 1;
	}
	return status;
}

static gr_status check_used(const gr_term_spec *spec)
{
	for (int i = 0; i < spec->settings; i++) {
		if (!spec->used[i])
			return gr_error_set(GR_EARG, "term %s: it has no setting '%s'; hint: %s",
				spec->kind->name, spec->name[i], spec->kind->doc);
	}
	return GR_OK;
}

gr_term *gr_term_open(const char *text, const gr_term_problem *problem)
{
	bool used[MAX_SETTINGS] = {false};
	gr_term_spec spec = {.used = used};
	if (!text || !problem) {
		gr_error_set(GR_EARG, "term: the %s is NULL", text ? "problem" : "text");
		return NULL;
	}
	if (split(&spec, text))
		return NULL;
	gr_term *term = spec.kind->open(&spec, problem);
	if (!term && !gr_failed())
		gr_error_set(GR_ESTATE, "term %s: it was not made", spec.kind->name);
	if (!gr_failed() && check_used(&spec) == GR_OK)
		return term;
	gr_term_free(term);
	return NULL;
}

/* --- for open() --- */

double gr_term_spec_weight(const gr_term_spec *spec)
{
	return spec->weight;
}

const char *gr_term_word(const gr_term_spec *spec, int i, const char *fallback)
{
	return i >= 0 && i < spec->words ? spec->word[i] : fallback;
}

const char *gr_term_text(const gr_term_spec *spec, const char *name, const char *fallback)
{
	for (int i = 0; i < spec->settings; i++) {
		if (strcmp(spec->name[i], name) == 0) {
			spec->used[i] = true;
			return spec->value[i];
		}
	}
	return fallback;
}

int gr_term_choice(const gr_term_spec *spec, const char *name, const char *const *choices)
{
	const char *text = gr_term_text(spec, name, choices[0]);
	char names[256] = "";
	for (int i = 0; choices[i]; i++) {
		if (strcmp(choices[i], text) == 0)
			return i;
		strncat(names, i > 0 ? ", " : "", sizeof names - strlen(names) - 1);
		strncat(names, choices[i], sizeof names - strlen(names) - 1);
	}
	gr_error_set(GR_EARG, "term %s: %s is '%s', expected one of %s", spec->kind->name, name, text,
		names);
	return 0;
}

double gr_term_number(const gr_term_spec *spec, const char *name, double fallback, double low,
	double high)
{
	const char *text = gr_term_text(spec, name, NULL);
	double value = fallback;
	if (!text)
		return fallback;
	if (read_number(text, &value) && value >= low && value <= high)
		return value;
	gr_error_set(GR_EARG, "term %s: %s is '%s', expected a number from %g to %g", spec->kind->name,
		name, text, low, high);
	return fallback;
}
