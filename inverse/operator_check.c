/*
 * The self-test of an operator (see gr_operator_check() in gradus/operator.h): identities alone, no
 * stored numbers.
 */
#include "gradus/operator.h"

#include <math.h>

#include "gradus/ops.h"

#define WIDE 1e-12
#define NARROW 1e-5

typedef struct check {
	const gr_operator *A;
	gr_key key;
	int64_t n; /* images of a batch */
} check;

static gr_tensor *draw(const check *c, const char *what, const int64_t *dims, gr_dtype dtype)
{
	return gr_random_normal(gr_key_fold_name(c->key, what), dtype,
		GR_DIMS(c->n, dims[0], dims[1], dims[2]));
}

static double dot(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *sum = gr_sum(gr_mul(gr_cast(a, GR_F64), gr_cast(b, GR_F64)), GR_ALL_AXES, false);
	return sum ? gr_item(sum) : NAN;
}

/* |a - b| relative to |b|, or |a - b| where b is 0. */
static double distance(gr_tensor *a, gr_tensor *b)
{
	gr_tensor *d = gr_sub(a, b);
	double size = sqrt(dot(b, b));
	return sqrt(dot(d, d)) / (size > 0.0 ? size : 1.0);
}

static gr_status judge(const check *c, const char *promise, double error, double bound)
{
	if (gr_failed())
		return gr_error_code();
	if (error <= bound)
		return GR_OK;
	return gr_error_set(GR_ENUMERIC, "operator %s: %s: off by %.3g, expected at most %g",
		gr_operator_name(c->A), promise, error, bound);
}

static gr_status adjoint(const check *c, gr_dtype dtype)
{
	gr_tensor *x = draw(c, "x", gr_operator_in_dims(c->A), dtype);
	gr_tensor *y = draw(c, "y", gr_operator_out_dims(c->A), dtype);
	gr_tensor *Ax = gr_operator_apply(c->A, x);
	double size = sqrt(dot(Ax, Ax) * dot(y, y));
	double error = fabs(dot(Ax, y) - dot(x, gr_operator_adjoint(c->A, y)));
	return judge(c, dtype == GR_F64 ? "<Ax, y> = <x, A'y> in f64" : "<Ax, y> = <x, A'y> in f32",
		error / (size > 0.0 ? size : 1.0), dtype == GR_F64 ? WIDE : NARROW);
}

static gr_status linearity(const check *c)
{
	const int64_t *in = gr_operator_in_dims(c->A);
	gr_tensor *a = draw(c, "a", in, GR_F64);
	gr_tensor *b = draw(c, "b", in, GR_F64);
	gr_tensor *whole = gr_operator_apply(c->A, gr_axpby(a, 2.5, b, -0.75));
	gr_tensor *apart = gr_axpby(gr_operator_apply(c->A, a), 2.5, gr_operator_apply(c->A, b), -0.75);
	return judge(c, "linearity; hint: opts.nonlinear", distance(whole, apart), WIDE);
}

/* The derivative of <A^T y, x> in y is A x, and that of <A x, y> in x is A^T y. */
static gr_status derivatives(const check *c)
{
	gr_tensor *x = gr_watch(draw(c, "x", gr_operator_in_dims(c->A), GR_F64));
	gr_tensor *y = gr_watch(draw(c, "y", gr_operator_out_dims(c->A), GR_F64));
	gr_tensor *grad;
	gr_status status = gr_grad(&grad, gr_operator_apply(c->A, x), 1, &x,
		GR_OPTS(gr_grad_opts, .cotangent = gr_stop_gradient(y)));
	if (!status)
		status = judge(c, "the derivative is the adjoint",
			distance(grad, gr_operator_adjoint(c->A, gr_stop_gradient(y))), WIDE);
	if (!status)
		status = gr_grad(&grad, gr_operator_adjoint(c->A, y), 1, &y,
			GR_OPTS(gr_grad_opts, .cotangent = gr_stop_gradient(x)));
	if (!status)
		status = judge(c, "the adjoint's derivative is the operator",
			distance(grad, gr_operator_apply(c->A, gr_stop_gradient(x))), WIDE);
	return status;
}

/* <A'(x) d, y> by the gradient and by a central difference. Kinks are few and far between: the
 * median of a few places is beside them. */
static gr_status slope(const check *c)
{
	enum { PLACES = 5 };
	double errors[PLACES];
	const int64_t *in = gr_operator_in_dims(c->A);
	for (int i = 0; i < PLACES; i++) {
		const check here = {c->A, gr_key_fold(c->key, (uint64_t)i), c->n};
		gr_tensor *x = gr_watch(gr_mul_s(draw(&here, "x", in, GR_F64), 0.5));
		gr_tensor *y = draw(&here, "y", gr_operator_out_dims(c->A), GR_F64);
		gr_tensor *d = gr_mul_s(draw(&here, "d", in, GR_F64), 1e-6);
		gr_tensor *grad;
		gr_status status = gr_grad(&grad, gr_operator_apply(c->A, x), 1, &x,
			GR_OPTS(gr_grad_opts, .cotangent = y));
		if (status)
			return status;
		gr_tensor *at = gr_stop_gradient(x);
		double up = dot(gr_operator_apply(c->A, gr_add(at, d)), y);
		double down = dot(gr_operator_apply(c->A, gr_sub(at, d)), y);
		double size = sqrt(dot(grad, grad) * dot(d, d));
		double error = fabs(0.5 * (up - down) - dot(grad, d)) / (size > 0.0 ? size : 1.0);
		int k = i;
		for (; k > 0 && !(errors[k - 1] <= error); k--)
			errors[k] = errors[k - 1];
		errors[k] = error;
	}
	return judge(c, "the gradient is that of a difference", errors[PLACES / 2], 1e-5);
}

/* Other images beside image 0 change no bit of its measurement. */
static gr_status isolation(const check *c)
{
	const int64_t *in = gr_operator_in_dims(c->A);
	gr_tensor *first = gr_slice(draw(c, "x", in, GR_F32), 0, 0, 1, 1);
	gr_tensor *rest = gr_slice(draw(c, "rest", in, GR_F32), 0, 1, c->n, 1);
	gr_tensor *other = gr_mul_s(gr_slice(draw(c, "other", in, GR_F32), 0, 1, c->n, 1), 3.0);
	gr_tensor *a = gr_operator_apply(c->A, gr_concat(2, (gr_tensor *[]){first, rest}, 0));
	gr_tensor *b = gr_operator_apply(c->A, gr_concat(2, (gr_tensor *[]){first, other}, 0));
	gr_tensor *here = gr_slice(a, 0, 0, 1, 1);
	gr_status status = judge(c, "image 0 does not depend on the images beside it",
		distance(gr_slice(b, 0, 0, 1, 1), here), 0.0);
	if (status || gr_operator_batch(c->A) > 0) /* a bound operator takes its whole batch */
		return status;
	return judge(c, "an image alone has the bits that it has in a batch",
		distance(gr_operator_apply(c->A, first), here), 0.0);
}

gr_status gr_operator_check(const gr_operator *A, gr_key key)
{
	if (!A)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_EARG, "operator check: it is NULL");
	int64_t bound = gr_operator_batch(A);
	const check c = {A, key, bound > 0 ? bound : 3};
	bool recording = gr_set_recording(true);
	gr_scope_begin();
	gr_status status = GR_OK;
	if (gr_is_linear_operator(A)) {
		status = linearity(&c);
		status = status ? status : adjoint(&c, GR_F64);
		status = status ? status : adjoint(&c, GR_F32);
		status = status ? status : derivatives(&c);
	} else {
		status = slope(&c);
	}
	if (!status && c.n > 1)
		status = isolation(&c);
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	return status ? status : ended;
}
