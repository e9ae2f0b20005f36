/* gr_on_gradient: who is called when, with what, and what becomes of the answer. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "gradus/recompute.h"

typedef struct seen {
	int calls;
	double last;
	double factor; /* of the answer; 0: the gradient itself */
	gr_tensor *remove;
} seen;

static gr_tensor *look(gr_tensor *grad, void *payload)
{
	seen *s = payload;
	s->calls++;
	s->last = gr_item(grad);
	if (s->remove != NULL && gr_on_gradient(s->remove, NULL, NULL) != GR_OK)
		return NULL;
	return s->factor == 0.0 ? grad : gr_mul_s(grad, s->factor);
}

static gr_tensor *leaf(double v)
{
	return gr_watch(gr_scalar(GR_F64, v));
}

static double slope(gr_tensor *y, gr_tensor *x)
{
	gr_tensor *g;
	gr_status status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .keep_graph = true));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	return gr_item(g);
}

static void hook(gr_tensor *t, seen *s)
{
	gr_status status = gr_on_gradient(t, look, s);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
}

Test(hook, sees_the_whole_gradient_once)
{
	gr_tensor *x = leaf(3.0), *h = gr_mul(x, x), *y = gr_add(gr_mul(h, h), gr_mul_s(h, 2.0));
	seen at_x = {0}, at_h = {0}, at_y = {0};
	hook(x, &at_x);
	hook(h, &at_h);
	hook(y, &at_y);
	double s = slope(y, x);
	cr_expect_eq(s, 120.0); /* (2 h + 2) 2 x */
	cr_expect_eq(at_x.last, 120.0);
	cr_expect_eq(at_h.last, 20.0);
	cr_expect_eq(at_y.last, 1.0);
	cr_expect(at_x.calls == 1 && at_h.calls == 1 && at_y.calls == 1);
	slope(y, h); /* nothing is asked for below h */
	cr_expect(at_x.calls == 1 && at_h.calls == 2 && at_y.calls == 2);
}

Test(hook, an_answer_goes_on)
{
	gr_tensor *x = leaf(3.0), *h = gr_mul(x, x), *y = gr_mul(h, h), *g[2];
	seen first = {.factor = 2.0}, second = {.factor = 5.0};
	hook(h, &first);
	hook(h, &second);
	gr_status status = gr_grad(g, y, 2, (gr_tensor *[]){x, h}, NULL);
	cr_assert_eq(status, GR_OK);
	cr_expect_eq(first.last, 18.0);
	cr_expect_eq(second.last, 36.0);
	cr_expect_eq(gr_item(g[1]), 180.0);
	cr_expect_eq(gr_item(g[0]), 1080.0);
}

Test(hook, answers_are_differentiable)
{
	gr_tensor *x = leaf(0.5), *y = gr_sin(x), *g, *h;
	seen s = {.factor = 3.0};
	hook(y, &s);
	gr_status status = gr_grad(&g, y, 1, &x, GR_OPTS(gr_grad_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK);
	status = gr_grad(&h, g, 1, &x, NULL);
	cr_assert_eq(status, GR_OK);
	cr_expect_float_eq(gr_item(g), 3.0 * cos(0.5), 1e-15);
	cr_expect_float_eq(gr_item(h), -3.0 * sin(0.5), 1e-15);
}

Test(hook, removed_hooks_are_not_called)
{
	gr_tensor *x = leaf(3.0), *y = gr_mul(x, x);
	seen first = {.remove = x}, second = {.factor = 2.0};
	hook(x, &first);
	hook(x, &second); /* gone when its turn comes */
	for (int i = 0; i < 2; i++) {
		double s = slope(y, x);
		cr_expect_eq(s, 6.0);
		cr_expect(first.calls == 1 && second.calls == 0);
	}
	hook(x, &second);
	double s = slope(y, x);
	cr_expect_eq(s, 12.0);
}

/* d/dx of y again, in the middle of the walk: cotangents on their way are left alone. */
typedef struct nested {
	gr_tensor *x, *y;
	double slope;
	int depth;
} nested;

static gr_tensor *walk_again(gr_tensor *grad, void *payload)
{
	nested *n = payload;
	if (n->depth++ == 0)
		n->slope = slope(n->y, n->x);
	n->depth--;
	return grad;
}

Test(hook, a_hook_may_walk_the_same_graph)
{
	gr_tensor *x = leaf(3.0), *h = gr_mul(x, x), *y = gr_add(gr_mul(h, h), gr_mul_s(x, 4.0));
	nested n = {.x = x, .y = y};
	gr_status status = gr_on_gradient(h, walk_again, &n);
	cr_assert_eq(status, GR_OK);
	double s = slope(y, x);
	cr_expect_eq(s, 112.0);
	cr_expect_eq(n.slope, 112.0);
}

static gr_status square(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	gr_tensor *h = gr_mul(x[0], x[0]);
	gr_status status = gr_on_gradient(h, look, payload);
	y[0] = gr_mul(h, h);
	return status;
}

Test(hook, inside_and_outside_of_a_checkpoint)
{
	gr_tensor *x = leaf(3.0), *y;
	seen inside = {.factor = 2.0}, outside = {0};
	gr_status status =
		gr_checkpoint(&y, square, 1, &x, GR_OPTS(gr_recompute_opts, .payload = &inside));
	cr_assert_eq(status, GR_OK);
	hook(y, &outside);
	double s = slope(y, x);
	cr_expect_eq(s, 216.0);
	cr_expect_eq(inside.last, 18.0);
	cr_expect(inside.calls == 1 && outside.calls == 1);
}

static gr_tensor *answer_nothing(gr_tensor *grad, void *payload)
{
	(void)grad, (void)payload;
	return NULL;
}

static gr_tensor *answer_wide(gr_tensor *grad, void *payload)
{
	(void)payload;
	return gr_zeros(gr_tensor_dtype(grad), GR_DIMS(2));
}

static gr_tensor *answer_error(gr_tensor *grad, void *payload)
{
	(void)grad, (void)payload;
	gr_error_set(GR_ENUMERIC, "a gradient that I do not like");
	return NULL;
}

Test(hook, bad_answers_stop_the_walk)
{
	const gr_gradient_fn fns[] = {answer_nothing, answer_wide, answer_error};
	const gr_status codes[] = {GR_EARG, GR_ESHAPE, GR_ENUMERIC};
	for (int i = 0; i < 3; i++) {
		gr_memory before = gr_memory_stats();
		gr_scope_begin();
		gr_tensor *x = leaf(3.0), *h = gr_mul(x, x), *y = gr_mul(h, h), *g;
		gr_status status = gr_on_gradient(h, fns[i], NULL);
		cr_assert_eq(status, GR_OK);
		status = gr_grad(&g, y, 1, &x, NULL);
		cr_expect_eq(status, codes[i]);
		cr_expect_null(g);
		gr_scope_end();
		gr_error_clear();
		cr_expect_eq(gr_memory_stats().tensors_live, before.tensors_live);
	}
	gr_status status = gr_on_gradient(gr_scalar(GR_F64, 1.0), look, NULL);
	cr_expect_eq(status, GR_EARG);
	cr_expect(strstr(gr_error_message(), "gr_watch") != NULL);
}

Test(hook, nothing_leaks)
{
	for (int i = 0; i < 3; i++) { /* the first gives the arrays of the scopes their size */
		static gr_memory before;
		if (i == 1)
			before = gr_memory_stats();
		gr_scope_begin();
		seen s = {.factor = 2.0};
		gr_tensor *x = leaf(3.0), *y = gr_mul(x, x);
		hook(x, &s);
		hook(y, &s);
		slope(y, x);
		gr_scope_end();
		cr_expect(i == 0 || gr_memory_stats().bytes_in_use == before.bytes_in_use);
	}
}
