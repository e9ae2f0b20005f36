/* gr_checkpoint: the same bits as a plain run, less memory, and nothing wrong in silence. */
#include <criterion/criterion.h>
#include <string.h>

#include "gradus/ops.h"
#include "gradus/recompute.h"

#define WIDTH 24
#define BATCH 6
#define LAYERS 4
#define MAX_PARAMS (2 * LAYERS + 1)

/* --- a network with everything that matters ------------------------------------------------- */

/* Parameters are captured, not passed; `after` is a captured result of an earlier op. */
typedef struct block {
	gr_tensor *w, *b, *after;
	gr_key key;
	int calls; /* counted in the copy that a run gets, so always 0 here */
} block;

/* x and y share the residual path; dropout draws by key; y[1] is used by the next block, too. */
static gr_status block_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	block *p = payload;
	gr_tensor *h = gr_tanh(gr_add(gr_matmul(x[0], p->w), p->b));
	h = gr_dropout(h, 0.25, gr_key_fold(p->key, (uint64_t)p->calls++));
	h = gr_mul(h, p->after);
	y[0] = gr_add(x[0], h);
	y[1] = gr_softmax(gr_add(h, x[1]));
	return y[1] != NULL ? GR_OK : gr_error_code();
}

typedef enum mode { PLAIN, BLOCKS, NESTED } mode;

typedef struct net {
	gr_tensor *x, *w[LAYERS], *b[LAYERS], *scale;
	gr_dtype dtype;
	mode how;
} net;

static gr_tensor *draw(const net *n, uint64_t seed, int64_t rows, int64_t cols)
{
	return gr_watch(
		gr_mul_s(gr_random_normal(gr_key_seed(seed), n->dtype, GR_DIMS(rows, cols)), 0.3));
}

static net net_new(gr_dtype dtype)
{
	net n = {.dtype = dtype};
	n.x = draw(&n, 1, BATCH, WIDTH);
	n.scale = draw(&n, 2, 1, WIDTH);
	for (uint64_t i = 0; i < LAYERS; i++) {
		n.w[i] = draw(&n, 10 + i, WIDTH, WIDTH);
		n.b[i] = draw(&n, 20 + i, 1, WIDTH);
	}
	return n;
}

static int params(const net *n, gr_tensor **p)
{
	p[0] = n->scale;
	memcpy(p + 1, n->w, sizeof n->w);
	memcpy(p + 1 + LAYERS, n->b, sizeof n->b);
	return MAX_PARAMS;
}

static gr_status apply(gr_tensor **y, const net *n, bool checkpointed, int layer,
	gr_tensor *const *x, gr_tensor *after)
{
	block p = {n->w[layer], n->b[layer], after, gr_key_seed((uint64_t)layer), 0};
	if (!checkpointed)
		return block_fn(y, x, &p);
	return gr_checkpoint(y, block_fn, 2, x,
		GR_OPTS(gr_recompute_opts, .outputs = 2, .payload = &p, .payload_bytes = sizeof p));
}

typedef struct pair {
	const net *n;
	gr_tensor *after;
	int first;
} pair;

static gr_status pair_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	const pair *p = payload;
	gr_tensor *mid[2];
	gr_status status = apply(mid, p->n, true, p->first, x, p->after);
	return status == GR_OK ? apply(y, p->n, true, p->first + 1, mid, p->after) : status;
}

/* A scalar. The input is used thrice: in the first block, as its second input, and at the end. */
static gr_tensor *run(const net *n)
{
	gr_tensor *after = gr_exp(n->scale), *at[2] = {n->x, n->x}, *next[2];
	for (int i = 0; i < LAYERS; i += n->how == NESTED ? 2 : 1) {
		pair p = {n, after, i};
		gr_status status = n->how == NESTED ? gr_checkpoint(next, pair_fn, 2, at,
												  GR_OPTS(gr_recompute_opts, .outputs = 2,
													  .payload = &p, .payload_bytes = sizeof p))
											: apply(next, n, n->how == BLOCKS, i, at, after);
		if (status != GR_OK)
			return NULL;
		memcpy(at, next, sizeof at);
	}
	gr_tensor *y = gr_add(gr_mul(at[0], at[1]), gr_mul(n->x, after));
	return gr_mean(gr_square(y), GR_ALL_AXES, false);
}

static void expect_same(gr_tensor *a, gr_tensor *b, const char *what, int i)
{
	cr_assert(a != NULL && b != NULL, "%s %d: %s", what, i, gr_error_message());
	cr_expect(gr_is_same_shape(a, b) &&
			memcmp(gr_tensor_data_const(gr_contiguous(a)), gr_tensor_data_const(gr_contiguous(b)),
				(size_t)gr_tensor_size(a) * gr_dtype_bytes(gr_tensor_dtype(a))) == 0,
		"%s %d: not the same bits", what, i);
}

static double distance(gr_tensor *a, gr_tensor *b)
{
	double far = gr_item(gr_norm(gr_sub(a, b), GR_ALL_AXES, false));
	return far / gr_item(gr_norm(b, GR_ALL_AXES, false));
}

static void gradients(net *n, mode how, gr_tensor **out)
{
	gr_tensor *p[MAX_PARAMS + 1];
	int count = params(n, p);
	p[count] = n->x;
	n->how = how;
	gr_tensor *y = run(n);
	gr_status status = gr_grad(out, y, count + 1, p, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	out[count + 1] = y;
}

Test(checkpoint, gradients_are_the_same_bits)
{
	for (int d = 0; d < 2; d++) {
		net n = net_new(d == 0 ? GR_F32 : GR_F64);
		gr_tensor *plain[MAX_PARAMS + 2], *other[MAX_PARAMS + 2];
		gradients(&n, PLAIN, plain);
		for (int how = BLOCKS; how <= NESTED; how++) {
			gradients(&n, (mode)how, other);
			for (int i = 0; i < MAX_PARAMS + 2; i++)
				expect_same(other[i], plain[i], how == BLOCKS ? "blocks" : "nested", i);
		}
	}
}

Test(checkpoint, many_cotangents_pass_one_graph)
{
	net n = net_new(GR_F64);
	gr_tensor *plain[MAX_PARAMS + 2], *g[MAX_PARAMS], *p[MAX_PARAMS];
	int count = params(&n, p);
	gradients(&n, PLAIN, plain);
	n.how = NESTED;
	gr_pullback *pull = gr_pullback_new(run(&n), count, p);
	for (int k = 0; k < 3; k++) {
		gr_status status = gr_pullback_apply(pull, gr_scalar(GR_F64, 1.0), g);
		cr_assert_eq(status, GR_OK, "%s", gr_error_message());
		for (int i = 0; i < count; i++)
			expect_same(g[i], plain[i], "pullback", i);
	}
	gr_pullback_free(pull);
}

/* d/dp of |dL/dp|^2, for every parameter. */
static void second(net *n, mode how, gr_tensor **out)
{
	gr_tensor *p[MAX_PARAMS + 1], *g[MAX_PARAMS + 1];
	int count = params(n, p);
	p[count++] = n->x;
	n->how = how;
	gr_status status = gr_grad(g, run(n), count, p, GR_OPTS(gr_grad_opts, .create_graph = true));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *sum = gr_sumsq(g[0], GR_ALL_AXES, false);
	for (int i = 1; i < count; i++)
		sum = gr_add(sum, gr_sumsq(g[i], GR_ALL_AXES, false));
	status = gr_grad(out, sum, count, p, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
}

Test(checkpoint, second_derivatives_agree)
{
	net n = net_new(GR_F64);
	gr_tensor *plain[MAX_PARAMS + 1], *other[MAX_PARAMS + 1];
	second(&n, PLAIN, plain);
	for (int how = BLOCKS; how <= NESTED; how++) {
		second(&n, (mode)how, other);
		for (int i = 0; i < MAX_PARAMS + 1; i++) {
			double far = distance(other[i], plain[i]);
			cr_expect(far < 1e-13, "%d: relative distance %g", i, far);
		}
	}
}

Test(checkpoint, nothing_leaks_and_no_activation_stays)
{
	net n = net_new(GR_F32);
	gr_scope_begin();
	run(&n); /* the arrays of the scopes have their size */
	gr_scope_end();
	gr_memory before = gr_memory_stats();
	uint64_t held[3];
	for (int how = PLAIN; how <= NESTED; how++) {
		gr_tensor *p[MAX_PARAMS], *g[MAX_PARAMS];
		int count = params(&n, p);
		n.how = (mode)how;
		gr_scope_begin();
		gr_scope_begin();
		gr_tensor *y = gr_escape(run(&n));
		gr_scope_end();
		held[how] = gr_memory_stats().bytes_in_use - before.bytes_in_use;
		gr_status status = gr_grad(g, y, count, p, NULL);
		cr_expect_eq(status, GR_OK, "%s", gr_error_message());
		gr_scope_end();
		gr_memory after = gr_memory_stats();
		cr_expect_eq(after.bytes_in_use, before.bytes_in_use);
		cr_expect_eq(after.tensors_live, before.tensors_live);
	}
	cr_expect(held[BLOCKS] < held[PLAIN], "%llu bytes, plain %llu",
		(unsigned long long)held[BLOCKS], (unsigned long long)held[PLAIN]);
	cr_expect_lt(held[NESTED], held[BLOCKS]);
}

Test(checkpoint, without_recording_the_function_just_runs)
{
	net n = net_new(GR_F64);
	n.how = BLOCKS;
	bool was = gr_set_recording(false);
	gr_tensor *y = run(&n);
	gr_set_recording(was);
	cr_assert_not_null(y);
	cr_expect_not(gr_is_tracked(y));
	n.how = PLAIN;
	expect_same(y, run(&n), "value", 0);
}

/* --- what is handed through ------------------------------------------------------------------ */

typedef struct passed {
	gr_tensor *captured, *constant;
} passed;

static gr_status through_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	const passed *p = payload;
	y[0] = x[0];
	y[1] = p->captured;
	y[2] = gr_mul_s(p->constant, 2.0);
	y[3] = gr_mul(x[0], p->captured);
	return GR_OK;
}

Test(checkpoint, results_that_are_no_functions_are_handed_through)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 3.0)), *y[4], *g[2];
	passed p = {gr_watch(gr_scalar(GR_F64, 5.0)), gr_scalar(GR_F64, 7.0)};
	gr_status status = gr_checkpoint(y, through_fn, 1, &x,
		GR_OPTS(gr_recompute_opts, .outputs = 4, .payload = &p));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_eq(y[0], x);
	cr_expect_eq(y[1], p.captured);
	cr_expect_not(gr_is_tracked(y[2]));
	gr_tensor *sum = gr_add(gr_add(y[0], y[1]), gr_add(y[2], y[3]));
	status = gr_grad(g, sum, 2, (gr_tensor *[]){x, p.captured}, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_eq(gr_item(g[0]), 6.0);
	cr_expect_eq(gr_item(g[1]), 4.0);
}

static gr_status twice_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	(void)payload;
	y[0] = y[1] = gr_sin(x[0]);
	return GR_OK;
}

Test(checkpoint, one_tensor_may_be_two_results)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 0.5)), *y[2], *g;
	gr_status status = gr_checkpoint(y, twice_fn, 1, &x, GR_OPTS(gr_recompute_opts, .outputs = 2));
	cr_assert_eq(status, GR_OK);
	status = gr_grad(&g, gr_mul(y[0], y[1]), 1, &x, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	cr_expect_float_eq(gr_item(g), 0.8414709848078965, 1e-15);
}

/* A gradient inside: g = d/dx sum x^3, so the function is 3 x^2. */
static gr_status inner_gradient(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	gr_tensor *w = payload;
	gr_tensor *e = gr_sum(gr_mul(gr_mul(gr_square(x[0]), x[0]), w), GR_ALL_AXES, false);
	return gr_grad(y, e, 1, x, GR_OPTS(gr_grad_opts, .create_graph = true));
}

Test(checkpoint, a_function_may_take_gradients)
{
	const double v[] = {1.0, 2.0}, weight[] = {3.0, 0.5};
	gr_tensor *w = gr_watch(gr_from_f64(GR_F64, weight, GR_DIMS(2)));
	gr_tensor *x = gr_watch(gr_from_f64(GR_F64, v, GR_DIMS(2))), *y, *g[2];
	gr_tensor *u = gr_mul(x, w); /* cotangents of x and w are on their way when it runs again */
	gr_status status =
		gr_checkpoint(&y, inner_gradient, 1, &u, GR_OPTS(gr_recompute_opts, .payload = w));
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	gr_tensor *loss = gr_sum(gr_add(gr_mul(y, x), gr_mul(u, w)), GR_ALL_AXES, false);
	status = gr_grad(g, loss, 2, (gr_tensor *[]){x, w}, NULL);
	cr_assert_eq(status, GR_OK, "%s", gr_error_message());
	/* 3 (x w)^2 w x + x w^2: in x 9 w^3 x^2 + w^2, in w 9 x^3 w^2 + 2 x w */
	for (int64_t i = 0; i < 2; i++) {
		double a = v[i], b = weight[i];
		cr_expect_float_eq(gr_tensor_at(g[0], &i), 9.0 * b * b * b * a * a + b * b, 1e-11);
		cr_expect_float_eq(gr_tensor_at(g[1], &i), 9.0 * a * a * a * b * b + 2.0 * a * b, 1e-11);
	}
}

/* --- what must not go wrong in silence -------------------------------------------------------- */

static gr_status affine_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	gr_tensor *const *p = payload; /* weight, offset: no rule reads the offset */
	y[0] = gr_tanh(gr_add(gr_mul(x[0], p[0]), p[1]));
	return y[0] != NULL ? GR_OK : gr_error_code();
}

/* Overwrite `victim` between the run and the walk. */
static void expect_noticed(gr_tensor *victim, gr_tensor *x, gr_tensor **p)
{
	gr_tensor *y, *g;
	gr_status status =
		gr_checkpoint(&y, affine_fn, 1, &x, GR_OPTS(gr_recompute_opts, .payload = p));
	cr_assert_eq(status, GR_OK);
	status = gr_param_update(victim, gr_scalar(GR_F64, 0.25));
	cr_assert_eq(status, GR_OK);
	status = gr_grad(&g, y, 1, &x, NULL);
	cr_expect_eq(status, GR_ESTATE);
	cr_expect(strstr(gr_error_message(), "overwritten") != NULL, "%s", gr_error_message());
	cr_expect(strstr(gr_error_message(), "test_checkpoint.c") != NULL);
	gr_error_clear();
}

Test(checkpoint, overwritten_values_are_noticed)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0));
	gr_tensor *p[] = {gr_watch(gr_scalar(GR_F64, 0.5)), gr_watch(gr_scalar(GR_F64, 0.0))};
	gr_tensor *frozen[] = {gr_scalar(GR_F64, 0.5), gr_scalar(GR_F64, 0.0)};
	for (int i = 0; i < 2; i++) {
		expect_noticed(p[i], x, p);
		expect_noticed(frozen[i], x, frozen);
	}
	expect_noticed(x, x, p);
}

static gr_status overwriting_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	y[0] = gr_mul(x[0], payload);
	return gr_param_update(payload, gr_scalar(GR_F64, 1.0));
}

Test(checkpoint, a_function_that_overwrites_is_refused)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *y;
	gr_status status = gr_checkpoint(&y, overwriting_fn, 1, &x,
		GR_OPTS(gr_recompute_opts, .payload = gr_scalar(GR_F64, 0.5)));
	cr_expect_eq(status, GR_ESTATE);
	cr_expect_null(y);
}

typedef struct fickle {
	gr_tensor *w[2];
	int calls;
	bool other_values; /* else other tensors of the same values */
} fickle;

static gr_status fickle_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	fickle *p = payload;
	int call = p->calls++;
	y[0] = p->other_values ? gr_mul_s(x[0], 1.0 + call) : gr_mul(x[0], p->w[call % 2]);
	return GR_OK;
}

Test(checkpoint, another_run_the_second_time_is_noticed)
{
	for (int i = 0; i < 2; i++) {
		gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *y, *g;
		fickle p = {{gr_watch(gr_scalar(GR_F64, 3.0)), gr_watch(gr_scalar(GR_F64, 3.0))}, 0,
			i == 0};
		gr_status status =
			gr_checkpoint(&y, fickle_fn, 1, &x, GR_OPTS(gr_recompute_opts, .payload = &p));
		cr_assert_eq(status, GR_OK);
		status = gr_grad(&g, y, 1, &x, NULL);
		cr_expect_eq(status, GR_ESTATE);
		cr_expect(strstr(gr_error_message(), "something else") != NULL, "%s", gr_error_message());
		gr_error_clear();
	}
}

/* Fails from call `from` on. */
typedef struct failing {
	int calls, from;
	bool silent;
} failing;

static gr_status failing_fn(gr_tensor **y, gr_tensor *const *x, void *payload)
{
	failing *p = payload;
	bool fails = p->calls++ >= p->from;
	if (fails && p->silent)
		return GR_EIO;
	y[0] = gr_add(gr_sin(x[0]), gr_zeros(fails ? GR_F32 : GR_F64, GR_DIMS(1)));
	return y[0] != NULL ? GR_OK : gr_error_code();
}

Test(checkpoint, errors_of_the_function_are_errors_of_the_call)
{
	for (int from = 0; from < 2; from++) {
		for (int silent = 0; silent < 2; silent++) {
			failing p = {0, from, silent == 1};
			uint64_t live = gr_memory_stats().tensors_live;
			gr_scope_begin();
			gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *y, *g;
			gr_status status =
				gr_checkpoint(&y, failing_fn, 1, &x, GR_OPTS(gr_recompute_opts, .payload = &p));
			cr_expect_eq(status == GR_OK, from == 1);
			if (status == GR_OK)
				status = gr_grad(&g, y, 1, &x, NULL);
			cr_expect_eq(status, silent == 1 ? GR_EIO : GR_EDTYPE);
			cr_expect(gr_failed());
			gr_scope_end();
			gr_error_clear();
			cr_expect_eq(gr_memory_stats().tensors_live, live);
		}
	}
}

static int freed;

static void count_free(void *payload)
{
	(void)payload;
	freed++;
}

Test(checkpoint, the_payload_is_freed_once)
{
	for (int i = 0; i < 4; i++) {
		failing p = {0, i == 3 ? 0 : 9, true};
		freed = 0;
		gr_scope_begin();
		gr_tensor *x = i == 1 ? gr_scalar(GR_F64, 2.0) : gr_watch(gr_scalar(GR_F64, 2.0)), *y;
		bool was = gr_set_recording(i != 2);
		gr_status status = gr_checkpoint(&y, failing_fn, 1, &x,
			GR_OPTS(gr_recompute_opts, .payload = &p, .payload_free = count_free));
		gr_set_recording(was);
		cr_expect_eq(status, i == 3 ? GR_EIO : GR_OK);
		cr_expect_eq(freed, i == 0 ? 0 : 1, "case %d", i);
		gr_scope_end();
		cr_expect_eq(freed, 1);
		gr_error_clear();
	}
}

Test(checkpoint, arguments_are_checked)
{
	gr_tensor *x = gr_watch(gr_scalar(GR_F64, 2.0)), *y[1], *nothing = NULL;
	gr_status status = gr_checkpoint(y, NULL, 1, &x, NULL);
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_checkpoint(y, twice_fn, 1, &x, GR_OPTS(gr_recompute_opts, .outputs = 5));
	cr_expect_eq(status, GR_EARG);
	gr_error_clear();
	status = gr_checkpoint(y, twice_fn, 1, &nothing, NULL);
	cr_expect_eq(status, GR_EARG);
}

/* --- without memory --------------------------------------------------------------------------- */

Test(checkpoint, any_allocation_may_fail)
{
	gr_set_threads(1);
	net n = net_new(GR_F32);
	n.how = NESTED;
	gr_tensor *p[MAX_PARAMS];
	int count = params(&n, p);
	bool through = false;
	for (uint64_t at = 0; !through; at++) {
		gr_tensor *g[MAX_PARAMS];
		gr_memory before = gr_memory_stats();
		gr_scope_begin();
		gr_memory_fail_at(at);
		gr_tensor *y = run(&n);
		gr_status status = y != NULL ? gr_grad(g, y, count, p, NULL) : gr_error_code();
		gr_memory_fail_at(0);
		gr_scope_end();
		through = at > 0 && status == GR_OK;
		cr_assert(status == GR_EMEM || through || at == 0, "block %llu: %d %s",
			(unsigned long long)at, status, gr_error_message());
		gr_error_clear();
		gr_memory after = gr_memory_stats();
		cr_assert_eq(after.tensors_live, before.tensors_live, "block %llu leaks tensors",
			(unsigned long long)at);
		cr_assert(at == 0 || after.bytes_in_use == before.bytes_in_use,
			"block %llu leaks %lld bytes", (unsigned long long)at,
			(long long)(after.bytes_in_use - before.bytes_in_use));
	}
}
