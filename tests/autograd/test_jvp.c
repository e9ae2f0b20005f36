/* Tangents: against the gradient by the dot identity, on every op and through whole graphs. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/derivative.h"
#include "gradus/op.h"
#include "gradus/ops.h"
#include "gradus/recompute.h"
#include "engine/gradcheck_priv.h"

static double dot(gr_tensor *a, gr_tensor *b)
{
	return gr_item(gr_sum(gr_mul(a, b), GR_ALL_AXES, false));
}

static gr_tensor *random_like(const gr_tensor *t, uint64_t seed)
{
	return gr_random_normal(gr_key_seed(seed), gr_tensor_dtype(t), gr_tensor_ndim(t),
		gr_tensor_dims(t));
}

/* --- every op --------------------------------------------------------------------------------- */

/* The tangents of all outputs along random dx, and sum_j <c_j, dy_j>, sum_i <J^T c_i, dx_i>. */
static bool identity_holds(gr_subject *s)
{
	gr_subject_run r = {0};
	gr_tensor *x[GR_OP_MAX_IN], *dx[GR_OP_MAX_IN], *dy[GR_OP_MAX_OUT];
	gr_tensor *y[GR_OP_MAX_OUT], *c[GR_OP_MAX_OUT];
	int n = 0, m = 0;

	if (!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, r.in) ||
		!gr__subject_forward(s, &r, s->diff) ||
		!gr__subject_cotangents(s, &r, GR_LAYOUT_CONTIGUOUS))
		return false;
	for (int i = 0; i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			continue;
		x[n] = r.in[i];
		dx[n] = random_like(r.in[i], (uint64_t)i);
		n++;
	}
	for (int o = 0; o < s->op->nout; o++) {
		if (r.cot[o] == NULL)
			continue;
		y[m] = r.out[o];
		c[m++] = r.cot[o];
	}
	gr_status status = gr_jvp(dy, m, y, n, x, dx, GR_OPTS(gr_jvp_opts, .allow_unused = true));
	if (status != GR_OK || !gr__subject_gradient(s, &r, s->diff, -1, false))
		return gr__subject_fail(s, "%s", gr_error_message());
	double left = 0.0, right = 0.0, scale = 0.0;
	for (int j = 0; j < m; j++) {
		if (gr_tensor_dtype(dy[j]) != GR_F64)
			return true; /* rounding of f32 tells nothing here */
		double term = dot(c[j], dy[j]);
		left += term;
		scale += sqrt(dot(c[j], c[j]) * dot(dy[j], dy[j]));
	}
	for (int i = 0, k = 0; i < s->nin; i++) {
		if ((s->diff >> i & 1) == 0)
			continue;
		right += dot(r.grad[i], dx[k]);
		scale += sqrt(dot(r.grad[i], r.grad[i]) * dot(dx[k], dx[k]));
		k++;
	}
	if (fabs(left - right) <= 1e-13 * scale)
		return true;
	return gr__subject_fail(s, "<c, J u> is %.17g, <J^T c, u> is %.17g", left, right);
}

Test(jvp, every_op_is_the_adjoint_of_its_rule)
{
	int checked = 0, failures = 0;
	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		for (int k = 0; k < op->ncases; k++) {
			gr_subject s;
			(void)gr_scope_begin();
			bool ok = gr__subject_begin(&s, op, &op->cases[k]);
			if (ok && gr__subject_watch(&s) != 0) {
				ok = identity_holds(&s);
				checked++;
			}
			if (!ok)
				fprintf(stderr, "%s, case \"%s\": %s\n", op->name, op->cases[k].name, s.why);
			failures += ok ? 0 : 1;
			(void)gr_scope_end();
			gr_error_clear();
			gr__subject_end(&s);
		}
	}
	cr_assert(failures == 0, "%d cases fail, see above", failures);
	cr_assert_gt(checked, 200);
}

/* --- whole graphs ------------------------------------------------------------------------------ */

typedef struct weights {
	gr_tensor *w[2], *b;
} weights;

/* Linear, bilinear, elementwise, views, norms: one of each kind. */
static gr_status layer(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	const weights *p = payload;
	gr_tensor *h = gr_tanh(gr_add(gr_matmul(x[0], p->w[0]), p->b));
	h = gr_softmax(gr_matmul(h, gr_transpose(p->w[1], 0, 1)));
	y[0] = gr_mul(gr_add(h, x[0]), gr_sigmoid(x[0]));
	return y[0] != NULL ? GR_OK : gr_error_code();
}

static gr_tensor *network(gr_tensor *x, weights *p, bool checkpointed)
{
	for (int i = 0; i < 3; i++) {
		gr_tensor *next;
		gr_status status = checkpointed
			? gr_checkpoint(&next, layer, 1, &x, GR_OPTS(gr_recompute_opts, .payload = p))
			: layer(&next, &x, p);
		if (status != GR_OK)
			return NULL;
		x = next;
	}
	return x;
}

static gr_tensor *watched(uint64_t seed, int64_t rows, int64_t cols)
{
	return gr_watch(gr_random_normal(gr_key_seed(seed), GR_F64, GR_DIMS(rows, cols)));
}

Test(jvp, a_network_plain_and_checkpointed)
{
	weights p = {{watched(1, 5, 5), watched(2, 5, 5)}, watched(3, 1, 5)};
	gr_tensor *x[] = {watched(4, 3, 5), p.w[0], p.w[1], p.b}, *dx[4], *g[4], *dy[2];
	for (int i = 0; i < 4; i++)
		dx[i] = random_like(x[i], 10 + (uint64_t)i);
	for (int k = 0; k < 2; k++) {
		gr_tensor *y = network(x[0], &p, k == 1);
		gr_status status = gr_jvp(&dy[k], 1, &y, 4, x, dx, NULL);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		gr_tensor *c = random_like(y, 20);
		status = gr_grad(g, y, 4, x, GR_OPTS(gr_grad_opts, .cotangent = c));
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		double right = 0.0;
		for (int i = 0; i < 4; i++)
			right += dot(g[i], dx[i]);
		double left = dot(c, dy[k]);
		cr_expect(fabs(left - right) < 1e-12 * (1.0 + fabs(right)), "%.17g, %.17g", left, right);
	}
	cr_expect_eq(memcmp(gr_tensor_data(dy[0]), gr_tensor_data(dy[1]), 15 * sizeof(double)), 0);
}

Test(jvp, intermediate_tensors_move_by_themselves_too)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *h = gr_mul(x, x), *y = gr_mul(h, x), *dy;
	gr_tensor *at[] = {x, h}, *dx[] = {gr_scalar(GR_F64, 1.0), gr_scalar(GR_F64, 10.0)};
	gr_status status = gr_jvp(&dy, 1, &y, 2, at, dx, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_item(dy), 12.0 + 20.0); /* 3 x^2, and x for h */
}

Test(jvp, tangents_are_differentiable)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 0.7)), *one = gr_scalar(GR_F64, 1.0), *y = gr_sin(x);
	gr_tensor *dy, *ddy, *g;
	gr_status status = gr_jvp(&dy, 1, &y, 1, &x, &one, GR_OPTS(gr_jvp_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK);
	status = gr_jvp(&ddy, 1, &dy, 1, &x, &one, GR_OPTS(gr_jvp_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK);
	status = gr_grad(&g, ddy, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_float_eq(gr_item(g), -cos(0.7), 1e-14);
}

Test(jvp, a_tangent_of_softmax_is_differentiable)
{
	gr_tensor *x = watched(1, 2, 4), *v = random_like(x, 2), *c = random_like(x, 3), *dy, *g, *h;
	gr_tensor *y = gr_softmax(x);
	gr_status status = gr_jvp(&dy, 1, &y, 1, &x, &v, GR_OPTS(gr_jvp_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK);
	status = gr_grad(&g, dy, 1, &x, GR_OPTS(gr_grad_opts, .cotangent = c, .keep_graph = true));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	/* d/dx <c, J v> is the Hessian of <c, y> times v. */
	status = gr_hvp(&h, y, 1, &x, &v, GR_OPTS(gr_grad_opts, .cotangent = c));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	double far = gr_item(gr_norm(gr_sub(g, h), GR_ALL_AXES, false));
	cr_expect_lt(far, 1e-14);
}

Test(jvp, errors)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *z = gr_watch(gr_scalar(GR_F64, 1.0)), *dy;
	gr_tensor *y = gr_mul(x, x), *c = gr_scalar(GR_F64, 1.0), *wide = gr_zeros(GR_F64, GR_DIMS(2));
	gr_status status = gr_jvp(&dy, 1, &y, 1, &z, &c, NULL);
	cr_expect_eq(status, GR_EARG);
	cr_expect_null(dy);
	gr_error_clear();
	status = gr_jvp(&dy, 1, &y, 1, &z, &c, GR_OPTS(gr_jvp_opts, .allow_unused = true));
	cr_expect_eq(status, GR_OK);
	cr_expect_eq(gr_item(dy), 0.0);
	status = gr_jvp(&dy, 1, &y, 1, &c, &c, NULL);
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_jvp(&dy, 1, &y, 1, &x, &wide, NULL);
	cr_expect_eq(status, GR_ESHAPE);
	gr_error_clear();
	gr_tensor *g;
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	status = gr_jvp(&dy, 1, &y, 1, &x, &c, NULL);
	cr_expect_eq(status, GR_ESTATE);
	cr_expect(strstr(gr_error_message(), "consumed") != NULL, "%s", gr_error_message());
}

Test(jvp, nothing_leaks_and_any_allocation_may_fail)
{
	gr_set_threads(1);
	weights p = {{watched(1, 5, 5), watched(2, 5, 5)}, watched(3, 1, 5)};
	gr_tensor *x = watched(4, 3, 5), *v = random_like(x, 5), *dy;
	for (int checkpointed = 0; checkpointed < 2; checkpointed++) {
		bool through = false;
		for (uint64_t at = 0; !through; at++) {
			gr_memory before = gr_memory_stats();
			gr_scope_begin();
			gr_memory_fail_at(at);
			gr_tensor *y = network(x, &p, checkpointed == 1);
			gr_status status = y == NULL ? gr_error_code() : gr_jvp(&dy, 1, &y, 1, &x, &v, NULL);
			gr_memory_fail_at(0);
			gr_scope_end();
			through = at > 0 && status == GR_OK;
			cr_assert(status == GR_EMEM || status == GR_OK, "block %llu: %s",
				(unsigned long long)at, gr_error_message());
			gr_error_clear();
			gr_memory after = gr_memory_stats();
			cr_assert_eq(after.tensors_live, before.tensors_live);
			cr_assert(at == 0 || after.bytes_in_use == before.bytes_in_use, "block %llu",
				(unsigned long long)at);
		}
	}
}
