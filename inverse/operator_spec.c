/*
 * The table of operators and their specs, "name:option=value,...". What an operator does is in
 * inverse/operators/, one file per kind; what all share is in operator.c.
 */
#include "operator_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gr_operator_row *const table[] = {
	&gr__operator_inpaint_box,
	&gr__operator_inpaint_random,
	&gr__operator_inpaint_box_random,
	&gr__operator_inpaint_half,
	&gr__operator_inpaint_free,
	&gr__operator_inpaint_file,
	&gr__operator_sr_bicubic,
	&gr__operator_sr_mean,
	&gr__operator_sr_blur,
	&gr__operator_blur_gauss,
	&gr__operator_blur_motion,
	&gr__operator_colour,
	&gr__operator_cs_hadamard,
	&gr__operator_fourier,
	&gr__operator_phase,
	&gr__operator_hdr,
	&gr__operator_pde_sparse,
	&gr__operator_identity,
};

int gr_operator_count(void)
{
	return (int)(sizeof(table) / sizeof(table[0]));
}

const char *gr_operator_list_name(int i)
{
	return i >= 0 && i < gr_operator_count() ? table[i]->name : NULL;
}

const char *gr_operator_list_help(int i)
{
	return i >= 0 && i < gr_operator_count() ? table[i]->help : NULL;
}

const char *gr_operator_list_example(int i, int k)
{
	if (i < 0 || i >= gr_operator_count() || k < 0)
		return NULL;
	const char *const *examples = table[i]->examples;
	for (int at = 0; examples && examples[at]; at++)
		if (at == k)
			return examples[at];
	return NULL;
}

/* --- specs --- */

static const gr_operator_row *find_row(const char *spec, size_t length)
{
	char names[512] = "";
	size_t used = 0;
	for (int i = 0; i < gr_operator_count(); i++) {
		const char *name = table[i]->name;
		if (strlen(name) == length && strncmp(name, spec, length) == 0)
			return table[i];
		if (used < sizeof(names))
			used +=
				(size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", name);
	}
	gr_error_set(GR_EARG, "operator: no operator is named '%.*s'; hint: one of %s", (int)length,
		spec, names);
	return NULL;
}

static const gr_operator_option *find_option(const gr_operator_row *row, const char *name,
	size_t length)
{
	for (const gr_operator_option *o = row->options; o && o->name; o++)
		if (strlen(o->name) == length && strncmp(o->name, name, length) == 0)
			return o;
	gr_error_set(GR_EARG, "operator: %s has no option '%.*s'; hint: %s", row->name, (int)length,
		name, row->help);
	return NULL;
}

static gr_status set_number(gr_operator_opts *opts, const gr_operator_row *row,
	const gr_operator_option *option, const char *text, const char *value, size_t length)
{
	char *end = NULL;
	void *field = (char *)opts + option->offset;
	double number = strtod(value, &end);
	bool real = option->kind == GR_OPTION_REAL;
	bool whole = number == floor(number) && fabs(number) < 1e9;
	bool zero = option->kind == GR_OPTION_PLACE || option->kind == GR_OPTION_SEED;
	bool fits = zero ? number >= 0.0 : number > 0.0;
	if (end == value || end != text + length || !isfinite(number) || !fits || (!real && !whole))
		return gr_error_set(GR_EARG, "operator: %s: '%.*s' is not a %s %s", row->name, (int)length,
			text, zero ? "non-negative" : "positive", real ? "number" : "integer");
	if (real)
		*(double *)field = number;
	else
		*(int64_t *)field = (int64_t)number;
	if (option->kind == GR_OPTION_PLACE)
		opts->placed = true;
	return GR_OK;
}

/* `choices` is "first|second|third"; the field becomes the number of the one that `value` is. */
static gr_status set_choice(gr_operator_opts *opts, const gr_operator_row *row,
	const gr_operator_option *option, const char *value, size_t length)
{
	int number = 0;
	for (const char *at = option->choices; *at; number++) {
		size_t n = strcspn(at, "|");
		if (n == length && strncmp(at, value, n) == 0) {
			*(int *)(void *)((char *)opts + option->offset) = number;
			return GR_OK;
		}
		at += n + (at[n] == '|');
	}
	return gr_error_set(GR_EARG, "operator: %s: %s is '%.*s', expected one of %s", row->name,
		option->name, (int)length, value, option->choices);
}

/* One "name=value" of `length` bytes. Zero would mean the default, so it is refused where it is
 * not a position or a seed. */
static gr_status set_option(gr_operator_opts *opts, char path[], const gr_operator_row *row,
	const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	if (!equals)
		return gr_error_set(GR_EARG, "operator: %s: '%.*s' is not option=value; hint: %s",
			row->name, (int)length, text, row->help);
	const gr_operator_option *option = find_option(row, text, (size_t)(equals - text));
	if (!option)
		return GR_EARG;
	const char *value = equals + 1;
	size_t left = length - (size_t)(value - text);
	if (option->kind == GR_OPTION_CHOICE)
		return set_choice(opts, row, option, value, left);
	if (option->kind != GR_OPTION_PATH)
		return set_number(opts, row, option, text, value, length);
	if (left == 0 || left >= GR_OPERATOR_PATH)
		return gr_error_set(GR_EARG, "operator: %s: a path of %zu bytes", row->name, left);
	memcpy(path, value, left);
	path[left] = '\0';
	opts->path = path;
	return GR_OK;
}

gr_status gr__operator_read(const gr_operator_row **row, gr_operator_opts *opts, char path[],
	const char *spec)
{
	size_t length = strcspn(spec, ":");
	*row = find_row(spec, length);
	if (!*row)
		return GR_EARG;
	const char *at = spec + length;
	while (*at) {
		at++; /* ':' or ',' */
		length = strcspn(at, ",");
		gr_status status = set_option(opts, path, *row, at, length);
		if (status)
			return status;
		at += length;
	}
	return GR_OK;
}
