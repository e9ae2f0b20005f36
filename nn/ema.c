/*
 * Exponential moving average of parameters. Early in training the parameters move fast, so by
 * default the decay grows with the number of updates n: min(decay, (1 + n) / (10 + n)).
 */
#include "gradus/optim.h"

#include "optim_priv.h"

struct gr_ema {
	double decay;
	bool no_warmup;
	int64_t updates;
	gr_params params;
	gr_tensor **average;
	gr_tensor **scratch; /* [n], while values are swapped */
};

gr_status gr_ema_new(gr_ema **out, const gr_params *params, const gr_ema_opts *opts)
{
	*out = NULL;
	double decay = opts && opts->decay != 0.0 ? opts->decay : 0.999;
	if (!(decay >= 0.0 && decay < 1.0))
		return gr_error_set(GR_EARG, "ema: decay %g is not in [0,1)", decay);
	gr_ema *e = gr_alloc(sizeof(*e));
	if (!e)
		return gr_error_set(GR_EMEM, "ema: out of memory");
	e->decay = decay;
	e->no_warmup = opts && opts->no_warmup;
	gr_status status = gr__params_copy(&e->params, params, "ema");
	if (!status)
		status = gr__params_like(&e->average, &e->params, true);
	if (!status) {
		e->scratch = gr_alloc((size_t)e->params.n * sizeof(*e->scratch));
		status = e->scratch ? GR_OK : gr_error_code();
	}
	if (status) {
		gr_ema_free(e);
		return status;
	}
	*out = e;
	return GR_OK;
}

void gr_ema_free(gr_ema *e)
{
	if (!e)
		return;
	gr__tensors_release(e->average, e->params.n);
	gr_free(e->scratch);
	gr__params_release(&e->params);
	gr_free(e);
}

gr_status gr_ema_update(gr_ema *e)
{
	double p[GR_BLOCK], a[GR_BLOCK];
	double n_done = (double)e->updates;
	double warm = (1.0 + n_done) / (10.0 + n_done);
	double decay = e->no_warmup || e->decay < warm ? e->decay : warm;
	for (int k = 0; k < e->params.n; k++) {
		int64_t size = gr_estimating() ? 0 : gr_tensor_size(e->params.tensors[k]);
		for (int64_t at = 0; at < size; at += GR_BLOCK) {
			int64_t n = size - at < GR_BLOCK ? size - at : GR_BLOCK;
			gr__block_load(p, e->params.tensors[k], at, n);
			gr__block_load(a, e->average[k], at, n);
			for (int64_t i = 0; i < n; i++)
				a[i] += (1.0 - decay) * (p[i] - a[i]);
			gr__block_store(e->average[k], a, at, n);
		}
	}
	e->updates++;
	return GR_OK;
}

gr_status gr_ema_swap(gr_ema *e)
{
	gr_status status = gr_scope_begin();
	if (!status)
		status = gr__params_scratch(e->scratch, &e->params);
	for (int k = 0; !status && k < e->params.n; k++) {
		gr_tensor *param = e->params.tensors[k];
		status = gr_param_update(e->scratch[k], param);
		if (!status)
			status = gr_param_update(param, e->average[k]);
		if (!status)
			status = gr_param_update(e->average[k], e->scratch[k]);
	}
	gr_status ended = gr_scope_end();
	return status ? status : ended;
}

gr_tensor *gr_ema_tensor(const gr_ema *e, int i)
{
	return e && i >= 0 && i < e->params.n ? e->average[i] : NULL;
}

gr_status gr_ema_save(const gr_ema *e, gr_archive *a, const char *prefix, gr_dtype storage)
{
	gr_status status = gr__state_save(a, prefix, &e->params, e->average, storage);
	return status ? status : gr__meta_set_int(a, "ema.updates", e->updates);
}

gr_status gr_ema_load(gr_ema *e, const gr_archive *a, const char *prefix)
{
	int64_t updates = 0;
	gr_status status = gr__meta_get_int(a, "ema.updates", &updates);
	if (!status)
		status = gr__state_check(a, prefix, &e->params);
	if (!status)
		status = gr__state_load(e->average, a, prefix, &e->params);
	if (!status)
		e->updates = updates;
	return status;
}
