/*
 * gr_gradcheck: derivatives of a user's function against differences. With s = sum_j <c_j, y_j> for
 * random c, and u random in one input at a time:
 *
 *	gradient       <ds/dx_i, u>         against  D s
 *	tangent        sum_j <c_j, J_j u>   against  <ds/dx_i, u>, no difference in it
 *	second order   d2s/dx_l dx_i u      against  D ds/dx_l, for every l
 *
 * D is (4 D(h/2) - D(h)) / 3 of central differences D(h) along u: the error is of order h^4.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif

#include <math.h>

#include "gradus/derivative.h"
#include "gradus/gradcheck.h"
#include "gradus/ops/binary.h"
#include "gradus/ops/reduce.h"
#include "gradus/ops/unary.h"
#include "tensor_int.h"

#define POINTS 4

typedef struct check {
	gr_tensor_fn fn;
	int n, m;
	gr_tensor *const *x;
	void *payload;
	double bound, step;
	int directions;
	gr_tensor *y[GR_OP_MAX_OUT], *c[GR_OP_MAX_OUT]; /* of the last call; weights of the first */
} check;

static double dot(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_sum(gr_mul(a, b), GR_ALL_AXES, false));
}

static double size_of(gr_tensor *t)
{
	return gr_item(gr_norm(t, GR_ALL_AXES, false));
}

static gr_tensor *random_like(const gr_tensor *t, const char *purpose, int i, int k)
{
	gr_key key = gr_key_fold_name(gr_key_seed(20240131), purpose);
	key = gr_key_fold(gr_key_fold(key, (uint64_t)i), (uint64_t)k);
	return gr_random_normal(key, t->dtype, t->ndim, t->dims);
}

/* s at leaves that stand on x, x[i] moved by h u; NULL with an error. */
static gr_tensor *evaluate(check *k, int i, gr_tensor *u, double h, gr_tensor **leaf)
{
	gr_tensor *sum = NULL;
	for (int l = 0; l < k->n; l++) {
		gr_tensor *at = gr_stop_gradient(k->x[l]);
		if (l == i && h != 0.0)
			at = gr_axpby(at, 1.0, u, h);
		leaf[l] = gr_watch(at);
		if (leaf[l] == NULL)
			return NULL;
	}
	for (int j = 0; j < k->m; j++)
		k->y[j] = NULL;
	gr_status status = k->fn(k->y, leaf, k->payload);
	if (status != GR_OK) {
		if (!gr_failed())
			gr__fail(status, "gradcheck", "the function failed without an error");
		return NULL;
	}
	for (int j = 0; j < k->m; j++) {
		if (k->y[j] == NULL || k->y[j]->dtype != GR_F64) {
			if (!gr_failed())
				gr__fail(GR_EDTYPE, "gradcheck", "the function left y[%d] %s; hint: compute in f64",
					j, k->y[j] == NULL ? "NULL" : gr_dtype_name(k->y[j]->dtype));
			return NULL;
		}
		if (k->c[j] == NULL)
			k->c[j] = gr_escape(random_like(k->y[j], "weights", j, 0));
		gr_tensor *term = gr_sum(gr_mul(k->y[j], k->c[j]), GR_ALL_AXES, false);
		sum = sum == NULL ? term : gr_add(sum, term);
	}
	return sum;
}

/* Is `off` within the bound of `scale`? Differences of `values` carry their rounding over the step. */
static gr_status judge(const check *k, const char *what, int i, double rule, double differences,
	double off, double scale, double values)
{
	double allowed = k->bound * scale + 1e-13 / k->step * values;
	if (off <= allowed)
		return GR_OK;
	return gr__fail(GR_ENUMERIC, "gradcheck",
		"%s in x[%d]: the rules say %.12g, differences %.12g, %.3g apart (bound %.3g)", what, i,
		rule, differences, off, allowed);
}

/* One direction in x[i]: gradient and tangent, or second derivatives. */
static gr_status along(check *k, int i, int number, bool second)
{
	static const double steps[POINTS] = {1.0, -1.0, 0.5, -0.5};
	static const double weights[POINTS] = {-1.0 / 6.0, 1.0 / 6.0, 4.0 / 3.0, -4.0 / 3.0};
	gr_tensor *leaf[GR_OP_MAX_IN], *g[GR_OP_MAX_IN], *hv[GR_OP_MAX_IN], *dy[GR_OP_MAX_OUT];
	gr_tensor *moved[GR_OP_MAX_IN] = {NULL}, *change[GR_OP_MAX_IN] = {NULL}, *at[GR_OP_MAX_IN];
	const gr_grad_opts keep = {.size = sizeof keep, .keep_graph = true, .allow_unused = true};
	const gr_jvp_opts unused = {.size = sizeof unused, .allow_unused = true};
	gr_tensor *u = moved[i] = random_like(k->x[i], "direction", i, number);
	gr_tensor *s = evaluate(k, i, u, 0.0, leaf);
	if (u == NULL || s == NULL || gr_grad(g, s, k->n, leaf, &keep) != GR_OK ||
		gr_jvp(dy, k->m, k->y, k->n, leaf, moved, &unused) != GR_OK)
		return gr_error_code();
	double slope = dot(g[i], u), scale = size_of(g[i]) * size_of(u), tangent = 0.0, values = 0.0;
	for (int j = 0; j < k->m; j++) {
		tangent += dot(k->c[j], dy[j]);
		values += size_of(k->c[j]) * size_of(k->y[j]);
	}
	if (second && gr_hvp(hv, s, k->n, leaf, moved, &keep) != GR_OK)
		return gr_error_code();
	double difference = 0.0;
	for (int p = 0; p < POINTS; p++) {
		double h = k->step * steps[p], w = weights[p] / k->step;
		gr_tensor *there = evaluate(k, i, u, h, leaf);
		if (there == NULL || (second && gr_grad(at, there, k->n, leaf, &keep) != GR_OK))
			return gr_error_code();
		difference += w * gr_item(there);
		for (int l = 0; l < k->n && second; l++)
			change[l] = p == 0 ? gr_mul_s(at[l], w) : gr_axpby(change[l], 1.0, at[l], w);
	}
	gr_status status =
		judge(k, "gradient", i, slope, difference, fabs(slope - difference), scale, values);
	if (status == GR_OK && !(fabs(slope - tangent) <= 1e-10 * (scale + values)))
		status = gr__fail(GR_ENUMERIC, "gradcheck",
			"tangent in x[%d]: forward mode says %.17g, reverse mode %.17g", i, tangent, slope);
	for (int l = 0; l < k->n && status == GR_OK && second; l++) {
		double size = size_of(hv[l]), expected = size_of(change[l]);
		status = judge(k, "second order", l, size, expected, size_of(gr_sub(hv[l], change[l])),
			size, size_of(g[l]));
	}
	return status == GR_OK ? gr_error_code() : status;
}

static gr_status check_arguments(const check *k)
{
	if (k->fn == NULL || k->n < 1 || k->n > GR_OP_MAX_IN || k->m < 1 || k->m > GR_OP_MAX_OUT)
		return gr__fail(GR_EARG, "gradcheck",
			"needs a function, 1..%d inputs (%d given) and 1..%d outputs (%d given)", GR_OP_MAX_IN,
			k->n, GR_OP_MAX_OUT, k->m);
	for (int i = 0; i < k->n; i++) {
		if (k->x[i] == NULL)
			return gr_failed() ? gr_error_code()
							   : gr__fail(GR_EARG, "gradcheck", "x[%d] is NULL", i);
		if (k->x[i]->dtype != GR_F64)
			return gr__fail(GR_EDTYPE, "gradcheck",
				"x[%d] is %s, in which differences tell nothing; hint: gr_cast it to f64", i,
				gr_dtype_name(k->x[i]->dtype));
	}
	return GR_OK;
}

gr_status gr_gradcheck(gr_tensor_fn fn, int n, gr_tensor *const *x, const gr_gradcheck_opts *opts)
{
	static const gr_gradcheck_opts defaults = {.size = sizeof defaults};
	const gr_gradcheck_opts *o = opts != NULL ? opts : &defaults;
	check k = {.fn = fn,
		.n = n,
		.m = o->outputs > 0 ? o->outputs : 1,
		.x = x,
		.payload = o->payload,
		.bound = o->tolerance > 0.0 ? o->tolerance : 1e-6,
		.step = o->step > 0.0 ? o->step : 1e-3,
		.directions = o->directions > 0 ? o->directions : 3};
	gr_status status = check_arguments(&k);
	if (status != GR_OK)
		return status;
	bool was = gr_set_recording(true);
	status = gr_scope_begin();
	/* A wrong gradient is told as that, not as what follows from it. */
	for (int order = 0; order < (o->first_order ? 1 : 2); order++) {
		for (int i = 0; i < n * k.directions && status == GR_OK; i++) {
			status = gr_scope_begin();
			if (status == GR_OK)
				status = along(&k, i / k.directions, i % k.directions, order == 1);
			(void)gr_scope_end();
		}
	}
	(void)gr_scope_end();
	gr_set_recording(was);
	return status;
}
