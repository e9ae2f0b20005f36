/*
 * State beside parameters: how an optimiser or an average keeps one tensor per parameter, saves it
 * under the parameter's name and reads it back to the bit (see optim_priv.h).
 */
#include "optim_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gradus/ops.h"
#include "module_priv.h"

#define MAX_NAME 512

/* Those that are tracked, or those that are buffers. */
static gr_status list_params(gr_params *out, const gr_module *m, bool buffers)
{
	*out = (gr_params){0};
	int64_t n = gr_module_param_count(m);
	if (n < 1 || n > INT32_MAX)
		return gr_error_set(GR_EARG, "params_of: the module has no parameters");
	out->names = gr_alloc((size_t)n * sizeof(*out->names));
	out->tensors = gr_alloc((size_t)n * sizeof(*out->tensors));
	if (!out->names || !out->tensors) {
		gr_params_free(out);
		return gr_error_set(GR_EMEM, "params_of: out of memory");
	}
	for (int64_t i = 0; i < n; i++) {
		gr_tensor *t = gr_module_param(m, i);
		if (!t) {
			gr_params_free(out);
			return gr_error_code();
		}
		if (buffers ? !gr_module_param_handle(m, i)->buffer : !gr_is_tracked(t))
			continue;
		out->names[out->n] = gr_module_param_name(m, i);
		out->tensors[out->n++] = t;
	}
	return GR_OK;
}

gr_status gr_params_of(gr_params *out, const gr_module *m)
{
	gr_status status = list_params(out, m, false);
	if (!status && out->n == 0) {
		gr_params_free(out);
		return gr_error_set(GR_EARG, "params_of: no parameter is trainable");
	}
	return status;
}

gr_status gr__params_buffers(gr_params *out, const gr_module *m)
{
	return list_params(out, m, true);
}

void gr_params_free(gr_params *p)
{
	if (!p)
		return;
	gr_free(p->names);
	gr_free(p->tensors);
	*p = (gr_params){0};
}

void gr__block_load(double *out, const gr_tensor *t, int64_t begin, int64_t n)
{
	if (gr_tensor_dtype(t) == GR_F32) {
		const float *in = (const float *)gr_tensor_data_const(t) + begin;
		for (int64_t i = 0; i < n; i++)
			out[i] = (double)in[i];
	} else {
		memcpy(out, (const double *)gr_tensor_data_const(t) + begin, (size_t)n * sizeof(*out));
	}
}

void gr__block_store(gr_tensor *t, const double *in, int64_t begin, int64_t n)
{
	if (gr_tensor_dtype(t) == GR_F32) {
		float *out = (float *)gr_tensor_data(t) + begin;
		for (int64_t i = 0; i < n; i++)
			out[i] = (float)in[i];
	} else {
		memcpy((double *)gr_tensor_data(t) + begin, in, (size_t)n * sizeof(*in));
	}
}

gr_status gr__params_copy(gr_params *out, const gr_params *params, const char *who)
{
	*out = (gr_params){0};
	if (!params || params->n < 1)
		return gr_error_set(GR_EARG, "%s: no parameters", who);
	for (int i = 0; i < params->n; i++) {
		const gr_tensor *t = params->tensors[i];
		gr_dtype dtype = gr_tensor_dtype(t);
		if (!t || !gr_is_contiguous(t) || (dtype != GR_F32 && dtype != GR_F64))
			return gr_error_set(GR_EARG, "%s: parameter '%s' is not a contiguous f32 or f64 tensor",
				who, params->names[i]);
	}
	/* Names live behind the pointers, in one block. */
	size_t n = (size_t)params->n, bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += strlen(params->names[i]) + 1;
	out->names = gr_alloc(n * sizeof(*out->names) + bytes);
	out->tensors = gr_alloc(n * sizeof(*out->tensors));
	if (!out->names || !out->tensors) {
		gr_params_free(out);
		return gr_error_set(GR_EMEM, "%s: out of memory", who);
	}
	char *at = (char *)(out->names + n);
	for (size_t i = 0; i < n; i++) {
		size_t length = strlen(params->names[i]) + 1;
		memcpy(at, params->names[i], length);
		out->names[i] = at;
		at += length;
		out->tensors[i] = gr_tensor_retain(params->tensors[i]);
	}
	out->n = params->n;
	return GR_OK;
}

void gr__params_release(gr_params *p)
{
	for (int i = 0; i < p->n; i++)
		gr_tensor_release(p->tensors[i]);
	gr_params_free(p);
}

gr_status gr__params_like(gr_tensor ***out, const gr_params *params, bool copy)
{
	*out = NULL;
	gr_tensor **state = gr_alloc((size_t)params->n * sizeof(gr_tensor *));
	if (!state)
		return gr_error_set(GR_EMEM, "optimiser state: out of memory");
	gr_status status = gr_scope_begin();
	for (int i = 0; !status && i < params->n; i++) {
		const gr_tensor *p = params->tensors[i];
		state[i] =
			gr_tensor_retain(gr_zeros(gr_tensor_dtype(p), gr_tensor_ndim(p), gr_tensor_dims(p)));
		if (!state[i])
			status = gr_error_code();
		else if (copy)
			status = gr_param_update(state[i], p);
	}
	gr_status ended = gr_scope_end();
	if (!status)
		status = ended;
	if (status) {
		gr__tensors_release(state, params->n);
		return status;
	}
	*out = state;
	return GR_OK;
}

gr_status gr__params_scratch(gr_tensor **out, const gr_params *params)
{
	int64_t most[2] = {-1, -1}; /* f32, f64; -1: none is of this type */
	gr_tensor *flat[2] = {NULL, NULL};
	for (int i = 0; i < params->n; i++) {
		int wide = gr_tensor_dtype(params->tensors[i]) == GR_F64;
		int64_t size = gr_tensor_size(params->tensors[i]);
		most[wide] = size > most[wide] ? size : most[wide];
	}
	for (int wide = 0; wide < 2; wide++) {
		if (most[wide] >= 0)
			flat[wide] = gr_empty(wide ? GR_F64 : GR_F32, GR_DIMS(most[wide]));
	}
	for (int i = 0; i < params->n; i++) {
		const gr_tensor *p = params->tensors[i];
		gr_tensor *room = flat[gr_tensor_dtype(p) == GR_F64];
		room = gr_slice(room, 0, 0, gr_tensor_size(p), 1);
		out[i] = gr_reshape(room, gr_tensor_ndim(p), gr_tensor_dims(p));
		if (!out[i])
			return gr_error_code();
	}
	return GR_OK;
}

void gr__tensors_release(gr_tensor **t, int n)
{
	for (int i = 0; t && i < n; i++)
		gr_tensor_release(t[i]);
	gr_free(t);
}

static gr_status join(char name[MAX_NAME], const char *prefix, const char *rest)
{
	int n = snprintf(name, MAX_NAME, "%s%s", prefix, rest);
	if (n < 0 || n >= MAX_NAME)
		return gr_error_set(GR_EARG, "name '%s%.40s...' is longer than %d bytes", prefix, rest,
			MAX_NAME - 1);
	return GR_OK;
}

gr_status gr__state_save(gr_archive *a, const char *prefix, const gr_params *params,
	gr_tensor *const *state, gr_dtype storage)
{
	char name[MAX_NAME];
	gr_status status = gr_scope_begin();
	for (int i = 0; !status && i < params->n; i++) {
		status = join(name, prefix, params->names[i]);
		if (status)
			break;
		/* An archive refers to what it is given, so it gets a copy that cannot change under it. */
		const gr_tensor *s = state[i];
		gr_tensor *t = gr_empty(storage, gr_tensor_ndim(s), gr_tensor_dims(s));
		status = t ? gr_param_update(t, s) : gr_error_code();
		if (!status)
			status = gr_archive_add(a, name, t);
	}
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_status gr__state_check(const gr_archive *a, const char *prefix, const gr_params *params)
{
	char name[MAX_NAME], have[96], want[96];
	for (int i = 0; i < params->n; i++) {
		gr_status status = join(name, prefix, params->names[i]);
		if (status)
			return status;
		const gr_tensor *t = gr_archive_find(a, name);
		const gr_tensor *p = params->tensors[i];
		if (!t)
			return gr_error_set(GR_EFORMAT, "saved state lacks '%s'", name);
		if (!gr_is_same_shape(t, p) || gr_tensor_dtype(t) != gr_tensor_dtype(p))
			return gr_error_set(GR_EFORMAT, "saved state '%s' is %s, expected %s", name,
				gr_tensor_describe(t, have, sizeof(have)),
				gr_tensor_describe(p, want, sizeof(want)));
	}
	return GR_OK;
}

gr_status gr__state_load(gr_tensor *const *state, const gr_archive *a, const char *prefix,
	const gr_params *params)
{
	char name[MAX_NAME];
	for (int i = 0; i < params->n; i++) {
		gr_status status = join(name, prefix, params->names[i]);
		if (!status)
			status = gr_param_update(state[i], gr_archive_find(a, name));
		if (status)
			return status;
	}
	return GR_OK;
}

gr_status gr__meta_set_int(gr_archive *a, const char *key, int64_t value)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRId64, value);
	return gr_archive_set_meta(a, key, text);
}

gr_status gr__meta_get_int(const gr_archive *a, const char *key, int64_t *value)
{
	const char *text = gr_archive_meta(a, key);
	if (!text)
		return gr_error_set(GR_EFORMAT, "saved state lacks the text '%s'", key);
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	if (errno || end == text || *end || n < 0)
		return gr_error_set(GR_EFORMAT, "saved state: '%s' is '%.32s', expected a number", key,
			text);
	*value = n;
	return GR_OK;
}
