/*
 * Experiments as data: parameters from presets and the command line, the rows that a body adds (see
 * gradus/experiment.h).
 */
#include "exp.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUE 512

static const char *const preset_names[] = {"full", "small", "smoke"};

const char *gr__exp_preset_name(gr_preset p)
{
	return preset_names[p];
}

gr_preset gr_preset_named(const char *name)
{
	for (int i = 0; i < 3 && name; i++) {
		if (strcmp(preset_names[i], name) == 0)
			return (gr_preset)i;
	}
	gr_error_set(GR_EARG, "preset '%s' is not full, small or smoke", name ? name : "");
	return GR_PRESET_SMALL;
}

/* --- texts --- */

static bool grow(void **list, int *room, int count, size_t each)
{
	if (count < *room)
		return true;
	int more = *room > 0 ? 2 * *room : 16;
	void *grown = gr_alloc((size_t)more * each);
	if (!grown)
		return false;
	if (*list)
		memcpy(grown, *list, (size_t)count * each);
	gr_free(*list);
	*list = grown;
	*room = more;
	return true;
}

/* A copy that lives as long as e; NULL stays NULL. */
static const char *keep(gr_exp_set *e, const char *text)
{
	if (!text || !grow((void **)&e->text, &e->text_room, e->texts, sizeof *e->text))
		return NULL;
	char *copy = gr_strdup(text);
	if (copy)
		e->text[e->texts++] = copy;
	return copy;
}

const char *gr_exp_text_of(gr_exp_set *e, const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || n >= (int)sizeof text) {
		gr_error_set(GR_EARG, "experiment %s: a text of %d characters", e->x->name, n);
		return "";
	}
	const char *kept = keep(e, text);
	return kept ? kept : "";
}

/* --- parameters --- */

static gr_status set_param(gr_exp_set *e, const gr_exp_param *p, const char *value)
{
	char *end = NULL;
	char *field = (char *)e->params + p->offset;
	size_t length = strlen(value);
	char text[MAX_VALUE];
	switch (p->kind) {
	case GR_EXP_int: *(gr_exp_type_int *)field = strtoll(value, &end, 10); break;
	case GR_EXP_double: *(gr_exp_type_double *)field = strtod(value, &end); break;
	case GR_EXP_text:
		if (length >= sizeof text)
			break;
		/* as written in the source: with quotes */
		if (length >= 2 && value[0] == '"')
			snprintf(text, sizeof text, "%.*s", (int)length - 2, value + 1);
		else
			snprintf(text, sizeof text, "%s", value);
		*(gr_exp_type_text *)field = keep(e, text);
		return gr_error_code();
	}
	if (end && end != value && *end == '\0')
		return GR_OK;
	return gr_error_set(GR_EARG, "experiment %s: %s is '%s', expected %s", e->x->name, p->name,
		value,
		p->kind == GR_EXP_int          ? "a whole number"
			: p->kind == GR_EXP_double ? "a number"
									   : "a short text");
}

static gr_status override(gr_exp_set *e, const char *setting)
{
	char names[512] = "";
	size_t length = strcspn(setting, "=");
	for (const gr_exp_param *p = e->x->params; p->name; p++) {
		if (setting[length] == '=' && strlen(p->name) == length &&
			memcmp(p->name, setting, length) == 0)
			return set_param(e, p, setting + length + 1);
		strncat(names, p == e->x->params ? "" : ", ", sizeof names - strlen(names) - 1);
		strncat(names, p->name, sizeof names - strlen(names) - 1);
	}
	return gr_error_set(GR_EARG, "experiment %s: '%s' sets none of its parameters: %s", e->x->name,
		setting, names);
}

/* --- what a body says --- */

static bool is_same(const gr_exp_row *a, const char *task, const char *method)
{
	return strcmp(a->task, task) == 0 && strcmp(a->method, method) == 0;
}

static gr_exp_entry *add_entry(gr_exp_set *e, const char *task, const char *method)
{
	if (!task || !method) {
		gr_error_set(GR_EARG, "experiment %s: a row without task or method", e->x->name);
		return NULL;
	}
	for (int i = 0; i < e->entries; i++) {
		if (is_same(&e->entry[i].row, task, method)) {
			gr_error_set(GR_EARG, "experiment %s: %s, %s is there twice", e->x->name, task, method);
			return NULL;
		}
	}
	if (!grow((void **)&e->entry, &e->room, e->entries, sizeof *e->entry))
		return NULL;
	gr_exp_entry *new = &e->entry[e->entries];
	*new = (gr_exp_entry){.row = {.task = keep(e, task), .method = keep(e, method)}};
	int used = snprintf(new->slug, sizeof new->slug, "%03d_", e->entries);
	for (const char *part = task; part; part = part == task ? method : NULL) {
		for (const char *c = part; *c && used < (int)sizeof new->slug - 2; c++) {
			bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
				(*c >= '0' && *c <= '9') || *c == '.' || *c == '-';
			new->slug[used++] = plain ? *c : '-';
		}
		new->slug[used++] = part == task ? '_' : '\0';
	}
	new->slug[sizeof new->slug - 1] = '\0';
	e->entries++;
	return new;
}

/* The first of the networks of a row that is not there; NULL when all are. */
static const char *find_missing(gr_exp_set *e, const char *prior, const char *networks)
{
	char name[256], folder[4096];
	const char *at = prior;
	for (const char *rest = networks ? networks : ""; at; rest += strcspn(rest, " ")) {
		snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " "), at);
		if (gr__prior_find(folder, sizeof folder, name) != GR_OK) {
			gr_error_clear();
			return gr_exp_text_of(e, "the network %s", name);
		}
		rest += strspn(rest, " ");
		at = *rest ? rest : NULL;
	}
	return NULL;
}

void gr_exp_add(gr_exp_set *e, const gr_exp_row *row)
{
	gr_exp_entry *new = add_entry(e, row->task, row->method);
	if (!new)
		return;
	const char *task = new->row.task;
	const char *method = new->row.method;
	new->row = *row;
	new->row.task = task;
	new->row.method = method;
	new->row.baseline = keep(e, row->baseline);
	new->needs = find_missing(e, row->prior ? row->prior : "fashion", row->networks);
	new->config = (gr_restore_config){
		.prior = keep(e, row->prior ? row->prior : "fashion"),
		.spec = keep(e, row->operator_ ? row->operator_ : "inpaint_box"),
		.solver = keep(e, row->solver ? row->solver : "dps"),
		.terms = keep(e, row->terms ? row->terms : ""),
		.input = keep(e, row->input ? row->input : "shipped"),
		.sigma = row->sigma,
		.scale = row->scale,
		.steps = row->steps > 0 ? row->steps : 100,
		.particles = row->particles > 0 ? row->particles : 1,
		.limit = row->images,
		.seed = row->seed,
	};
}

void gr_exp_needs(gr_exp_set *e, const char *task, const char *method, const char *what)
{
	gr_exp_entry *new = add_entry(e, task, method);
	if (new)
		new->needs = keep(e, what);
}

void gr_exp_reference(gr_exp_set *e, const char *task, const char *method, const char *column,
	double value, const char *source)
{
	if (gr__score_find(column, strlen(column)) < 0) {
		gr_error_set(GR_EARG, "experiment %s: no column '%s'", e->x->name, column);
		return;
	}
	if (!grow((void **)&e->number, &e->number_room, e->numbers, sizeof *e->number))
		return;
	e->number[e->numbers++] =
		(gr_exp_number){keep(e, task), keep(e, method), keep(e, column), keep(e, source), value};
}

void gr_exp_note(gr_exp_set *e, const char *text)
{
	gr__text_add(&e->notes, "%s\n", text);
}

void gr_exp_curve(gr_exp_set *e, const char *abscissa, const char *column)
{
	if (gr__score_find(column, strlen(column)) < 0)
		gr_error_set(GR_EARG, "experiment %s: no column '%s'", e->x->name, column);
	e->abscissa = keep(e, abscissa);
	e->curve = keep(e, column);
}

/* --- life --- */

static gr_status check_baselines(const gr_exp_set *e)
{
	for (int i = 0; i < e->entries; i++) {
		const gr_exp_row *r = &e->entry[i].row;
		bool found = r->baseline == NULL;
		for (int k = 0; k < e->entries && !found; k++)
			found = is_same(&e->entry[k].row, r->task, r->baseline);
		if (!found)
			return gr_error_set(GR_EARG, "experiment %s: %s, %s: no row %s to compare with",
				e->x->name, r->task, r->method, r->baseline);
	}
	return e->entries > 0 ? GR_OK
						  : gr_error_set(GR_EARG, "experiment %s: it has no rows", e->x->name);
}

gr_exp_set *gr__exp_open(const gr_experiment *x, const gr_exp_opts *opts)
{
	gr_exp_set *e = gr_failed() ? NULL : gr_alloc(sizeof *e);
	if (!e)
		return NULL;
	e->x = x;
	e->preset = opts->preset;
	e->params = gr_alloc(x->bytes);
	gr_status status = e->params ? GR_OK : gr_error_code();
	for (const gr_exp_param *p = x->params; !status && p->name; p++)
		status = set_param(e, p, p->value[opts->preset]);
	for (const char *const *s = opts->parameters; s && *s && !status; s++)
		status = override(e, *s);
	if (!status)
		x->rows(e, e->params);
	if (!status)
		status = gr_error_code();
	if (!status)
		status = check_baselines(e);
	if (!status)
		return e;
	gr__exp_free(e);
	return NULL;
}

void gr__exp_free(gr_exp_set *e)
{
	if (!e)
		return;
	for (int i = 0; i < e->texts; i++)
		gr_free(e->text[i]);
	gr_free(e->text);
	gr_free(e->entry);
	gr_free(e->number);
	gr_free(e->notes.text);
	gr_free(e->params);
	gr_free(e);
}

/* --- the library's --- */

#define GR_TABLE(id) extern const gr_experiment gr_experiment_##id;
#include "tables.def"
#undef GR_TABLE

static const gr_experiment *const experiments[] = {
#define GR_TABLE(id) &gr_experiment_##id,
#include "tables.def"
#undef GR_TABLE
};
#define COUNT ((int)(sizeof experiments / sizeof *experiments))

const gr_experiment *gr_experiment_at(int i)
{
	return i >= 0 && i < COUNT ? experiments[i] : NULL;
}

const gr_experiment *gr_experiment_find(const char *name)
{
	for (int i = 0; i < COUNT && name; i++) {
		if (strcmp(experiments[i]->name, name) == 0)
			return experiments[i];
	}
	return NULL;
}
