/*
 * Multi-head attention of tokens to a context, with a projection of its own for q, k and v, as in
 * latent diffusion's transformers; heads are consecutive columns.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"
#include "module_priv.h"

struct gr_crossattention {
	gr_linear *q, *k, *v, *out;
	int64_t heads;
};

gr_crossattention *gr_crossattention_new(gr_module *parent, const char *name,
	const gr_crossattention_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_crossattention *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->heads = opts->heads == 0 ? 1 : opts->heads;
	const int64_t context = opts->context == 0 ? opts->dim : opts->context;
	const int64_t inner = opts->inner == 0 ? opts->dim : opts->inner;
	if (l->heads < 1 || inner % l->heads != 0) {
		gr__module_fail(m, GR_EARG, "crossattention: %lld heads do not divide width %lld",
			(long long)l->heads, (long long)inner);
		return NULL;
	}
	const bool bare = !opts->qkv_bias;
	l->q = gr_linear_new(m, "to_q",
		GR_OPTS(gr_linear_opts, .in = opts->dim, .out = inner, .no_bias = bare));
	l->k = gr_linear_new(m, "to_k",
		GR_OPTS(gr_linear_opts, .in = context, .out = inner, .no_bias = bare));
	l->v = gr_linear_new(m, "to_v",
		GR_OPTS(gr_linear_opts, .in = context, .out = inner, .no_bias = bare));
	l->out = gr_linear_new(m, "to_out.0", GR_OPTS(gr_linear_opts, .in = inner, .out = opts->dim));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_crossattention_forward(const gr_crossattention *l, gr_tensor *x, gr_tensor *context)
{
	if (l == NULL || x == NULL)
		return NULL;
	if (context == NULL)
		context = x;
	gr_scope_begin();
	gr_tensor *q = gr_split_heads(gr_linear_forward(l->q, x), l->heads); /* [N,heads,L,D/heads] */
	gr_tensor *k = gr_split_heads(gr_linear_forward(l->k, context), l->heads);
	gr_tensor *v = gr_split_heads(gr_linear_forward(l->v, context), l->heads);
	gr_tensor *y = gr_merge_heads(gr_attention(q, k, v, 0.0));
	return gr__block_leave(gr_linear_forward(l->out, y));
}
