/*
 * Parameters to and from an archive (a file read or to be written). Loading looks at everything
 * before it changes anything, and reports all that does not fit in one message: with a foreign
 * checkpoint the pattern of the wrong names tells more than the first of them.
 */
#include "module_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names of one kind of complaint that are spelt out; the rest is counted. */
#define NAMES_SHOWN 8

typedef struct report {
	char text[900];
	size_t used;
	int64_t count; /* of the current kind */
} report;

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

/* One more of this kind: its heading first, then up to NAMES_SHOWN names. */
static bool report_item(report *r, const char *kind)
{
	if (r->count == 0)
		report_add(r, "%s%s ", r->used > 0 ? "; " : "", kind);
	r->count++;
	if (r->count > NAMES_SHOWN)
		return false;
	if (r->count > 1)
		report_add(r, ", ");
	return true;
}

static void report_close(report *r)
{
	if (r->count > NAMES_SHOWN)
		report_add(r, " and %lld more", (long long)(r->count - NAMES_SHOWN));
	r->count = 0;
}

static void report_dims(report *r, int ndim, const int64_t *dims)
{
	report_add(r, "[");
	for (int i = 0; i < ndim; i++)
		report_add(r, "%s%lld", i > 0 ? "," : "", (long long)dims[i]);
	report_add(r, "]");
}

/* The archive's tensor for a parameter, under prefix + name. */
static gr_tensor *find_source(const gr_archive *a, const char *prefix, const char *name)
{
	char key[512];
	int n = snprintf(key, sizeof key, "%s%s", prefix, name);
	return n < 0 || (size_t)n >= sizeof key ? NULL : gr_archive_find(a, key);
}

static bool is_float(gr_dtype dtype)
{
	return dtype != GR_I64 && dtype != GR_U8;
}

static bool fits(const gr_param *p, const gr_tensor *t)
{
	if (!is_float(gr_tensor_dtype(t)) || gr_tensor_ndim(t) != p->ndim)
		return false;
	return p->ndim == 0 ||
		memcmp(gr_tensor_dims(t), p->dims, (size_t)p->ndim * sizeof *p->dims) == 0;
}

static void check_missing(report *r, const gr_module *m, const gr_archive *a, const char *prefix)
{
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		if (find_source(a, prefix, p->name + m->below) == NULL && report_item(r, "missing"))
			report_add(r, "%s", p->name + m->below);
	}
	report_close(r);
}

static void check_unexpected(report *r, const gr_module *m, const gr_archive *a, const char *prefix)
{
	const size_t skip = strlen(prefix);
	for (int64_t i = 0; i < gr_archive_count(a); i++) {
		const char *key = gr_archive_name(a, i);
		if (strncmp(key, prefix, skip) != 0)
			continue;
		if (gr_module_find_handle(m, key + skip) == NULL && report_item(r, "unexpected"))
			report_add(r, "%s", key + skip);
	}
	report_close(r);
}

static void check_shapes(report *r, const gr_module *m, const gr_archive *a, const char *prefix)
{
	const gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		const gr_tensor *t = find_source(a, prefix, p->name + m->below);
		if (t == NULL || fits(p, t) || !report_item(r, "mis-shaped"))
			continue;
		report_add(r, "%s %s", p->name + m->below, gr_dtype_name(gr_tensor_dtype(t)));
		report_dims(r, gr_tensor_ndim(t), gr_tensor_dims(t));
		report_add(r, " for ");
		report_dims(r, p->ndim, p->dims);
	}
	report_close(r);
}

gr_status gr_module_load(gr_module *m, const gr_archive *a, const gr_load_opts *opts)
{
	if (m == NULL || a == NULL)
		return gr_error_set(GR_EARG, "module: nothing to load %s", m == NULL ? "into" : "from");
	if (m->root->status != GR_OK)
		return gr_error_set(m->root->status, "module: cannot load, building it had failed");
	const char *prefix = opts != NULL && opts->prefix != NULL ? opts->prefix : "";
	report r = {.used = 0};
	if (opts == NULL || !opts->allow_missing)
		check_missing(&r, m, a, prefix);
	if (opts == NULL || !opts->allow_unexpected)
		check_unexpected(&r, m, a, prefix);
	check_shapes(&r, m, a, prefix);
	if (r.used > 0)
		return gr_error_set(GR_EFORMAT, "module: the archive does not fit: %s", r.text);

	gr_param *p;
	for (int64_t i = 0; (p = gr_module_param_handle(m, i)) != NULL; i++) {
		const gr_tensor *t = find_source(a, prefix, p->name + m->below);
		gr_status status = t == NULL ? GR_OK : gr__param_assign(p, t);
		if (status != GR_OK)
			return status;
	}
	return GR_OK;
}

/* The rounded value must be finite where the original is. */
static gr_status check_range(const gr_param *p, const gr_tensor *rounded)
{
	gr_dtype from = gr_tensor_dtype(p->value);
	double *after = gr_alloc((size_t)p->size * sizeof *after);
	if (after == NULL)
		return GR_EMEM;
	gr_status status = gr_tensor_to_f64(rounded, after);
	const void *before = gr_tensor_data_const(p->value);
	for (int64_t i = 0; i < p->size && status == GR_OK; i++) {
		double x =
			from == GR_F64 ? ((const double *)before)[i] : (double)((const float *)before)[i];
		if (isfinite(x) && !isfinite(after[i]))
			status = gr_error_set(GR_ENUMERIC, "module: %g in '%s' does not fit %s", x, p->name,
				gr_dtype_name(gr_tensor_dtype(rounded)));
	}
	gr_free(after);
	return status;
}

static gr_status save_one(const gr_param *p, gr_archive *a, const char *name, gr_dtype storage)
{
	if (gr_param_tensor(p) == NULL)
		return gr_error_code();
	gr_tensor *t = gr_empty(storage, p->ndim, p->dims);
	gr_status status = t == NULL ? gr_error_code() : gr_param_update(t, p->value);
	if (status == GR_OK && storage != GR_F64 && p->size > 0)
		status = check_range(p, t);
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
