/*
 * Does an op do the same in all circumstances? Fused and plain rules, operands of any layout, one
 * gradient or all, one thread or many, with memory and without.
 */
#ifndef GR_NO_CALL_SITE
#define GR_NO_CALL_SITE
#endif
#include "gradcheck_priv.h"

#include <stdio.h>

#include "gradus/ops.h"

/* Inputs, forward, cotangents and gradients of the inputs in `watch`, all in one layout. */
static bool run_all(gr_subject *s, gr_subject_run *r, gr_dtype dtype, enum gr_layout layout,
	uint32_t watch)
{
	return gr__subject_inputs(s, dtype, layout, r->in) && gr__subject_forward(s, r, watch) &&
		(watch == 0 ||
			(gr__subject_cotangents(s, r, layout) && gr__subject_gradient(s, r, watch, -1, false)));
}

typedef bool (*comparison)(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance);

static bool same_bits(gr_subject *s, const char *what, const gr_tensor *a, const gr_tensor *b,
	double tolerance)
{
	(void)tolerance;
	return gr__subject_same_bits(s, what, a, b);
}

static bool compare_runs(gr_subject *s, const char *how, const gr_subject_run *a,
	const gr_subject_run *b, comparison grads, double tolerance)
{
	char what[96];

	for (int o = 0; o < s->op->nout; o++) {
		snprintf(what, sizeof what, "%s, output %d", how, o);
		if (!gr__subject_same_bits(s, what, a->out[o], b->out[o]))
			return false;
	}
	for (int i = 0; i < s->nin; i++) {
		snprintf(what, sizeof what, "%s, gradient %d", how, i);
		if (b->grad[i] != NULL && !grads(s, what, a->grad[i], b->grad[i], tolerance))
			return false;
	}
	return true;
}

/* --- fused rules --------------------------------------------------------------------------- */

/* f32 kernels come from the same source; what differs is rounding, a few hundred times 6e-8. */
static bool fused_in(gr_subject *s, gr_dtype dtype, double tolerance)
{
	for (int only = -1; only < s->op->nout; only++) {
		gr_subject_run plain = {0}, fused = {0};
		if (!gr__subject_inputs(s, dtype, GR_LAYOUT_CONTIGUOUS, plain.in) ||
			!gr__subject_inputs(s, dtype, GR_LAYOUT_CONTIGUOUS, fused.in) ||
			!gr__subject_forward(s, &plain, s->diff) || !gr__subject_forward(s, &fused, s->diff) ||
			!gr__subject_cotangents(s, &plain, GR_LAYOUT_CONTIGUOUS) ||
			!gr__subject_cotangents(s, &fused, GR_LAYOUT_CONTIGUOUS))
			return false;
		if (only >= 0 && plain.cot[only] == NULL)
			continue;
		if (!gr__subject_gradient(s, &plain, s->diff, only, true) ||
			!gr__subject_gradient(s, &fused, s->diff, only, false))
			return false;
		for (int i = 0; i < s->nin; i++)
			if (plain.grad[i] != NULL &&
				!gr__subject_close(s, "fused against plain", fused.grad[i], plain.grad[i],
					tolerance))
				return false;
	}
	return true;
}

bool gr__check_fused(gr_subject *s)
{
	return gr__subject_skips(s) || (fused_in(s, GR_F64, 1e-12) && fused_in(s, GR_F32, 2e-5));
}

/* --- layouts ------------------------------------------------------------------------------- */

/* The gradient of every output together and, since a rule may do otherwise then, of each alone. */
static bool layout_of(gr_subject *s, gr_dtype dtype, enum gr_layout layout, int only)
{
	static const char *const names[] = {"contiguous", "transposed", "stepped", "flipped"};
	uint32_t watch = gr__subject_watch(s);
	gr_subject_run runs[2] = {{.in = {NULL}}, {.in = {NULL}}};

	for (int k = 0; k < 2; k++) {
		gr_subject_run *r = &runs[k];
		enum gr_layout as = k == 0 ? layout : GR_LAYOUT_CONTIGUOUS;
		if (!gr__subject_inputs(s, dtype, as, r->in) || !gr__subject_forward(s, r, watch))
			return false;
		if (watch == 0)
			continue;
		if (!gr__subject_cotangents(s, r, as))
			return false;
		if (only >= 0 && r->cot[only] == NULL)
			return true;
		if (!gr__subject_gradient(s, r, watch, only, false))
			return false;
	}
	return compare_runs(s, names[layout], &runs[0], &runs[1], gr__subject_close,
		dtype == GR_F64 ? 1e-12 : 1e-5);
}

bool gr__check_layout(gr_subject *s)
{
	int outputs = s->op->nout > 1 ? s->op->nout : 0;

	for (int d = 0; d < 2; d++)
		for (int layout = GR_LAYOUT_TRANSPOSED; layout < GR_LAYOUT_COUNT; layout++)
			for (int only = -1; only < outputs; only++)
				if (!layout_of(s, d == 0 ? GR_F64 : GR_F32, (enum gr_layout)layout, only))
					return false;
	return true;
}

/* t with its first row along `axis` everywhere: as a view with stride 0, or as a copy of that. */
static gr_tensor *repeat_first(gr_tensor *t, int axis, bool copy)
{
	gr_tensor *first = gr_slice(t, axis, 0, 1, 1);
	gr_tensor *view = gr_expand(first, gr_tensor_ndim(t), gr_tensor_dims(t));

	return copy ? gr_contiguous(view) : view;
}

static bool broadcast_along(gr_subject *s, int axis)
{
	uint32_t watch = gr__subject_watch(s);
	gr_subject_run runs[2] = {{.in = {NULL}}, {.in = {NULL}}};

	for (int k = 0; k < 2; k++) {
		gr_subject_run *r = &runs[k];
		if (!gr__subject_inputs(s, GR_F64, GR_LAYOUT_CONTIGUOUS, r->in))
			return false;
		for (int i = 0; i < s->nin; i++) {
			int at = axis < 0 ? axis + s->shape[i].ndim : axis;
			if (i == 0 && s->c->diagonal != 0.0)
				continue; /* a matrix with equal rows would not be definite */
			if (at >= 0 && at < s->shape[i].ndim && s->shape[i].dims[at] > 1)
				r->in[i] = repeat_first(r->in[i], at, k == 1);
		}
		if (!gr__subject_forward(s, r, watch) ||
			(watch != 0 &&
				(!gr__subject_cotangents(s, r, GR_LAYOUT_CONTIGUOUS) ||
					!gr__subject_gradient(s, r, watch, -1, false))))
			return false;
	}
	return compare_runs(s, "broadcast", &runs[0], &runs[1], gr__subject_close, 1e-12);
}

/* Equal values along the first, the second, the last axis. */
bool gr__check_broadcast(gr_subject *s)
{
	return broadcast_along(s, 0) && broadcast_along(s, 1) && broadcast_along(s, -1);
}

/* --- want masks ---------------------------------------------------------------------------- */

bool gr__check_want(gr_subject *s)
{
	gr_subject_run all = {0};
	char what[64];

	if (gr__subject_skips(s))
		return true;
	if (!run_all(s, &all, GR_F64, GR_LAYOUT_CONTIGUOUS, s->diff))
		return false;
	for (int i = 0; i < s->nin; i++) {
		gr_subject_run one = {0};
		if ((s->diff >> i & 1) == 0)
			continue;
		if (gr_tensor_dtype(all.grad[i]) != GR_F64 || !gr_is_same_shape(all.grad[i], all.in[i]))
			return gr__subject_fail(s, "gradient %d: wrong type or shape", i);
		if (!run_all(s, &one, GR_F64, GR_LAYOUT_CONTIGUOUS, 1u << i))
			return false;
		snprintf(what, sizeof what, "gradient %d alone", i);
		if (!gr__subject_same_bits(s, what, one.grad[i], all.grad[i]))
			return false;
	}
	return true;
}

/* --- threads ------------------------------------------------------------------------------- */

static bool run_threads(gr_subject *s, gr_subject_run *r, gr_dtype dtype, int threads)
{
	if (gr_set_threads(threads) != GR_OK)
		return gr__subject_fail(s, "%d threads: %s", threads, gr_error_message());
	return run_all(s, r, dtype, GR_LAYOUT_CONTIGUOUS, gr__subject_watch(s));
}

bool gr__check_threads(gr_subject *s)
{
	char how[32];

	for (int d = 0; d < 2; d++) {
		gr_subject_run one = {0};
		gr_dtype dtype = d == 0 ? GR_F64 : GR_F32;
		if (!run_threads(s, &one, dtype, 1))
			return false;
		for (int threads = 2; threads <= s->threads; threads++) {
			gr_subject_run many = {0};
			snprintf(how, sizeof how, "%d threads", threads);
			if (!run_threads(s, &many, dtype, threads) ||
				!compare_runs(s, how, &many, &one, same_bits, 0.0))
				return false;
		}
	}
	return true;
}

/* --- failing allocations ------------------------------------------------------------------- */

/* The gradient of the sum of squares of the gradients. */
static bool differentiate_again(gr_subject *s, gr_subject_run *r, uint32_t watch)
{
	gr_tensor *sum = gr_scalar(GR_F64, 0.0), *x[GR_OP_MAX_IN], *again[GR_OP_MAX_IN];
	gr_grad_opts opts = {.size = sizeof opts, .allow_unused = true};
	int n = 0;

	for (int i = 0; i < s->nin; i++) {
		if ((watch >> i & 1) == 0)
			continue;
		sum = gr_add(sum, gr_cast(gr_sumsq(r->grad[i], GR_ALL_AXES, false), GR_F64));
		x[n++] = r->in[i];
	}
	return sum != NULL && gr_grad(again, sum, n, x, &opts) == GR_OK;
}

/* Forward and gradient, to second order on request; errors stay recorded. */
static bool work(gr_subject *s, gr_tensor *const *in, bool twice)
{
	gr_subject_run r = {0};
	uint32_t watch = gr__subject_watch(s);

	for (int i = 0; i < s->nin; i++)
		r.in[i] = in[i];
	return gr__subject_forward(s, &r, watch) &&
		(watch == 0 ||
			(gr__subject_cotangents(s, &r, GR_LAYOUT_STEPPED) &&
				gr__subject_gradient(s, &r, watch, -1, twice) &&
				(!twice || differentiate_again(s, &r, watch))));
}

/* With the n-th block refused. True when this went through; an unclean failure sets s->why. */
static bool survives(gr_subject *s, gr_tensor *const *in, bool twice, uint64_t n)
{
	gr_memory before = gr_memory_stats();

	(void)gr_scope_begin();
	gr_memory_fail_at(n);
	bool ok = work(s, in, twice);
	gr_memory_fail_at(0);
	gr_status status = gr_scope_end();
	gr_memory after = gr_memory_stats();

	s->why[0] = '\0';
	if (ok && status != GR_OK)
		gr__subject_fail(s, "block %llu refused: a result and an error: %s", (unsigned long long)n,
			gr_error_message());
	if (!ok && status != GR_EMEM)
		gr__subject_fail(s, "block %llu refused: %s", (unsigned long long)n,
			status == GR_OK ? "a failure without an error" : gr_error_message());
	gr_error_clear();
	if (after.tensors_live != before.tensors_live || after.bytes_in_use != before.bytes_in_use)
		gr__subject_fail(s, "block %llu refused: leak of %lld tensors, %lld bytes",
			(unsigned long long)n, (long long)(after.tensors_live - before.tensors_live),
			(long long)(after.bytes_in_use - before.bytes_in_use));
	return ok;
}

static bool sweep(gr_subject *s, enum gr_layout layout, bool twice)
{
	gr_tensor *in[GR_OP_MAX_IN];

	if (!gr__subject_inputs(s, GR_F64, layout, in))
		return false;
	/* Once with all memory, so that the arrays of the scopes have their size. */
	(void)gr_scope_begin();
	bool ok = work(s, in, twice);
	if (gr_scope_end() != GR_OK || !ok)
		return gr__subject_fail(s, "with all memory: %s", gr_error_message());
	/* Twice through in a row: an op may do without the one block that was refused. */
	for (uint64_t n = 1, through = 0; through < 2 && s->why[0] == '\0'; n++)
		through = survives(s, in, twice, n) ? through + 1 : 0;
	return s->why[0] == '\0';
}

/* On one thread: which block is the n-th must not depend on a schedule. */
bool gr__check_memory(gr_subject *s)
{
	if (gr_set_threads(1) != GR_OK)
		return gr__subject_fail(s, "one thread: %s", gr_error_message());
	return sweep(s, GR_LAYOUT_CONTIGUOUS, false) && sweep(s, GR_LAYOUT_STEPPED, true);
}
