/*
 * Parameters to and from archives and files. Loading first finds out which key stands for which
 * parameter, looks at everything before it changes anything, and reports all that does not fit in
 * one message: with a foreign checkpoint the pattern of the wrong names tells more than the first
 * of them. Values are then read one tensor at a time.
 */
#include "module_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"

/* Names of one kind of complaint that the error spells out; the rest is counted. */
#define NAMES_SHOWN 8
#define PARTS_MAX 8

/* Where values come from: one of the two. */
typedef struct source {
	const gr_archive *archive;
	const gr_tensorfile *file;
} source;

/* A parameter and the keys that fill it. */
typedef struct slot {
	gr_param *param;
	const char *name;        /* relative to the module */
	int parts;               /* 0: none yet */
	int64_t keys[PARTS_MAX]; /* -1: none */
} slot;

typedef struct report {
	char text[900];
	size_t used;
	int64_t count; /* of the current kind */
	FILE *all;     /* NULL: nobody asks */
} report;

typedef struct loading {
	source from;
	const gr_load_opts *opts;
	const char *prefix;
	slot *slots; /* sorted by name */
	int64_t count;
	report report;
} loading;

static int64_t source_count(const source *s)
{
	return s->archive != NULL ? gr_archive_count(s->archive) : gr_tensorfile_count(s->file);
}

/* What is known of tensor i without reading it; i is in range. */
static gr_tensor_info source_info(const source *s, int64_t i)
{
	gr_tensor_info info = {.name = NULL};
	if (s->archive == NULL) {
		gr_tensorfile_info(s->file, i, &info);
		return info;
	}
	const gr_tensor *t = gr_archive_tensor(s->archive, i);
	info.name = gr_archive_name(s->archive, i);
	info.dtype = gr_tensor_dtype(t);
	info.type = gr_dtype_name(info.dtype);
	info.ndim = gr_tensor_ndim(t);
	info.dims = gr_tensor_dims(t);
	return info;
}

static gr_tensor *source_read(const source *s, int64_t i)
{
	return s->archive != NULL ? gr_archive_tensor(s->archive, i) : gr_tensorfile_read(s->file, i);
}

static void report_add(report *r, const char *format, ...) GR_PRINTF(2, 3);

static void report_add(report *r, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(r->text + r->used, sizeof r->text - r->used, format, args);
	va_end(args);
	if (n > 0)
		r->used += (size_t)n;
	if (r->used >= sizeof r->text)
		r->used = sizeof r->text - 1;
}

/* One more of this kind: its heading first, then up to NAMES_SHOWN of them. */
static void report_item(report *r, const char *kind, const char *item)
{
	if (r->all != NULL)
		fprintf(r->all, "%s %s\n", kind, item);
	if (r->count == 0)
		report_add(r, "%s%s ", r->used > 0 ? "; " : "", kind);
	r->count++;
	if (r->count <= NAMES_SHOWN)
		report_add(r, "%s%s", r->count > 1 ? ", " : "", item);
}

static void report_close(report *r)
{
	if (r->count > NAMES_SHOWN)
		report_add(r, " and %lld more", (long long)(r->count - NAMES_SHOWN));
	r->count = 0;
}

/* A key as it may be shown: names in a file may hold terminal escapes. */
static const char *shown(char buf[160], const char *key)
{
	bool plain = strlen(key) < 150;
	for (const char *c = key; *c != '\0' && plain; c++)
		plain = *c >= ' ' && *c <= '~';
	return plain ? key : gr_quote(buf, 160, key, strlen(key));
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const slot *)a)->name, ((const slot *)b)->name);
}

static slot *find_slot(const loading *l, const char *name)
{
	const slot key = {.name = name};
	return l->count == 0 ? NULL
						 : bsearch(&key, l->slots, (size_t)l->count, sizeof *l->slots, by_name);
}

static gr_status make_slots(loading *l, const gr_module *m)
{
	l->count = gr_module_param_count(m);
	l->slots = gr_alloc((size_t)l->count * sizeof *l->slots + 1);
	if (l->slots == NULL)
		return GR_EMEM;
	for (int64_t i = 0; i < l->count; i++) {
		gr_param *p = gr_module_param_handle(m, i);
		l->slots[i] = (slot){.param = p, .name = p->name + m->below};
		for (int k = 0; k < PARTS_MAX; k++)
			l->slots[i].keys[k] = -1;
	}
	if (l->count > 0)
		qsort(l->slots, (size_t)l->count, sizeof *l->slots, by_name);
	return GR_OK;
}

/* Where key i belongs: false when it is passed over. */
static bool place_key(const loading *l, const char *key, gr_key_place *place)
{
	const size_t skip = strlen(l->prefix);
	if (strncmp(key, l->prefix, skip) != 0)
		return false;
	*place = (gr_key_place){.parts = 0};
	if (l->opts != NULL && l->opts->place != NULL)
		return l->opts->place(l->opts->map, key + skip, place);
	snprintf(place->name, sizeof place->name, "%s", key + skip);
	return true;
}

static bool is_float(gr_dtype dtype)
{
	return dtype != GR_I64 && dtype != GR_U8;
}

/* Give every key to its parameter; `twice` collects what is claimed again. */
static void assign_keys(loading *l, report *unexpected, report *twice)
{
	for (int64_t i = 0; i < source_count(&l->from); i++) {
		gr_tensor_info info = source_info(&l->from, i);
		gr_key_place place;
		char buf[160];
		if (!place_key(l, info.name, &place))
			continue;
		slot *s = find_slot(l, place.name);
		if (s == NULL) {
			if (info.refused != NULL || is_float(info.dtype))
				report_item(unexpected, "unexpected", shown(buf, info.name + strlen(l->prefix)));
			continue;
		}
		int parts = place.parts > 1 ? place.parts : 1;
		int part = parts > 1 ? place.part : 0;
		if (parts > PARTS_MAX || part < 0 || part >= parts || s->keys[part] >= 0 ||
			(s->parts != 0 && s->parts != parts)) {
			report_item(twice, "doubled", s->name);
			continue;
		}
		s->parts = parts;
		s->keys[part] = i;
	}
	report_close(unexpected);
	report_close(twice);
}

/* Parameters without a key, or with some of their parts only. */
static void check_missing(report *r, const gr_module *m, const loading *l)
{
	const char *only = l->opts != NULL && l->opts->only != NULL ? l->opts->only : "";
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		const slot *s = find_slot(l, p->name + m->below);
		char text[320];
		if (s->parts == 0 && strncmp(s->name, only, strlen(only)) == 0)
			report_item(r, "missing", s->name);
		for (int k = 0; k < s->parts; k++) {
			snprintf(text, sizeof text, "%s (part %d of %d)", s->name, k + 1, s->parts);
			if (s->keys[k] < 0)
				report_item(r, "missing", text);
		}
	}
	report_close(r);
}

/* Dims without those of 1 at the end. */
static int trimmed(int ndim, const int64_t *dims)
{
	while (ndim > 0 && dims[ndim - 1] == 1)
		ndim--;
	return ndim;
}

/* A tensor for one of `parts` slices of a parameter. */
static bool fits(const gr_param *p, int parts, const gr_tensor_info *t)
{
	int n = trimmed(t->ndim, t->dims);
	if (t->refused != NULL || !is_float(t->dtype))
		return false;
	if (parts == 1)
		return n == trimmed(p->ndim, p->dims) &&
			(n == 0 || memcmp(t->dims, p->dims, (size_t)n * sizeof *p->dims) == 0);
	if (t->ndim == 0 || p->ndim == 0 || t->dims[0] * parts != p->dims[0])
		return false;
	n = trimmed(t->ndim - 1, t->dims + 1);
	return n == trimmed(p->ndim - 1, p->dims + 1) &&
		(n == 0 || memcmp(t->dims + 1, p->dims + 1, (size_t)n * sizeof *p->dims) == 0);
}

static size_t print_dims(char *text, size_t size, int ndim, const int64_t *dims)
{
	size_t used = (size_t)snprintf(text, size, "[");
	for (int i = 0; i < ndim && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%lld", i > 0 ? "," : "",
			(long long)dims[i]);
	if (used < size)
		used += (size_t)snprintf(text + used, size - used, "]");
	return used < size ? used : size - 1;
}

static void check_shape(report *r, const slot *s, const gr_tensor_info *t)
{
	char text[600];
	size_t used = (size_t)snprintf(text, sizeof text, "%s %s", s->name,
		t->refused != NULL ? t->type : gr_dtype_name(t->dtype));
	used += print_dims(text + used, sizeof text - used, t->ndim, t->dims);
	if (s->parts > 1)
		used += (size_t)snprintf(text + used, sizeof text - used, " as one of %d", s->parts);
	used += (size_t)snprintf(text + used, sizeof text - used, " for ");
	used += print_dims(text + used, sizeof text - used, s->param->ndim, s->param->dims);
	if (t->refused != NULL)
		snprintf(text + used, sizeof text - used, " (%s)", t->refused);
	report_item(r, "mis-shaped", text);
}

static void check_shapes(report *r, const gr_module *m, const loading *l)
{
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		const slot *s = find_slot(l, p->name + m->below);
		for (int k = 0; k < s->parts; k++) {
			if (s->keys[k] < 0)
				continue;
			gr_tensor_info info = source_info(&l->from, s->keys[k]);
			if (!fits(p, s->parts, &info))
				check_shape(r, s, &info);
		}
	}
	report_close(r);
}

/* Everything that is wrong, in the order missing, unexpected, doubled, mis-shaped. */
static gr_status check_all(loading *l, const gr_module *m)
{
	FILE *all = l->opts != NULL ? l->opts->report : NULL;
	bool lenient = l->opts != NULL && l->opts->allow_unexpected;
	report unexpected = {.all = lenient ? NULL : all};
	report twice = {.all = all};
	assign_keys(l, &unexpected, &twice);
	report *r = &l->report;
	r->all = all;
	if (l->opts == NULL || !l->opts->allow_missing)
		check_missing(r, m, l);
	if (!lenient && unexpected.used > 0)
		report_add(r, "%s%s", r->used > 0 ? "; " : "", unexpected.text);
	if (twice.used > 0)
		report_add(r, "%s%s", r->used > 0 ? "; " : "", twice.text);
	check_shapes(r, m, l);
	if (r->used > 0)
		return gr_error_set(GR_EFORMAT, "module: the %s does not fit: %s",
			l->from.archive != NULL ? "archive" : "file", r->text);
	return GR_OK;
}

/* A parameter put together from slices along its first dim. */
static gr_tensor *read_parts(const loading *l, const slot *s)
{
	const gr_param *p = s->param;
	const gr_dtype dtype = gr_module_dtype(p->owner);
	gr_tensor *whole = gr_empty(dtype, p->ndim, p->dims);
	for (int k = 0; k < s->parts && whole != NULL; k++) {
		const int64_t offset = p->size / s->parts * k;
		gr_status status = gr_scope_begin();
		gr_tensor *t = status == GR_OK ? source_read(&l->from, s->keys[k]) : NULL;
		if (t != NULL && dtype == GR_F64)
			gr_tensor_to_f64(t, (double *)gr_tensor_data(whole) + offset);
		else if (t != NULL)
			gr_tensor_to_f32(t, (float *)gr_tensor_data(whole) + offset);
		status = gr_scope_end();
		if (t == NULL || status != GR_OK)
			return NULL;
	}
	return whole;
}

static gr_status load_one(const loading *l, const slot *s)
{
	for (int k = 0; k < s->parts; k++) {
		if (s->keys[k] < 0)
			return GR_OK; /* allowed to be missing */
	}
	if (s->parts == 0)
		return GR_OK;
	gr_status status = gr_scope_begin();
	gr_tensor *t = NULL;
	if (status == GR_OK)
		t = s->parts > 1 ? read_parts(l, s) : source_read(&l->from, s->keys[0]);
	if (t != NULL && gr_tensor_ndim(t) != s->param->ndim)
		t = gr_reshape(t, s->param->ndim, s->param->dims);
	status = t == NULL ? gr_error_code() : gr__param_assign(s->param, t);
	gr_scope_end();
	return status;
}

static gr_status load(gr_module *m, const source *from, const gr_load_opts *opts)
{
	if (m->root->status != GR_OK)
		return gr_error_set(m->root->status, "module: cannot load, building it had failed");
	loading l = {.from = *from, .opts = opts, .prefix = ""};
	if (opts != NULL && opts->prefix != NULL)
		l.prefix = opts->prefix;
	gr_status status = make_slots(&l, m);
	if (status == GR_OK)
		status = check_all(&l, m);
	for (int64_t i = 0; i < l.count && status == GR_OK; i++)
		status = load_one(&l, &l.slots[i]);
	gr_free(l.slots);
	return status;
}

gr_status gr_module_load(gr_module *m, const gr_archive *a, const gr_load_opts *opts)
{
	if (m == NULL || a == NULL)
		return gr_error_set(GR_EARG, "module: nothing to load %s", m == NULL ? "into" : "from");
	return load(m, &(source){.archive = a}, opts);
}

gr_status gr_module_load_file(gr_module *m, const gr_tensorfile *f, const gr_load_opts *opts)
{
	if (m == NULL || f == NULL)
		return gr_error_set(GR_EARG, "module: nothing to load %s", m == NULL ? "into" : "from");
	return load(m, &(source){.file = f}, opts);
}

static gr_status save_one(const gr_param *p, gr_archive *a, const char *name, gr_dtype storage)
{
	if (p->value == NULL && gr_param_tensor(p) == NULL)
		return gr_error_code();
	gr_tensor *t = gr_empty(storage, p->ndim, p->dims);
	gr_status status = t == NULL ? gr_error_code() : gr_param_update(t, p->value);
	if (status == GR_OK && storage != GR_F64)
		status = gr__param_check_range(p->name, p->value, t);
	return status == GR_OK ? gr_archive_add(a, name, t) : status;
}

gr_status gr_module_save(const gr_module *m, gr_archive *a, gr_dtype storage)
{
	if (m == NULL || a == NULL)
		return gr_error_set(GR_EARG, "module: nothing to save %s", m == NULL ? "from" : "to");
	if (!is_float(storage))
		return gr_error_set(GR_EDTYPE, "module: parameters cannot be stored as %s",
			gr_dtype_name(storage));
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		gr_status status = gr_scope_begin();
		if (status == GR_OK)
			status = save_one(p, a, p->name + m->below, storage);
		gr_scope_end();
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}
