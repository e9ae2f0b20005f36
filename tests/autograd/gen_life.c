/*
 * Does an op do the same in all circumstances? Fused and plain rules, operands of any layout, one
 * gradient or all, one thread or four, with memory and without.
 */
#include <stdio.h>

#include "gradus/ops.h"
#include "generator.h"

/* Inputs, forward, cotangents and gradients of the inputs in `watch`, all in one layout. */
static bool run_all(gen *g, gen_run *r, gr_dtype dtype, enum gen_layout layout, uint32_t watch)
{
	return gen_inputs(g, dtype, layout, r->in) && gen_forward(g, r, watch) &&
		(watch == 0 || (gen_cotangents(g, r, layout) && gen_gradient(g, r, watch, -1, false)));
}

typedef bool (*comparison)(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance);

static bool same_bits(gen *g, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance)
{
	(void)tolerance;
	return gen_same_bits(g, what, a, b);
}

static bool compare_runs(gen *g, const char *how, const gen_run *a, const gen_run *b,
	comparison grads, double tolerance)
{
	char what[96];

	for (int o = 0; o < g->op->nout; o++) {
		snprintf(what, sizeof what, "%s, output %d", how, o);
		if (!gen_same_bits(g, what, a->out[o], b->out[o]))
			return false;
	}
	for (int i = 0; i < g->nin; i++) {
		snprintf(what, sizeof what, "%s, gradient %d", how, i);
		if (b->grad[i] != NULL && !grads(g, what, a->grad[i], b->grad[i], tolerance))
			return false;
	}
	return true;
}

/* --- fused rules --------------------------------------------------------------------------- */

/* f32 kernels come from the same source; what differs is rounding, a few hundred times 6e-8. */
static bool fused_in(gen *g, gr_dtype dtype, double tolerance)
{
	for (int only = -1; only < g->op->nout; only++) {
		gen_run plain = {0}, fused = {0};
		if (!gen_inputs(g, dtype, GEN_CONTIGUOUS, plain.in) ||
			!gen_inputs(g, dtype, GEN_CONTIGUOUS, fused.in) || !gen_forward(g, &plain, g->diff) ||
			!gen_forward(g, &fused, g->diff) || !gen_cotangents(g, &plain, GEN_CONTIGUOUS) ||
			!gen_cotangents(g, &fused, GEN_CONTIGUOUS))
			return false;
		if (only >= 0 && plain.cot[only] == NULL)
			continue;
		if (!gen_gradient(g, &plain, g->diff, only, true) ||
			!gen_gradient(g, &fused, g->diff, only, false))
			return false;
		for (int i = 0; i < g->nin; i++)
			if (plain.grad[i] != NULL &&
				!gen_close(g, "fused against plain", fused.grad[i], plain.grad[i], tolerance))
				return false;
	}
	return true;
}

bool gen_check_fused(gen *g)
{
	return !gen_has_gradient(g) || (fused_in(g, GR_F64, 1e-12) && fused_in(g, GR_F32, 2e-5));
}

/* --- layouts ------------------------------------------------------------------------------- */

bool gen_check_layout(gen *g)
{
	static const char *const names[] = {"contiguous", "transposed", "stepped", "flipped"};
	uint32_t watch = gen_has_gradient(g) ? g->diff : 0;

	for (int d = 0; d < 2; d++) {
		gr_dtype dtype = d == 0 ? GR_F64 : GR_F32;
		gen_run plain = {0};
		if (!run_all(g, &plain, dtype, GEN_CONTIGUOUS, watch))
			return false;
		for (int layout = GEN_TRANSPOSED; layout < GEN_LAYOUTS; layout++) {
			gen_run other = {0};
			if (!run_all(g, &other, dtype, (enum gen_layout)layout, watch) ||
				!compare_runs(g, names[layout], &other, &plain, gen_close, d == 0 ? 1e-12 : 1e-5))
				return false;
		}
	}
	return true;
}

/* t with its first row along `axis` everywhere: as a view with stride 0, or as a copy of that. */
static gr_tensor *repeat_first(gr_tensor *t, int axis, bool copy)
{
	gr_tensor *first = gr_slice(t, axis, 0, 1, 1);
	gr_tensor *view = gr_expand(first, gr_tensor_ndim(t), gr_tensor_dims(t));

	return copy ? gr_contiguous(view) : view;
}

static bool broadcast_along(gen *g, int axis)
{
	uint32_t watch = gen_has_gradient(g) ? g->diff : 0;
	gen_run runs[2] = {{.in = {NULL}}, {.in = {NULL}}};

	for (int k = 0; k < 2; k++) {
		gen_run *r = &runs[k];
		if (!gen_inputs(g, GR_F64, GEN_CONTIGUOUS, r->in))
			return false;
		for (int i = 0; i < g->nin; i++) {
			int at = axis < 0 ? axis + g->shape[i].ndim : axis;
			if (i == 0 && g->c->diagonal != 0.0)
				continue; /* a matrix with equal rows would not be definite */
			if (at >= 0 && at < g->shape[i].ndim && g->shape[i].dims[at] > 1)
				r->in[i] = repeat_first(r->in[i], at, k == 1);
		}
		if (!gen_forward(g, r, watch) ||
			(watch != 0 &&
				(!gen_cotangents(g, r, GEN_CONTIGUOUS) || !gen_gradient(g, r, watch, -1, false))))
			return false;
	}
	return compare_runs(g, "broadcast", &runs[0], &runs[1], gen_close, 1e-12);
}

/* Equal values along the first, the second, the last axis. */
bool gen_check_broadcast(gen *g)
{
	return broadcast_along(g, 0) && broadcast_along(g, 1) && broadcast_along(g, -1);
}

/* --- want masks ---------------------------------------------------------------------------- */

bool gen_check_want(gen *g)
{
	gen_run all = {0};
	char what[64];

	if (!gen_has_gradient(g))
		return true;
	if (!run_all(g, &all, GR_F64, GEN_CONTIGUOUS, g->diff))
		return false;
	for (int i = 0; i < g->nin; i++) {
		gen_run one = {0};
		if ((g->diff >> i & 1) == 0)
			continue;
		if (gr_tensor_dtype(all.grad[i]) != GR_F64 || !gr_is_same_shape(all.grad[i], all.in[i]))
			return gen_fail(g, "gradient %d: wrong type or shape", i);
		if (!run_all(g, &one, GR_F64, GEN_CONTIGUOUS, 1u << i))
			return false;
		snprintf(what, sizeof what, "gradient %d alone", i);
		if (!gen_same_bits(g, what, one.grad[i], all.grad[i]))
			return false;
	}
	return true;
}

/* --- threads ------------------------------------------------------------------------------- */

static bool run_threads(gen *g, gen_run *r, gr_dtype dtype, int threads)
{
	if (gr_set_threads(threads) != GR_OK)
		return gen_fail(g, "%d threads: %s", threads, gr_error_message());
	return run_all(g, r, dtype, GEN_CONTIGUOUS, gen_has_gradient(g) ? g->diff : 0);
}

bool gen_check_threads(gen *g)
{
	for (int d = 0; d < 2; d++) {
		gen_run one = {0}, four = {0};
		gr_dtype dtype = d == 0 ? GR_F64 : GR_F32;
		if (!run_threads(g, &one, dtype, 1) || !run_threads(g, &four, dtype, 4) ||
			!compare_runs(g, "four threads", &four, &one, same_bits, 0.0))
			return false;
	}
	return true;
}

/* --- failing allocations ------------------------------------------------------------------- */

/* The gradient of the sum of squares of the gradients. */
static bool differentiate_again(gen *g, gen_run *r, uint32_t watch)
{
	gr_tensor *sum = gr_scalar(GR_F64, 0.0), *x[GR_OP_MAX_IN], *again[GR_OP_MAX_IN];
	gr_grad_opts opts = {.size = sizeof opts, .allow_unused = true};
	int n = 0;

	for (int i = 0; i < g->nin; i++) {
		if ((watch >> i & 1) == 0)
			continue;
		sum = gr_add(sum, gr_cast(gr_sumsq(r->grad[i], GR_ALL_AXES, false), GR_F64));
		x[n++] = r->in[i];
	}
	return sum != NULL && gr_grad(again, sum, n, x, &opts) == GR_OK;
}

/* Forward and gradient, to second order on request; errors stay recorded. */
static bool work(gen *g, gr_tensor *const *in, bool twice)
{
	gen_run r = {0};
	uint32_t watch = gen_has_gradient(g) ? g->diff : 0;

	for (int i = 0; i < g->nin; i++)
		r.in[i] = in[i];
	return gen_forward(g, &r, watch) &&
		(watch == 0 ||
			(gen_cotangents(g, &r, GEN_STEPPED) && gen_gradient(g, &r, watch, -1, twice) &&
				(!twice || differentiate_again(g, &r, watch))));
}

/* With the n-th block refused. True when this went through; an unclean failure sets g->why. */
static bool survives(gen *g, gr_tensor *const *in, bool twice, uint64_t n)
{
	gr_memory before = gr_memory_stats();

	(void)gr_scope_begin();
	gr_memory_fail_at(n);
	bool ok = work(g, in, twice);
	gr_memory_fail_at(0);
	gr_status status = gr_scope_end();
	gr_memory after = gr_memory_stats();

	g->why[0] = '\0';
	if (ok && status != GR_OK)
		gen_fail(g, "block %llu refused: a result and an error: %s", (unsigned long long)n,
			gr_error_message());
	if (!ok && status != GR_EMEM)
		gen_fail(g, "block %llu refused: %s", (unsigned long long)n,
			status == GR_OK ? "a failure without an error" : gr_error_message());
	gr_error_clear();
	if (after.tensors_live != before.tensors_live || after.bytes_in_use != before.bytes_in_use)
		gen_fail(g, "block %llu refused: leak of %lld tensors, %lld bytes", (unsigned long long)n,
			(long long)(after.tensors_live - before.tensors_live),
			(long long)(after.bytes_in_use - before.bytes_in_use));
	return ok;
}

static bool sweep(gen *g, enum gen_layout layout, bool twice)
{
	gr_tensor *in[GR_OP_MAX_IN];

	if (!gen_inputs(g, GR_F64, layout, in))
		return false;
	/* Once with all memory, so that the arrays of the scopes have their size. */
	(void)gr_scope_begin();
	bool ok = work(g, in, twice);
	if (gr_scope_end() != GR_OK || !ok)
		return gen_fail(g, "with all memory: %s", gr_error_message());
	/* Twice through in a row: an op may do without the one block that was refused. */
	for (uint64_t n = 1, through = 0; through < 2 && g->why[0] == '\0'; n++)
		through = survives(g, in, twice, n) ? through + 1 : 0;
	return g->why[0] == '\0';
}

/* On one thread: which block is the n-th must not depend on a schedule. */
bool gen_check_allocation(gen *g)
{
	if (gr_set_threads(1) != GR_OK)
		return gen_fail(g, "one thread: %s", gr_error_message());
	return sweep(g, GEN_CONTIGUOUS, false) && sweep(g, GEN_STEPPED, true);
}
