/*
 * AdamW and SGD. New values are computed in double block by block, in place, and announced by
 * gr_param_update(), so that a graph which still needs the old values notices. All that a step can fail for is done before its first write: it happens as a whole or not at all.
 */
#include "gradus/optim.h"

#include <math.h>

#include "gradus/ops.h"
#include "optim_priv.h"

struct gr_optim {
	gr_optim_kind kind;
	double beta1, beta2, eps, momentum, weight_decay;
	int64_t steps;
	gr_params params;
	gr_tensor **m;     /* first moment, or SGD's momentum buffer */
	gr_tensor **v;     /* second moment; NULL for SGD */
	gr_tensor **ready; /* [n], of a step: contiguous gradients */
};

/* Numbers of one step that all elements share. */
typedef struct rates {
	double lr, grad_scale;
	double step_size;  /* lr / (1 - beta1^t) */
	double root_bias2; /* sqrt(1 - beta2^t) */
} rates;

static bool is_fraction(double x)
{
	return x >= 0.0 && x < 1.0;
}

gr_status gr_optim_new(gr_optim **out, const gr_params *params, const gr_optim_opts *opts)
{
	*out = NULL;
	const gr_optim_opts none = {.size = sizeof(none)};
	if (!opts)
		opts = &none;
	if (opts->kind != GR_ADAMW && opts->kind != GR_SGD)
		return gr_error_set(GR_EARG, "optim: unknown kind %d", (int)opts->kind);
	gr_optim *o = gr_alloc(sizeof(*o));
	if (!o)
		return gr_error_set(GR_EMEM, "optim: out of memory");
	o->kind = opts->kind;
	o->beta1 = opts->beta1 != 0.0 ? opts->beta1 : 0.9;
	o->beta2 = opts->beta2 != 0.0 ? opts->beta2 : 0.999;
	o->eps = opts->eps != 0.0 ? opts->eps : 1e-8;
	o->momentum = opts->momentum;
	o->weight_decay = opts->weight_decay;
	gr_status status = GR_OK;
	if (!is_fraction(o->beta1) || !is_fraction(o->beta2) || !is_fraction(o->momentum) ||
		!(o->eps > 0.0) || !(o->weight_decay >= 0.0))
		status = gr_error_set(GR_EARG,
			"optim: betas and momentum lie in [0,1), eps > 0, weight decay >= 0 (got %g, %g, %g, "
			"%g, %g)",
			o->beta1, o->beta2, o->momentum, o->eps, o->weight_decay);
	if (!status)
		status = gr__params_copy(&o->params, params, "optim");
	if (!status) {
		o->ready = gr_alloc((size_t)o->params.n * sizeof(*o->ready));
		status = o->ready ? GR_OK : gr_error_code();
	}
	if (!status)
		status = gr__params_like(&o->m, &o->params, false);
	if (!status && o->kind == GR_ADAMW)
		status = gr__params_like(&o->v, &o->params, false);
	if (status) {
		gr_optim_free(o);
		return status;
	}
	*out = o;
	return GR_OK;
}

void gr_optim_free(gr_optim *o)
{
	if (!o)
		return;
	gr__tensors_release(o->m, o->params.n);
	gr__tensors_release(o->v, o->params.n);
	gr_free(o->ready);
	gr__params_release(&o->params);
	gr_free(o);
}

/* p <- p (1 - lr wd) - lr / (1 - b1^t) m / (sqrt(v) / sqrt(1 - b2^t) + eps), where
 * m <- m + (1 - b1) (g - m), v <- b2 v + (1 - b2) g^2. */
static void adamw_block(const gr_optim *o, const rates *r, int64_t n, double *restrict p,
	double *restrict m, double *restrict v, const double *restrict g)
{
	for (int64_t i = 0; i < n; i++) {
		double gi = g[i] * r->grad_scale;
		m[i] += (1.0 - o->beta1) * (gi - m[i]);
		v[i] = o->beta2 * v[i] + (1.0 - o->beta2) * gi * gi;
		p[i] = p[i] * (1.0 - r->lr * o->weight_decay) -
			r->step_size * m[i] / (sqrt(v[i]) / r->root_bias2 + o->eps);
	}
}

/* m <- mu m + (g + wd p), p <- p - lr m. */
static void sgd_block(const gr_optim *o, const rates *r, int64_t n, double *restrict p,
	double *restrict m, const double *restrict g)
{
	for (int64_t i = 0; i < n; i++) {
		m[i] = o->momentum * m[i] + g[i] * r->grad_scale + o->weight_decay * p[i];
		p[i] -= r->lr * m[i];
	}
}

/* Gradients checked and contiguous: whatever may fail. */
static gr_status prepare(gr_optim *o, gr_tensor *const *grads)
{
	char have[96], want[96];
	for (int i = 0; i < o->params.n; i++) {
		const gr_tensor *param = o->params.tensors[i];
		if (!grads[i])
			return gr_error_set(GR_EARG, "optim: no gradient for '%s'", o->params.names[i]);
		if (!gr_is_same_shape(grads[i], param) ||
			gr_tensor_dtype(grads[i]) != gr_tensor_dtype(param))
			return gr_error_set(GR_ESHAPE, "optim: gradient of '%s' is %s, the parameter %s",
				o->params.names[i], gr_tensor_describe(grads[i], have, sizeof(have)),
				gr_tensor_describe(param, want, sizeof(want)));
		o->ready[i] = gr_contiguous(grads[i]);
		if (!o->ready[i])
			return gr_error_code();
	}
	return GR_OK;
}

static gr_status update_one(gr_optim *o, const rates *r, int k)
{
	double p[GR_BLOCK], m[GR_BLOCK], v[GR_BLOCK], g[GR_BLOCK];
	gr_tensor *param = o->params.tensors[k];
	int64_t size = gr_estimating() ? 0 : gr_tensor_size(param);
	for (int64_t at = 0; at < size; at += GR_BLOCK) {
		int64_t n = size - at < GR_BLOCK ? size - at : GR_BLOCK;
		gr__block_load(p, param, at, n);
		gr__block_load(m, o->m[k], at, n);
		gr__block_load(g, o->ready[k], at, n);
		if (o->kind == GR_ADAMW) {
			gr__block_load(v, o->v[k], at, n);
			adamw_block(o, r, n, p, m, v, g);
			gr__block_store(o->v[k], v, at, n);
		} else {
			sgd_block(o, r, n, p, m, g);
		}
		gr__block_store(o->m[k], m, at, n);
		gr__block_store(param, p, at, n);
	}
	return gr_param_update(param, param);
}

gr_status gr_optim_step(gr_optim *o, gr_tensor *const *grads, double lr, double grad_scale)
{
	double t = (double)(o->steps + 1);
	rates r = {
		.lr = lr,
		.grad_scale = grad_scale,
		.step_size = lr / (1.0 - pow(o->beta1, t)),
		.root_bias2 = sqrt(1.0 - pow(o->beta2, t)),
	};
	gr_status status = gr_scope_begin();
	if (status) {
		(void)gr_scope_end(); /* balances the one that could not open */
		return status;
	}
	bool recording = gr_set_recording(false);
	status = prepare(o, grads);
	for (int i = 0; !status && i < o->params.n; i++)
		status = update_one(o, &r, i);
	gr_set_recording(recording);
	gr_status ended = gr_scope_end();
	status = status ? status : ended;
	if (!status)
		o->steps++;
	return status;
}

int64_t gr_optim_steps(const gr_optim *o)
{
	return o ? o->steps : 0;
}

gr_status gr_optim_save(const gr_optim *o, gr_archive *a)
{
	gr_dtype dtype = gr_tensor_dtype(o->params.tensors[0]);
	gr_status status = gr__state_save(a, "optim.m.", &o->params, o->m, dtype);
	if (!status && o->v)
		status = gr__state_save(a, "optim.v.", &o->params, o->v, dtype);
	return status ? status : gr__meta_set_int(a, "optim.steps", o->steps);
}

gr_status gr_optim_load(gr_optim *o, const gr_archive *a)
{
	int64_t steps = 0;
	gr_status status = gr__meta_get_int(a, "optim.steps", &steps);
	if (!status)
		status = gr__state_check(a, "optim.m.", &o->params);
	if (!status && o->v)
		status = gr__state_check(a, "optim.v.", &o->params);
	if (!status)
		status = gr__state_load(o->m, a, "optim.m.", &o->params);
	if (!status && o->v)
		status = gr__state_load(o->v, a, "optim.v.", &o->params);
	if (!status)
		o->steps = steps;
	return status;
}

/* Four lanes, added pairwise at the end. */
static double sum_of_squares(const gr_tensor *t)
{
	double x[GR_BLOCK], lane[4] = {0.0, 0.0, 0.0, 0.0};
	int64_t size = gr_estimating() ? 0 : gr_tensor_size(t);
	for (int64_t at = 0; at < size; at += GR_BLOCK) {
		int64_t n = size - at < GR_BLOCK ? size - at : GR_BLOCK;
		gr__block_load(x, t, at, n);
		for (int64_t i = n; i % 4; i++)
			x[i] = 0.0;
		for (int64_t i = 0; i < n; i += 4) {
			for (int64_t j = 0; j < 4; j++)
				lane[j] += x[i + j] * x[i + j];
		}
	}
	return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

double gr_grad_norm(gr_tensor *const *grads, int n)
{
	double sum = 0.0;
	bool recording = gr_set_recording(false);
	gr_status status = gr_scope_begin();
	for (int i = 0; !status && i < n; i++) {
		gr_tensor *g = gr_contiguous(grads[i]);
		gr_dtype dtype = gr_tensor_dtype(g);
		if (!g)
			status = gr_error_set(GR_EARG, "grad_norm: gradient %d is NULL", i);
		else if (dtype != GR_F32 && dtype != GR_F64)
			status = gr_error_set(GR_EDTYPE, "grad_norm: gradient %d is %s, expected f32 or f64", i,
				gr_dtype_name(dtype));
		else
			sum += sum_of_squares(g);
	}
	gr_status ended = gr_scope_end();
	gr_set_recording(recording);
	return status || ended ? (double)NAN : sqrt(sum);
}

double gr_clip_scale(double norm, double max_norm)
{
	if (max_norm == 0.0)
		return 1.0;
	return fmin(1.0, max_norm / (norm + 1e-6));
}
