/*
 * Are the derivatives right? The rule against finite differences; the rule's own rule against
 * finite differences of the rule; forward mode against reverse mode.
 *
 * A function here maps R^n to R^m as flat arrays: either the op (inputs -> outputs) or its rule
 * (inputs and cotangents -> gradients). Both can be evaluated and pulled back, so one comparison
 * serves first and second order.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradcheck_priv.h"

#include <math.h>
#include <string.h>

#include "gradus/derivative.h"
#include "gradus/ops.h"

/* --- functions on flat arrays -------------------------------------------------------------- */

typedef struct function function;
struct function {
	gr_subject *s;
	int64_t n, m;
	bool (*eval)(function *f, const double *x, double *y);
	/* gx = J(x)^T c */
	bool (*pull)(function *f, const double *x, const double *c, double *gx);
	int64_t nx, ny; /* of the op: what the inputs and outputs have */
};

/* Inputs from a flat array of the differentiable ones; the others from the case. */
static bool scatter_inputs(gr_subject *s, const double *x, gr_tensor **in)
{
	for (int i = 0; i < s->nin; i++) {
		const gr_operand *shape = &s->shape[i];
		bool flat = (s->diff >> i & 1) != 0;
		in[i] = gr_from_f64(shape->dtype, flat ? x : s->value[i], shape->ndim, shape->dims);
		x += flat ? s->size[i] : 0;
		if (in[i] == NULL)
			return gr__subject_fail(s, "input %d: %s", i, gr_error_message());
	}
	return true;
}

static bool collect(gr_subject *s, int n, gr_tensor *const *t, uint32_t which, double *out)
{
	for (int i = 0; i < n; i++) {
		if ((which >> i & 1) == 0)
			continue;
		if (gr_tensor_to_f64(t[i], out) != GR_OK)
			return gr__subject_fail(s, "reading a result: %s", gr_error_message());
		out += gr_tensor_size(t[i]);
	}
	return true;
}

/* Outputs that are floats, by bit. */
static uint32_t float_outputs(const gr_subject *s, const gr_subject_run *r)
{
	uint32_t which = 0;

	for (int o = 0; o < s->op->nout; o++)
		if (gr__subject_is_float(r->out[o]))
			which |= 1u << o;
	return which;
}

static bool scatter_cotangents(gr_subject *s, gr_subject_run *r, const double *c)
{
	for (int o = 0; o < s->op->nout; o++) {
		gr_tensor *y = r->out[o];
		if (!gr__subject_is_float(y))
			continue;
		r->cot[o] = gr_from_f64(gr_tensor_dtype(y), c, gr_tensor_ndim(y), gr_tensor_dims(y));
		if (r->cot[o] == NULL)
			return gr__subject_fail(s, "cotangent: %s", gr_error_message());
		c += gr_tensor_size(y);
	}
	return true;
}

static bool op_eval(function *f, const double *x, double *y)
{
	gr_subject *s = f->s;
	gr_subject_run r = {0};

	(void)gr_scope_begin();
	bool ok = scatter_inputs(s, x, r.in) && gr__subject_forward(s, &r, 0) &&
		collect(s, s->op->nout, r.out, float_outputs(s, &r), y);
	return gr_scope_end() == GR_OK && ok;
}

static bool op_pull(function *f, const double *x, const double *c, double *gx)
{
	gr_subject *s = f->s;
	gr_subject_run r = {0};

	(void)gr_scope_begin();
	bool ok = scatter_inputs(s, x, r.in) && gr__subject_forward(s, &r, s->diff) &&
		scatter_cotangents(s, &r, c) && gr__subject_gradient(s, &r, s->diff, -1, false) &&
		collect(s, s->nin, r.grad, s->diff, gx);
	return gr_scope_end() == GR_OK && ok;
}

/* x = (inputs, cotangents) -> gradients */
static bool rule_eval(function *f, const double *x, double *y)
{
	return op_pull(f, x, x + f->nx, y);
}

/* <gradients, c>, a scalar. */
static gr_tensor *weigh(gr_subject *s, const gr_subject_run *r, const double *c)
{
	gr_tensor *sum = NULL;
	bool first = true;

	for (int i = 0; i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			continue;
		const gr_operand *shape = &s->shape[i];
		gr_tensor *weights = gr_from_f64(shape->dtype, c, shape->ndim, shape->dims);
		gr_tensor *term = gr_sum(gr_mul(r->grad[i], weights), GR_ALL_AXES, false);
		sum = first ? term : gr_add(sum, term);
		first = false;
		c += s->size[i];
	}
	return sum;
}

/* Gradient of <rule(x, cot), c> in the inputs and in the cotangents. */
static bool second_gradient(gr_subject *s, gr_subject_run *r, const double *c, double *gx)
{
	gr_tensor *x[GR_OP_MAX_IN + GR_OP_MAX_OUT], *grads[GR_OP_MAX_IN + GR_OP_MAX_OUT];
	int n = 0;

	for (int o = 0; o < s->op->nout; o++)
		r->cot[o] = r->cot[o] != NULL ? gr_watch(r->cot[o]) : NULL;
	if (!gr__subject_gradient(s, r, s->diff, -1, true))
		return false;
	for (int i = 0; i < s->nin; i++)
		if ((s->diff >> i & 1) != 0)
			x[n++] = r->in[i];
	for (int o = 0; o < s->op->nout; o++)
		if (r->cot[o] != NULL)
			x[n++] = r->cot[o];
	gr_tensor *sum = weigh(s, r, c);
	gr_grad_opts opts = {.size = sizeof opts, .allow_unused = true};
	if (sum == NULL || gr_grad(grads, sum, n, x, &opts) != GR_OK)
		return gr__subject_fail(s, "second gradient: %s", gr_error_message());
	return collect(s, n, grads, UINT32_MAX, gx);
}

static bool rule_pull(function *f, const double *x, const double *c, double *gx)
{
	gr_subject *s = f->s;
	gr_subject_run r = {0};

	(void)gr_scope_begin();
	bool ok = scatter_inputs(s, x, r.in) && gr__subject_forward(s, &r, s->diff) &&
		scatter_cotangents(s, &r, x + f->nx) && second_gradient(s, &r, c, gx);
	return gr_scope_end() == GR_OK && ok;
}

/* --- derivatives against differences ------------------------------------------------------- */

/* A full Jacobian below this many inputs and outputs; three random directions beyond. */
#define FULL_BELOW 64

static double *array(int64_t n)
{
	return gr_alloc(((size_t)n + 1) * sizeof(double));
}

/* J u by central differences, (4 D(h/2) - D(h)) / 3: the error is of order h^4. */
static bool difference(function *f, const double *x, const double *u, double *ju)
{
	static const double steps[4] = {1e-3, -1e-3, 5e-4, -5e-4};
	static const double weights[4] = {-1.0 / 6e-3, 1.0 / 6e-3, 4.0 / 3e-3, -4.0 / 3e-3};
	double *at = array(f->n), *y = array(f->m);
	bool ok = at != NULL && y != NULL;

	for (int64_t i = 0; ok && i < f->m; i++)
		ju[i] = 0.0;
	for (int k = 0; ok && k < 4; k++) {
		for (int64_t i = 0; i < f->n; i++)
			at[i] = x[i] + steps[k] * u[i];
		ok = f->eval(f, at, y);
		for (int64_t i = 0; ok && i < f->m; i++)
			ju[i] += weights[k] * y[i];
	}
	gr_free(at);
	gr_free(y);
	return ok;
}

static double dot(const double *a, const double *b, int64_t n)
{
	double sum = 0.0;

	for (int64_t i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static double largest(const double *a, int64_t n)
{
	double most = 0.0;

	for (int64_t i = 0; i < n; i++)
		most = fmax(most, fabs(a[i]));
	return most;
}

/* Differences are good to 2e-10 in the worst of cases, an exponential from -80 to 80. */
#define BOUND 1e-9

/* Rounding: a difference of values y carries an error of 1e-16 y / h, so y adds to the scale. */
static bool agree(gr_subject *s, const char *what, double rule, double numeric, double scale,
	double y)
{
	double off = fabs(rule - numeric), of = scale + 3e-5 * y;

	if (gr__subject_met(s, off == 0.0 ? 0.0 : off / of, BOUND))
		return true;
	return gr__subject_fail(s, "%s: the rule says %.12g, differences say %.12g (bound %.3g)", what,
		rule, numeric, BOUND * of);
}

static bool check_full(function *f, const char *what, const double *x, const double *y)
{
	double *rows = array(f->n * f->m), *columns = array(f->n * f->m);
	double *unit = array(f->n + f->m), size = largest(y, f->m);
	bool ok = rows != NULL && columns != NULL && unit != NULL;

	for (int64_t j = 0; ok && j < f->m; j++) {
		unit[j] = 1.0;
		ok = f->pull(f, x, unit, rows + j * f->n);
		unit[j] = 0.0;
	}
	for (int64_t i = 0; ok && i < f->n; i++) {
		unit[i] = 1.0;
		ok = difference(f, x, unit, columns + i * f->m);
		unit[i] = 0.0;
	}
	double scale = ok ? largest(rows, f->n * f->m) : 0.0;
	for (int64_t i = 0; ok && i < f->n; i++)
		for (int64_t j = 0; ok && j < f->m; j++)
			ok = agree(f->s, what, rows[j * f->n + i], columns[i * f->m + j], scale, size);
	gr_free(rows);
	gr_free(columns);
	gr_free(unit);
	return ok;
}

static bool check_directions(function *f, const char *what, const double *x, const double *y)
{
	double *u = array(f->n), *c = array(f->m), *ju = array(f->m), *gx = array(f->n);
	bool ok = u != NULL && c != NULL && ju != NULL && gx != NULL;

	for (int k = 0; ok && k < 3; k++) {
		gr__subject_random(f->s, "direction", k, u, f->n);
		gr__subject_random(f->s, "weights", k, c, f->m);
		ok = difference(f, x, u, ju) && f->pull(f, x, c, gx);
		/* typical size of a sum of such terms, so that one that cancels is not held against us */
		double scale = 0.0, noise = 0.0;
		for (int64_t i = 0; i < f->n; i++)
			scale += gx[i] * u[i] * gx[i] * u[i];
		for (int64_t j = 0; j < f->m; j++)
			noise += fabs(c[j] * y[j]);
		ok = ok && agree(f->s, what, dot(gx, u, f->n), dot(c, ju, f->m), sqrt(scale), noise);
	}
	gr_free(u);
	gr_free(c);
	gr_free(ju);
	gr_free(gx);
	return ok;
}

static bool check_derivative(function *f, const char *what, const double *x)
{
	double *y = array(f->m), *gx = array(f->n);
	bool ok = y != NULL && gx != NULL && f->eval(f, x, y);

	if (ok && (f->n == 0 || f->m == 0))
		ok = f->pull(f, x, y, gx); /* nothing to compare, but it must run */
	else if (ok && f->n < FULL_BELOW && f->m < FULL_BELOW)
		ok = check_full(f, what, x, y);
	else if (ok)
		ok = check_directions(f, what, x, y);
	gr_free(y);
	gr_free(gx);
	return ok;
}

/* The op at its case: sizes and the flat inputs followed by random cotangents. */
static double *op_function(gr_subject *s, function *f)
{
	gr_subject_run r = {0};

	*f = (function){.s = s, .eval = op_eval, .pull = op_pull};
	if (!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, r.in) ||
		!gr__subject_forward(s, &r, 0))
		return NULL;
	for (int o = 0; o < s->op->nout; o++) {
		f->ny += gr__subject_is_float(r.out[o]) ? gr_tensor_size(r.out[o]) : 0;
		/* differences in f32 tell nothing */
		s->untested = s->untested || gr_tensor_dtype(r.out[o]) == GR_F32;
	}
	for (int i = 0; i < s->nin; i++)
		f->nx += (s->diff >> i & 1) != 0 ? s->size[i] : 0;
	double *x = array(f->nx + f->ny), *at = x;
	for (int i = 0; x != NULL && i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			continue;
		memcpy(at, s->value[i], (size_t)s->size[i] * sizeof *at);
		at += s->size[i];
	}
	if (x != NULL)
		gr__subject_random(s, "second", 0, at, f->ny);
	f->n = f->nx;
	f->m = f->ny;
	return x;
}

bool gr__check_vjp(gr_subject *s)
{
	function f;

	if (gr__subject_skips(s))
		return true;
	double *x = op_function(s, &f);
	s->untested = s->untested || (s->op->flags & GR_OP_SURROGATE) != 0;
	bool ok = x != NULL && (s->untested || check_derivative(&f, "gradient", x));
	gr_free(x);
	return ok;
}

bool gr__check_second(gr_subject *s)
{
	function f;

	if (gr__subject_skips(s))
		return true;
	double *x = op_function(s, &f);
	f.eval = rule_eval;
	f.pull = rule_pull;
	f.n = f.nx + f.ny;
	f.m = f.nx;
	bool ok = x != NULL && (s->untested || check_derivative(&f, "second order", x));
	gr_free(x);
	return ok;
}

/* --- forward mode -------------------------------------------------------------------------- */

/* ju = J(x) u by gr_jvp. */
static bool op_push(function *f, const double *x, const double *u, double *ju)
{
	gr_subject *s = f->s;
	gr_subject_run r = {0};
	gr_tensor *in[GR_OP_MAX_IN], *along[GR_OP_MAX_IN], *dx[GR_OP_MAX_IN];
	gr_tensor *y[GR_OP_MAX_OUT], *dy[GR_OP_MAX_OUT];
	int n = 0, m = 0;

	(void)gr_scope_begin();
	bool ok = scatter_inputs(s, x, r.in) && gr__subject_forward(s, &r, s->diff) &&
		scatter_inputs(s, u, along);
	for (int i = 0; ok && i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			continue;
		in[n] = r.in[i];
		dx[n++] = along[i];
	}
	for (int o = 0; ok && o < s->op->nout; o++)
		if (gr__subject_is_float(r.out[o]))
			y[m++] = r.out[o];
	const gr_jvp_opts opts = {.size = sizeof opts, .allow_unused = true};
	if (ok && gr_jvp(dy, m, y, n, in, dx, &opts) != GR_OK)
		ok = gr__subject_fail(s, "tangent: %s", gr_error_message());
	ok = ok && collect(s, m, dy, UINT32_MAX, ju);
	return gr_scope_end() == GR_OK && ok;
}

/* <c, J u> = <J^T c, u> */
static bool adjoint(function *f, const char *what, const double *c, const double *ju,
	const double *gx, const double *u)
{
	double scale = largest(gx, f->nx) * largest(u, f->nx) * (double)f->nx +
		largest(ju, f->ny) * largest(c, f->ny) * (double)f->ny;
	double left = dot(c, ju, f->ny), right = dot(gx, u, f->nx), off = fabs(left - right);

	if (gr__subject_met(f->s, off == 0.0 ? 0.0 : off / scale, 1e-13))
		return true;
	return gr__subject_fail(f->s, "%s: <c, J u> is %.17g, <J^T c, u> is %.17g", what, left, right);
}

/* J u as gr_jvp has it, and as the rule's own rule: that is linear in its cotangent, so its
 * derivative there is J u too. */
bool gr__check_jvp(gr_subject *s)
{
	function f;

	if (gr__subject_skips(s))
		return true;
	double *x = op_function(s, &f);
	if (x == NULL)
		return false;
	double *u = array(f.nx), *c = array(f.ny), *gx = array(f.nx), *both = array(f.nx + f.ny);
	double *ju = array(f.ny);
	bool ok = u != NULL && c != NULL && gx != NULL && both != NULL && ju != NULL;
	if (ok && !s->untested) {
		gr__subject_random(s, "tangent", 0, u, f.nx);
		gr__subject_random(s, "weights", 0, c, f.ny);
		ok = op_pull(&f, x, c, gx) && op_push(&f, x, u, ju) &&
			adjoint(&f, "gr_jvp", c, ju, gx, u) && rule_pull(&f, x, u, both) &&
			adjoint(&f, "the rule's rule", c, both + f.nx, gx, u);
	}
	gr_free(x);
	gr_free(u);
	gr_free(c);
	gr_free(gx);
	gr_free(both);
	gr_free(ju);
	return ok;
}
