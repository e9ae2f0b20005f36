/*
 * The table of operators, their specs ("name:option=value,...") and the checks that all share. The
 * mathematics of each kind is in inverse/operators/.
 */
#include "operator_priv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const gr_operator_row *const table[] = {
	&gr__operator_inpaint_box,
	&gr__operator_inpaint_random,
	&gr__operator_sr_bicubic,
	&gr__operator_sr_mean,
	&gr__operator_blur_gauss,
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

/* --- specs --- */

static const gr_operator_row *find_row(const char *spec, size_t length)
{
	char names[256] = "";
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

/* One "name=value" of `length` bytes. Zero would mean the default, so it is refused where it is
 * not a position. */
static gr_status set_option(gr_operator_opts *opts, const gr_operator_row *row, const char *text,
	size_t length)
{
	const char *equals = memchr(text, '=', length);
	if (!equals)
		return gr_error_set(GR_EARG, "operator: %s: '%.*s' is not option=value; hint: %s",
			row->name, (int)length, text, row->help);
	const gr_operator_option *option = find_option(row, text, (size_t)(equals - text));
	if (!option)
		return GR_EARG;
	const char *value = equals + 1;
	char *end = NULL;
	void *field = (char *)opts + option->offset;
	double number = strtod(value, &end);
	bool whole = number == floor(number) && fabs(number) < 1e9;
	bool fits = option->places ? number >= 0.0 : number > 0.0;
	if (end == value || end != text + length || !isfinite(number) || !fits ||
		(!option->real && !whole))
		return gr_error_set(GR_EARG, "operator: %s: '%.*s' is not a %s %s", row->name, (int)length,
			text, option->places ? "non-negative" : "positive",
			option->real ? "number" : "integer");
	if (option->real)
		*(double *)field = number;
	else
		*(int64_t *)field = (int64_t)number;
	if (option->places)
		opts->placed = true;
	return GR_OK;
}

static gr_status read_spec(const gr_operator_row **row, gr_operator_opts *opts, const char *spec)
{
	size_t length = strcspn(spec, ":");
	*row = find_row(spec, length);
	if (!*row)
		return GR_EARG;
	const char *at = spec + length;
	while (*at) {
		at++; /* ':' or ',' */
		length = strcspn(at, ",");
		gr_status status = set_option(opts, *row, at, length);
		if (status)
			return status;
		at += length;
	}
	return GR_OK;
}

/* --- life --- */

static gr_status copy_keys(gr_operator *A, const gr_operator_opts *opts)
{
	if (opts->n < 0 || (opts->n > 0 && !opts->keys))
		return gr_error_set(GR_EARG, "operator: %s: n is %lld without keys", A->row->name,
			(long long)opts->n);
	if (A->row->keyed && opts->n == 0)
		return gr_error_set(GR_EARG,
			"operator: %s draws a mask per image and needs keys; hint: gr_measurement_key() of "
			"each image in opts.keys",
			A->row->name);
	if (opts->n == 0)
		return GR_OK;
	A->keys = gr_alloc((size_t)opts->n * sizeof(*A->keys));
	if (!A->keys)
		return gr_error_code();
	memcpy(A->keys, opts->keys, (size_t)opts->n * sizeof(*A->keys));
	A->n = opts->n;
	return GR_OK;
}

gr_operator *gr_operator_new(const char *spec, const gr_operator_opts *opts)
{
	gr_operator_opts o = {.size = sizeof(o)};
	if (opts)
		o = *opts;
	if (!spec) {
		gr_error_set(GR_EARG, "operator: no spec given");
		return NULL;
	}
	const gr_operator_row *row;
	if (read_spec(&row, &o, spec))
		return NULL;
	gr_operator *A = gr_alloc(sizeof(*A));
	if (!A)
		return NULL;
	A->row = row;
	A->in[0] = o.channels ? o.channels : 3;
	A->in[1] = o.height ? o.height : 32;
	A->in[2] = o.width ? o.width : 32;
	gr_status status = GR_OK;
	for (int i = 0; i < 3; i++) {
		A->out[i] = A->in[i];
		if (A->in[i] < 1 || A->in[i] > 65536)
			status = gr_error_set(GR_EARG, "operator: images of %lld x %lld x %lld",
				(long long)A->in[0], (long long)A->in[1], (long long)A->in[2]);
	}
	if (!status)
		status = copy_keys(A, &o);
	gr_scope_begin();
	if (!status)
		status = row->build(A, &o);
	gr_status ended = gr_scope_end();
	if (status || ended) {
		gr_operator_free(A);
		return NULL;
	}
	return A;
}

void gr_operator_free(gr_operator *A)
{
	if (!A)
		return;
	for (int i = 0; i < A->parts; i++)
		gr__constant_clear(&A->part[i]);
	gr_free(A->keys);
	gr_free(A);
}

gr_status gr__operator_add_part(gr_operator *A, const char *name, gr_tensor *value)
{
	gr_status status = gr__constant_set(&A->part[A->parts], value);
	if (!status)
		A->part_name[A->parts++] = name;
	return status;
}

gr_key gr__operator_draw_key(const gr_operator *A, int64_t i)
{
	return gr_key_fold_name(gr_key_fold_name(A->keys[i], "operator"), A->row->name);
}

/* --- use --- */

static bool fits(const gr_operator *A, const gr_tensor *t, const int64_t dims[3], const char *what)
{
	if (!A || !t) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "operator %s: the %s is NULL", what, A ? "tensor" : "operator");
		return false;
	}
	char is[96];
	gr_dtype dtype = gr_tensor_dtype(t);
	if (gr_tensor_ndim(t) != 4 || gr_tensor_dim(t, 1) != dims[0] ||
		gr_tensor_dim(t, 2) != dims[1] || gr_tensor_dim(t, 3) != dims[2]) {
		gr_error_set(GR_ESHAPE, "operator %s: %s is given %s, expected [N,%lld,%lld,%lld]", what,
			A->row->name, gr_tensor_describe(t, is, sizeof(is)), (long long)dims[0],
			(long long)dims[1], (long long)dims[2]);
		return false;
	}
	if (dtype != GR_F32 && dtype != GR_F64) {
		gr_error_set(GR_EDTYPE, "operator %s: %s is given %s, expected f32 or f64", what,
			A->row->name, gr_tensor_describe(t, is, sizeof(is)));
		return false;
	}
	if (A->row->keyed && gr_tensor_dim(t, 0) != A->n) {
		gr_error_set(GR_ESHAPE,
			"operator %s: %s is given %s, but is bound to the keys of %lld images", what,
			A->row->name, gr_tensor_describe(t, is, sizeof(is)), (long long)A->n);
		return false;
	}
	return true;
}

gr_tensor *gr_operator_apply(const gr_operator *A, gr_tensor *x)
{
	return fits(A, x, A ? A->in : NULL, "apply") ? A->row->apply(A, x) : NULL;
}

gr_tensor *gr_operator_adjoint(const gr_operator *A, gr_tensor *y)
{
	if (!fits(A, y, A ? A->out : NULL, "adjoint"))
		return NULL;
	if (A->row->nonlinear) {
		gr_error_set(GR_EUNSUPPORTED,
			"operator adjoint: %s is not linear; hint: gr_grad() gives the adjoint of its "
			"derivative",
			A->row->name);
		return NULL;
	}
	return A->row->adjoint(A, y);
}

const char *gr_operator_name(const gr_operator *A)
{
	return A ? A->row->name : NULL;
}

bool gr_is_linear_operator(const gr_operator *A)
{
	return A && !A->row->nonlinear;
}

const int64_t *gr_operator_in_dims(const gr_operator *A)
{
	return A ? A->in : NULL;
}

const int64_t *gr_operator_out_dims(const gr_operator *A)
{
	return A ? A->out : NULL;
}

int64_t gr_operator_batch(const gr_operator *A)
{
	return A ? A->n : 0;
}

gr_key gr_operator_key(const gr_operator *A, int64_t i)
{
	if (A && i >= 0 && i < A->n)
		return A->keys[i];
	gr_error_set(GR_EARG, "operator key: %lld of %lld", (long long)i,
		(long long)gr_operator_batch(A));
	return gr_key_seed(0);
}

gr_tensor *gr_operator_support(const gr_operator *A, gr_dtype dtype)
{
	if (!A || !A->row->masking)
		return NULL;
	return gr_stop_gradient(gr__constant_get(&A->part[0], dtype));
}

int gr_operator_part_count(const gr_operator *A)
{
	return A ? A->parts : 0;
}

const char *gr_operator_part_name(const gr_operator *A, int i)
{
	return i >= 0 && i < gr_operator_part_count(A) ? A->part_name[i] : NULL;
}

gr_tensor *gr_operator_part(const gr_operator *A, int i)
{
	return i >= 0 && i < gr_operator_part_count(A) ? A->part[i].f64 : NULL;
}

gr_status gr_operator_export(const gr_operator *A, gr_archive *archive)
{
	if (!A || !archive)
		return gr_error_set(GR_EARG, "operator export: the %s is NULL", A ? "archive" : "operator");
	gr_status status = gr_archive_set_meta(archive, "operator", A->row->name);
	for (int i = 0; i < A->parts && !status; i++)
		status = gr_archive_add(archive, A->part_name[i], A->part[i].f64);
	return status;
}
