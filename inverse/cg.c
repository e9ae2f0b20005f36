/*
 * Conjugate gradients (Hestenes and Stiefel 1952):
 *     alpha = |r|^2 / <p, M p>;  x += alpha p;  r -= alpha M p
 *     beta = |r_new|^2 / |r|^2;  p = r + beta p
 * with one alpha and beta per sample. A sample that has converged gets alpha = 0 and keeps its x to
 * the bit, so it does not depend on how long its neighbours take.
 */
#include "cg_priv.h"

#include <math.h>

#include "gradus/ops.h"

typedef struct cg {
	int64_t N;
	gr_tensor *x, *r, *p;     /* retained between iterations */
	double *rr, *goal, *next; /* [N]: |r|^2, the value that ends it, scratch */
	double *factor;           /* [N] */
	bool truncate;
} cg;

static void replace(gr_tensor **kept, gr_tensor *value)
{
	gr_tensor_retain(value);
	gr_tensor_release(*kept);
	*kept = value;
}

/* Sum over all but the first dim, into out [N]. */
static gr_status dot(double *out, gr_tensor *a, gr_tensor *b)
{
	int64_t N = gr_tensor_dim(a, 0);
	gr_tensor *sum = gr_sum(gr_reshape(gr_mul(a, b), GR_DIMS(N, -1)), GR_AXES(1), false);
	if (!sum)
		return gr_error_code();
	for (int64_t i = 0; gr_estimating() && i < N; i++)
		out[i] = 1.0; /* a dry run has shapes alone */
	return gr_estimating() ? GR_OK : gr_tensor_to_f64(sum, out);
}

/* [N] numbers shaped to scale the samples of `like`. */
static gr_tensor *per_sample(const double *value, const gr_tensor *like)
{
	int64_t dims[GR_MAX_DIMS];
	int ndim = gr_tensor_ndim(like);
	for (int i = 0; i < ndim; i++)
		dims[i] = i == 0 ? gr_tensor_dim(like, 0) : 1;
	return gr_from_f64(gr_tensor_dtype(like), value, ndim, dims);
}

static bool is_finished(const cg *c)
{
	for (int64_t i = 0; i < c->N; i++)
		if (!(c->rr[i] <= c->goal[i]))
			return false;
	return true;
}

static gr_status iterate(cg *c, gr_cg_fn apply, void *self)
{
	gr_tensor *Mp = apply(self, c->p);
	if (!Mp)
		return gr_error_code();
	gr_status status = dot(c->next, c->p, Mp);
	if (status)
		return status;
	for (int64_t i = 0; i < c->N; i++) {
		if (c->truncate && !(c->next[i] > 0.0))
			c->goal[i] = INFINITY;
		c->factor[i] = c->rr[i] <= c->goal[i] || c->next[i] == 0.0 ? 0.0 : c->rr[i] / c->next[i];
	}
	gr_tensor *alpha = per_sample(c->factor, c->x);
	gr_tensor *x = gr_muladd(alpha, c->p, c->x);
	gr_tensor *r = gr_sub(c->r, gr_mul(alpha, Mp));
	if (!x || !r)
		return gr_error_code();
	status = dot(c->next, r, r);
	if (status)
		return status;
	for (int64_t i = 0; i < c->N; i++) {
		c->factor[i] = c->rr[i] > 0.0 ? c->next[i] / c->rr[i] : 0.0;
		c->rr[i] = c->next[i];
	}
	gr_tensor *p = gr_muladd(per_sample(c->factor, r), c->p, r);
	if (!p)
		return gr_error_code();
	replace(&c->x, x);
	replace(&c->r, r);
	replace(&c->p, p);
	return GR_OK;
}

static gr_status start(cg *c, gr_tensor *b, double tolerance)
{
	c->N = gr_tensor_dim(b, 0);
	c->rr = gr_alloc(4 * (size_t)(c->N > 0 ? c->N : 1) * sizeof(double));
	if (!c->rr)
		return gr_error_code();
	c->goal = c->rr + c->N;
	c->next = c->goal + c->N;
	c->factor = c->next + c->N;
	gr_scope_begin();
	replace(&c->x, gr_zeros(gr_tensor_dtype(b), gr_tensor_ndim(b), gr_tensor_dims(b)));
	replace(&c->r, gr_stop_gradient(b));
	replace(&c->p, c->r);
	gr_status status = c->x && c->r ? dot(c->rr, c->r, c->r) : gr_error_code();
	for (int64_t i = 0; i < c->N && !status; i++)
		c->goal[i] = tolerance * tolerance * c->rr[i];
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_tensor *gr__cg_solve(gr_cg_fn apply, void *self, gr_tensor *b, const gr_cg_opts *opts)
{
	cg c = {.truncate = opts && opts->truncate};
	double tolerance = opts && opts->tolerance != 0.0 ? opts->tolerance : 1e-8;
	int64_t most = opts && opts->iterations ? opts->iterations : 1000;
	if (gr_estimating() && !c.truncate) /* how many there are depends on values */
		most = 2;
	if (!b)
		return NULL;
	bool recording = gr_set_recording(false);
	gr_status status = start(&c, b, tolerance);
	for (int64_t i = 0; i < most && !status && !is_finished(&c); i++) {
		gr_scope_begin();
		status = iterate(&c, apply, self);
		gr_status ended = gr_scope_end();
		status = status ? status : ended;
	}
	if (!status && !c.truncate && !is_finished(&c) && !gr_estimating())
		status = gr_error_set(GR_ENUMERIC,
			"conjugate gradients: not converged to %g after %lld iterations", tolerance,
			(long long)most);
	gr_tensor *x = status ? NULL : gr_stop_gradient(c.x);
	gr_tensor_release(c.x);
	gr_tensor_release(c.r);
	gr_tensor_release(c.p);
	gr_free(c.rr);
	gr_set_recording(recording);
	return x;
}
