/* The walk: accumulation, selection, consumption, higher order, depth, errors. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/op.h"
#include "gradus/ops.h"

static gr_tensor *leaf(double v)
{
	return gr_watch(gr_scalar(GR_F64, v));
}

/* dy/dx; asserting macros may evaluate their operands twice, so call it outside them. */
static double grad1(gr_tensor *y, gr_tensor *x)
{
	gr_tensor *g;
	gr_status status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return gr_item(g);
}

Test(backward, cotangents_that_meet_are_summed)
{
	gr_tensor *x = leaf(3.0);
	gr_tensor *y = gr_add(gr_mul(x, x), gr_mul_s(x, 5.0));
	double slope = grad1(y, x);
	cr_assert_float_eq(slope, 11.0, 1e-14);
}

Test(backward, a_value_used_many_times)
{
	gr_tensor *x = leaf(1.5);
	gr_tensor *y = x;
	for (int i = 0; i < 5; i++)
		y = gr_add(y, gr_mul(y, y)); /* y' = (1 + 2 y) y' */
	double v = 1.5, d = 1.0;
	for (int i = 0; i < 5; i++) {
		d *= 1.0 + 2.0 * v;
		v += v * v;
	}
	double slope = grad1(y, x);
	cr_assert_float_eq(slope / d, 1.0, 1e-13);
}

Test(backward, third_derivative)
{
	gr_status status;
	gr_tensor *x = leaf(0.7);
	gr_tensor *y = gr_sin(x);
	for (int order = 0; order < 3; order++) {
		gr_tensor *g;
		status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .create_graph = true));
		cr_assert_eq(status, GR_OK);
		y = g;
	}
	cr_assert_float_eq(gr_item(y), -cos(0.7), 1e-13);
}

Test(backward, a_graph_is_consumed_once)
{
	gr_status status;
	gr_tensor *x = leaf(2.0);
	gr_tensor *y = gr_mul(x, x);
	gr_tensor *g;
	status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .keep_graph = true));
	cr_assert_eq(status, GR_OK);
	double slope = grad1(y, x);
	cr_assert_float_eq(slope, 4.0, 0.0);
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_ESTATE);
	cr_assert_not_null(strstr(gr_error_message(), "consumed"));
}

Test(backward, intermediate_tensors_can_be_asked_for)
{
	gr_status status;
	gr_tensor *x = leaf(2.0);
	gr_tensor *h = gr_mul(x, x);
	gr_tensor *y = gr_mul_s(h, 3.0);
	gr_tensor *ask[] = {x, h}, *g[2];
	status = gr_grad(g, y, 2, ask, NULL);
	cr_assert_eq(status, GR_OK);
	cr_assert_float_eq(gr_item(g[0]), 12.0, 0.0);
	cr_assert_float_eq(gr_item(g[1]), 3.0, 0.0);
}

Test(backward, unused_inputs_are_an_error_unless_allowed)
{
	gr_status status;
	gr_tensor *x = leaf(2.0), *z = leaf(1.0), *g;
	gr_tensor *y = gr_mul(x, x);
	status = gr_grad(&g, y, 1, &z, GR_OPTS(gr_grad_opts, .keep_graph = true));
	cr_assert_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_grad(&g, y, 1, &z, GR_OPTS(gr_grad_opts, .allow_unused = true));
	cr_assert_eq(status, GR_OK);
	cr_assert_eq(gr_item(g), 0.0);
}

Test(backward, untracked_and_null_are_errors)
{
	gr_status status;
	gr_tensor *x = gr_scalar(GR_F64, 1.0), *g;
	status = gr_grad(&g, x, 1, &x, NULL);
	cr_assert_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_grad(&g, NULL, 1, &x, NULL);
	cr_assert_eq(status, GR_EARG);
}

Test(backward, overwritten_values_are_noticed)
{
	gr_status status;
	gr_tensor *x = leaf(2.0), *g;
	gr_tensor *y = gr_mul(x, x);
	gr_param_update(x, gr_scalar(GR_F64, 5.0));
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_assert_eq(status, GR_ESTATE);
	cr_assert_not_null(strstr(gr_error_message(), "test_backward.c"));
}

/* y of a 64 KiB intermediate h, which nobody else holds; the bytes that stay with y. */
static uint64_t held_by(gr_tensor *x, gr_tensor *w, gr_tensor *(*op)(gr_tensor *h, gr_tensor *w))
{
	uint64_t before = gr_memory_stats().bytes_in_use;
	gr_scope_begin();
	gr_tensor *y = gr_tensor_retain(op(gr_mul_s(x, 2.0), w));
	gr_scope_end();
	uint64_t held = gr_memory_stats().bytes_in_use - before;
	gr_tensor_release(y);
	return held;
}

static gr_tensor *times(gr_tensor *h, gr_tensor *w)
{
	return gr_mul(h, w);
}

static gr_tensor *convolved(gr_tensor *h, gr_tensor *w)
{
	gr_tensor *image = gr_reshape(h, GR_DIMS(1, 2, 64, 64));
	return gr_conv2d(image, gr_reshape(w, GR_DIMS(1, 2, 64, 64)), NULL);
}

static gr_tensor *product(gr_tensor *h, gr_tensor *w)
{
	return gr_matmul(gr_reshape(h, GR_DIMS(1, 8192)), gr_reshape(w, GR_DIMS(8192, 1)));
}

/* A frozen factor lets go of the value that it met. */
Test(backward, only_what_tracked_inputs_need_is_kept)
{
	gr_tensor *x = gr_watch(gr_full(GR_F64, GR_DIMS(8192), 2.0));
	gr_tensor *frozen = gr_full(GR_F64, GR_DIMS(8192), 3.0), *trained = gr_watch(frozen);
	const uint64_t value = 65536, spare = 8192;
	cr_assert_leq(held_by(x, frozen, times), value + spare, "y alone");
	cr_assert_geq(held_by(x, trained, times), 2 * value, "y and h");
	cr_assert_leq(held_by(x, frozen, convolved), spare);
	cr_assert_geq(held_by(x, trained, convolved), value);
	cr_assert_leq(held_by(x, frozen, product), spare);
	cr_assert_geq(held_by(x, trained, product), value);
}

Test(backward, stop_gradient_and_recording_off)
{
	gr_tensor *x = leaf(2.0);
	double slope = grad1(gr_mul(x, gr_stop_gradient(x)), x);
	cr_assert_float_eq(slope, 2.0, 0.0);
	bool was = gr_set_recording(false);
	cr_assert(was);
	cr_assert(!gr_is_tracked(gr_mul(x, x)));
	cr_assert(!gr_set_recording(true));
}

Test(backward, depth_is_no_recursion)
{
	gr_tensor *x = leaf(1.0);
	gr_scope_begin();
	gr_tensor *y = x;
	for (int i = 0; i < 300000; i++) {
		gr_scope_begin();
		gr_tensor *next = gr_add_s(y, 1.0);
		y = gr_escape(next);
		gr_scope_end();
	}
	double slope = grad1(y, x);
	cr_assert_float_eq(slope, 1.0, 0.0);
	gr_scope_end();
}

Test(backward, nothing_leaks)
{
	gr_status status;
	uint64_t live = gr_memory_stats().tensors_live;
	uint64_t bytes = gr_memory_stats().bytes_in_use;
	gr_scope_begin();
	gr_tensor *x = gr_watch(gr_random_normal(gr_key_seed(1), GR_F64, GR_DIMS(3, 4)));
	gr_tensor *y = gr_sum(gr_tanh(gr_mul(x, x)), GR_ALL_AXES, false);
	gr_tensor *g;
	status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK);
	gr_tensor *h;
	status = gr_grad(&h, gr_sum(g, GR_ALL_AXES, false), 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	gr_scope_end();
	cr_assert_eq(gr_memory_stats().tensors_live, live);
	cr_assert_eq(gr_memory_stats().bytes_in_use, bytes);
}

Test(backward, one_shot_walk_frees_what_was_saved)
{
	gr_tensor *x = gr_watch(gr_zeros(GR_F32, GR_DIMS(1 << 18))), *g;
	gr_scope_begin();
	gr_tensor *y = x;
	for (int i = 0; i < 10; i++)
		y = gr_tanh(y);
	gr_tensor *loss = gr_escape(gr_sum(y, GR_ALL_AXES, false));
	gr_scope_end(); /* only the graph holds the ten results now */
	uint64_t before = gr_memory_stats().bytes_in_use;
	gr_status status = gr_grad(&g, loss, 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	cr_assert_lt(gr_memory_stats().bytes_in_use + (8 << 20), before);
}

/* Rules of a user's op y = x that fail: one swallows an error, one says a code and no more. */
static gr_status copy_forward(gr_op_call *c)
{
	*(double *)gr_tensor_data(c->out[0]) = gr_item(c->in[0]);
	return GR_OK;
}

static gr_status swallowing_vjp(gr_vjp *v)
{
	v->gin[0] = v->gout[0];
	gr_add(v->gout[0], gr_zeros(GR_F32, GR_DIMS(2)));
	return GR_OK;
}

static gr_status silent_vjp(gr_vjp *v)
{
	(void)v;
	return GR_EMEM;
}

Test(backward, a_rule_that_fails_says_so)
{
	gr_op op = {.name = "copy",
		.sig = "x",
		.nin = 1,
		.nout = 1,
		.infer = gr_infer_same,
		.forward = copy_forward};
	gr_status (*const rules[])(gr_vjp * v) = {swallowing_vjp, silent_vjp};
	const gr_status codes[] = {GR_EDTYPE, GR_EMEM};
	const char *const texts[] = {"add: operands differ", "copy: out of memory in the gradient"};
	for (int i = 0; i < 2; i++) {
		gr_tensor *x = leaf(1.0), *g;
		op.vjp = rules[i];
		gr_tensor *y = gr_apply1(&op, 1, &x, NULL);
		gr_status status = gr_grad(&g, y, 1, &x, NULL);
		cr_expect_eq(status, codes[i]);
		cr_expect_null(g);
		cr_expect(strstr(gr_error_message(), texts[i]) != NULL, "%s", gr_error_message());
		gr_error_clear();
	}
}

/* Chains side by side: the search meets them level by level, far from the order of their making. The
 * gradient of one that reads another must wait for the other's to be whole. */
Test(backward, the_order_of_making_is_found_in_wide_graphs)
{
	enum { CHAINS = 40, LENGTH = 40 };
	gr_tensor *x = leaf(1.0);
	gr_tensor *sum = NULL, *former = x;
	double slope = 0.0, slope_former = 1.0;
	for (int i = 0; i < CHAINS; i++) {
		gr_tensor *t = gr_add(gr_mul_s(former, 0.5), x);
		double slope_t = 0.5 * slope_former + 1.0;
		for (int k = 0; k < LENGTH; k++) {
			t = gr_mul_s(t, 1.0 + 1.0 / 64);
			slope_t *= 1.0 + 1.0 / 64;
		}
		sum = sum == NULL ? t : gr_add(sum, t);
		slope += slope_t;
		former = t;
		slope_former = slope_t;
	}
	double found = grad1(sum, x);
	cr_assert_float_eq(found / slope, 1.0, 1e-12);
}
