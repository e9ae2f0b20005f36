/*
 * Estimates against the real thing: every op on every case, forward and backward, holds at its peak
 * exactly the bytes that its dry run counts; and what a dry run must not do.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gradus/estimate.h"
#include "gradus/ops.h"
#include "gradus/recompute.h"
#include "engine/gradcheck_priv.h"

typedef struct work {
	gr_subject *s;
	gr_dtype dtype;
	enum gr_layout layout;
	bool create_graph;
} work;

static gr_status run(void *ctx)
{
	const work *w = ctx;
	gr_subject_run r = {.in = {NULL}};
	const uint32_t watch = gr__subject_watch(w->s);
	bool ok =
		gr__subject_inputs(w->s, w->dtype, w->layout, r.in) && gr__subject_forward(w->s, &r, watch);
	if (ok && watch != 0)
		ok = gr__subject_cotangents(w->s, &r, w->layout) &&
			gr__subject_gradient(w->s, &r, watch, -1, w->create_graph);
	return ok || gr_failed() ? gr_error_code() : GR_EARG;
}

static uint64_t measure(work *w)
{
	const uint64_t before = gr_memory_stats().bytes_in_use;
	gr_memory_reset_peak();
	gr_scope_begin();
	gr_status status = run(w);
	gr_scope_end();
	cr_assert_eq(status, GR_OK, "%s, \"%s\": %s%s", w->s->op->name, w->s->c->name,
		gr_error_message(), w->s->why);
	return gr_memory_stats().bytes_peak - before;
}

static int compare(const gr_op *op, const gr_case *c, const work *how)
{
	gr_subject s;
	gr_cost cost = {0};
	int wrong = 0;
	if (gr__subject_begin(&s, op, c)) {
		work w = *how;
		w.s = &s;
		measure(&w); /* the arrays of the scopes have their size now */
		const uint64_t real = measure(&w);
		gr_status status = gr_estimate(&cost, run, &w);
		wrong = status != GR_OK || cost.bytes_peak != real;
		if (wrong)
			fprintf(stderr, "%s, \"%s\": %llu bytes at the peak, estimated %llu%s%s%s\n", op->name,
				c->name, (unsigned long long)real, (unsigned long long)cost.bytes_peak,
				status != GR_OK ? ": " : "", gr_error_message(), s.why);
		gr_error_clear();
	}
	gr__subject_end(&s);
	return wrong;
}

static void compare_all(const work *how)
{
	int wrong = 0;
	gr_set_threads(2);
	for (int i = 0; i < gr_op_count(); i++) {
		const gr_op *op = gr_op_get(i);
		for (int k = 0; k < op->ncases; k++)
			wrong += compare(op, &op->cases[k], how);
	}
	cr_assert_eq(wrong, 0, "%d estimates were wrong, see above", wrong);
}

Test(estimate, every_op_holds_what_its_dry_run_counts)
{
	compare_all(&(work){.dtype = GR_F32, .layout = GR_LAYOUT_CONTIGUOUS});
}

Test(estimate, in_double_and_any_layout)
{
	compare_all(&(work){.dtype = GR_F64, .layout = GR_LAYOUT_STEPPED});
}

Test(estimate, with_a_graph_of_the_gradient)
{
	compare_all(&(work){.dtype = GR_F32, .layout = GR_LAYOUT_CONTIGUOUS, .create_graph = true});
}

/* --- what it counts ---------------------------------------------------------------------------- */

typedef struct sizes {
	int64_t n;
	gr_tensor *kept;
	gr_status (*read)(gr_tensor *t);
} sizes;

static gr_status multiply(void *ctx)
{
	const int64_t n = ((const sizes *)ctx)->n;
	gr_tensor *a = gr_watch(gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(n, n))), *g;
	gr_tensor *y = gr_sum(gr_matmul(a, gr_random_normal(gr_key_seed(2), GR_F32, GR_DIMS(n, n))),
		GR_ALL_AXES, false);
	return y == NULL ? gr_error_code() : gr_grad(&g, y, 1, &a, NULL);
}

/* Two products of 2 n^3, and what a machine without 40 GB would not hold. */
Test(estimate, sizes_far_beyond_memory)
{
	gr_cost cost;
	const int64_t n = 50000;
	const double bytes = 4.0 * (double)n * (double)n;
	gr_memory_set_limit(64 << 20); /* binds real blocks alone */
	cr_assert_eq(gr_estimate(&cost, multiply, &(sizes){.n = n}), GR_OK, "%s", gr_error_message());
	cr_assert_float_eq(cost.flops / (4.0 * pow((double)n, 3.0)), 1.0, 1e-3);
	cr_assert_geq((double)cost.bytes_peak, 3.0 * bytes);
	cr_assert_leq((double)cost.bytes_peak, 4.5 * bytes);
	cr_assert(!gr_estimating());
	cr_assert_leq(gr_memory_stats().bytes_in_use, 1 << 20);
}

static gr_status squared(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	y[0] = gr_square(x[0]);
	return gr_error_code();
}

static gr_status recompute(void *ctx)
{
	(void)ctx;
	gr_tensor *x = gr_watch(gr_random_normal(gr_key_seed(1), GR_F32, GR_DIMS(100000))), *g;
	gr_tensor *y = NULL;
	gr_status status = gr_checkpoint(&y, squared, 1, &x, NULL);
	return status != GR_OK ? status : gr_grad(&g, gr_sum(y, GR_ALL_AXES, false), 1, &x, NULL);
}

Test(estimate, passes_through_checkpoints)
{
	gr_cost cost;
	cr_assert_eq(gr_estimate(&cost, recompute, NULL), GR_OK, "%s", gr_error_message());
	cr_assert_geq(cost.bytes_peak, 3 * 400000);
}

/* --- what it refuses --------------------------------------------------------------------------- */

static gr_status read_item(gr_tensor *t)
{
	(void)gr_item(gr_sum(t, GR_ALL_AXES, false));
	return gr_error_code();
}

static gr_status read_pointer(gr_tensor *t)
{
	(void)gr_tensor_data_const(gr_neg(t));
	return gr_error_code();
}

static gr_status read_all(gr_tensor *t)
{
	double x[4];
	return gr_tensor_to_f64(gr_neg(t), x);
}

static gr_status read_own(gr_tensor *t)
{
	float *x = gr_tensor_data(t);
	x[0] = 7.0f;
	return gr_item(gr_slice(t, 0, 0, 1, 1)) == 7.0 ? gr_error_code() : GR_EARG;
}

static gr_tensor *volatile kept; /* where a sanitizer finds it */

static gr_status keep(gr_tensor *t)
{
	kept = gr_tensor_retain(t);
	return GR_OK;
}

static gr_status nest(gr_tensor *t)
{
	gr_cost cost;
	(void)t;
	return gr_estimate(&cost, multiply, &(sizes){.n = 2});
}

static gr_status make_and_read(void *ctx)
{
	const sizes *s = ctx;
	return gr_estimating() ? s->read(gr_empty(GR_F32, GR_DIMS(s->n))) : GR_EARG;
}

Test(estimate, values_are_not_there_unless_written)
{
	static gr_status (*const bad[])(gr_tensor *) = {read_item, read_pointer, read_all, nest};
	gr_cost cost;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(gr_estimate(&cost, make_and_read, &(sizes){.n = 4, .read = bad[i]}), GR_ESTATE,
			"%d", (int)i);
		cr_assert_not_null(strstr(gr_error_message(), "estimate"));
		gr_error_clear();
		cr_assert(!gr_estimating());
	}
	cr_assert_eq(gr_estimate(&cost, make_and_read, &(sizes){.n = 4, .read = read_own}), GR_OK, "%s",
		gr_error_message());
}

Test(estimate, what_is_left_behind_is_told)
{
	gr_cost cost;
	cr_assert_eq(gr_estimate(&cost, make_and_read, &(sizes){.n = 4, .read = keep}), GR_ESTATE);
	cr_assert_not_null(strstr(gr_error_message(), "1 tensors held"), "%s", gr_error_message());
}

static gr_status overwrite(void *ctx)
{
	gr_tensor *mine = ctx;
	return gr_param_update(mine, gr_mul_s(mine, 3.0));
}

Test(estimate, tensors_of_before_stay_as_they_are)
{
	gr_cost cost;
	gr_tensor *x = gr_watch(gr_full(GR_F64, GR_DIMS(3), 2.0)), *g;
	gr_tensor *y = gr_sumsq(x, GR_ALL_AXES, false);
	cr_assert_eq(gr_estimate(&cost, overwrite, x), GR_OK, "%s", gr_error_message());
	cr_assert_eq(gr_grad(&g, y, 1, &x, NULL), GR_OK, "the graph is as good as before");
	cr_assert_eq(gr_tensor_at(x, (int64_t[]){0}), 2.0);
	cr_assert_eq(gr_tensor_at(g, (int64_t[]){0}), 4.0);
}
