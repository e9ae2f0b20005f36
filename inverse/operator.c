/*
 * Operators: their life, and the checks that all share. The table of names is in operator_spec.c,
 * the mathematics of each kind in inverse/operators/.
 *
 * An operator without a written adjoint has that of its derivative: A^T y is the gradient of
 * <A x, y> in x, at any x where A is linear. With y on a graph the gradient is recorded too, so
 * this adjoint is differentiable like a written one.
 */
#include "operator_priv.h"

#include <stdio.h>
#include <string.h>

#include "gradus/ops.h"

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

gr_operator *gr__operator_alloc(const gr_operator_row *row, const gr_operator_opts *opts)
{
	gr_operator *A = gr_alloc(sizeof(*A));
	if (!A)
		return NULL;
	A->row = row;
	A->nonlinear = row->nonlinear;
	A->masks = row->masking;
	A->in[0] = opts->channels ? opts->channels : 3;
	A->in[1] = opts->height ? opts->height : 32;
	A->in[2] = opts->width ? opts->width : 32;
	gr_status status = GR_OK;
	for (int i = 0; i < 3; i++) {
		A->out[i] = A->in[i];
		if (A->in[i] < 1 || A->in[i] > 65536)
			status = gr_error_set(GR_EARG, "operator: images of %lld x %lld x %lld",
				(long long)A->in[0], (long long)A->in[1], (long long)A->in[2]);
	}
	if (!status)
		status = copy_keys(A, opts);
	if (!status)
		return A;
	gr_operator_free(A);
	return NULL;
}

static void free_all(int n, gr_operator *const *parts)
{
	for (int i = 0; i < n; i++)
		gr_operator_free(parts[i]);
}

/* One spec without a '+'; its draws are those of place `draws` in the whole. */
static gr_operator *make_one(const char *spec, const gr_operator_opts *opts, int draws)
{
	gr_operator_opts o = *opts;
	char path[GR_OPERATOR_PATH];
	const gr_operator_row *row;
	if (gr__operator_read(&row, &o, path, spec))
		return NULL;
	gr_operator *A = gr__operator_alloc(row, &o);
	if (!A)
		return NULL;
	A->draws = draws;
	gr_scope_begin();
	gr_status status = row->build(A, &o);
	gr_status ended = gr_scope_end();
	if (status || ended) {
		gr_operator_free(A);
		return NULL;
	}
	return A;
}

/* What `between` joins in spec: each part has draws of its own. */
static gr_operator *make_joined(const char *spec, const gr_operator_opts *opts, char between,
	int draws)
{
	gr_operator *parts[GR_OPERATOR_MAX_MADE_OF];
	const char stop[] = {between, '\0'};
	gr_operator_opts o = *opts;
	const char *at = spec;
	for (int n = 0; n < GR_OPERATOR_MAX_MADE_OF; n++) {
		char one[GR_OPERATOR_PATH];
		size_t length = strcspn(at, stop);
		int place = between == '&' ? n * GR_OPERATOR_MAX_MADE_OF : draws + n;
		snprintf(one, sizeof(one), "%.*s", (int)length, at);
		parts[n] = between == '&' ? make_joined(one, &o, '+', place) : make_one(one, &o, place);
		at += length;
		if (!parts[n]) {
			free_all(n, parts);
			return NULL;
		}
		if (*at == '\0' && n == 0)
			return parts[0];
		if (*at == '\0')
			return between == '+' ? gr_operator_compose(n + 1, parts)
								  : gr_operator_stack(n + 1, parts);
		at++;
		if (between == '+') {
			o.channels = parts[n]->out[0];
			o.height = parts[n]->out[1];
			o.width = parts[n]->out[2];
		}
	}
	free_all(GR_OPERATOR_MAX_MADE_OF, parts);
	gr_error_set(GR_EARG, "operator: '%.80s' has more than %d parts", spec,
		GR_OPERATOR_MAX_MADE_OF);
	return NULL;
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
	return make_joined(spec, &o, '&', 0);
}

void gr_operator_free(gr_operator *A)
{
	if (!A)
		return;
	for (int i = 0; i < A->parts; i++)
		gr__constant_clear(&A->part[i]);
	if (A->free_self)
		A->free_self(A->self);
	gr_free(A->name);
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
	gr_key key = gr_key_fold_name(gr_key_fold_name(A->keys[i], "operator"), A->row->name);
	return A->draws ? gr_key_fold(key, (uint64_t)A->draws) : key;
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
			gr_operator_name(A), gr_tensor_describe(t, is, sizeof(is)), (long long)dims[0],
			(long long)dims[1], (long long)dims[2]);
		return false;
	}
	if (dtype != GR_F32 && dtype != GR_F64) {
		gr_error_set(GR_EDTYPE, "operator %s: %s is given %s, expected f32 or f64", what,
			gr_operator_name(A), gr_tensor_describe(t, is, sizeof(is)));
		return false;
	}
	if (A->row->keyed && gr_tensor_dim(t, 0) != A->n) {
		gr_error_set(GR_ESHAPE,
			"operator %s: %s is given %s, but is bound to the keys of %lld images", what,
			gr_operator_name(A), gr_tensor_describe(t, is, sizeof(is)), (long long)A->n);
		return false;
	}
	return true;
}

gr_tensor *gr_operator_apply(const gr_operator *A, gr_tensor *x)
{
	return fits(A, x, A ? A->in : NULL, "apply") ? A->row->apply(A, x) : NULL;
}

gr_tensor *gr__operator_transpose(const gr_operator *A, gr_tensor *y)
{
	int64_t dims[] = {gr_tensor_dim(y, 0), A->in[0], A->in[1], A->in[2]};
	bool recording = gr_set_recording(true);
	gr_tensor *x = gr_watch(gr_zeros(gr_tensor_dtype(y), 4, dims));
	gr_tensor *grad = NULL;
	gr_status status = gr_grad(&grad, A->row->apply(A, x), 1, &x,
		GR_OPTS(gr_grad_opts, .cotangent = y, .create_graph = recording && gr_is_tracked(y)));
	gr_set_recording(recording);
	return status ? NULL : grad;
}

gr_tensor *gr_operator_adjoint(const gr_operator *A, gr_tensor *y)
{
	if (!fits(A, y, A ? A->out : NULL, "adjoint"))
		return NULL;
	if (A->nonlinear) {
		gr_error_set(GR_EUNSUPPORTED,
			"operator adjoint: %s is not linear; hint: gr_grad() gives the adjoint of its "
			"derivative",
			gr_operator_name(A));
		return NULL;
	}
	return A->row->adjoint ? A->row->adjoint(A, y) : gr__operator_transpose(A, y);
}

const char *gr_operator_name(const gr_operator *A)
{
	return !A ? NULL : A->name ? A->name : A->row->name;
}

bool gr_is_linear_operator(const gr_operator *A)
{
	return A && !A->nonlinear;
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
	if (!A || !A->masks)
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

/* Parts under prefix + name; those of what A is made of under "0.", "1.", ... */
static gr_status export_parts(const gr_operator *A, gr_archive *archive, const char *prefix)
{
	gr_status status = GR_OK;
	char name[128];
	for (int i = 0; i < A->parts && !status; i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, A->part_name[i]);
		status = gr_archive_add(archive, name, A->part[i].f64);
	}
	for (int i = 0; gr_operator_made_of(A, i) && !status; i++) {
		snprintf(name, sizeof(name), "%s%d.", prefix, i);
		status = export_parts(gr_operator_made_of(A, i), archive, name);
	}
	return status;
}

gr_status gr_operator_export(const gr_operator *A, gr_archive *archive)
{
	if (!A || !archive)
		return gr_error_set(GR_EARG, "operator export: the %s is NULL", A ? "archive" : "operator");
	gr_status status = gr_archive_set_meta(archive, "operator", gr_operator_name(A));
	return status ? status : export_parts(A, archive, "");
}
