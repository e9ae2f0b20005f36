/*
 * Optimisations inside a step (see gradus/method.h).
 *
 * Adam: Kingma and Ba 2015, Algorithm 1; decay as AdamW, Loshchilov and Hutter 2019:
 *     m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2
 *     x = (1 - lr decay) x - lr (m / (1 - b1^k)) / (sqrt(v / (1 - b2^k)) + eps)
 *
 * A sample that has stopped keeps its value while others go on: its result does not depend on its
 * batch.
 */
#include <math.h>
#include <string.h>

#include "gradus/ops.h"
#include "solver_priv.h"

gr_tensor *gr_adam_step(const gr_adam *o, gr_tensor *x, gr_tensor *g, gr_tensor **m, gr_tensor **v,
	int64_t k)
{
	*m = gr_axpby(*m, o->beta1, g, 1.0 - o->beta1);
	*v = gr_axpby(*v, o->beta2, gr_mul(g, g), 1.0 - o->beta2);
	double rate = o->lr / (1.0 - pow(o->beta1, (double)k));
	gr_tensor *root = gr_sqrt(gr_mul_s(*v, 1.0 / (1.0 - pow(o->beta2, (double)k))));
	gr_tensor *move = gr_div(*m, gr_add_s(root, o->eps));
	return gr_axpby(x, 1.0 - o->lr * o->decay, move, -rate);
}

typedef struct inner {
	gr_solver *s;
	gr_method_step *k;
	gr_inner_loss loss;
	void *self;
	const gr_inner_opts *opts;
	gr_tensor *x, *m, *v;  /* constants that outlive an iteration */
	bool *stopped;         /* [N] */
	double *seen, *before; /* [N] this iteration's losses; [window, N] those of the last ones */
	int64_t n, running, moves;
} inner;

/* Losses of all samples at in->x and their gradient. */
static gr_status differentiate(inner *in, int64_t i, gr_tensor **gradient)
{
	gr_tensor *x = gr_watch(in->x);
	gr_tensor *losses = in->loss ? in->loss(in->s, in->k, x, in->self) : NULL;
	if (!losses && in->loss)
		return gr_failed() ? gr_error_code() : gr_error_set(GR_ESTATE, "minimise: no loss");
	if (losses && (gr_tensor_ndim(losses) != 1 || gr_tensor_dim(losses, 0) != in->n))
		return gr_error_set(GR_ESHAPE, "minimise: the loss is not one number for each sample");
	gr_tensor *total = losses ? gr_sum(losses, GR_ALL_AXES, false) : NULL;
	gr_status status = GR_OK;
	if (in->opts->terms || !losses)
		status = gr_solver_terms(in->s, in->k, x, NULL, i, in->opts->iterations, &total);
	if (!status && total && gr_is_tracked(total))
		status = gr_grad(gradient, total, 1, &x, NULL);
	if (status || !losses || gr_estimating())
		return status;
	return gr_tensor_to_f64(gr_stop_gradient(losses), in->seen);
}

/* Which samples stop at iteration i, and the list of their losses for later ones. */
static void judge(inner *in, int64_t i)
{
	int64_t window = in->opts->window;
	double *old = window > 0 ? in->before + i % window * in->n : NULL;
	for (int64_t j = 0; in->loss && j < in->n && !gr_estimating(); j++) {
		bool rises = window > 0 && i >= window && in->seen[j] > old[j];
		if (!in->stopped[j] && (in->seen[j] < in->opts->enough || rises)) {
			in->stopped[j] = true;
			in->running--;
		}
	}
	if (old)
		memcpy(old, in->seen, (size_t)in->n * sizeof(*old));
}

/* 1 where a sample still runs, [N,1,1,1]. */
static gr_tensor *running_mask(const inner *in)
{
	gr_tensor *mask = gr_zeros(gr_tensor_dtype(in->x), GR_DIMS(in->n, 1, 1, 1));
	for (int64_t j = 0; j < in->n && mask; j++) {
		if (gr_tensor_dtype(mask) == GR_F64)
			((double *)gr_tensor_data(mask))[j] = !in->stopped[j];
		else
			((float *)gr_tensor_data(mask))[j] = !in->stopped[j];
	}
	return mask;
}

void gr__solver_hold(gr_tensor **held, gr_tensor *t)
{
	gr_tensor_retain(t);
	gr_tensor_release(*held);
	*held = t;
}

static gr_status iterate(inner *in, int64_t i)
{
	gr_tensor *g = NULL;
	bool recording = gr_set_recording(true);
	gr_status status = differentiate(in, i, &g);
	gr_set_recording(recording);
	if (status)
		return status;
	if (!g) /* nothing has anything to say */
		return GR_OK;
	if (in->opts->stop_before)
		judge(in, i);
	gr_tensor *mask = in->running == in->n ? NULL : running_mask(in);
	if (!in->opts->stop_before)
		judge(in, i);
	gr_tensor *m = in->m;
	gr_tensor *v = in->v;
	gr_tensor *x = gr_adam_step(&in->opts->adam, in->x, g, &m, &v, ++in->moves);
	if (mask)
		x = gr_where(mask, x, in->x);
	if (gr_failed())
		return gr_error_code();
	gr__solver_hold(&in->x, x);
	gr__solver_hold(&in->m, m);
	gr__solver_hold(&in->v, v);
	return GR_OK;
}

static gr_status minimise(inner *in)
{
	gr_status status = GR_OK;
	for (int64_t i = 0; i < in->opts->iterations && in->running > 0 && !status; i++) {
		status = gr_scope_begin();
		if (!status)
			status = iterate(in, i);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	gr__solver_forget_values(in->s);
	return status;
}

gr_tensor *gr_solver_minimise(gr_solver *s, gr_method_step *k, gr_tensor *x, gr_inner_loss loss,
	void *self, const gr_inner_opts *opts)
{
	if (!s || !k || !x || !opts || opts->iterations < 0 || opts->window < 0) {
		if (!gr_failed())
			gr_error_set(GR_EARG, "minimise: solver, step, x and iterations are needed");
		return NULL;
	}
	int64_t n = gr_tensor_dim(x, 0);
	int64_t kept = n * (1 + opts->window);
	inner in = {.s = s, .k = k, .loss = loss, .self = self, .opts = opts, .n = n, .running = n};
	gr_tensor *zero = gr_affine(gr_stop_gradient(x), 0.0, 0.0);
	gr__solver_hold(&in.x, gr_stop_gradient(x));
	gr__solver_hold(&in.m, zero);
	gr__solver_hold(&in.v, zero);
	in.stopped = gr_alloc((size_t)n * sizeof(*in.stopped));
	in.seen = gr_alloc((size_t)kept * sizeof(*in.seen));
	in.before = in.seen ? in.seen + n : NULL;
	gr_status status = gr_failed() ? gr_error_code() : minimise(&in);
	gr_tensor *result = status ? NULL : gr_stop_gradient(in.x);
	gr_tensor_release(in.x);
	gr_tensor_release(in.m);
	gr_tensor_release(in.v);
	gr_free(in.stopped);
	gr_free(in.seen);
	return result;
}
