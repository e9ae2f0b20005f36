/*
 * Hessian products, Jacobians and Hessians, by the walks of backward.c and jvp.c.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include "gradus/derivative.h"

#include <string.h>

#include "gradus/ops/binary.h"
#include "gradus/ops/reduce.h"
#include "tensor_int.h"

/* --- products with a Hessian ---------------------------------------------------------------- */

static gr_status check_directions(int n, gr_tensor *const *x, gr_tensor *const *v)
{
	for (int i = 0; i < n; i++) {
		char a[192], b[192];
		if (v[i] != NULL && (!gr_is_same_shape(x[i], v[i]) || x[i]->dtype != v[i]->dtype))
			return gr__fail(GR_ESHAPE, "hvp", "v[%d] is %s, x[%d] is %s", i,
				gr_tensor_describe(v[i], a, sizeof a), i, gr_tensor_describe(x[i], b, sizeof b));
	}
	return GR_OK;
}

/* sum_i <g[i], v[i]>; NULL where that is constant. */
static gr_status pair(gr_tensor **sum, int n, gr_tensor *const *g, gr_tensor *const *v)
{
	*sum = NULL;
	for (int i = 0; i < n; i++) {
		if (v[i] == NULL || !gr_is_tracked(g[i]))
			continue;
		gr_tensor *term = gr_sum(gr_mul(g[i], v[i]), GR_ALL_AXES, false);
		*sum = *sum == NULL ? term : gr_add(*sum, term);
		if (*sum == NULL)
			return gr_error_code();
	}
	return GR_OK;
}

/* H v is the gradient of <gradient, v>; hv[i] to be held by the caller. */
static gr_status product(gr_tensor **hv, gr_tensor *y, int n, gr_tensor *const *x,
	gr_tensor *const *v, const gr_grad_opts *o)
{
	gr_grad_opts first = *o, second = *o;
	gr_tensor *sum = NULL;
	first.create_graph = true;
	second.cotangent = NULL;
	second.allow_unused = true;
	gr_status status = gr_grad(hv, y, n, x, &first);
	if (status == GR_OK)
		status = check_directions(n, x, v);
	if (status == GR_OK)
		status = pair(&sum, n, hv, v);
	if (status == GR_OK && sum != NULL)
		status = gr_grad(hv, sum, n, x, &second);
	for (int i = 0; i < n; i++) {
		if (status == GR_OK && sum == NULL)
			hv[i] = gr_zeros(x[i]->dtype, x[i]->ndim, x[i]->dims);
		hv[i] = status == GR_OK ? gr_tensor_retain(hv[i]) : NULL;
		status = status == GR_OK && hv[i] == NULL ? gr_error_code() : status;
	}
	return status;
}

gr_status gr_hvp(gr_tensor **hv, gr_tensor *y, int n, gr_tensor *const *x, gr_tensor *const *v,
	const gr_grad_opts *opts)
{
	static const gr_grad_opts defaults = {.size = sizeof defaults};
	for (int i = 0; i < n; i++)
		hv[i] = NULL;
	bool was = gr_set_recording(true);
	gr_status status = gr_scope_begin();
	if (status == GR_OK)
		status = product(hv, y, n, x, v, opts != NULL ? opts : &defaults);
	(void)gr_scope_end();
	gr_set_recording(was);
	for (int i = 0; i < n; i++) {
		gr_tensor *held = hv[i];
		hv[i] = gr__scope_own(held);
		if (status == GR_OK && hv[i] == NULL)
			status = gr_error_code();
	}
	return status;
}

/* --- matrices -------------------------------------------------------------------------------- */

/* The unit vector of t's shape along its element i. */
static gr_tensor *unit(const gr_tensor *t, int64_t i)
{
	gr_tensor *e = gr_zeros(t->dtype, t->ndim, t->dims);
	if (e == NULL)
		return NULL;
	if (t->dtype == GR_F64)
		((double *)(void *)e->data)[i] = 1.0;
	else
		((float *)(void *)e->data)[i] = 1.0f;
	return e;
}

/* Elements of `from`, row-major, to J at `start`, `step` apart; J has its type or J is f64. */
static gr_status place(gr_tensor *J, const gr_tensor *from, int64_t start, int64_t step)
{
	gr_tensor *line = gr__tensor_contiguous((gr_tensor *)(uintptr_t)from);
	size_t bytes = gr_dtype_bytes(J->dtype);
	if (line == NULL)
		return gr_error_code();
	for (int64_t i = 0; i < line->size; i++)
		memcpy(J->data + (size_t)(start + i * step) * bytes, line->data + (size_t)i * bytes, bytes);
	gr_tensor_release(line);
	return GR_OK;
}

/* Row i, the gradient of y's element i; or column i, the tangent along x's element i. */
static gr_status fill(gr_tensor *J, gr_tensor *y, gr_tensor *x, bool rows, int64_t i)
{
	gr_tensor *line = NULL;
	gr_status status;
	if (rows) {
		const gr_grad_opts opts = {.size = sizeof opts,
			.cotangent = unit(y, i),
			.keep_graph = true,
			.allow_unused = true};
		status = opts.cotangent == NULL ? gr_error_code() : gr_grad(&line, y, 1, &x, &opts);
	} else {
		const gr_jvp_opts opts = {.size = sizeof opts, .allow_unused = true};
		gr_tensor *along = unit(x, i);
		status = along == NULL ? gr_error_code() : gr_jvp(&line, 1, &y, 1, &x, &along, &opts);
	}
	if (status != GR_OK)
		return status;
	return rows ? place(J, line, i * x->size, 1) : place(J, line, i, x->size);
}

static gr_tensor *jacobian(const char *name, gr_tensor *y, gr_tensor *x)
{
	if (y == NULL || x == NULL || x->node == NULL) {
		if (!gr_failed())
			gr__fail(GR_EARG, name,
				y == NULL || x == NULL ? "an operand is NULL"
									   : "x is not tracked; hint: gr_watch it before use");
		return NULL;
	}
	if (y->ndim + x->ndim > GR_MAX_DIMS || y->dtype != x->dtype) {
		char a[192], b[192];
		gr__fail(y->dtype != x->dtype ? GR_EDTYPE : GR_ESHAPE, name,
			"y is %s, x is %s; at most %d dims together, of one type",
			gr_tensor_describe(y, a, sizeof a), gr_tensor_describe(x, b, sizeof b), GR_MAX_DIMS);
		return NULL;
	}
	int64_t dims[GR_MAX_DIMS];
	memcpy(dims, y->dims, (size_t)y->ndim * sizeof *dims);
	memcpy(dims + y->ndim, x->dims, (size_t)x->ndim * sizeof *dims);
	gr_tensor *J = gr_zeros(y->dtype, y->ndim + x->ndim, dims);
	bool rows = y->size <= x->size;
	gr_status status = J == NULL ? gr_error_code() : GR_OK;
	for (int64_t i = 0; y->node != NULL && i < (rows ? y->size : x->size) && status == GR_OK; i++) {
		status = gr_scope_begin();
		if (status == GR_OK)
			status = fill(J, y, x, rows, i);
		(void)gr_scope_end();
	}
	return status == GR_OK ? J : NULL;
}

gr_tensor *gr_jacobian(gr_tensor *y, gr_tensor *x)
{
	return jacobian("jacobian", y, x);
}

gr_tensor *gr_hessian(gr_tensor *y, gr_tensor *x)
{
	gr_tensor *g, *H = NULL;
	if (gr_scope_begin() == GR_OK &&
		gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .create_graph = true)) == GR_OK)
		H = gr_tensor_retain(jacobian("hessian", g, x));
	(void)gr_scope_end();
	return gr__scope_own(H);
}
