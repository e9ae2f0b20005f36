/*
 * Operators of a user's own: one function, written in differentiable ops. The adjoint is given or
 * comes from the derivative (operator.c); gr_operator_check() tells whether it is right.
 */
#include "operator_priv.h"

#include "gradus/ops.h"

typedef struct user {
	gr_operator_fn apply, adjoint;
	void *self;
	void (*free)(void *self);
} user;

static void user_free(void *self)
{
	user *u = self;
	if (!u)
		return;
	if (u->free)
		u->free(u->self);
	gr_free(u);
}

static gr_tensor *apply(const gr_operator *A, gr_tensor *x)
{
	const user *u = A->self;
	gr_tensor *y = u->apply(u->self, x);
	if (!y && !gr_failed())
		gr_error_set(GR_ESTATE, "operator %s: it gave no result", A->name);
	return y;
}

static gr_tensor *adjoint(const gr_operator *A, gr_tensor *y)
{
	const user *u = A->self;
	return u->adjoint ? u->adjoint(u->self, y) : gr__operator_transpose(A, y);
}

/* The sizes of A x, by applying A to black images. */
static gr_status find_sizes(gr_operator *A)
{
	int64_t n = A->n > 0 ? A->n : 1;
	bool recording = gr_set_recording(false);
	gr_scope_begin();
	gr_tensor *y = apply(A, gr_zeros(GR_F32, GR_DIMS(n, A->in[0], A->in[1], A->in[2])));
	if (y && (gr_tensor_ndim(y) != 4 || gr_tensor_dim(y, 0) != n)) {
		char is[96];
		gr_error_set(GR_ESHAPE, "operator %s: of %lld images it makes %s, expected [N,C',H',W']",
			A->name, (long long)n, gr_tensor_describe(y, is, sizeof(is)));
	} else if (y) {
		for (int i = 0; i < 3; i++)
			A->out[i] = gr_tensor_dim(y, i + 1);
	}
	gr_status status = gr_scope_end();
	gr_set_recording(recording);
	return status;
}

static gr_status set_up(gr_operator *A, const char *name, const user *parts, bool nonlinear)
{
	user *u = gr_alloc(sizeof(*u));
	if (!u)
		return gr_error_code();
	*u = *parts;
	u->free = NULL; /* the caller's until all is well */
	A->self = u;
	A->free_self = user_free;
	A->nonlinear = nonlinear;
	A->name = gr_strdup(name);
	gr_status status = A->name ? find_sizes(A) : gr_error_code();
	if (!status)
		u->free = parts->free;
	return status;
}

gr_operator *gr_operator_user(const char *name, gr_operator_fn apply_fn, void *self,
	const gr_operator_user_opts *opts)
{
	gr_operator_user_opts o = {.size = sizeof(o)};
	gr_operator *A = NULL;
	if (opts)
		o = *opts;
	if (!name || !apply_fn)
		gr_error_set(GR_EARG, "operator: one of a user's own needs a name and a function");
	else
		A = gr__operator_alloc(&gr__operator_user,
			GR_OPTS(gr_operator_opts, .channels = o.channels, .height = o.height, .width = o.width,
				.n = o.n, .keys = o.keys));
	if (A && !set_up(A, name, &(user){apply_fn, o.adjoint, self, o.free}, o.nonlinear))
		return A;
	gr_operator_free(A);
	if (o.free)
		o.free(self);
	return NULL;
}

/* Not in the table: it has no spec. */
const gr_operator_row gr__operator_user = {
	.name = "user",
	.apply = apply,
	.adjoint = adjoint,
};
