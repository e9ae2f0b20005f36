/*
 * Tables of options and JSON: see options_priv.h.
 */
#include "options_priv.h"

#include <string.h>

#define LARGEST_ENTRY 1000000

static const option *find_option(const option_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->options[i].name, name) == 0)
			return &table->options[i];
	return NULL;
}

static gr_status wrong(const option_table *table, const gr_json *v, const char *expected)
{
	return gr_error_set(GR_EFORMAT, "%s: option '%s' at byte %zu is not %s", table->model, v->name,
		v->offset, expected);
}

/* Some references keep a lone number in a list, or a side of a square twice. */
static gr_status read_count(const option_table *table, const gr_json *v, void *field)
{
	const gr_json *e = v->kind == GR_JSON_ARRAY && v->count > 0 ? v->child : v;
	const int64_t value = e->kind != GR_JSON_NUMBER || e->integer < 0 ? 0 : e->integer;
	if (e->kind != GR_JSON_NUMBER || !e->is_int || e->integer < -1)
		return wrong(table, v, "a count");
	for (const gr_json *next = e == v ? NULL : e->next; next != NULL; next = next->next)
		if (next->kind != GR_JSON_NUMBER || !next->is_int || next->integer != e->integer)
			return wrong(table, v, "one count");
	memcpy(field, &value, sizeof value);
	return GR_OK;
}

static gr_status read_flag(const option_table *table, const gr_json *v, bool unset, void *field)
{
	if (v->kind != GR_JSON_BOOL)
		return wrong(table, v, "true or false");
	const bool value = v->boolean != unset;
	memcpy(field, &value, sizeof value);
	return GR_OK;
}

static gr_status read_real(const option_table *table, const gr_json *v, bool or_0, void *field)
{
	if (v->kind != GR_JSON_NUMBER)
		return wrong(table, v, "a number");
	const double value = or_0 && v->number == 0.0 ? -1.0 : v->number;
	memcpy(field, &value, sizeof value);
	return GR_OK;
}

static gr_status read_list(const option_table *table, const option *o, const gr_json *v,
	char *config)
{
	const bool alone = v->kind == GR_JSON_NUMBER;
	if (!alone && (v->kind != GR_JSON_ARRAY || v->count > OPTION_LIST_MAX))
		return wrong(table, v, "a list of up to eight numbers");
	int64_t counts[OPTION_LIST_MAX];
	double reals[OPTION_LIST_MAX];
	int n = 0;
	for (const gr_json *e = alone ? v : v->child; e != NULL; e = alone ? NULL : e->next, n++) {
		if (e->kind != GR_JSON_NUMBER)
			return wrong(table, v, "a list of numbers");
		if (o->kind == OPTION_COUNTS && !(e->number >= 1.0 && e->number <= LARGEST_ENTRY))
			return wrong(table, v, "a list of positive numbers");
		reals[n] = e->number;
		counts[n] = (int64_t)(o->kind == OPTION_COUNTS ? e->number : 0.0);
	}
	if (o->kind == OPTION_COUNTS)
		memcpy(config + o->offset, counts, (size_t)n * sizeof *counts);
	else
		memcpy(config + o->offset, reals, (size_t)n * sizeof *reals);
	memcpy(config + o->length, &n, sizeof n);
	return GR_OK;
}

static gr_status read_word(const option_table *table, const option *o, const gr_json *v,
	char *config)
{
	for (int i = 0; v->kind == GR_JSON_STRING && o->words[i] != NULL; i++) {
		if (strcmp(v->string, o->words[i]) == 0) {
			memcpy(config + o->offset, &i, sizeof i);
			return GR_OK;
		}
	}
	return wrong(table, v, "a word that it knows");
}

static gr_status read_off(const option_table *table, const gr_json *v)
{
	const bool off = (v->kind == GR_JSON_BOOL && !v->boolean) ||
		(v->kind == GR_JSON_NUMBER && v->number == -1.0) ||
		(v->kind == GR_JSON_ARRAY && v->count == 0);
	if (off)
		return GR_OK;
	return gr_error_set(GR_EFORMAT, "%s: option '%s' at byte %zu asks for what is not there",
		table->model, v->name, v->offset);
}

static gr_status read_member(const option_table *table, const gr_json *v, char *config)
{
	const option *o = find_option(table, v->name);
	if (o == NULL && strcmp(v->name, "arch") != 0)
		return gr_error_set(GR_EFORMAT, "%s: unknown option '%s' at byte %zu", table->model,
			v->name, v->offset);
	if (o == NULL)
		return GR_OK;
	if (v->kind == GR_JSON_NULL) {
		const double none = -1.0;
		if (o->kind == OPTION_REAL_OR_0)
			memcpy(config + o->offset, &none, sizeof none);
		return GR_OK;
	}
	switch (o->kind) {
	case OPTION_COUNT: return read_count(table, v, config + o->offset);
	case OPTION_FLAG:
	case OPTION_UNSET: return read_flag(table, v, o->kind == OPTION_UNSET, config + o->offset);
	case OPTION_REAL:
	case OPTION_REAL_OR_0:
		return read_real(table, v, o->kind == OPTION_REAL_OR_0, config + o->offset);
	case OPTION_COUNTS:
	case OPTION_REALS: return read_list(table, o, v, config);
	case OPTION_WORD: return read_word(table, o, v, config);
	case OPTION_GROUP: return gr__options_read(table, v, config);
	case OPTION_OFF: return read_off(table, v);
	case OPTION_PASSED: break;
	}
	return GR_OK;
}

gr_status gr__options_read(const option_table *table, const gr_json *object, void *config)
{
	if (object == NULL || object->kind != GR_JSON_OBJECT)
		return gr_error_set(GR_EFORMAT, "%s: the configuration is not a JSON object", table->model);
	for (const gr_json *v = object->child; v != NULL; v = v->next) {
		gr_status status = read_member(table, v, config);
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}

static void write_list(FILE *stream, const option *o, const char *config)
{
	int n;
	memcpy(&n, config + o->length, sizeof n);
	if (n == 0 && o->kind == OPTION_REALS) {
		fputs("null", stream);
		return;
	}
	fputc('[', stream);
	for (int i = 0; i < n; i++) {
		int64_t count;
		double real;
		fputs(i == 0 ? "" : ", ", stream);
		if (o->kind == OPTION_COUNTS) {
			memcpy(&count, config + o->offset + (size_t)i * sizeof count, sizeof count);
			fprintf(stream, "%lld", (long long)count);
		} else {
			memcpy(&real, config + o->offset + (size_t)i * sizeof real, sizeof real);
			fprintf(stream, "%.17g", real);
		}
	}
	fputc(']', stream);
}

static void write_value(FILE *stream, const option *o, const char *config)
{
	int64_t count;
	bool flag;
	double real;
	int word;
	switch (o->kind) {
	case OPTION_COUNT:
		memcpy(&count, config + o->offset, sizeof count);
		if (count == 0) /* the default, or none */
			fputs("null", stream);
		else
			fprintf(stream, "%lld", (long long)count);
		break;
	case OPTION_FLAG:
	case OPTION_UNSET:
		memcpy(&flag, config + o->offset, sizeof flag);
		fputs(flag != (o->kind == OPTION_UNSET) ? "true" : "false", stream);
		break;
	case OPTION_REAL:
	case OPTION_REAL_OR_0:
		memcpy(&real, config + o->offset, sizeof real);
		fprintf(stream, "%.17g", o->kind == OPTION_REAL_OR_0 && real < 0.0 ? 0.0 : real);
		break;
	case OPTION_COUNTS:
	case OPTION_REALS: write_list(stream, o, config); break;
	case OPTION_WORD:
		memcpy(&word, config + o->offset, sizeof word);
		gr_json_write_string(stream, o->words[word]);
		break;
	case OPTION_GROUP:
	case OPTION_OFF:
	case OPTION_PASSED: break;
	}
}

/* A real that is 0 stands for a default that this file does not know. */
static bool is_default(const option *o, const char *config)
{
	double real = 1.0;
	if (o->kind == OPTION_REAL_OR_0)
		memcpy(&real, config + o->offset, sizeof real);
	return real == 0.0;
}

void gr__options_write(const option_table *table, FILE *stream, const void *config)
{
	for (size_t i = 0; i < table->count; i++) {
		const option *o = &table->options[i];
		if (o->kind == OPTION_GROUP || o->kind == OPTION_OFF || o->kind == OPTION_PASSED ||
			is_default(o, config))
			continue;
		fprintf(stream, ", \"%s\": ", o->name);
		write_value(stream, o, config);
	}
}
