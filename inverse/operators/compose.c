/*
 * Operators made of operators. "a+b" (gr_operator_compose) is b after a, its adjoint a^T b^T, its
 * support that of the last; it is linear when all are. "a&b" (gr_operator_stack) measures one image
 * in several ways: y [N,1,1,m], the measurements one after the other, its adjoint the sum of
 * theirs. The parts are the operator's own.
 */
#include "operator_priv.h"

#include <string.h>

#include "gradus/ops.h"

typedef struct made_of {
	int n;
	gr_operator *part[GR_OPERATOR_MAX_MADE_OF];
} made_of;

static void made_of_free(void *self)
{
	made_of *m = self;
	if (!m)
		return;
	for (int i = 0; i < m->n; i++)
		gr_operator_free(m->part[i]);
	gr_free(m);
}

static gr_tensor *compose_apply(const gr_operator *A, gr_tensor *x)
{
	const made_of *m = A->self;
	for (int i = 0; i < m->n; i++)
		x = gr_operator_apply(m->part[i], x);
	return x;
}

static gr_tensor *compose_adjoint(const gr_operator *A, gr_tensor *y)
{
	const made_of *m = A->self;
	for (int i = m->n - 1; i >= 0; i--)
		y = gr_operator_adjoint(m->part[i], y);
	return y;
}

static const gr_operator_row compose_row = {
	.name = "composed",
	.apply = compose_apply,
	.adjoint = compose_adjoint,
};

static int64_t entries(const gr_operator *A)
{
	return A->out[0] * A->out[1] * A->out[2];
}

static gr_tensor *stack_apply(const gr_operator *A, gr_tensor *x)
{
	const made_of *m = A->self;
	gr_tensor *y[GR_OPERATOR_MAX_MADE_OF];
	for (int i = 0; i < m->n; i++)
		y[i] = gr_reshape(gr_operator_apply(m->part[i], x),
			GR_DIMS(gr_tensor_dim(x, 0), 1, 1, entries(m->part[i])));
	return gr_concat(m->n, y, 3);
}

static gr_tensor *stack_adjoint(const gr_operator *A, gr_tensor *y)
{
	const made_of *m = A->self;
	gr_tensor *x = NULL;
	int64_t at = 0;
	for (int i = 0; i < m->n; i++) {
		const gr_operator *B = m->part[i];
		int64_t end = at + entries(B);
		gr_tensor *part = gr_reshape(gr_slice(y, 3, at, end, 1),
			GR_DIMS(gr_tensor_dim(y, 0), B->out[0], B->out[1], B->out[2]));
		gr_tensor *back = gr_operator_adjoint(B, part);
		x = i == 0 ? back : gr_add(x, back);
		at = end;
	}
	return x;
}

static const gr_operator_row stack_row = {
	.name = "stacked",
	.apply = stack_apply,
	.adjoint = stack_adjoint,
};

/* "a+b": names joined. */
static char *join_names(const made_of *m, char between)
{
	size_t length = 1;
	for (int i = 0; i < m->n; i++)
		length += strlen(gr_operator_name(m->part[i])) + 1;
	char *name = gr_alloc(length);
	for (int i = 0; name && i < m->n; i++) {
		size_t used = strlen(name);
		if (i > 0)
			name[used++] = between;
		strcpy(name + used, gr_operator_name(m->part[i]));
	}
	return name;
}

/* Takes the parts, also on failure. */
static gr_operator *take(const gr_operator_row *row, int n, gr_operator *const *parts, char between)
{
	made_of *m = gr_alloc(sizeof(*m));
	gr_operator *A = NULL;
	bool whole = n >= 2 && n <= GR_OPERATOR_MAX_MADE_OF;
	for (int i = 0; i < n && whole; i++)
		whole = parts[i] != NULL;
	if (!whole && !gr_failed())
		gr_error_set(GR_EARG, "operator: %d parts, expected 2 to %d, none NULL", n,
			GR_OPERATOR_MAX_MADE_OF);
	if (m && whole)
		A = gr__operator_alloc(row,
			GR_OPTS(gr_operator_opts, .channels = parts[0]->in[0], .height = parts[0]->in[1],
				.width = parts[0]->in[2], .n = parts[0]->n, .keys = parts[0]->keys));
	if (!A) {
		gr_free(m);
		for (int i = 0; i < n; i++)
			gr_operator_free(parts[i]);
		return NULL;
	}
	m->n = n;
	memcpy(m->part, parts, (size_t)n * sizeof(*parts));
	A->self = m;
	A->free_self = made_of_free;
	A->name = join_names(m, between);
	for (int i = 0; i < n; i++)
		A->nonlinear = A->nonlinear || parts[i]->nonlinear;
	if (A->name)
		return A;
	gr_operator_free(A);
	return NULL;
}

static bool has_dims(const int64_t *a, const int64_t *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

/* The first part that the one before it does not fit, 0 when all do. */
static int misfit(int n, gr_operator *const *parts, bool one_image)
{
	for (int i = 1; i < n; i++)
		if (!has_dims(one_image ? parts[0]->in : parts[i - 1]->out, parts[i]->in) ||
			parts[i]->n != parts[0]->n)
			return i;
	return 0;
}

static gr_operator *made(gr_operator *A, bool one_image)
{
	const made_of *m = A ? A->self : NULL;
	int wrong = A ? misfit(m->n, m->part, one_image) : 0;
	if (!wrong)
		return A;
	gr_error_set(GR_ESHAPE,
		"operator %s: part %d takes %lld x %lld x %lld and %lld keys, which do not fit", A->name,
		wrong + 1, (long long)m->part[wrong]->in[0], (long long)m->part[wrong]->in[1],
		(long long)m->part[wrong]->in[2], (long long)m->part[wrong]->n);
	gr_operator_free(A);
	return NULL;
}

gr_operator *gr_operator_compose(int n, gr_operator *const *parts)
{
	gr_operator *A = made(take(&compose_row, n, parts, '+'), false);
	if (!A)
		return NULL;
	const gr_operator *last = ((const made_of *)A->self)->part[n - 1];
	memcpy(A->out, last->out, sizeof(A->out));
	A->masks = last->masks;
	if (!A->masks || !gr__operator_add_part(A, "mask", last->part[0].f64))
		return A;
	gr_operator_free(A);
	return NULL;
}

/* Support of the stack: [1 or n,1,1,m]. */
static gr_status stack_support(gr_operator *A, const made_of *m)
{
	gr_tensor *masks[GR_OPERATOR_MAX_MADE_OF];
	int64_t n = 1;
	for (int i = 0; i < m->n; i++) {
		A->masks = A->masks || m->part[i]->masks;
		if (m->part[i]->masks && gr_tensor_dim(m->part[i]->part[0].f64, 0) > n)
			n = gr_tensor_dim(m->part[i]->part[0].f64, 0);
	}
	if (!A->masks)
		return GR_OK;
	gr_scope_begin();
	for (int i = 0; i < m->n; i++) {
		const gr_operator *B = m->part[i];
		gr_tensor *mask = B->masks ? B->part[0].f64 : gr_full(GR_F64, GR_DIMS(1, 1, 1, 1), 1.0);
		mask = gr_expand(mask, GR_DIMS(n, B->out[0], B->out[1], B->out[2]));
		masks[i] = gr_reshape(mask, GR_DIMS(n, 1, 1, entries(B)));
	}
	gr_status status = gr__operator_add_part(A, "mask", gr_concat(m->n, masks, 3));
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_operator *gr_operator_stack(int n, gr_operator *const *parts)
{
	gr_operator *A = made(take(&stack_row, n, parts, '&'), true);
	if (!A)
		return NULL;
	const made_of *m = A->self;
	A->out[0] = A->out[1] = 1;
	A->out[2] = 0;
	for (int i = 0; i < n; i++)
		A->out[2] += entries(m->part[i]);
	if (!stack_support(A, m))
		return A;
	gr_operator_free(A);
	return NULL;
}

const gr_operator *gr_operator_made_of(const gr_operator *A, int i)
{
	if (!A || (A->row != &compose_row && A->row != &stack_row))
		return NULL;
	const made_of *m = A->self;
	return i >= 0 && i < m->n ? m->part[i] : NULL;
}
