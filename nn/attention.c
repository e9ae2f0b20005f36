/*
 * Multi-head self-attention on tokens, with the fused qkv projection of ViT: columns [0,D) of its
 * output are q, [D,2D) k, [2D,3D) v, and within each, head h owns D/heads consecutive ones.
 */
#include "gradus/layers.h"
#include "gradus/ops.h"

#include "block.h"
#include "module_priv.h"

struct gr_multihead {
	gr_linear *qkv, *proj;
	gr_layernorm *q_norm, *k_norm; /* NULL: none */
	int64_t dim, heads;
	double scale; /* 0: by the width of a head */
};

gr_multihead *gr_multihead_new(gr_module *parent, const char *name, const gr_multihead_opts *opts)
{
	gr_module *m = gr_module_child(parent, name);
	gr_multihead *l = gr_module_alloc(m, sizeof *l);
	if (l == NULL || opts == NULL)
		return NULL;
	l->dim = opts->dim;
	l->heads = opts->heads == 0 ? 1 : opts->heads;
	l->scale = opts->scale;
	if (l->heads < 1 || l->dim % l->heads != 0) {
		gr__module_fail(m, GR_EARG, "multihead: %lld heads do not divide width %lld",
			(long long)l->heads, (long long)l->dim);
		return NULL;
	}
	l->qkv = gr_linear_new(m, "qkv",
		GR_OPTS(gr_linear_opts, .in = l->dim, .out = 3 * l->dim, .no_bias = opts->no_qkv_bias,
			.init = opts->init, .init_scale = opts->init_scale));
	if (opts->qk_norm) {
		const gr_layernorm_opts head = {.size = sizeof head, .dim = l->dim / l->heads};
		l->q_norm = gr_layernorm_new(m, "q_norm", &head);
		l->k_norm = gr_layernorm_new(m, "k_norm", &head);
	}
	l->proj = gr_linear_new(m, "proj",
		GR_OPTS(gr_linear_opts, .in = l->dim, .out = l->dim, .no_bias = opts->no_proj_bias,
			.init = opts->init, .init_scale = opts->init_scale));
	return gr_module_status(m) == GR_OK ? l : NULL;
}

gr_tensor *gr_split_heads(gr_tensor *x, int64_t heads)
{
	if (x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), length = gr_tensor_dim(x, 1), dim = gr_tensor_dim(x, 2);
	if (gr_tensor_ndim(x) != 3 || heads < 1 || dim % heads != 0) {
		char text[128];
		gr_error_set(GR_ESHAPE, "split_heads: %s does not split into %lld heads",
			gr_tensor_describe(x, text, sizeof text), (long long)heads);
		return NULL;
	}
	gr_scope_begin();
	gr_tensor *y = gr_reshape(x, GR_DIMS(n, length, heads, dim / heads));
	return gr__block_leave(gr_transpose(y, 1, 2));
}

gr_tensor *gr_merge_heads(gr_tensor *x)
{
	if (x == NULL)
		return NULL;
	const int64_t n = gr_tensor_dim(x, 0), length = gr_tensor_dim(x, 2);
	const int64_t dim = gr_tensor_dim(x, 1) * gr_tensor_dim(x, 3);
	gr_scope_begin();
	return gr__block_leave(gr_reshape(gr_transpose(x, 1, 2), GR_DIMS(n, length, dim)));
}

gr_tensor *gr_multihead_forward(const gr_multihead *l, gr_tensor *x)
{
	if (l == NULL || x == NULL)
		return NULL;
	gr_scope_begin();
	gr_tensor *qkv = gr_linear_forward(l->qkv, x); /* [N,L,3D] */
	gr_tensor *part[3];
	for (int i = 0; i < 3; i++)
		part[i] = gr_split_heads(gr_slice(qkv, 2, i * l->dim, (i + 1) * l->dim, 1), l->heads);
	if (l->q_norm != NULL) {
		part[0] = gr_layernorm_forward(l->q_norm, part[0]);
		part[1] = gr_layernorm_forward(l->k_norm, part[1]);
	}
	gr_tensor *y = gr_attention(part[0], part[1], part[2], l->scale); /* [N,heads,L,D/heads] */
	return gr__block_leave(gr_linear_forward(l->proj, gr_merge_heads(y)));
}
